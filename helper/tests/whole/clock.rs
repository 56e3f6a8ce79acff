//! One time for all: the master answers NTP, and nodes ask it, where chrony is installed.

use crate::place::{Place, skip, there_is, tool};

fn with_chrony() -> Option<Place> {
    let place = Place::small();
    if !place.add_packaged_overlays() {
        skip("clock", "a tree without the packages");
        return None;
    }
    place.write("etc/sv/chronyd/run", "");
    place.write("etc/chrony.conf", "# Of the site.\npool pool.ntp.org iburst\n");
    Some(place)
}

#[test]
fn nodes_ask_the_master_and_the_master_asks_whom_it_asked() {
    let Some(place) = with_chrony() else { return };
    let of = |node: &str| place.run(&["show", node, "chrony.conf"]).ended(0).out;
    let master = of("master");
    assert!(master.contains("\npool pool.ntp.org iburst\nallow 172.23.199.0/24\n"), "{master}");
    for node in ["node1", "default"] {
        let client = of(node);
        assert!(client.contains("\nserver 172.23.199.225 iburst\n") && !client.contains("pool"), "{client}");
    }
}

#[test]
fn chronyd_reads_what_the_master_and_the_nodes_have() {
    let test = "chronyd_reads_what_the_master_and_the_nodes_have";
    let Some(place) = with_chrony() else { return };
    if !there_is("chronyd") {
        return skip(test, "chronyd is not installed");
    }
    for (node, line) in [("master", "allow 172.23.199.0/24"), ("node1", "server 172.23.199.225 iburst")] {
        place.write("tested.conf", place.run(&["show", node, "chrony.conf"]).ended(0).out);
        let read = place.ran(tool("chronyd").args(["-p", "-f"]).arg(place.at("tested.conf"))).ended(0).out;
        assert!(read.lines().any(|read| read == line), "{node}: {read}");
    }
}

#[test]
fn the_sites_own_word_counts_and_without_chrony_there_is_none() {
    let Some(place) = with_chrony() else { return };
    place.write("etc/voidclust/overlays/client/chrony.conf", "server ntp.example iburst\n");
    assert_eq!(place.run(&["show", "node1", "chrony.conf"]).ended(0).out, "server ntp.example iburst\n");
    place.remove("etc/sv/chronyd");
    place.remove("etc/voidclust/overlays/client");
    place.run(&["show", "node1", "chrony.conf"]).ended(1);
    place.run(&["show", "master", "chrony.conf"]).ended(1);
}
