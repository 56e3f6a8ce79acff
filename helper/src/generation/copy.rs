//! Generations by copying: files that did not change are one with those of the generation before.
//!
//! rsync(1) takes a file of the same size and time for the same, and it sets the attributes of a file in place, in all
//! generations that share it. So what the root changed since the one before is compared by content, which the index kept
//! beside that one tells; and rsync is only told of files that the copy does not have. The root may change while it is
//! copied: then what changed is removed from the copy and copied again, until nothing did.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Making;
use super::head::{Head, read_index};
use super::store::{Kind, Tree};
use crate::paths;
use crate::progress::Progress;
use crate::tools::Tool;
use crate::types::generation::{Generation, Number, Storage};

/// So many times the root may be found changed.
const ROUNDS: usize = 10;
/// rsync's status when files vanished while it read them.
const VANISHED: i32 = 24;
/// Longer than the kernel gives the same time to two changes.
const TICK: Duration = Duration::from_millis(20);

/// Copies the root to where the generation is made.
pub(super) fn begin(making: &Making<'_>, before: Option<&Generation>, progress: &mut dyn Progress) -> Result<()> {
    let tree = Tree::open(making.root.path())?;
    let before = before.filter(|before| before.storage == Storage::Copy).map(|before| before.number);
    let known = before.map_or_else(|| Ok(BTreeMap::new()), |before| read_index(making.root, before))?;
    progress.step("looking at the root");
    let mut head = Head::look(&tree, making.order.private)?;
    let changed: BTreeSet<&Path> = head.changed_since(&known).collect();
    let needed = head.room(|path| changed.contains(path));
    making.has_room(needed)?;
    making.store.make_folder(&making.aside(), 0o700)?;
    let copy = making.copy()?;
    let mut run = |paths: &BTreeSet<&Path>, by_content: bool| {
        // A change from now on leaves another time than the one that was seen.
        std::thread::sleep(TICK);
        let total = paths.len();
        rsync(making, before, paths, by_content, &mut |done| progress.step(&format!("copying the root: {done} of {total}")))
    };
    let quiet = head.marks.keys().map(PathBuf::as_path).filter(|path| !changed.contains(path));
    run(&quiet.collect(), false)?;
    run(&changed, true)?;
    for _ in 0..ROUNDS {
        let now = Head::look(&tree, making.order.private)?;
        let gone = head.marks.keys().map(PathBuf::as_path).filter(|path| !now.marks.contains_key(*path));
        let changed: BTreeSet<&Path> = now.changed_since(&head.marks).chain(gone).collect();
        if changed.is_empty() {
            return making.store.put(&making.index_aside(), &now.index(), 0o600);
        }
        let is_folder = |tree: &Tree, path| anyhow::Ok(tree.look(path)?.is_some_and(|entry| entry.kind == Kind::Folder));
        for path in changed {
            // A folder is in this copy alone, and what is in it may be as it was.
            if !(is_folder(&copy, path)? && is_folder(&tree, path)?) {
                copy.delete(path)?;
            }
        }
        let mut missing: BTreeSet<&Path> = now.changed_since(&head.marks).collect();
        for path in now.marks.keys() {
            if copy.look(path)?.is_none() {
                missing.insert(path);
            }
        }
        run(&missing, true)?;
        head = now;
    }
    bail!(
        "{}: goes on changing while it is copied; end what writes to it, or list that under `private`, then run again",
        making.root.display("")
    )
}

/// Copies these paths, no folder with what is in it. By content, a file is one with that of the generation before only
/// when all bytes are the same; else when size and time are.
fn rsync(
    making: &Making<'_>,
    before: Option<Number>,
    paths: &BTreeSet<&Path>,
    by_content: bool,
    progress: &mut dyn FnMut(usize),
) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let list = PathBuf::from(format!("{}list", paths::TEMP_PREFIX));
    // With `./` before it no name is a comment or an option. The root itself comes as the parent of what is in it; named,
    // it would come with all its files.
    let bytes = paths.iter().flat_map(|path| [b"./", path.as_os_str().as_bytes(), b"\0"].concat()).collect::<Vec<_>>();
    making.store.delete(&list)?;
    making.store.put(&list, &bytes, 0o600)?;
    let mut tool = Tool::new("rsync").args(["-aHAXS", "--numeric-ids", "--modify-window=-1", "--from0", "--out-format=."]);
    tool = tool.arg("--ignore-missing-args").arg(with("--files-from=", &making.path(&list))).or_status(VANISHED);
    if let Some(before) = before {
        tool = tool.arg(with("--link-dest=", &making.path(Path::new(&before.to_string()))));
        tool = if by_content { tool.arg("--checksum") } else { tool };
    }
    let folder = |path: &Path| with("", &path.join(""));
    let tool = tool.arg("--").arg(folder(making.root.path())).arg(folder(&making.path(&making.aside()))).called("rsync");
    let mut done = 0;
    let copied = tool.lines(|line| {
        done += usize::from(line == ".");
        if done % 500 == 0 {
            progress(done);
        }
    });
    copied.with_context(|| format!("{}: cannot copy it", making.root.display("")))?;
    making.store.delete(&list)
}

/// An option and its path.
fn with(option: &str, path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from(option);
    argument.push(path);
    argument
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use crate::generation::scene::{Scene, can_copy, without_links};
    use std::fs::{read_to_string, remove_dir_all, rename};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_copy_is_all_of_the_root_but_what_is_private_and_the_root_stays_as_it_is() {
        if !can_copy("a_copy_is_all_of_the_root_but_what_is_private_and_the_root_stays_as_it_is") {
            return;
        }
        let scene = Scene::new();
        let before = scene.tree("");
        let made = scene.try_make(&["/srv/link/*.key"]).unwrap();
        assert_eq!((made.number, made.kernels), (1, vec!["6.12.9_1".to_owned(), "6.12.10_1".to_owned()]));
        assert_eq!(scene.tree(""), before);
        let copy = scene.tree("var/lib/voidclust/generations/1");
        let gone: Vec<_> = before.keys().filter(|path| !copy.contains_key(*path)).map(String::as_str).collect();
        let private = [
            "etc/machine-id",
            "etc/overlays",
            "etc/overlays/default.tar",
            "etc/ssh/ssh_host_rsa_key",
            "proc/x",
            "root/.bash_history",
            "srv/data/site.key",
            "srv/swap",
            "tmp/x",
            "var/log/socklog/all/current",
        ];
        assert_eq!(gone, private);
        let more: Vec<_> = copy.keys().filter(|path| !before.contains_key(*path)).collect();
        assert_eq!(more, [".generation-1"]);
        for (path, text) in &copy {
            let is_changed = ["", "etc", "etc/fstab", ".generation-1"].contains(&path.as_str());
            assert!(is_changed || before.get(path) == Some(text), "{path:?}: {:?}\nis {text}", before.get(path));
        }
        assert!(before["usr/bin/-rf"].contains("security.capability") && before["usr/lib"].contains("posix_acl_default"));
        assert!(!read_to_string(scene.at_path("var/lib/voidclust/generations/1/etc/fstab")).unwrap().contains("sda1"));
        let sparse = scene.at_path("var/lib/voidclust/generations/1/usr/lib/sparse").metadata().unwrap();
        assert!(sparse.blocks() < 100, "{}", sparse.blocks());
        assert_eq!(scene.kept(), ["1", "1.index", "1.toml"]);
    }

    #[test]
    fn what_did_not_change_is_one_file_and_what_changed_leaves_the_older_ones_alone() {
        if !can_copy("what_did_not_change_is_one_file_and_what_changed_leaves_the_older_ones_alone") {
            return;
        }
        let scene = Scene::new();
        let first = scene.make();
        let before = without_links(scene.tree(&first));
        // Same size, same times, other content: what rsync takes for the same.
        let hosts = scene.at_path("etc/hosts");
        let written = hosts.metadata().unwrap().modified().unwrap();
        scene.write("etc/hosts", "BBBB\n");
        std::fs::File::options().write(true).open(&hosts).unwrap().set_modified(written).unwrap();
        // Attributes alone, of one that has two names.
        scene.chmod("usr/bin/one", 0o700);
        // A folder takes the place of another, with files that have all but their content alike.
        for (name, text) in [("a", "1111"), ("b", "2222")] {
            scene.write(&format!("usr/{name}/x"), text);
            let file = std::fs::File::options().write(true).open(scene.at_path(&format!("usr/{name}/x"))).unwrap();
            file.set_modified(written).unwrap();
        }
        let second = scene.make();
        remove_dir_all(scene.at_path("usr/a")).unwrap();
        rename(scene.at_path("usr/b"), scene.at_path("usr/a")).unwrap();
        let third = scene.make();
        let read = |tree: &str, path: &str| read_to_string(scene.at_path(tree).join(path)).unwrap();
        assert_eq!((read(&first, "etc/hosts"), read(&second, "etc/hosts")), ("AAAA\n".into(), "BBBB\n".into()));
        assert_eq!((read(&second, "usr/a/x"), read(&third, "usr/a/x")), ("1111".into(), "2222".into()));
        let inode = |tree: &str, path: &str| scene.at_path(tree).join(path).symlink_metadata().unwrap().ino();
        for path in ["etc/ssh/sshd_config", "usr/bin/#odd\nname", "usr/lib/sparse", "usr/bin/-rf"] {
            assert_eq!(inode(&first, path), inode(&third, path), "{path}");
        }
        assert_ne!(inode(&first, ".generation-1"), inode(&second, ".generation-2"));
        assert_eq!(inode(&third, "usr/bin/one"), inode(&third, "usr/bin/two"));
        assert_ne!(inode(&first, "usr/bin/one"), inode(&third, "usr/bin/one"));
        assert_eq!(without_links(scene.tree(&first)), before);
        let (head, copy) = (without_links(scene.tree("usr")), without_links(scene.tree(&format!("{third}/usr"))));
        assert_eq!(head, copy);
    }
}
