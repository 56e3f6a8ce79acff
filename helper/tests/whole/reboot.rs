//! `voidclust reboot`, `wake` and `power`: nodes that run, and nodes that do not.

use crate::machine::Machine;
use crate::place::Place;

const KERNEL: &str = "6.12.94_1";

/// A client of the NFS server.
fn info(address: &str, kernel: &str) -> String {
    format!(
        "address: \"{address}:900\"\nstatus: confirmed\nseconds from last renew: 3\nname: \"Linux NFSv4.2 x/{address}\"\n\
         minor version: 2\nImplementation name: \"Linux {kernel} #1 SMP x86_64\"\n"
    )
}

/// A master whose nodes all run an older kernel than they would boot. Told by ssh, one comes up again with the new one,
/// unless it is node3, to which ssh finds no way.
fn master() -> Machine {
    let machine = Machine::master();
    machine.images(&[KERNEL]);
    machine.run(&["apply"]).ended(0);
    for number in 226..=228 {
        machine.place.write(&format!("proc/fs/nfsd/clients/{number}/states"), "");
        machine.place.write(&format!("proc/fs/nfsd/clients/{number}/info"), info(&format!("172.23.199.{number}"), "6.12.90_1"));
    }
    let clients = machine.place.at("proc/fs/nfsd/clients").display().to_string();
    let boots = format!(
        "for word; do case $word in 172.*) to=$word ;; esac; done\n\
         [ $to != 172.23.199.228 ] || {{ echo no route >&2; exit 255; }}\n\
         old={clients}/${{to##*.}} new={clients}/1${{to##*.}}\n\
         (sleep 2; mkdir $new.x; sed s/6.12.90_1/{KERNEL}/ $old/info >$new.x/info; : >$new.x/states; \
         rm -r $old; mv $new.x $new) >/dev/null 2>&1 &"
    );
    machine.double("ssh", &boots);
    machine.told();
    machine
}

#[test]
fn nodes_are_told_and_waited_for() {
    let machine = master();
    let ran = machine.run(&["reboot", "--stale", "node1", "node2", "-n"]).ended(3);
    assert_eq!(ran.out, "node1: would change kernel\nnode2: would change kernel\n2 nodes to reboot\n");
    assert_eq!(machine.told(), [""; 0]);

    let ran = machine.run(&["reboot", "node1", "node2", "--wait", "--batch", "1"]).ended(0);
    let lines: Vec<&str> = ran.out.lines().map(|line| line.split(" after").next().unwrap()).collect();
    assert_eq!(lines, ["node1: reboots", "node1: up again", "node2: reboots", "node2: up again"], "one after the other");
    assert!(ran.out.ends_with("(2 of 2)\n"), "{}", ran.out);
    let told = machine.told();
    let options = "ssh -o BatchMode=yes -o ConnectTimeout=10 -l root 172.23.199.22";
    assert!(told.len() == 2 && told.iter().all(|line| line.starts_with(options) && line.contains("reboot")), "{told:?}");
    assert_eq!(machine.run(&["reboot", "--stale", "node1", "node2"]).ended(0).out, "no node to reboot\n");
}

#[test]
fn after_the_first_failure_no_more_are_told() {
    let machine = master();
    let ran = machine.run(&["reboot", "node3", "node1", "node2"]).ended(1);
    assert!(ran.err.starts_with("node3: `ssh 172.23.199.228 reboot` failed"), "{}", ran.err);
    assert!(ran.err.ends_with("voidclust: 1 node failed; 2 not rebooted\n"), "{}", ran.err);
    assert_eq!(ran.out, "");
    machine.told();
    let ran = machine.run(&["reboot", "node3", "node1", "--max-failures", "2"]).ended(1);
    assert_eq!(ran.out, "node1: reboots\n");
    assert!(ran.err.ends_with("voidclust: 1 node failed\n"), "{}", ran.err);
    machine.run(&["reboot"]).ended(2);
    machine.run(&["reboot", "node1", "--batch", "2"]).ended(2);
    assert!(machine.run(&["reboot", "--profile", "none"]).ended(1).err.contains("there is no profile `none`"));
}

#[test]
fn the_command_of_the_site_switches_each_node() {
    let place = Place::small();
    let told = place.at("told").display().to_string();
    place.write("bin/ipmi", format!("#!/bin/sh\necho \"$#: $*\" >>'{told}'\necho power is on\n[ $2 != 172.23.199.227 ]\n"));
    place.chmod("bin/ipmi", 0o755);
    let command = place.at("bin/ipmi").display().to_string();
    let ran = place.run(&["power", "node1", "on"]).ended(1);
    assert!(ran.err.contains("set `command` under [power]"), "{}", ran.err);
    place.write("etc/voidclust.d/1.conf", format!("[power]\ncommand = \"{command} {{vars.bmc}} {{address}} {{action}}\"\n"));
    let ran = place.run(&["power", "node[1-2]", "cycle"]).ended(1);
    assert!(ran.err.contains("node1: has no `vars.bmc`") && !place.at("told").exists(), "{}", ran.err);
    place.write("etc/voidclust.d/2.conf", "[vars]\nbmc = \"a b\"\n");
    let ran = place.run(&["power", "node[1-2]", "cycle"]).ended(1);
    assert_eq!(ran.out, "node1: power is on\nnode2: power is on\n");
    assert!(ran.err.starts_with("node2: `") && ran.err.ends_with("voidclust: 1 of 2 nodes failed\n"), "{}", ran.err);
    assert!(!ran.err.contains("a b"), "a value may be a password: {}", ran.err);
    assert_eq!(place.read("told"), "3: a b 172.23.199.226 cycle\n3: a b 172.23.199.227 cycle\n");
    place.write("etc/voidclust.d/1.conf", "[power]\ncommand = \"ipmi {nod} {action}\"\n");
    let ran = place.run(&["check"]).ended(1);
    assert!(ran.err.contains("1.conf:2:11: `{nod}` stands for nothing\n"), "{}", ran.err);
}

#[test]
fn who_cannot_be_called_is_told() {
    let ran = Place::small().run(&["wake", "node1"]).ended(1);
    assert!(ran.err.contains("run this on the master"), "{}", ran.err);
    // Nobody's: no test may send anything into the network that it runs in.
    let machine = Machine::plain();
    machine.place.append("etc/voidclust.conf", "\n[[node]]\nname = \"x\"\nmac = \"52:54:00:00:00:99\"\n");
    let ran = machine.run(&["wake", "x"]).ended(1);
    assert!(ran.err.contains("cannot send from 172.23.199.225"), "{}", ran.err);
}
