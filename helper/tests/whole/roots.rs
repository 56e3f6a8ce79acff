//! Where nodes have their root from: the master, its live tree, another server.

use crate::generations::master;

#[test]
fn only_nodes_that_boot_the_live_tree_may_mount_it() {
    let Some(machine) = master("only_nodes_that_boot_the_live_tree_may_mount_it") else { return };
    machine.configure("9", "[profile.live]\ngeneration = \"head\"\n[[node]]\nname = \"live1\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.240\"\nprofiles = [\"live\"]\n");
    machine.run(&["publish"]).ended(0);
    assert_eq!(machine.place.read("etc/exports.d/voidclust.exports"), "/root/1 fsid=1001\n/head 172.23.199.240\n");
    assert!(machine.menu("01-52-54-00-00-00-99").contains(":/head,"));
    assert_eq!(
        machine.mounted_below("srv/nfs"),
        [
            "head",
            "node/52:54:00:00:00:99",
            "node/52:54:00:17:c7:e2",
            "node/52:54:00:17:c7:e3",
            "node/52:54:00:17:c7:e4",
            "node/default",
            "root/1"
        ]
    );
}

#[test]
fn a_room_has_its_root_from_a_server_of_its_own_and_the_rest_from_the_master() {
    let Some(machine) = master("a_room_has_its_root_from_a_server_of_its_own_and_the_rest_from_the_master") else { return };
    let room = "[profile.room2]\nroot_server = \"172.23.199.10:/void/{generation}\"\n[[node]]\nname = \"r2\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.240\"\nprofiles = [\"room2\"]\n";
    let fixed = "[[node]]\nname = \"kiosk\"\nmac = \"52:54:00:00:00:98\"\naddress = \"172.23.199.241\"\nroot_server = \"172.23.199.11:/kiosk\"\n";
    machine.configure("9", &format!("{room}{fixed}"));
    let note = "publish.d: no program in there, so no generation comes to 172.23.199.10, where nodes look";
    assert!(machine.run(&["check"]).ended(0).out.contains(note));
    machine.run(&["apply"]).ended(0);
    assert!(machine.menu("01-52-54-00-00-00-99").contains("nfsroot=172.23.199.10:/void/1,"));
    machine.place.write(&machine.lower("etc/voidclust/publish.d/50-send"), "#!/bin/sh\necho sent $1\n");
    machine.place.chmod(&machine.lower("etc/voidclust/publish.d/50-send"), 0o755);
    assert!(!machine.run(&["check"]).ended(0).out.contains("publish.d"));
    assert!(machine.run(&["publish"]).ended(0).out.contains("sent 1\n"), "it gets what it lacks");
    machine.publish();

    // The root is another's, what is the node's own is still the master's, and served to its address alone.
    let line = |card: &str| machine.menu(card).split("nfsroot=").nth(1).unwrap().split(" rootdelay").next().unwrap().to_owned();
    let r2 = line("01-52-54-00-00-00-99");
    assert!(r2.starts_with("172.23.199.10:/void/2,") && r2.contains(",nocto,actimeo=3600 nfsown=172.23.199.225:/node "), "{r2}");
    let kiosk = line("01-52-54-00-00-00-98");
    assert!(kiosk.starts_with("172.23.199.11:/kiosk,") && kiosk.contains(" nfsown=172.23.199.225:/node "), "{kiosk}");
    assert!(!kiosk.contains("nocto"), "nobody says that it never changes: {kiosk}");
    assert!(line("default").starts_with("172.23.199.225:/root/2,"));
    let served = machine.mounted_below("srv/nfs");
    for folder in ["node/52:54:00:00:00:99", "node/52:54:00:00:00:98", "root/2"] {
        assert!(served.contains(&folder.to_owned()), "{folder} in {served:?}");
    }
    let shown = |node: &str| machine.run(&["node", "show", node]).ended(0).out;
    assert!(shown("r2").contains("root      generation 2 of 172.23.199.10:/void/2\n"), "{}", shown("r2"));
    assert!(shown("kiosk").contains("root      172.23.199.11:/kiosk\n"), "{}", shown("kiosk"));
    let json = machine.run(&["node", "show", "r2", "--json"]).ended(0).json();
    assert_eq!(json["root_server"], "172.23.199.10:/void/{generation}");

    // Nobody can publish to whoever boots one root for all times.
    let refused = machine.run(&["publish", "--only", "kiosk"]).ended(1);
    assert!(refused.err.contains("`root_server` names one root for all"), "{}", refused.err);
    machine.place.write(&machine.lower("usr/bin/program"), "second");
    machine.run(&["publish", "--only", "r2"]).ended(0);
    assert!(line("01-52-54-00-00-00-99").starts_with("172.23.199.10:/void/3,") && line("default").contains("/root/2,"));

    // Nor does who has his root elsewhere mount the live tree, whatever he boots.
    machine.configure("9", &format!("[client]\ngeneration = \"head\"\n{fixed}"));
    machine.run(&["apply"]).ended(0);
    assert!(machine.menu("01-52-54-00-00-00-98").contains("nfsroot=172.23.199.11:/kiosk,"));
}

#[test]
fn whose_root_is_elsewhere_keeps_no_generation_of_the_master_by_his_home() {
    let Some(machine) = master("whose_root_is_elsewhere_keeps_no_generation_of_the_master_by_his_home") else { return };
    machine.configure("9", "[root]\nkeep = 1\n[[node]]\nname = \"r2\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.240\"\nroot_server = \"172.23.199.10:/void/{generation}\"\n");
    // It has nothing open of any: what it mounted is its home.
    machine.place.write("proc/fs/nfsd/clients/9/info", "clientid: 0x1\naddress: \"172.23.199.240:700\"\nname: \"x\"\n");
    machine.place.write("proc/fs/nfsd/clients/9/states", "");
    machine.publish();
    machine.publish();
    machine.uses("172.23.199.240", 1);
    machine.publish();
    let there = || [1, 2, 3].map(|number| machine.has(&format!("var/lib/voidclust/generations/{number}")));
    assert_eq!(there(), [true, true, true], "it booted that one from the master");
    machine.place.remove("proc/fs/nfsd/clients/1");
    assert!(machine.run(&["apply"]).ended(0).out.contains("removed generation 1\n"));
    assert_eq!(there(), [false, true, true]);
    let list = machine.run(&["generation", "list", "--json"]).ended(0).json();
    assert_eq!(list[0]["used_by"].as_array().map(Vec::len), Some(0));
}
