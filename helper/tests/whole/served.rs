//! What a master serves to single nodes.

use crate::machine::Machine;
use crate::overlay_root;
use crate::place::{Place, Stands};

/// The cards of the example's nodes.
const NODES: [&str; 3] = ["52:54:00:17:c7:e2", "52:54:00:17:c7:e3", "52:54:00:17:c7:e4"];

/// The names in the own folder of a machine, but for the record.
fn own(machine: &Machine, name: &str) -> Vec<String> {
    let folder = machine.place.at(&format!("srv/nfs/node/{name}/own"));
    let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != ".from").collect();
    names.sort();
    names
}

#[test]
fn each_node_is_served_what_it_lays_and_the_master_is_not() {
    let machine = Machine::master();
    let mut names: Vec<&str> = NODES.to_vec();
    names.push("default");
    assert_eq!(machine.mounted_below("srv/nfs/node"), names);
    for name in names {
        assert_eq!(own(&machine, name), [format!("{name}.00-voidclust.tar")]);
        let served = format!("srv/nfs/node/{name}");
        assert_eq!(machine.place.tree().get(&format!("{served}/own")), Some(&Stands::Folder(0o700)));
        let archive = format!("{name}.00-voidclust.tar");
        let bytes = |path: &str| std::fs::read(machine.place.at(path)).unwrap();
        let kept = bytes(&machine.lower(&format!("var/lib/voidclust/nodes/{archive}")));
        assert!(bytes(&format!("{served}/own/{archive}")) == kept, "{name}");
    }
    assert!(!machine.run(&["apply"]).ended(0).out.contains("own folders"), "once is enough");
}

#[test]
fn what_the_administrator_keeps_for_a_node_is_served_to_it_however_its_card_is_spelled() {
    let machine = Machine::master();
    let [first, second, _] = NODES;
    let keep = |path: &str, text: &str| machine.place.write(&machine.lower(&format!("etc/overlays/{path}")), text);
    keep(&format!("{first}.50-site.tar"), "no archive, as its node will say");
    keep(&format!("{}/ssh/key", first.to_uppercase().replace(':', "-")), "secret\n");
    keep(&format!("{first}.50-site.tar~"), "a copy that an editor left");
    keep("52:54:00:00:00:99/motd", "no node has this card\n");
    machine.place.link(format!("{first}.50-site.tar"), &machine.lower(&format!("etc/overlays/{second}.60-same.tar")));
    machine.place.link("nowhere", &machine.lower(&format!("etc/overlays/{second}.70-lost.tar")));
    assert_eq!(machine.run(&["hook", "serve"]).ended(0).out, "own folders of nodes: 2 new or changed\n");
    let folder = first.to_uppercase().replace(':', "-");
    assert_eq!(own(&machine, first), [folder.clone(), format!("{first}.00-voidclust.tar"), format!("{first}.50-site.tar")]);
    assert_eq!(machine.place.read(&format!("srv/nfs/node/{first}/own/{folder}/ssh/key")), "secret\n");
    let same = format!("srv/nfs/node/{second}/own/{second}.60-same.tar");
    assert_eq!(machine.place.read(&same), "no archive, as its node will say");
    assert!(machine.place.at(&format!("srv/nfs/node/{second}/own/{second}.70-lost.tar")).is_symlink());
    assert!(!machine.place.at("srv/nfs/node/52:54:00:00:00:99").exists());

    // The times are those of before, as cp(1) keeps them.
    let touched = machine.place.at(&machine.lower(&format!("etc/overlays/{folder}/ssh/key")));
    let before = touched.metadata().unwrap().modified().unwrap();
    keep(&format!("{folder}/ssh/key"), "Secret\n");
    std::fs::File::open(&touched).unwrap().set_modified(before).unwrap();
    assert_eq!(machine.run(&["hook", "serve"]).ended(0).out, "own folders of nodes: 1 new or changed\n");
    assert_eq!(machine.place.read(&format!("srv/nfs/node/{first}/own/{folder}/ssh/key")), "Secret\n");
}

#[test]
fn a_node_that_is_gone_is_served_no_more() {
    let machine = Machine::master();
    let [first, second, third] = NODES;
    let (config, path) = (machine.lower("etc/voidclust.conf"), machine.lower("etc/voidclust.conf"));
    let text = machine.place.read(&config);
    let at = text.rfind("[[node]]").unwrap();
    machine.place.write(&path, &text[..at]);
    let said = machine.run(&["apply"]).ended(0).out;
    assert!(said.contains("own folders of nodes: 1 gone\n"), "{said}");
    assert_eq!(machine.mounted_below("srv/nfs/node"), [first, second, "default"]);
    assert!(!machine.place.at(&format!("srv/nfs/node/{third}")).exists());
    assert!(!machine.place.at(&format!("srv/nfs/node/{third}")).exists());
}

#[test]
fn the_default_comes_only_when_every_listed_machine_has_its_own() {
    let machine = Machine::master();
    machine.place.remove("srv/nfs/node");
    machine.mounts("");
    // A file where the next content of a node is to be.
    machine.place.write(&format!("srv/nfs/node/{}/next", NODES[1]), "");
    let ran = machine.run(&["hook", "serve"]).ended(1);
    assert!(ran.err.contains("not every node gets what is its own:") && ran.err.contains(NODES[1]), "{}", ran.err);
    assert_eq!(own(&machine, NODES[0]).len(), 1);
    assert!(!machine.mounted_below("srv/nfs/node").contains(&"default".to_owned()));
    machine.place.remove(&format!("srv/nfs/node/{}/next", NODES[1]));
    machine.run(&["hook", "serve"]).ended(0);
    assert_eq!(own(&machine, "default").len(), 1);
}

/// As an older version left it: the archives of all machines lie in /etc/overlays.
fn of_an_older_version(machine: &Machine) {
    let (new, old) = (machine.lower("var/lib/voidclust/nodes"), machine.lower("etc/overlays"));
    for name in machine.place.at(&new).read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        machine.place.write(&format!("{old}/{name}"), std::fs::read(machine.place.at(&format!("{new}/{name}"))).unwrap());
        machine.place.chmod(&format!("{old}/{name}"), 0o600);
    }
    machine.place.remove(&new);
    let manifest = machine.lower("var/lib/voidclust/manifest.toml");
    machine.place.write(&manifest, machine.place.read(&manifest).replace("var/lib/voidclust/nodes/", "etc/overlays/"));
}

#[test]
fn archives_of_an_older_version_are_served_and_move_by_the_next_apply() {
    let machine = Machine::master();
    of_an_older_version(&machine);
    machine.place.remove("srv/nfs/node");
    machine.mounts("");
    machine.run(&["hook", "serve"]).ended(0);
    assert_eq!(own(&machine, NODES[0]), [format!("{}.00-voidclust.tar", NODES[0])]);
    assert_eq!(machine.run(&["refresh"]).ended(0).out, "up to date\n", "the master finds them, too");
    let diff = machine.run(&["diff"]).ended(3).out;
    assert!(!diff.contains("lay: ") && !diff.contains("tell: "), "{diff}");
    let said = machine.run(&["apply"]).ended(0).out;
    assert!(!said.contains("changed ") || said.contains("new or changed"), "{said}");
    assert_eq!(machine.told(), [""; 0], "no service has anything to read");
    let names = |folder: &str| machine.place.at(&machine.lower(folder)).read_dir().unwrap().count();
    assert_eq!((names("etc/overlays"), names("var/lib/voidclust/nodes")), (0, 5));
    assert!(machine.run(&["apply"]).ended(0).out.contains("in sync"));
}

#[test]
fn what_does_not_fit_into_memory_is_not_begun() {
    let machine = Machine::master();
    machine.place.write("proc/meminfo", "MemTotal:       16 kB\nMemFree:       16 kB\n");
    let ran = machine.run(&["hook", "serve"]).ended(1);
    assert!(ran.err.contains("more than half of the memory, 0 MiB; lay less on each"), "{}", ran.err);
}

#[test]
fn without_the_nfs_root_it_says_what_to_do() {
    let machine = Machine::master();
    machine.place.write("proc/self/mountinfo", machine.place.read("proc/self/mountinfo").replace("/srv/nfs ", "/srv/other "));
    let ran = machine.run(&["hook", "serve"]).ended(1);
    assert!(ran.err.contains("/srv/nfs is not mounted") && ran.err.contains("reboot the master"), "{}", ran.err);
    let ran = Machine::plain().run(&["hook", "serve"]).ended(1);
    assert!(ran.err.contains("does not run from its overlay"), "{}", ran.err);
}

#[test]
fn a_real_master_serves_each_node_from_a_file_system_of_its_own() {
    let place = Place::live();
    if overlay_root::skipped("a_real_master_serves_each_node_from_a_file_system_of_its_own", &place) {
        return;
    }
    place.run(&["apply"]).ended(0);
    let script = r#"
        echo 52:54:00:17:c7:e1 >root/run/voidclust/macs
        mkdir -p root/srv/nfs; mount -t tmpfs nfsroot root/srv/nfs
        inside 'voidclust hook serve && voidclust hook serve'
        ls root/srv/nfs/node | LC_ALL=C sort
        cat root/srv/nfs/node/52:54:00:17:c7:e2/own/*.00-voidclust.tar | grep -aq node1.cluster && echo there
        stat -c %a%d root/srv/nfs/node/* | sort | uniq -d | wc -l; stat -c %a root/srv/nfs/node/default
        rm lower/var/lib/voidclust/nodes/52:54:00:17:c7:e4.*
        inside 'voidclust hook serve'
        ls root/srv/nfs/node | wc -l; grep -c ' /mnt/root/srv/nfs/node/' /proc/self/mountinfo
    "#;
    let ran = overlay_root::run(&place, script).ended(0);
    let names = [NODES.as_slice(), &["default"]].concat().join("\n");
    let want = format!("own folders of nodes: 4 new or changed\n{names}\nthere\n");
    assert!(ran.out.starts_with(&want), "{}{}", ran.out, ran.err);
    // Each is another device, none is twice there; only root may enter.
    assert!(ran.out.ends_with("there\n0\n700\nown folders of nodes: 1 gone\n3\n3\n"), "{}", ran.out);
}
