//! `voidclust node`: the configuration is changed without an editor, and nothing else in it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use crate::machine::Machine;
use crate::place::Place;

const CONFIG: &str = "etc/voidclust.conf";

#[test]
fn nodes_are_listed_in_full_by_name_and_as_json() {
    let place = Place::small();
    let listed = place.run(&["node", "list"]).ended(0).out;
    let rows = [1, 2, 3].map(|number| format!("node{number}  172.23.199.22{}  52:54:00:17:c7:e{}\n", number + 5, number + 1));
    assert_eq!(listed, rows.concat());
    assert_eq!(place.run(&["node", "list", "--names"]).ended(0).out, "node[1-3]\n");
    place.write(
        "etc/voidclust.d/1.conf",
        "[profile.big]\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nprofiles = [\"big\"]\n",
    );
    assert_eq!(place.run(&["node", "list", "--names", "--profile", "big"]).ended(0).out, "x\n");
    let ran = place.run(&["node", "list", "--profile", "bgi"]).ended(1);
    assert_eq!(ran.err, "voidclust: there is no profile `bgi`; did you mean `big`? there are big\n");
    let json = place.run(&["node", "list", "--json"]).ended(0).json();
    assert_eq!((json[3]["name"].as_str(), json[3]["address"].as_str()), (Some("x"), None));
    assert_eq!(json[3], place.run(&["node", "show", "x", "--json"]).ended(0).json());
}

#[test]
fn show_tells_where_a_node_is_written_and_what_follows_for_it() {
    let place = Place::small();
    place.write(
        "etc/voidclust.d/1.conf",
        "[vars]\na = 1\n\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\nservices = [\"!sshd\"]\n",
    );
    place.write("etc/sv/sshd/run", "");
    let shown = place.run(&["node", "show", "52-54-00-00-00-99"]).ended(0).out;
    for line in [
        "name      x.cluster\n",
        "written   ROOT/etc/voidclust.d/1.conf:4\n",
        "address   from DHCP\n",
        "var       a = 1 from [vars]\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    assert!(shown.contains("services  ") && shown.contains(" !sshd"), "{shown}");
    let ran = place.run(&["node", "show", "node9"]).ended(1);
    assert_eq!(ran.err, "voidclust: there is no node `node9`; there are node1, node2, node3, x\n");
}

#[test]
fn nodes_are_added_changed_and_removed_with_the_rest_of_the_text_as_it_is() {
    let place = Place::small();
    let before = place.read(CONFIG);
    place.append(CONFIG, "# the end\n");
    let with_end = place.read(CONFIG);
    let add = ["node", "add", "n[08-10]", "--mac", "52:54:00:00:01:ff+", "--address", "172.23.199.11+", "--var", "rack=a1"];
    let ran = place.run(&[&add[..], &["-n"]].concat()).ended(3);
    assert!(ran.out.contains("\n+name = \"n10\"\n+mac = \"52:54:00:00:02:01\"\n+address = \"172.23.199.13\"\n"), "{}", ran.out);
    assert_eq!(place.read(CONFIG), with_end, "a dry run writes nothing");

    let ran = place.run(&add).ended(0);
    assert!(ran.out.starts_with("--- ROOT/etc/voidclust.conf\n+++ ROOT/etc/voidclust.conf\n@@"), "{}", ran.out);
    assert!(ran.out.ends_with("3 nodes added; now run: voidclust apply\n"), "{}", ran.out);
    let first =
        "\n[[node]]\nname = \"n08\"\nmac = \"52:54:00:00:01:ff\"\naddress = \"172.23.199.11\"\nvars = { rack = \"a1\" }\n";
    assert!(place.read(CONFIG).starts_with(&format!("{with_end}{first}")), "{}", place.read(CONFIG));
    assert_eq!(place.run(&["node", "list", "--names"]).ended(0).out, "node[1-3],n[08-10]\n");

    let ran = place.run(&["node", "set", "n[08-09]", "172.23.199.13", "--address", "172.23.199.31+", "--unset", "vars"]).ended(0);
    assert!(
        ran.out.contains("-address = \"172.23.199.12\"\n-vars = { rack = \"a1\" }\n+address = \"172.23.199.32\"\n"),
        "{}",
        ran.out
    );
    assert!(place.run(&["node", "set", "n08", "--address", "172.23.199.31"]).ended(0).out == "nothing to change\n");
    place.run(&["node", "set", "n08", "--name", "login", "--mac", "52:54:00:00:08:01", "--mac", "52:54:00:00:08:02"]).ended(0);
    assert!(place.run(&["node", "list"]).out.contains("login  172.23.199.31   52:54:00:00:08:01,52:54:00:00:08:02\n"));

    let ran = place.run(&["node", "set", "login", "-g", "head"]).ended(0);
    assert!(ran.out.contains("\n+generation = \"head\"\n"), "{}", ran.out);
    assert!(place.run(&["node", "show", "login"]).out.contains("\nroot      the live tree\n"));

    let held = place.read(CONFIG);
    let ran = place.run(&["node", "remove", "login,n09", "n10"]).ended(0);
    assert_eq!(place.read(CONFIG), with_end);
    assert!(with_end.starts_with(&before));
    // The way back that was printed.
    let undo = ran.out.lines().find_map(|line| line.strip_prefix("undo: cp ")).unwrap();
    let (copy, file) = undo.split_once(' ').unwrap();
    assert_eq!(file, "ROOT/etc/voidclust.conf");
    assert_eq!(place.read(copy.strip_prefix("ROOT/").unwrap()), held);
    place.run(&["apply"]).ended(0);
    place.run(&["hook", "remove"]).ended(0);
    assert!(!place.at(copy.strip_prefix("ROOT/").unwrap()).exists());
}

#[test]
fn what_would_be_wrong_is_not_written() {
    let place = Place::small();
    let before = place.tree();
    for (args, told) in [
        (
            &["add", "node1", "--mac", "52:54:00:00:00:99"][..],
            "with this change the configuration would be wrong:\nROOT/etc/voidclust.conf:",
        ),
        (&["add", "x", "--mac", "52:54:00:17:c7:e2"], "belongs to node `node1` already"),
        (&["add", "x"], "name them with --mac"),
        (&["add", "x[1-2]", "--mac", "52:54:00:00:00:99"], "--mac: 1 for 2 nodes; name one for each"),
        (&["add", "x[1-2", "--mac", "52:54:00:00:00:99"], "is no series of names"),
        (&["add", "x", "--mac", "525400"], "--mac: `525400` is not a MAC address"),
        (&["add", "x", "--mac", "52:54:00:00:00:99", "--address", "10.0.0.1"], "outside"),
        (&["add", "x", "--mac", "52:54:00:00:00:99", "--profile", "none"], "there is no profile `none`"),
        (&["set", "node1", "--var", "rack"], "--var rack: has no `=`"),
        (&["set", "node1", "--var", "rack-no=1"], "call it rack_no"),
        (&["set", "node1", "--cmdline", "UNSET"], "removes nothing; write --unset cmdline"),
        (&["set", "node1", "--unset", "kernle"], "did you mean `kernel`?"),
        (&["set", "node1", "--unset", "mac", "--unset", "mac"], "has no MAC"),
        (&["set", "node1", "--unset", "vars", "--var", "a=1"], "is set in the same command"),
        (&["set", "node1", "--unset", "kernel", "--kernel", "newest"], "is set in the same command"),
        (&["set", "node1", "--generation", "newset"], "did you mean `newest`? write"),
        (&["set", "node1", "--generation", "7"], "there is no generation 7"),
        (&["set", "node[1-2]", "--name", "x"], "--name: 1 for 2 nodes"),
        (&["set", "noed1", "--kernel", "newest"], "did you mean `node1`?"),
        (&["remove", "node[1-4]"], "there is no node `node4`"),
        (&["remove", "node1", "--config", "ROOT/etc/voidclust.conf"], "leave out --config"),
    ] {
        let at = place.root().display().to_string();
        let args: Vec<String> = ["node"].iter().chain(args).map(|arg| arg.replace("ROOT", &at)).collect();
        let ran = place.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).ended(1);
        assert!(ran.err.contains(told), "{args:?}\n{}", ran.err);
    }
    assert_eq!(place.tree(), before, "not even a lock");
}

#[test]
fn the_first_node_is_added_to_the_file_as_it_is_shipped_once_the_master_has_an_address() {
    let place = Place::small();
    let shipped = std::fs::read_to_string(format!("{}/voidclust.conf", crate::place::CRATE)).unwrap();
    place.write(CONFIG, &shipped);
    let ran = place.run(&["node", "add", "n1", "--mac", "52:54:00:00:00:99"]).ended(1);
    assert!(ran.err.contains("address"), "{}", ran.err);
    let ready = shipped
        .replace("#address = \"172.23.199.225/24\"", "address = \"172.23.199.225/24\"")
        .replace("#mac = \"auto\"", "mac = \"52:54:00:00:00:01\"");
    place.write(CONFIG, &ready);
    place.run(&["node", "add", "n1", "--mac", "52:54:00:00:00:99", "--address", "172.23.199.11"]).ended(0);
    assert!(place.read(CONFIG).starts_with(&ready));
    assert!(place.run(&["check"]).ended(0).out.ends_with("ok: master master, 1 node, 0 profiles\n"));
}

#[test]
fn on_a_running_master_the_file_is_changed_that_a_reboot_finds() {
    let machine = Machine::master();
    let ran = machine.run(&["node", "remove", "node1"]).ended(0);
    assert!(!machine.place.read(&machine.lower(CONFIG)).contains("\"node1\""), "{}", ran.out);
    assert!(
        ran.out.contains("\nundo: voidclust shell -- cp /var/lib/voidclust/before-voidclust.conf /etc/voidclust.conf\n"),
        "{}",
        ran.out
    );
    let (file, moved) = (machine.lower(CONFIG), machine.lower("etc/site.conf"));
    machine.place.write(&moved, machine.place.read(&file));
    machine.place.remove(&file);
    machine.place.link("site.conf", &file);
    let ran = machine.run(&["node", "remove", "node2"]).ended(1);
    assert!(ran.err.contains("is not a file but a link"), "{}", ran.err);
}

#[test]
fn a_list_of_another_program_is_added_once_and_what_has_no_place_is_told() {
    let place = Place::small();
    let list = place.at("list").display().to_string();
    place.write("list", "name,mac,address,vars.rack\nx1,52-54-00-00-01-01,172.23.199.11,a1\nX2,52:54:00:00:01:02,,\n");
    let before = place.tree();
    let ran = place.run(&["node", "import", &list, "-n"]).ended(3);
    assert!(ran.out.contains("\n+vars = { rack = \"a1\" }\n"), "{}", ran.out);
    assert_eq!(place.tree(), before);
    assert!(place.run(&["node", "import", &list]).ended(0).out.ends_with("\n2 nodes added; now run: voidclust apply\n"));
    assert_eq!(place.run(&["node", "list", "--names"]).out, "node[1-3],x[1-2]\n");
    let again = place.run(&["node", "import", &list]).ended(0).out;
    assert_eq!(again, "listed already: 2 nodes\nnothing to change\n");

    place.write("etc/hosts", "172.23.199.13 x3\n");
    place.write("list", "52:54:00:00:01:03 x3\n");
    place.run(&["node", "import", &list]).ended(0);
    assert!(place.run(&["node", "list"]).out.contains("\nx3     172.23.199.13   52:54:00:00:01:03\n"));

    place.write(
        "list",
        "nodeprofiles:\n  gpu:\n    kernel:\n      args: quiet\nnodes:\n  x4:\n    profiles:\n    - gpu\n    image name: rocky\n    \
         network devices:\n      default:\n        hwaddr: 52:54:00:00:01:04\n",
    );
    let ran = place.run(&["node", "import", &list]).ended(0);
    assert!(ran.out.starts_with("not carried over:\n  node x4: image name = rocky\n---"), "{}", ran.out);
    assert!(place.run(&["node", "show", "x4"]).out.contains(" quiet\n"));

    place.write("list", "hello world\n");
    assert!(place.run(&["node", "import", &list]).ended(1).err.contains("ROOT/list: cannot tell how this is written"));
    place.write("list", "name,adress,mac\n");
    assert!(place.run(&["node", "import", &list]).ended(1).err.contains("ROOT/list:1: there is no column `adress`"));
    place.write("list", "name,mac\nx9,52\n");
    let ran = place.run(&["node", "import", &list]).ended(1);
    assert!(
        ran.err.contains("with this change the configuration would be wrong") && ran.err.contains("`52` is not a MAC"),
        "{}",
        ran.err
    );
}

const LOG: &str = "\
Nov 30 01:44:19 dnsmasq-dhcp[2]: 5 vendor class: PXEClient:Arch:00007:UNDI:003016
Nov 30 01:44:19 dnsmasq-dhcp[2]: 5 DHCPDISCOVER(eth0) 52:54:00:00:01:09 no address available
Nov 30 01:44:20 dnsmasq-dhcp[2]: 6 DHCPDISCOVER(eth0) 52:54:00:00:01:05
Nov 30 01:44:21 dnsmasq-dhcp[2]: 7 vendor class: PXEClient:Arch:00000:UNDI:002001
Nov 30 01:44:21 dnsmasq-dhcp[2]: 7 DHCPDISCOVER(eth0) 52:54:00:00:01:02
Nov 30 01:44:22 dnsmasq-dhcp[2]: 8 vendor class: PXEClient:Arch:00000:UNDI:002001
Nov 30 01:44:22 dnsmasq-dhcp[2]: 8 DHCPDISCOVER(eth0) 52:54:00:17:c7:e2
";

#[test]
fn machines_that_asked_for_a_boot_are_numbered_as_they_were_switched_on() {
    let machine = Machine::master();
    let ran = machine.run(&["node", "discover"]).ended(1);
    assert!(ran.err.contains("install and enable socklog-void, or name its log with --log"), "{}", ran.err);
    let (older, newer) = LOG.split_at(LOG.find("Nov 30 01:44:21").unwrap());
    machine.place.write("var/log/socklog/everything/@400000006a1b2c3d00000000.s", older);
    machine.place.write("var/log/socklog/everything/current", newer);
    machine.place.write("var/lib/misc/dnsmasq.leases", "1 52:54:00:00:01:05 172.23.199.60 phone *\n");
    let listed = machine.run(&["node", "discover"]).ended(0).out;
    let wanted = "read: ROOT/var/log/socklog/everything/current and 1 older, ROOT/var/lib/misc/dnsmasq.leases\n\
        52:54:00:00:01:09  UEFI   -                -             Nov 30 01:44:19\n\
        52:54:00:00:01:05  -      172.23.199.60    phone         Nov 30 01:44:20\n\
        52:54:00:00:01:02  BIOS   -                -             Nov 30 01:44:21\n\
        3 machines asked, 2 for a boot; make nodes of them with: voidclust node discover --add NAMES\n";
    assert_eq!(listed, wanted);
    let json = machine.run(&["node", "discover", "--json"]).ended(0).json();
    assert_eq!((json[0]["firmware"].as_str(), json[2]["vendor"].as_str()), (Some("UEFI"), None));

    let add = ["node", "discover", "--add", "n[1-4]", "--address", "172.23.199.11+"];
    let before = machine.place.read(&machine.lower(CONFIG));
    machine.run(&[&add[..], &["-n"]].concat()).ended(3);
    assert_eq!(machine.place.read(&machine.lower(CONFIG)), before);
    machine.run(&add).ended(0);
    let rows = |ran: crate::place::Ran| ran.out.lines().skip(3).map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    let first = ["n1     172.23.199.11   52:54:00:00:01:09", "n2     172.23.199.12   52:54:00:00:01:02"];
    assert_eq!(rows(machine.run(&["node", "list"])), first);
    // The rest of the rack goes on with the numbers.
    assert_eq!(machine.run(&add).ended(0).out, "nothing to change\n");
    machine.run(&[&add[..], &["--all"]].concat()).ended(0);
    assert_eq!(rows(machine.run(&["node", "list"]))[2], "n3     172.23.199.13   52:54:00:00:01:05");

    let more = machine.place.at("more").display().to_string();
    machine.place.write("more", LOG.replace(":01:0", ":02:0"));
    let ran = machine.run(&[&add[..], &["--log", &more]].concat()).ended(1);
    assert!(ran.err.contains("--add: 1 name not taken, and 2 machines asked; give more names"), "{}", ran.err);
    let ran = Place::small().run(&["node", "discover"]).ended(1);
    assert!(ran.err.contains("not the root of a running machine"), "{}", ran.err);
}

#[test]
fn each_machine_that_is_switched_on_while_somebody_waits_takes_the_next_name() {
    let machine = Machine::master();
    let (log, config) = ("var/log/socklog/everything/current", machine.lower(CONFIG));
    // Who asked before is not meant.
    machine.place.write(log, LOG);
    let asks = |card: &str| {
        let boot = "Nov 30 01:45:00 dnsmasq-dhcp[2]: 9 vendor class: PXEClient:Arch:00000:UNDI:002001\n";
        machine.place.append(log, &format!("{boot}Nov 30 01:45:00 dnsmasq-dhcp[2]: 9 PXE(eth0) {card} proxy\n"));
    };
    let add = ["node", "discover", "--add", "n[1-3]", "--address", "172.23.199.11+", "--wait"];
    let mut child = machine.command(&add).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |line: &str| assert!(said.any(|said| said.starts_with(line)), "never said: {line}");
    until("3 names left; waiting");
    machine.place.append(log, "Nov 30 01:45:00 dnsmasq-dhcp[2]: 7 DHCPDISCOVER(eth0) 52:54:00:00:03:07\n");
    asks("52:54:00:17:c7:e2");
    asks("52:54:00:00:03:09");
    until("2 names left");

    // The log is begun anew, and somebody else is at work for a while.
    machine.place.rename(log, "var/log/socklog/everything/@400000006a1b2c3d00000000.s");
    machine.place.write(log, "");
    let lock = std::fs::File::open(machine.place.at(&machine.lower("var/lib/voidclust/lock"))).unwrap();
    lock.lock().unwrap();
    asks("52:54:00:00:03:02");
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!machine.place.read(&config).contains(":03:02"));
    drop(lock);
    until("1 name left");

    // What was taken back stays so.
    machine.run(&["node", "remove", "n2"]).ended(0);
    until("2 names left");
    asks("52:54:00:00:03:09");
    asks("52:54:00:00:03:01");
    until("1 name left");
    asks("52:54:00:00:03:03");
    until("1 node added; now run: voidclust apply");
    assert!(child.wait().unwrap().success());
    let list = machine.run(&["node", "list"]).ended(0).out;
    let rows: Vec<&str> = list.lines().skip(3).map(str::trim_end).collect();
    let wanted = ["n1     172.23.199.11   52:54:00:00:03:09", "n2     172.23.199.12   52:54:00:00:03:01"];
    assert_eq!(rows, [wanted[0], wanted[1], "n3     172.23.199.13   52:54:00:00:03:03"], "{list}");
    let ran = machine.run(&add).ended(1);
    assert!(ran.err.contains("--add: all of these names are taken; give more names"), "{}", ran.err);
}
