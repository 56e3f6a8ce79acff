//! Files written under temporary names, in the folders where they will stand, until one rename each gives them their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::disk::opened::{Stamp, look_in};
use crate::disk::root::{Root, split};
use crate::disk::stamps::stamp;
use crate::disk::tree::{Content, Item};
use crate::parallel;
use crate::paths;

/// Files written under temporary names, in the folders where they will stand.
#[derive(Debug)]
pub(crate) struct Aside<'root> {
    root: &'root Root,
    folders: BTreeMap<String, OwnedFd>,
    /// Where each will stand.
    written: Vec<String>,
    /// Archives of machines that stay as they are, by fingerprint.
    standing: BTreeMap<String, String>,
}

fn temporary(name: &str) -> String {
    format!("{}{name}", paths::TEMP_PREFIX)
}

impl<'root> Aside<'root> {
    /// Nothing yet.
    pub(crate) fn new(root: &'root Root) -> Self {
        Self { root, folders: BTreeMap::new(), written: Vec::new(), standing: BTreeMap::new() }
    }

    /// An open folder, made if need be.
    pub(super) fn folder(&mut self, relative: &str) -> Result<&OwnedFd> {
        if !self.folders.contains_key(relative) {
            let folder = match self.folders.get(split(relative).0) {
                Some(above) => self.root.folder_in(above, relative)?,
                None => self.root.folder(relative)?,
            };
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
        self.written.push(path.to_owned());
        Ok(aside)
    }

    /// Gives a few files their names, each on the disk before: their own syncs are cheaper than that of a file system on
    /// which others write, too.
    pub(crate) fn publish(&mut self) -> Result<()> {
        for path in &self.written {
            let (parent, name) = split(path);
            let context = || format!("{}: cannot sync", self.root.display(path));
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

    /// Remembers an archive that stays as it is: others of the same content become links to it.
    pub(super) fn keep(&mut self, path: &str, fingerprint: &str) {
        self.standing.entry(fingerprint.to_owned()).or_insert_with(|| path.to_owned());
    }

    /// Writes files under their temporary names. Each is listed before it is there, so that a failure sweeps all.
    ///
    /// Archives of machines that hold the same are one file, by hard links: what hundreds of nodes share is on the disk
    /// once. Nobody writes into one of ours, it is replaced, so no node changes with another.
    pub(super) fn write(&mut self, items: &[(&str, &Item)]) -> Result<()> {
        /// As many links as any file system allows (ext3: 32,000).
        const LINKS_MAX: usize = 30_000;
        let (mut written, mut links) = (Vec::new(), Vec::new());
        let mut firsts: BTreeMap<String, (String, usize)> = BTreeMap::new();
        for (path, item) in items {
            let parent = split(path).0;
            self.folder(parent)?;
            self.written.push((*path).to_owned());
            if paths::archive_owner(path).is_none() {
                written.push((*path, *item));
                continue;
            }
            let print = item.fingerprint();
            if let Some(standing) = self.standing.get(&print) {
                links.push((standing.clone(), *path, *item));
            } else if let Some((first, count)) = firsts.get_mut(&print).filter(|(_, count)| *count < LINKS_MAX) {
                *count += 1;
                links.push((first.clone(), *path, *item));
            } else {
                firsts.insert(print, (format!("{parent}/{}", temporary(split(path).1)), 1));
                written.push((*path, *item));
            }
        }
        let (root, folders) = (self.root, &self.folders);
        let open = |path: &str| folders.get(split(path).0).with_context(|| format!("{}: not open", root.display(path)));
        let write = |path: &str, item: &Item| {
            let context = || format!("{}: cannot write", root.display(path));
            write_one(open(path)?, &temporary(split(path).1), item).with_context(context)
        };
        in_parallel(&written, |(path, item)| write(path, item))?;
        in_parallel(&links, |(from, path, item)| {
            let linked = link_one(open(from)?, split(from).1, open(path)?, &temporary(split(path).1));
            // A file system without links, or without any left.
            linked.or_else(|_| write(path, item))
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
        in_parallel(&self.written, |path| {
            let (parent, name) = split(path);
            let context = || format!("{}: cannot replace; run again to finish", root.display(path));
            let folder = folders.get(parent).with_context(context)?;
            rustix::fs::renameat(folder, temporary(name), folder, name).with_context(context)
        })?;
        self.written.clear();
        Ok(())
    }

    /// The stamps of files that have their names, but for those that were written on since a moment before that, in
    /// nanoseconds since 1970: what they are now is not what was written.
    pub(super) fn stamps(&self, items: &[(&str, &Item)], before: Option<i128>) -> Result<Vec<(String, u64)>> {
        let stamp_of = |path: &str| -> Result<Option<(String, u64)>> {
            let (parent, name) = split(path);
            let folder = self.folders.get(parent).with_context(|| format!("{}: not open", self.root.display(path)))?;
            let stat =
                look_in(folder.as_fd(), name).with_context(|| format!("{}: cannot look at it", self.root.display(path)))?;
            let whole = stat.filter(|stat| before.is_some_and(|before| Stamp::of(stat).written <= before));
            Ok(whole.map(|stat| (path.to_owned(), stamp(&stat))))
        };
        let of_share = |share: &[(&str, &Item)]| -> Result<Vec<_>> {
            share.iter().filter_map(|(path, _)| stamp_of(path).transpose()).collect()
        };
        let stamps: Result<Vec<_>> = parallel::shares(items, parallel::FEW, of_share).into_iter().collect();
        Ok(stamps?.concat())
    }

    pub(super) fn remove(&mut self, path: &str) -> Result<()> {
        self.unlink(path, AtFlags::empty())
    }

    /// Removes a folder that is empty.
    pub(super) fn remove_folder(&mut self, path: &str) -> Result<()> {
        self.unlink(path, AtFlags::REMOVEDIR)
    }

    fn unlink(&mut self, path: &str, flags: AtFlags) -> Result<()> {
        let (parent, name) = split(path);
        let root = self.root;
        match rustix::fs::unlinkat(self.folder(parent)?, name, flags) {
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
            file.write_all(&bytes.whole())?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(item.mode))?;
        }
        Content::Folder | Content::Other => return Err(std::io::Error::other("only files and links are written")),
    }
    Ok(())
}

fn link_one(from: &OwnedFd, name: &str, folder: &OwnedFd, temporary: &str) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(folder, temporary, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => rustix::fs::linkat(from, name, folder, temporary, AtFlags::empty()),
        Err(error) => Err(error),
    }
}

/// Does `work` for every item, on all processors when there are many; the first error is returned.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let done = parallel::shares(items, parallel::FEW, |part| part.iter().try_for_each(&work));
    done.into_iter().fold(Ok(()), Result::and)
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        for path in &self.written {
            let (parent, name) = split(path);
            if let Some(folder) = self.folders.get(parent) {
                // Best effort: what cannot be removed now is swept by the next run.
                let _ = rustix::fs::unlinkat(folder, temporary(name), AtFlags::empty());
            }
        }
    }
}
