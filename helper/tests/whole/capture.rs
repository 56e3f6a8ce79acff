//! `voidclust capture`: what a node changed in memory becomes files of an overlay.

use std::os::unix::fs::PermissionsExt;

use crate::machine::Machine;
use crate::place::Place;

const OVERLAYS: &str = "etc/voidclust/overlays";

/// A node that runs from its overlay, with these files in memory.
fn node(files: &[(&str, &str, u32)]) -> Place {
    let node = Place::empty();
    node.write(
        "proc/self/mountinfo",
        "1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / /run/rootfs/lower ro - nfs4 172.23.199.225:/root/1 rw\n",
    );
    node.write("run/rootfs/lower/etc/motd", "of the root\n");
    node.write("run/voidclust/laid", "hosts\n");
    for (path, text, mode) in files {
        let path = format!("run/rootfs/cowspace/upper/etc/{path}");
        node.write(&path, text);
        node.chmod(&path, *mode);
    }
    node
}

/// A master whose ssh leads to that node, wherever it is to lead.
fn master_of(node: &Place) -> Machine {
    let machine = Machine::plain();
    let (program, root) = (env!("CARGO_BIN_EXE_voidclust"), node.root().display());
    machine
        .double("ssh", &format!("(for words; do :; done; eval \"set -- $words\"; shift; '{program}' --machine {root} \"$@\")"));
    machine
}

#[test]
fn what_was_changed_on_a_node_is_listed_and_then_written() {
    let node = node(&[
        ("motd", "changed\n", 0o644),
        ("munge/munge.key", "secret\n", 0o400),
        ("hosts", "laid by us\n", 0o644),
        ("x.j2", "{{ 1 }}\n", 0o644),
    ]);
    node.chmod("run/rootfs/cowspace/upper/etc/munge", 0o700);
    let machine = master_of(&node);
    let ran = machine.run(&["capture", "node1", "--overlay", "compute", "--dry-run"]).ended(3);
    assert!(ran.out.contains(" motd\n") && ran.out.contains("munge/munge.key  private: every node"), "{}", ran.out);
    assert!(ran.out.contains("left out: x.j2: would be taken for a template\n") && !ran.out.contains("hosts"), "{}", ran.out);
    assert!(!machine.place.at(&format!("{OVERLAYS}/compute")).exists());
    let asked = machine.told().join("\n");
    assert!(
        asked.contains("-o BatchMode=yes -o ConnectTimeout=10 -l root 172.23.199.226 'voidclust' 'hook' 'changed'"),
        "{asked}"
    );

    let ran = machine.run(&["capture", "node1", "--overlay", "compute"]).ended(0);
    assert!(ran.out.contains("note: no node has the overlay `compute` yet"), "{}", ran.out);
    assert!(ran.out.contains(&format!("2 files in ROOT/{OVERLAYS}/compute; now run: voidclust diff")), "{}", ran.out);
    assert_eq!(machine.place.read(&format!("{OVERLAYS}/compute/motd")), "changed\n");
    for (path, mode) in [("munge", 0o700), ("munge/munge.key", 0o400), ("motd", 0o644)] {
        let there = machine.place.at(&format!("{OVERLAYS}/compute/{path}")).metadata().unwrap().permissions();
        assert_eq!(there.mode() & 0o7777, mode, "{path}");
    }
    machine.run(&["capture", "node1", "--overlay", "compute"]).ended(0);
}

#[test]
fn nothing_is_overwritten_and_only_what_is_named_is_taken() {
    let node = node(&[("motd", "changed\n", 0o644), ("issue", "i\n", 0o644)]);
    let machine = master_of(&node);
    machine.place.write(&format!("{OVERLAYS}/compute/motd"), "of the site\n");
    let ran = machine.run(&["capture", "node1", "-o", "compute"]).ended(1);
    assert!(ran.err.contains("compute/motd: is there already, and differs; remove it first"), "{}", ran.err);
    assert_eq!(machine.place.read(&format!("{OVERLAYS}/compute/motd")), "of the site\n");
    machine.run(&["capture", "node1", "/etc/issue", "-o", "compute"]).ended(0);
    assert_eq!(machine.place.read(&format!("{OVERLAYS}/compute/issue")), "i\n");
    let ran = machine.run(&["capture", "node1", "/etc/hosts", "-o", "compute"]).ended(1);
    assert!(ran.err.contains("/etc/hosts: was not changed there, or an overlay laid it"), "{}", ran.err);
}

#[test]
fn a_node_that_cannot_be_asked_is_told() {
    let machine = Machine::plain();
    machine.double("ssh", "echo 'Permission denied (publickey).' >&2; exit 255");
    let ran = machine.run(&["capture", "node1", "-o", "compute"]).ended(1);
    assert!(ran.err.contains("172.23.199.226: cannot be asked; ssh must let root in without a password"), "{}", ran.err);
    assert!(ran.err.contains("Permission denied"), "{}", ran.err);
    let ran = machine.run(&["capture", "nod1", "-o", "compute"]).ended(1);
    assert!(ran.err.contains("did you mean `node1`?"), "{}", ran.err);
}
