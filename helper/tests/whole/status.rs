//! `voidclust status`: what the master can see of its nodes without asking them.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use crate::machine::Machine;

const KERNEL: &str = "6.12.94_1";

/// A master that serves, with an image for its nodes.
fn master() -> Machine {
    let machine = Machine::master();
    machine.images(&[KERNEL]);
    for service in ["dnsmasq", "nfs-server"] {
        machine.place.write(&format!("run/runit/supervise.{service}/stat"), "run\n");
    }
    machine.place.write("proc/fs/nfsd/nfsv4leasetime", "90\n");
    machine.run(&["apply"]).ended(0);
    machine.told();
    machine
}

/// A client of the NFS server.
fn client(machine: &Machine, number: usize, address: &str, kernel: &str) {
    let folder = format!("proc/fs/nfsd/clients/{number}");
    let info = format!(
        "address: \"{address}:900\"\nstatus: confirmed\nseconds from last renew: 3\nname: \"Linux NFSv4.2 x/{number}\"\n\
         minor version: 2\nImplementation name: \"Linux {kernel} #1 SMP x86_64\"\n"
    );
    machine.place.write(&format!("{folder}/states"), "");
    machine.place.write(&format!("{folder}/info"), info);
}

/// The node with this card reads what is served to it.
fn fetches(machine: &Machine, mac: &str) {
    let file = machine.place.at(&format!("srv/nfs/node/{mac}/own/{mac}.00-voidclust.tar"));
    let later = SystemTime::now() + Duration::from_secs(5);
    File::open(file).unwrap().set_times(FileTimes::new().set_accessed(later)).unwrap();
}

#[test]
fn what_runs_is_compared_with_what_would_boot() {
    let machine = master();
    client(&machine, 1, "172.23.199.226", KERNEL);
    client(&machine, 2, "172.23.199.227", "6.12.90_1");
    client(&machine, 3, "172.23.199.99", KERNEL);
    fetches(&machine, "52:54:00:17:c7:e2");
    fetches(&machine, "52:54:00:17:c7:e3");
    machine.place.write(
        "var/log/socklog/everything/current",
        "2026-11-30T01:44:19.1 daemon.info: Nov 30 01:44:19 dnsmasq-tftp[1]: sent /srv/tftp/lpxelinux.0 to 172.23.199.228\n",
    );
    let ran = machine.run(&["status"]).ended(3);
    // How long ago that was is another matter.
    let words = |line: &str| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words.get(3) == Some(&"s") {
            words.drain(2..4);
        }
        words.join(" ")
    };
    let lines: Vec<String> = ran.out.lines().map(words).collect();
    assert_eq!(
        lines[..5],
        [
            "node1 up 6.12.94_1 -",
            "node2 up 6.12.90_1 - reboot would change: kernel",
            "node3 booting sent /srv/tftp/lpxelinux.0",
            "3 nodes: 2 up, 1 booting, 0 silent; a reboot would change 1",
            "unknown: the image of 2 nodes; the log does not reach back so far",
        ],
        "{}",
        ran.out
    );
    for line in
        ["besides: 1 machine not listed", "files:       as they should be", "services:    all run", "apply:       in sync"]
    {
        assert!(ran.out.contains(line), "{line}\n{}", ran.out);
    }
    let site = machine.run(&["status", "--json"]).ended(3).json()["site"].clone();
    assert_eq!((&site["in_sync"], &site["strangers"], &site["services_down"]), (&true.into(), &1.into(), &serde_json::json!([])));
    assert_eq!(site["files"], serde_json::json!({ "write": 0, "keep": 0 }));
    assert_eq!((&site["images"]["made"], &site["generations"]["made"]), (&1.into(), &serde_json::json!([])));
    // Only one, and nothing of the site.
    let ran = machine.run(&["status", "node1"]).ended(0);
    assert!(ran.out.starts_with("node1  up") && !ran.out.contains("apply"), "{}", ran.out);
    assert!(machine.run(&["status", "nod1"]).ended(1).err.contains("did you mean `node1`?"));
    assert_eq!(machine.told(), [""; 0], "nobody was told anything");
}

#[test]
fn a_changed_overlay_is_told_file_by_file_until_it_is_fetched() {
    let machine = master();
    let mac = "52:54:00:17:c7:e2";
    client(&machine, 1, "172.23.199.226", KERNEL);
    let of = |ran: &serde_json::Value| ran["nodes"][0].clone();
    let status = |code| of(&machine.run(&["status", "node1", "--json"]).ended(code).json());
    assert_eq!(status(0)["unknown"], serde_json::json!(["image", "overlay"]));
    fetches(&machine, mac);
    assert_eq!(status(0)["files"], serde_json::json!([]));
    machine.place.write(&machine.lower("etc/voidclust/overlays/client/motd"), "new\n");
    machine.run(&["apply"]).ended(0);
    for _ in 0..2 {
        let node = status(3);
        assert_eq!((&node["files"], &node["changes"]), (&serde_json::json!(["motd"]), &serde_json::json!(["1 file"])));
    }
    machine.place.write(&machine.lower("etc/voidclust/overlays/client/issue"), "new\n");
    machine.run(&["apply"]).ended(0);
    assert_eq!(status(3)["files"], serde_json::json!(["issue", "motd"]));
    fetches(&machine, mac);
    assert_eq!(status(0)["files"], serde_json::json!([]));
}

#[test]
fn a_changed_command_line_is_told_until_the_node_has_loaded_its_menu_again() {
    let machine = master();
    client(&machine, 1, "172.23.199.226", KERNEL);
    let log = "var/log/messages";
    let loads = |time: &str| {
        let menu = "/srv/tftp/pxelinux.cfg/01-52-54-00-17-c7-e2";
        machine.place.write(
            log,
            format!("Nov 30 01:00:{time} m dnsmasq-tftp[1]: sent {menu} to 172.23.199.226\nNov 30 01:01:00 m x: y\n"),
        );
    };
    loads("00");
    let status = |code| machine.run(&["status", "node1", "--json"]).ended(code).json()["nodes"][0]["changes"].clone();
    assert_eq!(status(0), serde_json::json!([]));
    machine.configure("line", "[client]\ncmdline = \"quiet\"\n");
    machine.run(&["apply"]).ended(0);
    assert_eq!(status(3), serde_json::json!(["command line"]));
    let ran = machine.run(&["status", "node1"]).ended(3);
    assert!(ran.out.contains("reboot would change: command line\n"), "{}", ran.out);
    // What changes nothing of the line changes nothing of that.
    machine.run(&["apply"]).ended(0);
    assert_eq!(status(3), serde_json::json!(["command line"]));
    let later = SystemTime::now() + Duration::from_secs(100);
    loads("58");
    File::options().append(true).open(machine.place.at(log)).unwrap().set_times(FileTimes::new().set_modified(later)).unwrap();
    assert_eq!(status(0), serde_json::json!([]));
}

#[test]
fn what_is_wrong_with_the_site_wants_attention_as_a_silent_node_does() {
    let machine = master();
    let ran = machine.run(&["status"]).ended(3);
    assert!(ran.out.contains("node1  silent  -"), "{}", ran.out);
    for number in 1..=3 {
        client(&machine, number, &format!("172.23.199.{}", 225 + number), KERNEL);
    }
    let ran = machine.run(&["status", "--metrics"]).ended(0);
    for line in [
        "# TYPE voidclust_node_state gauge\n",
        "voidclust_node_state{node=\"node1\",state=\"up\"} 1\n",
        "voidclust_node_runs{node=\"node2\",kernel=\"6.12.94_1\",generation=\"\"} 1\n",
        "voidclust_in_sync 1\n",
        "voidclust_services_down 0\n",
    ] {
        assert!(ran.out.contains(line), "{line}\n{}", ran.out);
    }
    machine.run(&["status"]).ended(0);
    machine.place.write("run/runit/supervise.dnsmasq/stat", "down\n");
    let ran = machine.run(&["status"]).ended(3);
    assert!(ran.out.contains("services:    dnsmasq not running; look with: sv status dnsmasq"), "{}", ran.out);
    machine.place.write("run/runit/supervise.dnsmasq/stat", "run\n");
    machine.place.append(&machine.lower("srv/tftp/pxelinux.cfg/default"), "# mine\n");
    let ran = machine.run(&["status"]).ended(3);
    assert!(ran.out.contains("1 edited by hand"), "{}", ran.out);
}

#[test]
fn of_many_nodes_only_the_unusual_are_listed() {
    let machine = master();
    let nodes: String = (1..=60)
        .map(|n| format!("[[node]]\nname = \"x{n}\"\nmac = \"52:54:00:00:01:{n:02x}\"\naddress = \"172.23.199.{n}\"\n"))
        .collect();
    machine.configure("50-many", &nodes);
    machine.run(&["apply"]).ended(0);
    for number in 1..=59 {
        client(&machine, number, &format!("172.23.199.{number}"), KERNEL);
    }
    let listed = |args: &[&str]| {
        let out = machine.run(args).ended(3).out;
        out.lines().take_while(|line| !line.contains(" nodes: ")).count()
    };
    assert_eq!(listed(&["status"]), 4, "those of the example, and x60");
    assert_eq!(listed(&["status", "--all"]), 63);
}

#[test]
fn away_from_a_running_machine_there_is_nobody_to_ask() {
    let ran = crate::place::Place::small().run(&["status"]).ended(1);
    assert!(ran.err.contains("run this on the master"), "{}", ran.err);
}
