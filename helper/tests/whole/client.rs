//! What a client does, which has only what its master serves.

use crate::machine::Machine;

#[test]
fn a_client_is_told_where_its_master_is() {
    let machine = Machine::master();
    machine.place.write(
        "proc/self/mountinfo",
        "30 1 0:30 / / rw - overlay overlay rw\n23 30 0:31 / /run/rootfs/lower ro - nfs4 172.23.199.225:/head ro\n",
    );
    for command in [&["check"][..], &["diff"], &["apply"], &["image", "build"], &["image", "prune"], &["show", "node1"]] {
        let ran = machine.run(command).ended(1);
        assert!(ran.err.contains("this machine is a client of 172.23.199.225"), "{command:?}: {}", ran.err);
    }
    assert!(machine.run(&["hook", "post-install"]).ended(0).out.contains("is a client of 172.23.199.225"));
    machine.run(&["refresh"]).ended(0);
}

#[test]
fn a_client_refreshes_from_what_its_master_serves_it_now() {
    let machine = Machine::master();
    machine.place.write(
        "proc/self/mountinfo",
        "30 1 0:30 / / rw - overlay overlay rw\n23 30 0:31 / /run/rootfs/lower ro - nfs4 172.23.199.225:/head ro\n",
    );
    machine.place.write("proc/cmdline", "nfsown=172.23.199.225:/node BOOTIF=01-52-54-00-17-c7-e1\n");
    machine.place.write("served/52:54:00:17:c7:e1/own/52:54:00:17:c7:e1/motd", "mine alone\n");
    let served = machine.place.at("served").display().to_string();
    machine.double("mount.nfs4", &format!("cp -a '{served}/.' \"$2\""));
    let said = machine.run(&["refresh"]).ended(0).out;
    assert!(said.contains("changed motd\n"), "{said}");
    assert_eq!(machine.place.read("etc/motd"), "mine alone\n");
    machine.double("mount.nfs4", "echo 'no route to host' >&2; exit 32");
    let ran = machine.run(&["refresh"]).ended(1);
    assert!(ran.err.contains("no route to host; so nothing was changed"), "{}{}", ran.out, ran.err);
    assert_eq!(machine.place.read("etc/motd"), "mine alone\n");
}
