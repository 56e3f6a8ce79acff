//! The one function that changes files: all new content is written aside and synced before the first rename.
//!
//! Contract of [`Lock::commit`]: killed at any instruction, each path holds its old or its new content, whole; the next
//! run finishes the work (pending.toml names what we were about to write, so that it is known as ours) and sweeps what
//! was written aside. One sync per file system, not per file: ten thousand nodes would be ten thousand journal commits.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Gid, Mode, Uid};

use crate::disk::aside::Aside;
use crate::disk::lock::Lock;
use crate::disk::manifest::Ours;
use crate::disk::opened::{look_in, read_in};
use crate::disk::plan::{Plan, Step};
use crate::disk::root::{Root, split};
use crate::disk::tree::{Content, Item, Tree};
use crate::paths;

impl Lock<'_> {
    /// Carries the Plan out.
    ///
    /// # Errors
    /// When something foreign stands in the way, or the disk refuses. Before the first rename nothing has changed;
    /// after it, the next run finishes.
    pub fn commit(&self, plan: &Plan, ours: &Ours) -> Result<()> {
        if let Some((path, what)) = plan.foreign().next() {
            let more = plan.foreign().count() - 1;
            let more = if more > 0 { format!(" (and {more} more such paths)") } else { String::new() };
            bail!("{}: {what} stands here{more}; move it away, or let --force replace files", self.root.display(path));
        }
        let mut aside = Aside::new(self.root);
        aside.sweep(plan.steps.keys().map(|path| split(path).0).chain([paths::STATE]))?;
        if plan.changes().next().is_some() {
            let items = plan.changes().filter_map(|(path, step)| match step {
                Step::Create(item) | Step::Replace(item) => Some((path.as_str(), item)),
                _ => None,
            });
            let kept =
                plan.steps.iter().filter(|(path, step)| matches!(step, Step::Keep) && paths::archive_owner(path).is_some());
            for (path, _) in kept {
                if let Some(fingerprint) = plan.manifest.files.get(path) {
                    aside.keep(path, fingerprint);
                }
            }
            aside.write(&items.collect::<Vec<_>>())?;
            aside.sync()?;
            self.save(paths::PENDING, ours.pending_with(&plan.manifest).text())?;
            aside.rename()?;
            for (path, _) in plan.changes().filter(|(_, step)| matches!(step, Step::Remove)) {
                aside.remove(path)?;
            }
            aside.sync()?;
        }
        if plan.manifest != ours.written {
            self.save(paths::MANIFEST, plan.manifest.text())?;
        }
        if ours.pending.is_some() || plan.changes().next().is_some() {
            aside.remove(paths::PENDING)?;
        }
        Ok(())
    }

    /// Removes what we know about earlier runs, and the lock with it: nothing of ours is left that it could protect.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_state(self) -> Result<()> {
        let mut aside = Aside::new(self.root);
        for path in [paths::PENDING, paths::MANIFEST, paths::MASTER_IMAGES, paths::LINES, paths::BUILD_LOG, paths::LOCK] {
            aside.remove(path)?;
        }
        let (folder, prefix) = split(paths::BEFORE);
        for name in self.root.list(folder)?.unwrap_or_default().iter().filter(|name| name.starts_with(prefix)) {
            aside.remove(&format!("{folder}/{name}"))?;
        }
        Ok(())
    }

    /// Writes a new text into a file of the administrator's, which keeps its mode. What it was is beside our state; returns
    /// where.
    ///
    /// # Errors
    /// When it is no file by itself, was changed since it was read as `before`, or the disk refuses.
    pub fn edit(&self, path: &str, before: &str, after: String) -> Result<String> {
        let name = self.root.display(path);
        let item = self.root.find(path)?.with_context(|| format!("{name}: is not there any more; run this again"))?;
        let Some(bytes) = item.bytes() else { bail!("{name}: is not a file but a link; make the change where it leads to") };
        if *bytes.whole() != *before.as_bytes() {
            bail!("{name}: was changed while this ran; run it again");
        }
        let copy = format!("{}{}", paths::BEFORE, split(path).1);
        self.save(&copy, before.to_owned())?;
        let mut aside = Aside::new(self.root);
        aside.write(&[(path, &Item::file(after).with_mode(item.mode))])?;
        aside.publish()?;
        Ok(copy)
    }

    /// Writes files and links of the administrator's into a folder, with mode and owner. The folders among the items get
    /// theirs, too.
    ///
    /// # Errors
    /// When something else has one of the names, before anything is written; or the disk refuses.
    pub fn bring(&self, folder: &str, items: &BTreeMap<String, Item>) -> Result<()> {
        let (mut aside, mut new) = (Aside::new(self.root), Vec::new());
        let paths: Vec<(String, &Item)> = items.iter().map(|(path, item)| (format!("{folder}/{path}"), item)).collect();
        for (path, item) in paths.iter().filter(|(_, item)| !item.is_folder()) {
            match self.root.find(path)? {
                Some(there) if there == **item => {}
                Some(_) => bail!("{}: is there already, and differs; remove it first", self.root.display(path)),
                None => new.push((path.as_str(), *item)),
            }
        }
        aside.write(&new)?;
        aside.publish()?;
        for (path, item) in paths.iter().filter(|(path, item)| item.is_folder() || new.iter().any(|(new, _)| new == path)) {
            let context = || format!("{}: cannot set mode and owner", self.root.display(path));
            let (parent, name) = split(path);
            let parent = self.root.folder(parent)?;
            let owner = (Some(Uid::from_raw(item.owner.uid)), Some(Gid::from_raw(item.owner.gid)));
            rustix::fs::chownat(&parent, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW).with_context(context)?;
            if !matches!(item.content, Content::Link(_)) {
                // Setting the owner takes away that a program runs as that.
                rustix::fs::chmodat(&parent, name, Mode::from_raw_mode(item.mode), AtFlags::empty()).with_context(context)?;
            }
        }
        Ok(())
    }

    /// Writes a file of our own state, on the disk before it takes its name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn save(&self, path: &str, text: String) -> Result<()> {
        let item = Item::file(text).with_mode(0o600);
        let mut aside = Aside::new(self.root);
        aside.write(&[(path, &item)])?;
        aside.publish()
    }
}

/// Compares a Tree with what is under the root, reading each folder's descriptor once.
///
/// # Errors
/// When something cannot be read.
pub fn plan_for(root: &Root, tree: &Tree, ours: &Ours, owned: impl Fn(&str) -> bool, force: bool) -> Result<Plan> {
    let mut folders: BTreeMap<String, Option<OwnedFd>> = BTreeMap::new();
    // What has several names is read once: archives that nodes share.
    let mut shared: BTreeMap<_, Item> = BTreeMap::new();
    crate::disk::plan::plan(tree, ours, owned, force, |path| {
        let (parent, name) = split(path);
        if !folders.contains_key(parent) {
            folders.insert(parent.to_owned(), root.existing_folder(parent)?);
        }
        let Some(Some(folder)) = folders.get(parent) else { return Ok(None) };
        let context = || format!("{}: cannot read", root.display(path));
        let Some(stat) = look_in(folder.as_fd(), name).with_context(context)? else { return Ok(None) };
        let inode = (stat.st_dev, stat.st_ino);
        if let Some(item) = shared.get(&inode) {
            return Ok(Some(item.clone()));
        }
        let item = read_in(folder.as_fd(), name, &stat).with_context(context)?;
        if stat.st_nlink > 1 && item.bytes().is_some() {
            shared.insert(inode, item.clone());
        }
        Ok(Some(item))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::manifest::Manifest;
    use crate::disk::tree::Content;
    use crate::testing::{SMALL_DISK, on_a_small_disk};
    use std::fs::File;
    use std::path::Path;

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
        assert_eq!(listing(&root, paths::STATE), ["lock", "manifest.toml"]);
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
        assert_eq!(listing(&root, paths::STATE), ["lock", "manifest.toml"]);
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
            assert_eq!(listing(&root, paths::STATE), ["lock", "manifest.toml"]);
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
}
