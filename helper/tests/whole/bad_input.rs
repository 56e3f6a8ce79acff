//! No input makes a run panic, write a wrong file, or end without a name and a way out.

use crate::place::{Place, Stands, may_mount, program, skip, there_is, tool};

/// Runs `apply`; insists on status 1, on these words, and on an untouched root.
#[track_caller]
fn refused(place: &Place, words: &[&str]) {
    let before = place.tree();
    let ran = place.run(&["apply"]).ended(1);
    for words in words {
        assert!(ran.err.contains(words), "`{words}` is not in: {}", ran.err);
    }
    let mut after = place.tree();
    // A run that got as far as the disk made the folder of its lock.
    if !before.contains_key("var") {
        after.retain(|path, _| !path.starts_with("var"));
    }
    assert!(
        after == before,
        "changed: {:?}",
        after.keys().filter(|path| before.get(*path) != after.get(*path)).collect::<Vec<_>>()
    );
}

#[test]
fn ten_thousand_duplicates_are_reported_once() {
    let place = Place::small();
    let node = "[[node]]\nname = \"twin\"\nmac = \"52:54:00:00:00:99\"\naddress = \"172.23.199.99\"\n";
    place.write("etc/voidclust.d/1.conf", node.repeat(10_000));
    let ran = place.run(&["check"]).ended(1);
    assert!(ran.err.starts_with(
        "ROOT/etc/voidclust.d/1.conf:6:8: another node is called `twin` already; this node has the same MAC and address\n"
    ));
    let more = "\nand 9998 more of this kind, which `voidclust check --json` lists\n9999 problems\n";
    assert!(ran.err.lines().count() < 10 && ran.err.ends_with(more), "{}", ran.err);
    let json = place.run(&["check", "--json"]).ended(1).json();
    assert_eq!(json["problems"].as_array().unwrap().len(), 9999);
}

#[test]
fn a_template_that_loops_is_stopped() {
    let place = Place::small();
    place.write(
        "etc/voidclust/overlays/client/loop.j2",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    );
    refused(&place, &["ROOT/etc/voidclust/overlays/client/loop.j2:", "too many steps", "nothing was changed"]);
}

#[test]
fn a_template_that_includes_itself_is_stopped() {
    let place = Place::small();
    let path = place
        .at("etc/voidclust/overlays/client/self.j2")
        .canonicalize()
        .unwrap_or_else(|_| place.root().canonicalize().unwrap().join("etc/voidclust/overlays/client/self.j2"));
    place.write("etc/voidclust/overlays/client/self.j2", format!("{{% include \"{}\" %}}", path.display()));
    refused(&place, &["client/self.j2:1:", "nothing was changed"]);
    place.write("etc/voidclust/overlays/client/self.j2", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}");
    refused(&place, &["client/self.j2:1:", "nothing was changed"]);
}

#[test]
fn templates_that_fail_are_all_named_in_one_run() {
    let place = Place::small();
    place.write("etc/voidclust/overlays/client/a.j2", "{{ node.nmae }}");
    place.write("etc/voidclust/overlays/client/b.j2", "\n{% if %}");
    place.write("etc/voidclust/overlays/master/c.j2", "{{ 1 / 0 }}");
    refused(
        &place,
        &["client/a.j2:1: a variable is not defined", "client/b.j2:2: ", "master/c.j2:1: ", "\n3 problems; nothing was changed"],
    );
}

#[test]
fn a_template_that_renders_more_than_memory_can_hold_is_stopped() {
    let place = Place::small();
    // Each step doubles the text.
    let doubling = "{% set ns = namespace(t=\"x\") %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}";
    place.write("etc/voidclust/overlays/client/big.j2", doubling);
    let mut command = program("sh");
    // Should it grow after all, then not at the cost of this machine.
    command.args(["-c", "ulimit -v 4000000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_voidclust"), "-r"]);
    let ran = place.ran(command.arg(place.root()).arg("check"));
    assert_eq!(ran.status, 1, "{}", ran.err);
}

#[test]
fn what_no_overlay_may_hold_is_named() {
    let place = Place::small();
    place.write("etc/voidclust/overlays/client/bad.j2", [0xff, 0xfe]);
    refused(&place, &["ROOT/etc/voidclust/overlays/client/bad.j2: a template must be UTF-8 text"]);
    place.remove("etc/voidclust/overlays/client/bad.j2");

    place.write("etc/voidclust/overlays/client/hostname/inside", "");
    place.write("etc/voidclust/overlays/extra/hostname", "");
    place.write("etc/voidclust.d/1.conf", "[client]\noverlays = [\"extra\"]\n");
    refused(&place, &["extra/hostname: hostname is a file here and a folder in ROOT/etc/voidclust/overlays/client/hostname"]);
    place.remove("etc/voidclust/overlays/client/hostname");

    // A pipe would make a program that reads it wait for ever.
    place.remove("etc/voidclust/overlays/extra/hostname");
    let made = program("mkfifo").arg(place.at("etc/voidclust/overlays/extra/pipe")).status().unwrap();
    assert!(made.success());
    let ran = place.run(&["apply"]).ended(1);
    assert!(ran.err.contains("extra/pipe: an overlay holds files, folders and links, no device, socket or pipe"), "{}", ran.err);
}

/// What can stand in a folder.
#[derive(Debug, Clone, Copy)]
enum Kind {
    File,
    Link,
    Folder,
    Pipe,
}

fn stand(place: &Place, kind: Kind, path: &str) {
    place.write(&format!("{path}-beside"), "");
    match kind {
        Kind::File => place.write(path, "text\n"),
        Kind::Link => place.link("beside", path),
        Kind::Folder => place.write(&format!("{path}/inside"), ""),
        Kind::Pipe => assert!(program("mkfifo").arg(place.at(path)).status().unwrap().success()),
    }
}

#[test]
fn what_a_check_lets_through_a_node_lays_and_what_it_refuses_a_node_refuses() {
    use Kind::{File, Folder, Link, Pipe};
    let sound = [
        (File, "a"),
        (File, ".wh.a"),
        (File, ".wh.a.j2"),
        (Link, ".wh.a"),
        (File, ".wh...."),
        (File, ".who"),
        (Folder, "a.wh."),
        (Folder, "..."),
        (Link, "-rf"),
        (File, "a b\\ $(c) * \u{e4}"),
        (File, "....j2"),
        (File, ".j2"),
        (Link, ".wh..j2"),
    ];
    let unsound = [
        (File, ".wh."),
        (File, ".wh.."),
        (Link, ".wh..."),
        (File, ".wh..j2"),
        (File, ".wh...j2"),
        (File, ".wh..wh..opq"),
        (File, ".wh..wh..opq.j2"),
        (Link, ".wh..wh.a"),
        (Folder, ".wh.a"),
        (Folder, ".wh..wh..opq"),
        (File, "a\nb"),
        (Folder, "a\n"),
        (Pipe, "a"),
    ];
    // As stage 1 lays it, for a machine that is not listed.
    let lay = |place: &Place| {
        place.write("node/etc/hostname", "");
        let mut lay = program(env!("CARGO_BIN_EXE_lay-overlays"));
        lay.env("VOIDCLUST_RUN", place.at("node/run")).env("VOIDCLUST_LOWER", place.at("node/lower"));
        place.ran(lay.arg("--from").arg(place.at("var/lib/voidclust/nodes")).arg(place.at("node/etc")).arg("52:54:00:00:00:fe"))
    };

    for (kind, name) in sound {
        let place = Place::small();
        stand(&place, kind, &format!("etc/voidclust/overlays/client/sub/{name}"));
        place.run(&["check"]).ended(0);
        place.run(&["apply"]).ended(0);
        assert_eq!(lay(&place).ended(0).err, "", "{kind:?} {name:?}");
        assert_eq!(place.read("node/etc/motd"), "welcome\n", "{kind:?} {name:?}");
    }
    for (kind, name) in unsound {
        let place = Place::small();
        stand(&place, kind, &format!("etc/voidclust/overlays/client/sub/{name}"));
        let ran = place.run(&["check"]).ended(1);
        assert!(ran.err.contains(&format!("overlays/client/sub/{}", name.escape_debug())), "{kind:?} {name:?}: {}", ran.err);

        let becomes = if matches!(kind, File) { name.strip_suffix(".j2").unwrap_or(name) } else { name };
        stand(&place, kind, &format!("var/lib/voidclust/nodes/default/sub/{becomes}"));
        assert!(lay(&place).ended(1).err.contains("nothing of"), "{kind:?} {name:?}");
    }
}

#[test]
fn an_overlay_that_cannot_be_read_is_named() {
    let place = Place::small();
    place.write("etc/voidclust/overlays/client/secret", "");
    place.chmod("etc/voidclust/overlays/client/secret", 0);
    // Root reads every file, unless that is taken from it.
    let without = ["--bounding-set", "-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_voidclust"), "--root"];
    let ran = if std::fs::File::open(place.at("etc/voidclust/overlays/client/secret")).is_err() {
        place.run(&["apply"])
    } else if there_is("setpriv") {
        place.ran(tool("setpriv").args(without).arg(place.root()).arg("apply"))
    } else {
        return skip("an_overlay_that_cannot_be_read_is_named", "setpriv is not installed, and root reads every file");
    };
    assert!(ran.err.contains("ROOT/etc/voidclust/overlays/client/secret: cannot read"), "{}", ran.err);
    assert_eq!(ran.status, 1);
}

#[test]
fn an_overlay_that_is_missing_is_named_with_its_package() {
    let place = Place::small();
    place.remove("usr/share/voidclust/overlays/master");
    refused(&place, &["overlay `master`: not found; install cluster-master"]);
    place.remove("usr/share/voidclust/overlays/client");
    place.write("usr/share/voidclust/overlays/master/x", "");
    refused(&place, &["overlay `client`: not found; install cluster-overlays"]);
}

#[test]
fn a_link_where_a_folder_is_expected_is_not_followed() {
    for (link, under) in [("srv", "srv/tftp"), ("var/lib/voidclust", "var/lib/voidclust"), ("var/lib", "var/lib/voidclust")] {
        let place = Place::small();
        let outside = Place::empty();
        outside.write("marker", "");
        if link == "var/lib/voidclust" {
            place.write("var/lib/marker", "");
        }
        place.link(outside.root(), link);
        refused(&place, &[&format!("ROOT/{under}"), "is a symbolic link; voidclust writes through none"]);
        assert_eq!(outside.tree().len(), 1, "written outside of the root through {link}");
    }
}

#[test]
fn a_link_where_a_file_is_expected_is_foreign() {
    let place = Place::small();
    let outside = Place::empty();
    outside.write("target", "theirs\n");
    place.link(outside.at("target"), "etc/mkinitcpio.net.conf");
    refused(&place, &["ROOT/etc/mkinitcpio.net.conf: a file that voidclust did not write is in the way"]);
    place.run(&["apply", "--force"]).ended(0);
    assert_eq!(outside.read("target"), "theirs\n");
    assert!(!place.at("etc/mkinitcpio.net.conf").is_symlink());
}

#[test]
fn a_file_where_a_folder_is_expected_is_named() {
    let place = Place::small();
    place.write("srv", "a file\n");
    refused(&place, &["ROOT/srv/tftp", "a part of this path is not a folder; move it away"]);
}

#[test]
fn parents_that_are_missing_are_made() {
    let place = Place::small();
    assert!(!place.at("srv").exists() && !place.at("var").exists());
    place.run(&["apply"]).ended(0);
    assert_eq!(place.tree().get("var/lib/voidclust/nodes"), Some(&Stands::Folder(0o700)));
    assert_eq!(place.tree().get("srv/tftp/pxelinux.cfg"), Some(&Stands::Folder(0o755)));
}

#[test]
fn a_manifest_that_cannot_be_understood_stops_the_run() {
    for garbage in
        [&b"garbage"[..], b"[files]\n\"../../etc/passwd\" = \"0644 x\"\n", b"[files]\n\"/etc/passwd\" = \"x\"\n", &[0xff]]
    {
        let place = Place::applied();
        place.write("var/lib/voidclust/manifest.toml", garbage);
        place.write("etc/voidclust.d/1.conf", "[client]\ndrivers = \"autodetect\"\n");
        refused(&place, &["ROOT/var/lib/voidclust/manifest.toml"]);
        let ran = place.run(&["hook", "remove"]).ended(1);
        assert!(ran.err.contains("manifest.toml"), "{}", ran.err);
    }
}

#[test]
fn a_manifest_that_was_lost_makes_our_files_foreign_but_for_those_that_are_right() {
    let place = Place::applied();
    place.remove("var/lib/voidclust/manifest.toml");
    place.run(&["apply"]).ended(0);
    place.remove("var/lib/voidclust/manifest.toml");
    place.write("etc/voidclust.d/1.conf", "[client]\ndrivers = \"autodetect\"\n");
    refused(&place, &["ROOT/etc/mkinitcpio.net.conf: a file that voidclust did not write is in the way"]);
}

#[test]
fn configurations_that_are_no_text_are_named() {
    let place = Place::small();
    place.write("etc/voidclust.d/1.conf", [0xff]);
    refused(&place, &["ROOT/etc/voidclust.d/1.conf: is not UTF-8 text"]);
    place.remove("etc/voidclust.d/1.conf");
    place.link("nowhere", "etc/voidclust.d/2.conf");
    refused(&place, &["ROOT/etc/voidclust.d/2.conf: is a dangling link"]);
    place.remove("etc/voidclust.d/2.conf");
    place.write("etc/voidclust.d/3.conf/inside", "");
    refused(&place, &["ROOT/etc/voidclust.d/3.conf: cannot read"]);
}

#[test]
fn a_full_disk_changes_nothing_and_leaves_no_litter() {
    if !may_mount() {
        return skip("a_full_disk_changes_nothing_and_leaves_no_litter", "no mounts allowed here");
    }
    let place = Place::small();
    let script = r#"
        sums() { find "$1/etc" "$1/srv" "$1/var" -type f -exec sha256sum {} + | sort; }
        mount -t tmpfs none /mnt; cp -a "$1" /mnt/copy
        mount -t tmpfs -o size=512k none "$1"; cp -a /mnt/copy/. "$1"
        "$2" -r "$1" apply >/mnt/first
        mkdir "$1/etc/voidclust.d"
        printf '[client]\ncmdline = "quiet"\nservices = ["sshd"]\n' >"$1/etc/voidclust.d/1.conf"
        cat /dev/zero >"$1/ballast" 2>/mnt/full || :
        sums "$1" >/mnt/before
        status=0; "$2" -r "$1" apply || status=$?
        echo "status $status"
        sums "$1" | diff /mnt/before - && echo unchanged
        rm "$1/ballast"
        "$2" -r "$1" apply | tail -n 1"#;
    let ran = place.unshared(script);
    assert!(ran.err.contains(": cannot write: No space left on device"), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("status 1\nunchanged\ndone: "), "{}{}", ran.out, ran.err);
}

#[test]
fn a_read_only_root_is_named() {
    if !may_mount() {
        return skip("a_read_only_root_is_named", "no mounts allowed here");
    }
    let place = Place::small();
    let before = place.tree();
    let ran = place
        .unshared("mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"; \"$2\" -r \"$1\" diff; \"$2\" -r \"$1\" apply");
    // Its first run ends with 3, and so does the script.
    assert_eq!(ran.status, 3, "{}", ran.err);
    let ran = place.unshared("mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"; exec \"$2\" -r \"$1\" apply").ended(1);
    assert!(ran.err.contains("ROOT/var") && ran.err.contains("Read-only file system"), "{}", ran.err);
    assert_eq!(place.tree(), before);
}
