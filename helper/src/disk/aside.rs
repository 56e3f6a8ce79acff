//! Files written under temporary names, in the folders where they will stand, until one rename each gives them their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::disk::root::{Root, split};
use crate::disk::tree::{Content, Item};
use crate::paths;

/// Files written under temporary names, in the folders where they will stand.
#[derive(Debug)]
pub(crate) struct Aside<'root> {
    root: &'root Root,
    folders: BTreeMap<String, OwnedFd>,
    /// Folder and name of each.
    written: Vec<(String, String)>,
}

fn temporary(name: &str) -> String {
    format!("{}{name}", paths::TEMP_PREFIX)
}

impl<'root> Aside<'root> {
    /// Nothing yet.
    pub(crate) fn new(root: &'root Root) -> Self {
        Self { root, folders: BTreeMap::new(), written: Vec::new() }
    }

    /// An open folder, made if need be.
    fn folder(&mut self, relative: &str) -> Result<&OwnedFd> {
        if !self.folders.contains_key(relative) {
            let folder = self.root.folder(relative)?;
            self.folders.insert(relative.to_owned(), folder);
        }
        self.folders.get(relative).with_context(|| format!("{}: not open", self.root.display(relative)))
    }

    /// Removes what a killed run wrote aside in these folders.
    pub(crate) fn sweep<'folder>(&mut self, folders: impl IntoIterator<Item = &'folder str>) -> Result<()> {
        for folder in folders.into_iter().collect::<BTreeSet<_>>() {
            for name in self.root.list(folder)?.unwrap_or_default() {
                if name.starts_with(paths::TEMP_PREFIX) {
                    self.remove(&format!("{folder}/{name}"))?;
                }
            }
        }
        Ok(())
    }

    /// Where a program is to write the file that will stand at `path`. Always the same, so that nothing piles up there.
    pub(crate) fn reserve(&mut self, path: &str) -> Result<String> {
        let (parent, name) = split(path);
        let aside = format!("{parent}/{}", temporary(name));
        // mkinitcpio measures what it finds there to guess how much room it needs.
        self.remove(&aside)?;
        self.written.push((parent.to_owned(), name.to_owned()));
        Ok(aside)
    }

    /// Gives a few files their names, each on the disk before: their own syncs are cheaper than that of a file system on
    /// which others write, too.
    pub(crate) fn publish(&mut self) -> Result<()> {
        for (parent, name) in &self.written {
            let context = || format!("{}/{name}: cannot sync", self.root.display(parent));
            let folder = self.folders.get(parent).with_context(context)?;
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(folder, temporary(name), flags, Mode::empty()).with_context(context)?;
            rustix::fs::fsync(file).with_context(context)?;
        }
        self.rename()?;
        for (path, folder) in &self.folders {
            rustix::fs::fsync(folder).with_context(|| format!("{}: cannot sync", self.root.display(path)))?;
        }
        Ok(())
    }

    /// Writes files under their temporary names. Each is listed before it is there, so that a failure sweeps all.
    pub(super) fn write(&mut self, items: &[(&str, &Item)]) -> Result<()> {
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
    pub(super) fn sync(&self) -> Result<()> {
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
    pub(super) fn rename(&mut self) -> Result<()> {
        let (root, folders) = (self.root, &self.folders);
        in_parallel(&self.written, |(parent, name)| {
            let context = || format!("{}/{name}: cannot replace; run again to finish", root.display(parent));
            let folder = folders.get(parent).with_context(context)?;
            rustix::fs::renameat(folder, temporary(name), folder, name.as_str()).with_context(context)
        })?;
        self.written.clear();
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> Result<()> {
        let (parent, name) = split(path);
        let root = self.root;
        match rustix::fs::unlinkat(self.folder(parent)?, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("{}: cannot remove", root.display(path))),
        }
    }
}

fn write_one(folder: &OwnedFd, temporary: &str, item: &Item) -> std::io::Result<()> {
    match &item.content {
        Content::Link(target) => {
            match rustix::fs::unlinkat(folder, temporary, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            rustix::fs::symlinkat(target, folder, temporary)?;
        }
        Content::File(bytes) => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // Born unreadable: an overlay's secrets are never open, not even for a moment.
            let mut file = File::from(rustix::fs::openat(folder, temporary, flags, Mode::from_raw_mode(0o600))?);
            file.write_all(bytes)?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(item.mode))?;
        }
        Content::Folder | Content::Other => return Err(std::io::Error::other("only files and links are written")),
    }
    Ok(())
}

/// Does `work` for every item, on all processors when there are many; the first error is returned.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let done = crate::parallel::shares(items, 256, |part| part.iter().try_for_each(&work));
    done.into_iter().fold(Ok(()), Result::and)
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
