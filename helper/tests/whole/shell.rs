//! `voidclust shell`: what it enters, what follows it, and how it ends.

use crate::machine::{LOWER, Machine};
use crate::place::{Ran, skip};

/// In the place of the program that makes a name space: it runs the command, which is the ninth argument.
pub(crate) fn enters(machine: &Machine) {
    let told = machine.place.at("told").display().to_string();
    // Builds of images come here too, and fail.
    let script = format!("[ \"$2\" = --propagation ] || exit 1\necho \"in $8\" >>'{told}'\nshift 8\n\"$@\"\nexit $?");
    machine.double("unshare", &script);
}

fn shell(machine: &Machine, script: &str) -> Ran {
    machine.run(&["shell", "--", "sh", "-c", script])
}

/// Whether the running machine was told, and what else was.
fn told(machine: &Machine) -> (bool, Vec<String>) {
    let remounted = machine.place.at("told").exists() && machine.place.read("told").contains("mount -o remount ");
    (remounted, machine.told())
}

/// Whether SIGINT is ignored here, as in what a shell without job control has started behind a `&`. All that is started
/// inherits that, and no shell can undo it (proc(5): `SigIgn` is a mask in hexadecimal, the lowest bit for signal 1).
fn interrupts_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 0b10 != 0
}

#[test]
fn the_status_is_that_of_the_command_and_the_machine_is_told_whatever_it_was() {
    let machine = Machine::master();
    enters(&machine);
    let mut ends = vec![("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("kill -INT $$", 130)];
    if interrupts_are_ignored() {
        ends.pop();
        skip("the_status_is_that_of_the_command", "SIGINT is ignored by whoever started the tests");
    }
    for (script, status) in ends {
        let ran = shell(&machine, script).ended(status);
        assert_eq!(told(&machine), (true, vec![format!("in /{LOWER}")]), "{script}");
        assert!(ran.out.ends_with("voidclust: the running machine sees what was changed; 0 images built\n"), "{}", ran.out);
    }
}

#[test]
fn what_cannot_be_built_afterwards_is_told_and_fails_what_had_succeeded() {
    let machine = Machine::master();
    enters(&machine);
    for (path, text) in [("usr/bin/mkinitcpio", ""), ("boot/vmlinuz-6.12.1_1", "k"), ("usr/lib/modules/6.12.1_1/modules.dep", "")]
    {
        machine.place.write(&machine.lower(path), text);
    }
    for (script, status) in [("exit 0", 1), ("exit 7", 7)] {
        let ran = shell(&machine, script).ended(status);
        assert!(ran.err.contains("client image of 6.12.1_1: ") && ran.err.contains("then run: voidclust apply"), "{}", ran.err);
        assert!(told(&machine).0);
    }
    machine.configure("1", "[network]\ndhcp = \"maybe\"\n");
    let ran = shell(&machine, "true").ended(1);
    assert!(ran.err.contains("maybe") && told(&machine).0, "{}", ran.err);
}

#[test]
fn a_hook_inside_finds_the_lock_free_and_nothing_comes_back_that_was_taken_away() {
    let machine = Machine::master();
    enters(&machine);
    let program = env!("CARGO_BIN_EXE_voidclust");
    shell(&machine, &format!("'{program}' --machine '{}' apply", machine.place.root().display())).ended(0);
    let lower = machine.place.root().join(LOWER);
    let out = shell(&machine, &format!("'{program}' -r '{}' hook remove", lower.display())).ended(0).out;
    assert!(out.contains("nothing is applied here"), "{out}");
    assert!(!machine.place.at(&machine.lower("srv/tftp/pxelinux.cfg/default")).exists());
}

#[test]
fn a_plain_machine_says_that_its_own_root_is_meant_and_a_client_is_refused() {
    let machine = Machine::plain();
    enters(&machine);
    let out = shell(&machine, "exit 3").ended(3).out;
    assert!(out.contains("does not run from an overlay: the tree is its own root"), "{out}");
    machine.place.write("proc/self/mountinfo", "30 1 0:30 / / rw - nfs4 172.23.199.225:/head ro\n");
    let ran = shell(&machine, "exit 3").ended(1);
    assert!(ran.err.contains("a client of 172.23.199.225"), "{}", ran.err);
}

#[test]
fn zfs_makes_a_snapshot_before_and_the_last_few_stay() {
    let machine = Machine::master();
    enters(&machine);
    machine.mounts("24 23 0:24 / /run/rootfs/lower rw - zfs z/r rw\n");
    let names = |numbers: &[u32]| numbers.iter().map(|n| format!("z/r@voidclust-shell-{n}\\n")).collect::<String>();
    let zfs = |list: &str, end: &str| {
        let answers = format!("case $1 in list) printf '{list}' ;; get) printf 'z/r\\tdisabled\\n' ;; esac\n{end}");
        machine.double("zfs", &answers);
    };
    let changes = || {
        let is_change = |line: &String| line.starts_with("zfs snapshot") || line.starts_with("zfs destroy");
        machine.told().into_iter().filter(is_change).collect::<Vec<_>>()
    };
    zfs("z/r@before\\n", "");
    let out = shell(&machine, "true").ended(0).out;
    assert!(out.contains("snapshot z/r@voidclust-shell-1; the way back to it: voidclust rollback --head\n"), "{out}");
    assert_eq!(changes(), ["zfs snapshot z/r@voidclust-shell-1"]);
    zfs(&names(&[8, 9, 10, 11]), "");
    shell(&machine, "true").ended(0);
    let want = ["zfs destroy z/r@voidclust-shell-8", "zfs destroy z/r@voidclust-shell-9", "zfs snapshot z/r@voidclust-shell-12"];
    assert_eq!(changes(), want);
    machine.run(&["shell", "--no-snapshot", "--", "true"]).ended(0);
    assert_eq!(changes(), [""; 0]);
    zfs("", "[ $1 != snapshot ] || { echo 'out of space' >&2; exit 1; }");
    let ran = shell(&machine, "true").ended(1);
    assert!(ran.err.contains("out of space") && ran.err.contains("--no-snapshot"), "{}", ran.err);
    assert!(!told(&machine).0, "nothing was begun");
}

#[test]
fn btrfs_makes_a_snapshot_in_a_folder_of_the_tree() {
    let machine = Machine::master();
    enters(&machine);
    machine.mounts("24 23 0:24 /@ /run/rootfs/lower rw - btrfs /dev/sda2 rw\n");
    machine.double("btrfs", "[ $2 != snapshot ] || mkdir \"$5\"\n[ $2 != delete ] || rmdir \"$3\"");
    for _ in 0..5 {
        shell(&machine, "true").ended(0);
    }
    let folder = machine.place.at(&machine.lower("var/lib/voidclust/snapshots"));
    let mut names: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["voidclust-shell-3", "voidclust-shell-4", "voidclust-shell-5"]);
}
