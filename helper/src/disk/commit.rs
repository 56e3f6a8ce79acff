//! The one function that changes files: all new content is written aside and synced before the first rename.
//!
//! Contract of [`Lock::commit`]: killed at any instruction, each path holds its old or its new content, whole; the next
//! run finishes the work (pending.toml names what we were about to write, so that it is known as ours) and sweeps what
//! was written aside. One sync per file system, not per file: ten thousand nodes would be ten thousand journal commits.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::disk::manifest::{Manifest, Ours};
use crate::disk::plan::{Plan, Step};
use crate::disk::root::{Root, split};
use crate::disk::tree::{Item, Tree};
use crate::paths;

/// The right to change files: held while it lives, one at a time per root.
#[derive(Debug)]
pub struct Lock<'root> {
    root: &'root Root,
    file: File,
}

impl<'root> Lock<'root> {
    /// Takes the lock, waiting for nobody.
    ///
    /// # Errors
    /// When another run holds it, or the lock file cannot be made.
    pub fn take(root: &'root Root) -> Result<Self> {
        let (folder, name) = split(paths::LOCK);
        let folder = root.folder(folder)?;
        // The file is never replaced or removed: two runs could then lock two files of one name.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o600));
        let file = File::from(file.with_context(|| format!("{}: cannot open the lock", root.display(paths::LOCK)))?);
        match file.try_lock() {
            Ok(()) => Ok(Self { root, file }),
            Err(std::fs::TryLockError::WouldBlock) => {
                bail!("{}: another voidclust is at work on this root; wait for it to end", root.display(paths::LOCK))
            }
            Err(std::fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{}: cannot lock", root.display(paths::LOCK)))
            }
        }
    }

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
        let mut aside = Aside { root: self.root, folders: BTreeMap::new(), written: Vec::new() };
        aside.sweep(plan)?;
        if plan.changes().next().is_some() {
            let items = plan.changes().filter_map(|(path, step)| match step {
                Step::Create(item) | Step::Replace(item) => Some((path.as_str(), item)),
                _ => None,
            });
            aside.write(&items.collect::<Vec<_>>())?;
            aside.sync()?;
            self.save(paths::PENDING, &ours.pending_with(&plan.manifest))?;
            aside.rename()?;
            for (path, _) in plan.changes().filter(|(_, step)| matches!(step, Step::Remove)) {
                aside.remove(path)?;
            }
            aside.sync()?;
        }
        if plan.manifest != ours.written {
            self.save(paths::MANIFEST, &plan.manifest)?;
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
        let mut aside = Aside { root: self.root, folders: BTreeMap::new(), written: Vec::new() };
        for path in [paths::PENDING, paths::MANIFEST, paths::LOCK] {
            aside.remove(path)?;
        }
        Ok(())
    }

    /// Writes a file of our own state, on the disk before it takes its name.
    fn save(&self, path: &str, manifest: &Manifest) -> Result<()> {
        let item = Item::File { bytes: manifest.text().into_bytes().into(), mode: 0o600 };
        let mut aside = Aside { root: self.root, folders: BTreeMap::new(), written: Vec::new() };
        aside.write(&[(path, &item)])?;
        let (parent, name) = split(path);
        let folder = aside.folder(parent)?;
        let context = || format!("{}: cannot sync", self.root.display(path));
        // One file: its own sync is cheaper than that of a file system on which others write, too.
        let file = rustix::fs::openat(folder, temporary(name), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        rustix::fs::fsync(file.with_context(context)?).with_context(context)?;
        aside.rename()?;
        rustix::fs::fsync(aside.folder(parent)?).with_context(context)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Closing the file is not enough: a program that is being started may hold a copy of the descriptor for a moment.
        let _ = self.file.unlock();
    }
}

/// Compares a Tree with what is under the root, reading each folder's descriptor once.
///
/// # Errors
/// When something cannot be read.
pub fn plan_for(root: &Root, tree: &Tree, ours: &Ours, owned: impl Fn(&str) -> bool, force: bool) -> Result<Plan> {
    let mut folders: BTreeMap<String, Option<OwnedFd>> = BTreeMap::new();
    crate::disk::plan::plan(tree, ours, owned, force, |path| {
        use std::os::fd::AsFd;
        let (parent, name) = split(path);
        if !folders.contains_key(parent) {
            folders.insert(parent.to_owned(), root.existing_folder(parent)?);
        }
        match folders.get(parent) {
            Some(Some(folder)) => {
                let found = crate::disk::root::find_in(folder.as_fd(), name);
                found.with_context(|| format!("{}: cannot read", root.display(path)))
            }
            _ => Ok(None),
        }
    })
}

/// Files written under temporary names, in the folders where they will stand.
struct Aside<'root> {
    root: &'root Root,
    folders: BTreeMap<String, OwnedFd>,
    /// Folder and name of each.
    written: Vec<(String, String)>,
}

fn temporary(name: &str) -> String {
    format!("{}{name}", paths::TEMP_PREFIX)
}

impl Aside<'_> {
    fn folder(&mut self, relative: &str) -> Result<&OwnedFd> {
        if !self.folders.contains_key(relative) {
            let folder = self.root.folder(relative)?;
            self.folders.insert(relative.to_owned(), folder);
        }
        self.folders.get(relative).with_context(|| format!("{}: not open", self.root.display(relative)))
    }

    /// Removes what a killed run wrote aside, in every folder that the Plan touches or knows.
    fn sweep(&mut self, plan: &Plan) -> Result<()> {
        let known = plan.steps.keys().map(|path| split(path).0).chain([paths::STATE]);
        for folder in known.collect::<BTreeSet<_>>() {
            if self.root.existing_folder(folder)?.is_none() {
                continue;
            }
            for name in self.root.list(folder)?.unwrap_or_default() {
                if name.starts_with(paths::TEMP_PREFIX) {
                    self.remove(&format!("{folder}/{name}"))?;
                }
            }
        }
        Ok(())
    }

    /// Writes files under their temporary names. Each is listed before it is there, so that a failure sweeps all.
    fn write(&mut self, items: &[(&str, &Item)]) -> Result<()> {
        for (path, _) in items {
            let (parent, name) = split(path);
            self.folder(parent)?;
            self.written.push((parent.to_owned(), name.to_owned()));
        }
        let (root, folders) = (self.root, &self.folders);
        in_parallel(items, |(path, item)| {
            let (parent, name) = split(path);
            let context = || format!("{}: cannot write", root.display(path));
            let folder = folders.get(parent).with_context(context)?;
            write_one(folder, &temporary(name), item).with_context(context)
        })
    }

    /// Syncs each file system that holds one of our folders, once.
    fn sync(&self) -> Result<()> {
        let mut synced = BTreeSet::new();
        for (path, folder) in &self.folders {
            let context = || format!("{}: cannot sync", self.root.display(path));
            if synced.insert(rustix::fs::fstat(folder).with_context(context)?.st_dev) {
                rustix::fs::syncfs(folder).with_context(context)?;
            }
        }
        Ok(())
    }

    /// Gives every file its name.
    fn rename(&mut self) -> Result<()> {
        let (root, folders) = (self.root, &self.folders);
        in_parallel(&self.written, |(parent, name)| {
            let context = || format!("{}/{name}: cannot replace; run again to finish", root.display(parent));
            let folder = folders.get(parent).with_context(context)?;
            rustix::fs::renameat(folder, temporary(name), folder, name.as_str()).with_context(context)
        })?;
        self.written.clear();
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<()> {
        let (parent, name) = split(path);
        let root = self.root;
        match rustix::fs::unlinkat(self.folder(parent)?, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("{}: cannot remove", root.display(path))),
        }
    }
}

fn write_one(folder: &OwnedFd, temporary: &str, item: &Item) -> std::io::Result<()> {
    match item {
        Item::Link(target) => {
            match rustix::fs::unlinkat(folder, temporary, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            rustix::fs::symlinkat(target.as_str(), folder, temporary)?;
        }
        Item::File { bytes, mode } => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // Born unreadable: an overlay's secrets are never open, not even for a moment.
            let mut file = File::from(rustix::fs::openat(folder, temporary, flags, Mode::from_raw_mode(0o600))?);
            file.write_all(bytes)?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(*mode))?;
        }
    }
    Ok(())
}

/// Does `work` for every item, on all processors when there are many; the first error is returned.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    /// Fewer are done sooner than a thread is started.
    const MANY: usize = 256;
    let workers = if items.len() < MANY { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let share = items.len().div_ceil(workers).max(1);
    std::thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = items.chunks(share).map(|part| scope.spawn(move || part.iter().try_for_each(work))).collect();
        let lost = |_| Err(anyhow::anyhow!("a thread that wrote files ended early"));
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(lost)).fold(Ok(()), Result::and)
    })
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        for (parent, name) in &self.written {
            if let Some(folder) = self.folders.get(parent) {
                // Best effort: what cannot be removed now is swept by the next run.
                let _ = rustix::fs::unlinkat(folder, temporary(name), AtFlags::empty());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        lock.save(paths::PENDING, &Manifest { files }).unwrap();
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
    fn one_run_at_a_time() {
        let (_dir, root) = setup();
        let _first = Lock::take(&root).unwrap();
        assert!(Lock::take(&root).unwrap_err().to_string().contains("another voidclust"));
    }

    #[test]
    fn a_full_disk_changes_nothing_and_leaves_no_litter() {
        // /dev/full cannot stand in for a folder; a write that fails half-way is a name that is too long for the disk.
        let (_dir, root) = setup();
        commit(&root, &tree(&[("etc/a", "1")]), false).unwrap();
        let long = format!("etc/z{}", "x".repeat(250));
        assert!(commit(&root, &tree(&[("etc/a", "2"), (&long, "2")]), false).is_err());
        assert_eq!(listing(&root, "etc"), ["a"]);
        assert_eq!(root.read("etc/a").unwrap().unwrap(), b"1");
    }

    #[test]
    fn secrets_are_never_readable_and_modes_do_not_depend_on_the_umask() {
        let (_dir, root) = setup();
        let mut tree = tree(&[("etc/open", "1")]);
        tree.insert("etc/overlays/x.tar", Item::File { bytes: (*b"s").into(), mode: 0o600 });
        tree.insert("etc/link", Item::Link("open".into()));
        commit(&root, &tree, false).unwrap();
        let mode = |path: &str| match root.find(path).unwrap() {
            Some(crate::disk::root::Found::File { mode, .. }) => mode,
            other => panic!("{other:?}"),
        };
        assert_eq!((mode("etc/open"), mode("etc/overlays/x.tar")), (0o644, 0o600));
        assert_eq!(root.find("etc/link").unwrap(), Some(crate::disk::root::Found::Link("open".into())));
    }
}
