//! `voidclust init`: the first configuration, of what the machine tells.

use std::path::Path;

use crate::machine::Machine;
use crate::place::{CRATE, Place};

const CONFIG: &str = "etc/voidclust.conf";
/// The links of the alternative, with what they lead to below the folder of the program that has it.
const HOOKS: [(&str, &str); 2] = [("post-install", "kernel-hook-postinst"), ("post-remove", "kernel-hook-postrm")];

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
    // As xbps 0.60 has them: relative, and both changed together, without a word.
    let leads = |program: &str, hook: &str| format!("../../../usr/libexec/{program}/{hook}");
    let mut script = "[ \"$1 $3 $4 $5 $6\" = '-r -g initramfs -s mkinitcpio' ] || exit 1\n".to_owned();
    for (folder, hook) in HOOKS {
        place.link(leads("dracut", hook), &format!("etc/kernel.d/{folder}/20-initramfs"));
        script += &format!("ln -sf {} \"$2/etc/kernel.d/{folder}/20-initramfs\" || exit\n", leads("mkinitcpio", hook));
    }
    machine.double("xbps-alternatives", &script);
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
    assert!(ran.out.ends_with("done: xbps-alternatives -g initramfs -s mkinitcpio\n"), "{}", ran.out);
    for (folder, hook) in HOOKS {
        let link = machine.place.at(&format!("etc/kernel.d/{folder}/20-initramfs"));
        assert!(link.read_link().unwrap().ends_with(format!("usr/libexec/mkinitcpio/{hook}")), "{folder}");
    }

    machine.run(&["node", "add", "node1", "--mac", "52:54:00:17:c7:e2"]).ended(0);
    assert_eq!(machine.run(&["node", "list", "--names"]).ended(0).out, "node1\n");
    assert!(machine.place.read(CONFIG).starts_with(&after), "nodes come behind what init wrote");
}

#[test]
fn an_initramfs_that_cannot_be_switched_is_told_and_the_configuration_stays() {
    let machine = stock();
    // What the real one says when the package is not installed whose file is there still.
    let said = "ERROR: failed to update alternatives group: No such file or directory";
    machine.double("xbps-alternatives", &format!("echo '{said}' >&2; exit 1"));
    let ran = machine.run(&["init", "--yes"]).ended(1);
    assert!(ran.err.contains("the initramfs is still another program's: ") && ran.err.contains(said), "{}", ran.err);
    assert!(machine.place.read(CONFIG).contains("\nname = \"box\"\n"));
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
