#![allow(clippy::disallowed_methods, reason = "the tests' own files")]

use super::*;
use std::fs::{create_dir_all, write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

/// A root with files in the overlay `x` of the site.
struct Place {
    dir: tempfile::TempDir,
    root: Root,
}

impl Place {
    fn with(files: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        create_dir_all(dir.path().join(FOLDER)).unwrap();
        let root = Root::open(dir.path()).unwrap();
        let place = Self { dir, root };
        for file in files {
            create_dir_all(place.at(file).parent().unwrap()).unwrap();
            write(place.at(file), "1").unwrap();
        }
        place
    }

    fn at(&self, file: &str) -> PathBuf {
        self.dir.path().join(FOLDER).join(file)
    }

    fn read(&self) -> (Overlay, Reader<'_>) {
        let mut reader = Reader::new(&self.root);
        let overlay = reader.read(FOLDER, Origin::Site).unwrap();
        (overlay, reader)
    }

    /// The one problem there is.
    fn problem(&self) -> String {
        let (_, reader) = self.read();
        assert_eq!(reader.problems.len(), 1, "{:?}", reader.problems);
        reader.problems[0].to_string()
    }
}

const FOLDER: &str = "etc/voidclust/overlays/x";

#[test]
fn what_no_overlay_may_hold_is_named_all_of_it_at_once() {
    let place = Place::with(&["a", "a.j2", "b"]);
    let fifo = FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, place.at("pipe"), fifo, rustix::fs::Mode::from_raw_mode(0o600), 0).unwrap();
    write(place.at("t.j2"), b"\xff").unwrap();
    let problems: Vec<String> = place.read().1.problems.iter().map(ToString::to_string).collect();
    let expected = ["x/a.j2: ", "x/pipe: an overlay holds files", "x/t.j2: a template must be UTF-8"];
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems.iter().zip(expected).all(|(problem, expected)| problem.contains(expected)), "{problems:?}");
    assert!(problems[0].contains("same file; remove one"), "{problems:?}");
}

#[test]
fn an_overlay_is_a_folder_and_no_link_to_one() {
    let place = Place::with(&[]);
    symlink("/etc", place.dir.path().join("etc/voidclust/overlays/l")).unwrap();
    let mut reader = Reader::new(&place.root);
    reader.read("etc/voidclust/overlays/l", Origin::Site);
    assert!(reader.problems[0].to_string().contains("an overlay is a folder"));
    assert!(reader.read("etc/voidclust/overlays/none", Origin::Site).is_none());
}

#[test]
fn names_that_no_node_would_lay_are_refused_templates_without_their_suffix() {
    for name in [".wh.", ".wh..", ".wh...", ".wh..wh..opq", ".wh..wh.a", ".wh.dir/a"] {
        for suffix in ["", ".j2"] {
            let problem = Place::with(&[&format!("sub/{name}{suffix}")]).problem();
            assert!(problem.contains("x/sub/.wh."), "{name}{suffix}: {problem}");
        }
    }
    for name in ["..j2", "...j2"] {
        assert!(Place::with(&[name]).problem().contains(&format!("x/{name}: without .j2")), "{name}");
    }
    for name in [".wh.a", ".wh.a.j2", ".wh....", ".wh.d.wh", ".j2", "....j2", ".who/a", "a.wh./b"] {
        assert_eq!(Place::with(&[name]).read().1.problems, [], "{name}");
    }
}

#[test]
fn links_stay_links_of_any_bytes_and_are_not_followed() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::with(&["a"]);
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe/x");
    symlink("/etc", place.at("out")).unwrap();
    symlink(odd, place.at("odd")).unwrap();
    let (overlay, _) = place.read();
    assert_eq!(overlay["out"].item.content, Content::Link("/etc".into()));
    assert_eq!(overlay["odd"].item.content, Content::Link(odd.to_owned()));
    assert_eq!(overlay.len(), 3);
}

#[test]
fn litter_is_left_out_and_told() {
    let place = Place::with(&["job", "job~", "d/.job.swp", ".git/HEAD", ".git/config", "d/job.orig", "e/.gitkeep"]);
    let (overlay, reader) = place.read();
    assert_eq!(overlay.keys().collect::<Vec<_>>(), ["d", "e", "job"]);
    let notes = reader.notes();
    assert!(notes.len() == 1 && notes[0].contains("x/.git, ") && notes[0].contains(" and 2 more: left out"), "{notes:?}");
}

#[test]
fn the_sites_files_keep_mode_and_owner_a_packages_are_roots() {
    let place = Place::with(&["key"]);
    std::fs::set_permissions(place.at("key"), PermissionsExt::from_mode(0o6755)).unwrap();
    let stat = place.root.look(&format!("{FOLDER}/key")).unwrap().unwrap();
    let owner = Owner { uid: stat.st_uid, gid: stat.st_gid };
    let (overlay, _) = place.read();
    assert_eq!((overlay["key"].item.mode, overlay["key"].item.owner), (0o6755, owner));
    let munge = Owner { uid: 998, gid: 997 };
    assert_eq!(rights(0o6755, munge, Origin::Site), (0o6755, munge));
    assert_eq!(rights(0o6755, Owner::ROOT, Origin::Package), (0o6755, Owner::ROOT));
    assert_eq!(rights(0o6755, munge, Origin::Package), (0o755, Owner::ROOT), "no program of another's gets root's rights");
}

#[test]
fn large_files_are_refused_by_name_before_they_are_in_memory() {
    let place = Place::with(&["a", "large"]);
    let size = |file: &str, size: u64| File::create(place.at(file)).unwrap().set_len(size).unwrap();
    // Sparse: no disk is that large.
    size("large", 1 << 42);
    let problem = place.problem();
    assert!(problem.contains("x/large: a file of 4194304 MiB, and one of an overlay has 64 at most; "), "{problem}");
    size("large", 1);
    for number in 0..=TOTAL_MAX / FILE_MAX {
        size(&format!("part{number}"), FILE_MAX);
    }
    assert!(place.problem().contains("x/part3: with it the overlays hold more than 256 MiB"));
}

#[test]
fn rights_that_no_archive_carries_are_refused_and_other_attributes_told() {
    let place = Place::with(&["tool", "noted"]);
    let set =
        |file: &str, name: &str, value: &[u8]| rustix::fs::setxattr(place.at(file), name, value, rustix::fs::XattrFlags::empty());
    if set("noted", "user.comment", b"x").is_err() {
        return println!("skip: rights_that_no_archive_carries: no attributes on this file system");
    }
    let notes = place.read().1.notes();
    assert!(notes.len() == 1 && notes[0].contains("x/noted: the extended attribute user.comment"), "{notes:?}");
    // CAP_NET_RAW, as capability.h lays it out in version 2; and an ACL as acl(5) does, of version 2: u::rw-,u:0:r--,g::r--,m::r--,o::r--.
    let entry = |tag: u16, perm: u16, id: u32| [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat();
    let acl = [
        vec![2, 0, 0, 0],
        entry(1, 6, u32::MAX),
        entry(2, 4, 0),
        entry(4, 4, u32::MAX),
        entry(16, 4, u32::MAX),
        entry(32, 4, u32::MAX),
    ];
    let capability = [[1, 0, 0, 2], [0, 0x20, 0, 0], [0; 4], [0; 4], [0; 4]].concat();
    for (name, value, what) in [
        ("system.posix_acl_access", acl.concat(), "x/tool: has an access control list"),
        ("security.capability", capability, "x/tool: has capabilities"),
    ] {
        write(place.at("tool"), "1").unwrap();
        match set("tool", name, &value) {
            Ok(()) => assert!(place.problem().contains(what), "{}", place.problem()),
            Err(error) => println!("skip: {name}: {error}"),
        }
        std::fs::remove_file(place.at("tool")).unwrap();
    }
}

#[test]
fn a_file_that_is_written_a_moment_later_is_noticed() {
    let place = Place::with(&["quiet", "log"]);
    let (_, reader) = place.read();
    assert_eq!(reader.written_meanwhile(), None);
    write(place.at("log"), "12").unwrap();
    assert!(reader.written_meanwhile().unwrap().ends_with("x/log"));
}
