//! Overlays as sites have them: whose their files are, what is left out, and what they cost.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use crate::place::{Place, program, skip};

const CLIENT: &str = "etc/voidclust/overlays/client";
const NODE1: &str = "52:54:00:17:c7:e2";

#[test]
fn the_owner_of_a_file_reaches_the_node_show_and_diff() {
    let place = Place::small();
    let key = format!("{CLIENT}/munge/munge.key");
    place.write(&key, "secret\n");
    place.chmod(&key, 0o4400);
    let give = |uid| {
        let given = std::os::unix::fs::chown(place.at(&key), Some(uid), Some(997));
        place.chmod(&key, 0o4400);
        given
    };
    if give(998).is_err() {
        return skip("the_owner_of_a_file", "only root gives files away");
    }
    place.run(&["apply"]).ended(0);
    let archive = std::fs::read(place.at(&format!("var/lib/voidclust/nodes/{NODE1}.00-voidclust.tar"))).unwrap();
    let mut archive = tar::Archive::new(&archive[..]);
    let owners: BTreeMap<String, _> = (archive.entries().unwrap().map(Result::unwrap))
        .map(|entry| (entry.path().unwrap().display().to_string(), entry.header().clone()))
        .map(|(path, header)| (path, (header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap())))
        .collect();
    assert_eq!((owners["munge/munge.key"], owners["hostname"]), ((998, 997, 0o4400), (0, 0, 0o644)));
    assert!(place.run(&["show", "node1"]).out.contains("4400  998:997  munge/munge.key "));
    let shown = place.run(&["show", "node1", "--json"]).json();
    let shown = shown.as_array().unwrap().iter().find(|file| file["path"] == "munge/munge.key").unwrap().clone();
    assert_eq!((&shown["uid"], &shown["gid"]), (&998.into(), &997.into()));
    give(996).unwrap();
    let diff = place.run(&["diff"]).ended(3).out;
    assert!(diff.contains("old owner 998:997\nnew owner 996:997\n"), "{diff}");
}

#[test]
fn a_whiteout_of_the_site_takes_away_what_a_package_brings() {
    let place = Place::small();
    place.write("usr/share/voidclust/overlays/client/fstab.j2", "x\t/home\tnfs4\tdefaults\t0 0\n");
    place.write("usr/share/voidclust/overlays/client/cron.d/job", "x\n");
    assert!(!place.run(&["check"]).ended(0).out.contains("will not mount"));
    for name in ["fstab", "motd", "cron.d"] {
        place.write(&format!("{CLIENT}/.wh.{name}"), "");
    }
    place.write(&format!("{CLIENT}/motd"), "mine\n");
    let out = place.run(&["check"]).ended(0).out;
    assert!(out.contains(&format!("note: ROOT/{CLIENT}/.wh.fstab: machines that are not listed, node1, ")), "{out}");
    let shown = place.run(&["show", "node1"]).ended(0).out;
    let names: Vec<&str> =
        shown.lines().filter(|line| line.contains("/client/")).filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(names, [".wh.cron.d", ".wh.fstab", "hostname", "motd"], "{shown}");
    assert_eq!(place.run(&["show", "node1", "motd"]).ended(0).out, "mine\n");
}

#[test]
fn what_is_left_out_and_what_nobody_reads_is_told() {
    let place = Place::small();
    for name in ["cron.d/job", "cron.d/job~", "cron.d/.job.swp", ".git/HEAD"] {
        place.write(&format!("{CLIENT}/{name}"), "x\n");
    }
    place.write(&format!("etc/overlays/{}/motd", NODE1.replace(':', "")), "x\n");
    let notes = [
        format!("note: ROOT/{CLIENT}/.git, ROOT/{CLIENT}/cron.d/.job.swp, ROOT/{CLIENT}/cron.d/job~: left out, "),
        format!(
            "note: ROOT/etc/overlays/{}: no node reads it, they ask for the MAC in another spelling; rename it to {NODE1}\n",
            NODE1.replace(':', "")
        ),
    ];
    for command in [&["check"][..], &["diff"], &["apply"]] {
        let out = place.run(command).out;
        assert!(notes.iter().all(|note| out.contains(note)), "{command:?}: {out}");
    }
    assert_eq!(place.run(&["check", "--json"]).json()["notes"].as_array().unwrap().len(), 3);
    let listing = place.run(&["show", "node1"]).out;
    assert!(listing.contains("  cron.d/job ") && !listing.contains("git") && !listing.contains("job~"), "{listing}");
}

#[test]
fn every_mistake_of_the_overlays_is_told_for_people_and_programs() {
    let place = Place::small();
    place.write(&format!("{CLIENT}/a.j2"), "{{ nope }}\n");
    place.write(&format!("{CLIENT}/b"), "x\n");
    place.write(&format!("{CLIENT}/b.j2"), "x\n");
    place.write(&format!("{CLIENT}/.wh..wh..opq"), "");
    let ran = place.run(&["check"]).ended(1);
    let lines =
        ["client/.wh..wh..opq: nodes know no such mark; ", "client/b.j2: ", "client/a.j2:1: a variable", "\n3 problems\n"];
    assert!(lines.iter().all(|line| ran.err.contains(line)), "{}", ran.err);
    let json = place.run(&["check", "--json"]).ended(1).json();
    assert_eq!(json["problems"].as_array().unwrap().len(), 3);
    assert!(json["problems"].as_array().unwrap().iter().all(|problem| problem["file"].as_str().unwrap().contains("client/")));
}

#[test]
fn a_large_file_for_many_nodes_is_on_the_disk_once() {
    const MANY: usize = 40;
    const LARGE: usize = 1 << 20;
    let place = Place::small();
    let node = |number: usize| {
        format!("[[node]]\nname = \"m{number}\"\nmac = \"52:54:00:00:01:{number:02x}\"\noverlays = [\"own{}\"]\n", number % 3)
    };
    let nodes = |many| (0..many).map(node).collect::<String>();
    place.write("etc/voidclust.d/1.conf", nodes(MANY));
    place.write(&format!("{CLIENT}/large"), "a line of text\n".repeat(LARGE / 15 + 1));
    for number in 0..3 {
        // Not what is the same for all nodes, and one shadows a file of all.
        place
            .write(&format!("etc/voidclust/overlays/own{number}/{}", if number == 0 { "motd" } else { "x" }), number.to_string());
    }
    let weigh = || {
        let files = place.at("var/lib/voidclust/nodes").read_dir().unwrap().map(|entry| entry.unwrap().metadata().unwrap());
        let inodes: BTreeMap<u64, u64> = files.map(|meta| (meta.ino(), meta.len())).collect();
        inodes.values().sum::<u64>() as usize
    };
    let out = place.run(&["diff"]).ended(3).out;
    assert!(out.len() < 5 * LARGE, "a large text is shown once: {}", out.len());
    place.run(&["apply"]).ended(0);
    // With `motd` and without.
    assert!(weigh() < 3 * LARGE, "{}", weigh());
    assert!(place.run(&["apply"]).ended(0).out.contains("in sync"));
    place.write("etc/voidclust.d/1.conf", nodes(MANY + 2));
    place.run(&["apply"]).ended(0);
    assert!(weigh() < 3 * LARGE, "nodes that come later have their part in it: {}", weigh());
    let shared = place.at("var/lib/voidclust/nodes/52:54:00:00:01:01.00-voidclust_client.tar").metadata().unwrap();
    assert_eq!((shared.mode() & 0o7777, shared.nlink() > 20), (0o600, true));
}

#[test]
fn a_node_lays_its_own_archive_and_the_shared_ones_as_one() {
    let place = Place::small();
    let site = "etc/voidclust/overlays";
    // The overlay of the node is laid over that of all: its files stay although those of all take the folder away.
    place.write("etc/voidclust.d/1.conf", "[[node]]\nname = \"m\"\nmac = \"52:54:00:00:01:01\"\noverlays = [\"own\"]\n");
    place.write(&format!("{site}/client/.wh.cron.d"), "");
    place.write(&format!("{site}/client/large"), "x".repeat(20_000));
    place.write(&format!("{site}/client/both"), "of all\n");
    place.write(&format!("{site}/own/cron.d/job"), "job\n".repeat(5_000));
    place.write(&format!("{site}/own/both.j2"), "of {{ node.name }}\n");
    place.write(&format!("{site}/own/shut/key"), "k".repeat(9_000));
    place.chmod(&format!("{site}/own/shut"), 0o700);
    place.run(&["apply"]).ended(0);
    let archives =
        place.at("var/lib/voidclust/nodes").read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(archives.filter(|name| name.starts_with("52:54:00:00:01:01")).count(), 3);
    place.write("node/etc/cron.d/lower", "");
    let mut lay = program(env!("CARGO_BIN_EXE_lay-overlays"));
    lay.env("VOIDCLUST_RUN", place.at("node/run")).env("VOIDCLUST_LOWER", place.at("node/lower"));
    place
        .ran(lay.arg("--from").arg(place.at("var/lib/voidclust/nodes")).arg(place.at("node/etc")).arg("52:54:00:00:01:01"))
        .ended(0);
    assert_eq!(place.read("node/etc/both"), "of m\n");
    assert_eq!(place.read("node/etc/large").len(), 20_000);
    assert_eq!(place.read("node/etc/cron.d/job").len(), 20_000);
    assert_eq!(place.at("node/etc/shut").metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn a_file_that_is_being_written_is_not_taken_half() {
    let place = Place::small();
    let log = place.at(&format!("{CLIENT}/log"));
    place.write(&format!("{CLIENT}/log"), "1");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (begins, begun) = std::sync::mpsc::sync_channel(1);
    let write = || {
        use std::os::unix::fs::FileExt;
        #[allow(clippy::disallowed_methods, reason = "a test's own file")]
        let file = std::fs::File::create(&log).unwrap();
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            file.write_all_at(b"x", 0).unwrap();
            _ = begins.try_send(());
        }
    };
    std::thread::scope(|scope| {
        // Several, without a pause: one may get no turn on a busy machine for so long that the file looks settled.
        for _ in 0..8 {
            scope.spawn(write);
        }
        begun.recv().unwrap();
        let ran = place.run(&["apply"]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        // By what was seen of it before and after it was read, or a moment later.
        let told =
            ["client/log: somebody is writing it; run again", "client/log: cannot read: it goes on changing while it is read"];
        assert!(ran.status == 1 && told.iter().any(|text| ran.err.contains(text)), "{} {}", ran.out, ran.err);
    });
    place.run(&["apply"]).ended(0);
}

#[test]
fn who_else_can_read_what_is_laid_on_a_node_is_told_by_check() {
    let place = Place::small();
    let all = "note: node1, node2, node3 and machines that are not listed boot the live tree, so root there can read what is laid on all nodes, and what is the master's alone\n";
    assert!(place.run(&["check"]).ended(0).out.contains(all));
    place.write("etc/voidclust.d/1.conf", "[nfs]\nroot_server = \"10.0.0.9:/void\"\n");
    assert!(!place.run(&["check"]).ended(0).out.contains("can read what is laid"), "this master exports no tree");
    for (count, told) in [
        (1, "n0 has no `address`, so every machine of the subnet can read what is laid on it\n"),
        (2, "n0, n1 have no `address`, so every machine of the subnet can read what is laid on them\n"),
        (5, "n0, n1, n2 and 2 more have no `address`, so "),
    ] {
        let node = |number| format!("[[node]]\nname = \"n{number}\"\nmac = \"52:54:00:00:00:0{number}\"\n");
        place.write("etc/voidclust.d/2.conf", (0..count).map(node).collect::<String>());
        let out = place.run(&["check"]).ended(0).out;
        assert!(out.contains(told), "{told}: {out}");
    }
}
