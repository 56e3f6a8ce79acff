use super::*;
use crate::disk::manifest::Manifest;
use crate::disk::tree::Content;
use crate::testing::{SMALL_DISK, on_a_small_disk};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

fn commit(root: &Root, tree: &Tree, force: bool) -> Result<usize> {
    let lock = Lock::take(root)?;
    let ours = Ours::load(root)?;
    let plan = plan_for(root, tree, &ours, |_| true, force)?;
    lock.commit(&plan, &ours)?;
    Ok(plan.changes().count())
}

fn tree(files: &[(&str, &str)]) -> Tree {
    Tree(files.iter().map(|(path, text)| ((*path).to_owned(), Item::file(text.as_bytes()))).collect())
}

fn setup() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::open(dir.path()).unwrap();
    (dir, root)
}

fn listing(root: &Root, folder: &str) -> Vec<String> {
    root.list(folder).unwrap().unwrap_or_default()
}

#[test]
fn a_second_run_changes_nothing_and_removes_what_is_no_longer_wanted() {
    let (_dir, root) = setup();
    let both = tree(&[("etc/a", "1"), ("srv/tftp/b", "2")]);
    assert_eq!(commit(&root, &both, false).unwrap(), 2);
    assert_eq!(commit(&root, &both, false).unwrap(), 0);
    assert_eq!(commit(&root, &tree(&[("etc/a", "1")]), false).unwrap(), 1);
    assert_eq!(root.find("srv/tftp/b").unwrap(), None);
    assert_eq!(listing(&root, paths::STATE), ["lock", "manifest.toml", "stamps"]);
}

#[test]
fn nothing_is_written_while_something_foreign_stands_in_the_way() {
    let (dir, root) = setup();
    commit(&root, &tree(&[("etc/keep", "1")]), false).unwrap();
    File::create(dir.path().join("etc/a")).unwrap();
    let error = commit(&root, &tree(&[("etc/a", "1"), ("etc/b", "2")]), false).unwrap_err().to_string();
    assert!(error.contains("etc/a") && error.contains("--force"), "{error}");
    assert_eq!(listing(&root, "etc"), ["a", "keep"]);
    commit(&root, &tree(&[("etc/a", "1"), ("etc/b", "2")]), true).unwrap();
    assert_eq!(listing(&root, "etc"), ["a", "b"]);
}

#[test]
fn leftovers_of_a_killed_run_are_swept_and_its_files_known() {
    let (dir, root) = setup();
    commit(&root, &tree(&[("etc/a", "1")]), false).unwrap();
    // As a run would leave it that was killed between two renames: one file in place, one aside, nothing recorded.
    let half = tree(&[("etc/a", "2"), ("etc/b", "2")]);
    let files = half.0.iter().map(|(path, item)| (path.clone(), item.fingerprint())).collect();
    let lock = Lock::take(&root).unwrap();
    lock.save(paths::PENDING, Manifest { files }.text()).unwrap();
    drop(lock);
    #[allow(clippy::disallowed_methods, reason = "a test's own files")]
    {
        std::fs::write(dir.path().join("etc/a"), "2").unwrap();
        std::fs::write(dir.path().join("etc/.voidclust-b"), "2").unwrap();
    }
    assert_eq!(commit(&root, &tree(&[("etc/a", "3")]), false).unwrap(), 1);
    assert_eq!(listing(&root, "etc"), ["a"]);
    assert_eq!(root.read("etc/a").unwrap().unwrap(), b"3");
    assert_eq!(listing(&root, paths::STATE), ["lock", "manifest.toml", "stamps"]);
}

#[test]
fn what_a_killed_run_wrote_stays_known_over_one_that_is_about_other_files() {
    let (dir, root) = setup();
    commit(&root, &tree(&[("etc/a", "1"), ("srv/old", "1"), ("srv/new", "1")]), false).unwrap();
    // Killed when one of two had its new content.
    let files = ["srv/old", "srv/new"].map(|path| (path.to_owned(), Item::file("2".as_bytes()).fingerprint())).into();
    let lock = Lock::take(&root).unwrap();
    lock.save(paths::PENDING, Manifest { files }.text()).unwrap();
    #[allow(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(dir.path().join("srv/new"), "2").unwrap();
    let ours = Ours::load(&root).unwrap();
    let of_etc = plan_for(&root, &tree(&[("etc/a", "3")]), &ours, |path| path.starts_with("etc/"), false).unwrap();
    lock.commit(&of_etc, &ours).unwrap();
    drop(lock);
    assert_eq!(commit(&root, &tree(&[("etc/a", "3"), ("srv/old", "3"), ("srv/new", "3")]), false).unwrap(), 2);
    assert_eq!(listing(&root, "srv"), ["new", "old"], "nothing of it was taken for edited");
}

#[test]
fn once_everything_is_taken_away_no_trace_is_left() {
    let (_dir, root) = setup();
    commit(&root, &tree(&[("etc/a", "1")]), false).unwrap();
    commit(&root, &Tree::default(), false).unwrap();
    Lock::take(&root).unwrap().forget_state().unwrap();
    assert!(listing(&root, "etc").is_empty() && listing(&root, paths::STATE).is_empty());
}

#[test]
fn a_file_of_the_administrator_keeps_its_mode_and_its_text_is_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (dir, root) = setup();
    commit(&root, &tree(&[("etc/a", "1")]), false).unwrap();
    let file = dir.path().join("etc/a");
    file.metadata().unwrap().permissions().set_mode(0o600);
    let lock = Lock::take(&root).unwrap();
    let copy = lock.edit("etc/a", "1", "2".to_owned()).unwrap();
    assert_eq!(copy, "var/lib/voidclust/before-a");
    assert_eq!((root.read("etc/a").unwrap().unwrap(), root.read(&copy).unwrap().unwrap()), (b"2".to_vec(), b"1".to_vec()));
    let error = lock.edit("etc/a", "1", "3".to_owned()).unwrap_err().to_string();
    assert!(error.contains("changed while this ran"), "{error}");
    symlink("a", dir.path().join("etc/b")).unwrap();
    let error = lock.edit("etc/b", "2", "3".to_owned()).unwrap_err().to_string();
    assert!(error.contains("etc/b: is not a file but a link"), "{error}");
    lock.forget_state().unwrap();
    assert!(listing(&root, paths::STATE).is_empty(), "{:?}", listing(&root, paths::STATE));
}

#[test]
fn a_full_disk_changes_nothing_and_leaves_no_litter() {
    let victim = "disk::commit::tests::victim_of_a_full_disk";
    on_a_small_disk("a_full_disk_changes_nothing_and_leaves_no_litter", victim);
}

/// Not a test of its own: what the one above runs on a file system of one megabyte.
#[test]
fn victim_of_a_full_disk() {
    let Some(place) = std::env::var_os(SMALL_DISK) else { return };
    let root = Root::open(Path::new(&place)).unwrap();
    commit(&root, &tree(&[("etc/a", "1")]), false).unwrap();
    let manifest = root.read(paths::MANIFEST).unwrap();
    let much = "x".repeat(600_000);
    let too_much = tree(&[("etc/a", "2"), ("etc/b", &much), ("srv/tftp/c", &much)]);
    for _ in 0..2 {
        let error = format!("{:#}", commit(&root, &too_much, false).unwrap_err());
        assert!(error.contains("cannot write") && error.contains("No space left"), "{error}");
        assert_eq!((listing(&root, "etc"), listing(&root, "srv/tftp")), (vec!["a".to_owned()], vec![]));
        assert_eq!(root.read("etc/a").unwrap().unwrap(), b"1");
        assert_eq!(root.read(paths::MANIFEST).unwrap(), manifest);
        assert_eq!(listing(&root, paths::STATE), ["lock", "manifest.toml", "stamps"]);
    }
    assert_eq!(commit(&root, &tree(&[("etc/a", "2"), ("etc/b", &much)]), false).unwrap(), 2, "with room it goes on");
    println!("the disk was full");
}

#[test]
fn archives_of_the_same_content_are_one_file_and_change_alone() {
    use std::os::unix::fs::MetadataExt;
    let (dir, root) = setup();
    let archives = ["a", "b", "c"].map(paths::archive);
    let inode = |path: &str| dir.path().join(path).metadata().unwrap().ino();
    let apply = |texts: &[&str]| {
        let files: Vec<(&str, &str)> = archives.iter().map(String::as_str).zip(texts.iter().copied()).collect();
        let both = [("etc/x", texts[0]), ("etc/y", texts[0])];
        commit(&root, &tree(&[&files[..], &both[..]].concat()), false).unwrap()
    };
    apply(&["1", "1", "2"]);
    let [a, b, c] = [0, 1, 2].map(|index: usize| inode(&archives[index]));
    assert!(a == b && a != c && inode("etc/x") != inode("etc/y"), "only archives, which nobody edits");
    assert_eq!(apply(&["1", "1", "1"]), 1);
    assert_eq!(inode(&archives[2]), a, "linked to one that stays");
    assert_eq!(apply(&["1", "3", "1"]), 1);
    assert_eq!(root.read(&archives[0]).unwrap().unwrap(), b"1", "a node's archive does not change with another's");
    assert!(inode(&archives[1]) != a && inode(&archives[0]) == a);
}

#[test]
fn secrets_are_never_readable_and_modes_do_not_depend_on_the_umask() {
    let (_dir, root) = setup();
    let mut tree = tree(&[("etc/open", "1")]);
    tree.insert("etc/overlays/x.tar", Item::file(*b"s").with_mode(0o600));
    tree.insert("etc/link", Item::link("open"));
    commit(&root, &tree, false).unwrap();
    let mode = |path: &str| match root.find(path).unwrap() {
        Some(item) if item.bytes().is_some() => item.mode,
        other => panic!("{other:?}"),
    };
    assert_eq!((mode("etc/open"), mode("etc/overlays/x.tar")), (0o644, 0o600));
    assert_eq!(root.find("etc/link").unwrap().map(|item| item.content), Some(Content::Link("open".into())));
}

#[test]
fn what_looks_as_it_did_is_not_read_unless_all_is() {
    use crate::disk::stamps::{Stamps, stamp};
    let (dir, root) = setup();
    let wanted = tree(&[("etc/a", "1"), ("etc/b", "1")]);
    commit(&root, &wanted, false).unwrap();
    let known = |path: &str| Stamps::load(&root).unwrap().know(path, &root.look(path).unwrap().unwrap());
    let step = |force| plan_for(&root, &wanted, &Ours::load(&root).unwrap(), |_| true, force).unwrap().steps["etc/a"].clone();
    let next_tick = || std::thread::sleep(std::time::Duration::from_millis(30));
    // What was written in the same tick as the stamps is read, and known from then on.
    next_tick();
    commit(&root, &wanted, false).unwrap();
    assert!(known("etc/a") && known("etc/b"));
    #[allow(clippy::disallowed_methods, reason = "a test's own files")]
    let write = |path: &str, text: &str| std::fs::write(dir.path().join(path), text).unwrap();
    write("etc/a", "2");
    assert!(!known("etc/a") && known("etc/b"), "the size is the same, and the time is not");
    assert_eq!(step(false), Step::LeaveEdited);
    // As if it had looked so when it was right.
    let forge = || {
        let mut stamps = Stamps::load(&root).unwrap();
        Arc::make_mut(&mut stamps.files).insert("etc/a".to_owned(), stamp(&root.look("etc/a").unwrap().unwrap()));
        let text = stamps.text(&root.look(paths::MANIFEST).unwrap().unwrap());
        next_tick();
        write(paths::STAMPS, &text);
    };
    forge();
    assert_eq!((step(false), step(true)), (Step::Keep, Step::Replace(wanted.0["etc/a"].clone())));
    // They were about another manifest.
    write(paths::MANIFEST, &String::from_utf8(root.read(paths::MANIFEST).unwrap().unwrap()).unwrap());
    assert_eq!(step(false), Step::LeaveEdited);
    forge();
    assert_eq!(step(false), Step::Keep);
    write(paths::STAMPS, "no\nffff etc/a\n");
    assert_eq!(step(false), Step::LeaveEdited);
}

#[test]
fn a_run_that_is_killed_while_files_change_leaves_no_stamps() {
    let (dir, root) = setup();
    commit(&root, &tree(&[("etc/a", "1"), ("etc/b", "1")]), false).unwrap();
    assert!(root.look(paths::STAMPS).unwrap().is_some());
    let lock = Lock::take(&root).unwrap();
    let ours = Ours::load(&root).unwrap();
    let plan = plan_for(&root, &tree(&[("etc/a", "2"), ("etc/b", "2")]), &ours, |_| true, false).unwrap();
    // No file takes the name of a folder.
    #[allow(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::remove_file(dir.path().join("etc/b")).unwrap();
    std::fs::create_dir_all(dir.path().join("etc/b/x")).unwrap();
    assert!(format!("{:#}", lock.commit(&plan, &ours).unwrap_err()).contains("run again to finish"));
    assert!(root.look(paths::STAMPS).unwrap().is_none() && root.look(paths::PENDING).unwrap().is_some());
}
