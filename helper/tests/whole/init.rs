//! `voidclust init`: the first configuration, of what the machine tells.

use std::path::Path;

use crate::machine::Machine;
use crate::place::{CRATE, Place};

const CONFIG: &str = "etc/voidclust.conf";
const HOOK: &str = "etc/kernel.d/post-install/20-initramfs";

fn shipped() -> String {
    std::fs::read_to_string(Path::new(CRATE).join("voidclust.conf")).unwrap()
}

/// A machine on which the packages were installed, and nothing else was done.
fn stock() -> Machine {
    let machine = Machine::plain();
    let place = &machine.place;
    place.write(CONFIG, shipped());
    place.write("etc/resolv.conf", "nameserver 172.23.199.1\n");
    place.write("proc/sys/kernel/hostname", "box\n");
    place.write("etc/mkinitcpio.conf", "HOOKS=(base udev block filesystems)\n");
    place.link("/usr/libexec/dracut/kernel-hook-postinst", HOOK);
    machine.double("xbps-alternatives", "");
    machine
}

#[test]
fn a_stock_machine_is_configured_without_an_editor() {
    let machine = stock();
    let before = shipped();
    let ran = machine.run(&["init"]).ended(3);
    assert!(ran.out.contains("\n+# Found: the only one with an address.\n+interface = \"eth0\"\n"), "{}", ran.out);
    assert!(ran.out.ends_with("nothing was written; to take it: voidclust init --yes\n"), "{}", ran.out);
    assert_eq!(machine.place.read(CONFIG), before);
    assert!(machine.told().is_empty());

    let ran = machine.run(&["init", "--yes"]).ended(0);
    assert!(ran.out.contains("configured; now run: voidclust node add NAME --mac MAC"), "{}", ran.out);
    assert!(ran.out.contains("undo: cp "), "{}", ran.out);
    let after = machine.place.read(CONFIG);
    for line in [
        "\ninterface = \"eth0\"\n",
        "\naddress = \"172.23.199.225/24\"\n",
        "\ndns = [\"172.23.199.1\"]\n",
        "# Found: not asked whether anybody gives out addresses: this is not the machine itself.\ndhcp = \"proxy\"\n",
        "\nname = \"box\"\n",
    ] {
        assert!(after.contains(line), "{line}{after}");
    }
    // What the file says of each key stays.
    assert!(before.lines().filter(|line| line.starts_with("# ")).all(|line| after.contains(line)), "{after}");
    let told = machine.told();
    assert!(told.iter().any(|told| told.contains("-g initramfs -s mkinitcpio")), "{told:?}");

    machine.run(&["node", "add", "node1", "--mac", "52:54:00:17:c7:e2"]).ended(0);
    assert_eq!(machine.run(&["node", "list", "--names"]).ended(0).out, "node1\n");
    assert!(machine.place.read(CONFIG).starts_with(&after), "nodes come behind what init wrote");
}

#[test]
fn what_says_something_is_left_alone() {
    let machine = Machine::plain();
    let before = machine.place.read(CONFIG);
    let ran = machine.run(&["init", "--yes"]).ended(1);
    assert!(ran.err.ends_with("says something already; change it with voidclust node, or with an editor\n"), "{}", ran.err);
    assert_eq!(machine.place.read(CONFIG), before);

    let machine = stock();
    machine.place.write("etc/voidclust.d/mine.conf", "[vars]\na = 1\n");
    let ran = machine.run(&["init", "--yes"]).ended(1);
    assert!(ran.err.contains("address is missing"), "{}", ran.err);
    assert_eq!(machine.place.read(CONFIG), shipped());
}

#[test]
fn without_a_machine_or_an_address_nothing_is_guessed() {
    let place = Place::empty();
    place.write(CONFIG, shipped());
    let ran = place.run(&["init"]).ended(1);
    assert!(ran.err.contains("does not run here, so it tells nothing"), "{}", ran.err);

    let machine = stock();
    machine.place.write("proc/net/route", "");
    let ran = machine.run(&["init", "--yes"]).ended(1);
    assert!(ran.err.contains("this machine has no address yet"), "{}", ran.err);
    assert_eq!(machine.place.read(CONFIG), shipped());
}

#[test]
fn a_root_that_mkinitcpio_must_be_told_of_is_not_switched() {
    let machine = stock();
    let place = &machine.place;
    place.write("proc/self/mountinfo", "1 0 8:1 / / rw - ext4 /dev/mapper/root rw\n");
    place.write("sys/class/block/dm-0/dm/name", "root\n");
    place.write("sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-0-root\n");
    let ran = machine.run(&["init", "--yes"]).ended(0);
    assert!(ran.out.contains("put `encrypt` before `filesystems`"), "{}", ran.out);
    assert!(!machine.told().iter().any(|told| told.contains("initramfs")));
}
