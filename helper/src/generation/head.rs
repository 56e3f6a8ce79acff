//! The shared root while it is copied: what it has, and what of it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::private::{Found, Instead, find};
use super::store::{Entry, Kind, Tree};
use crate::disk::root::Root;
use crate::paths;
use crate::types::generation::Number;

/// By what something is known not to have changed. The time cannot be set back, as that of the last writing can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    inode: u64,
    changed: i128,
}

impl Mark {
    pub(super) fn of(entry: &Entry) -> Self {
        Self { inode: entry.inode, changed: entry.changed }
    }
}

/// All that a generation gets of the root.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) marks: BTreeMap<PathBuf, Mark>,
    /// The bytes that each takes on the disk, a file of several names once, and whether it is a folder.
    room: BTreeMap<PathBuf, (u64, bool)>,
}

impl Head {
    /// Looks at the root, and leaves out what is private.
    pub(super) fn look(tree: &Tree, site: &[String]) -> Result<Self> {
        let private = find(tree, site)?;
        let mut head = Self::default();
        let mut emptied: Option<PathBuf> = None;
        let mut named = BTreeSet::new();
        tree.walk(&mut |path, entry| {
            let below = emptied.as_ref().is_some_and(|folder| path.starts_with(folder));
            if is_left_out(path, entry.kind, below, &private) {
                return false;
            }
            if private.contains_key(path) {
                emptied = Some(path.to_owned());
            }
            head.marks.insert(path.to_owned(), Mark::of(entry));
            if entry.links == 1 || entry.kind == Kind::Folder || named.insert(entry.inode) {
                head.room.insert(path.to_owned(), (entry.room, entry.kind == Kind::Folder));
            }
            true
        })?;
        Ok(head)
    }

    /// What is not as it was then.
    pub(super) fn changed_since(&self, then: &BTreeMap<PathBuf, Mark>) -> impl Iterator<Item = &Path> {
        self.marks.iter().filter(|(path, mark)| then.get(*path) != Some(mark)).map(|(path, _)| path.as_path())
    }

    /// The bytes and the inodes that a copy takes which shares all but folders and what `is_new`.
    pub(super) fn room(&self, is_new: impl Fn(&Path) -> bool) -> (u64, u64) {
        let taken = self.room.iter().filter(|(path, (_, is_folder))| *is_folder || is_new(path));
        taken.fold((0, 0), |(bytes, inodes), (_, (room, _))| (bytes + room, inodes + 1))
    }

    /// As it is kept beside a generation.
    pub(super) fn index(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (path, mark) in &self.marks {
            bytes.extend(format!("{} {} ", mark.inode, mark.changed).bytes());
            bytes.extend(path.as_os_str().as_bytes());
            bytes.push(0);
        }
        bytes
    }
}

/// Whether a generation has none of it.
pub(super) fn is_left_out(path: &Path, kind: Kind, is_below_emptied: bool, private: &Found) -> bool {
    match private.get(path) {
        Some((Instead::Folders, _)) => kind != Kind::Folder,
        Some(_) => true,
        None => is_below_emptied && kind != Kind::Folder && !super::store::stays(path),
    }
}

/// What the root was when a generation was made; nothing when that is not known, and then all counts as changed.
pub(super) fn read_index(root: &Root, number: Number) -> Result<BTreeMap<PathBuf, Mark>> {
    let bytes = root.read(&paths::generation_index(number))?.unwrap_or_default();
    let mark = |record: &[u8]| {
        let mut fields = record.splitn(3, |byte| *byte == b' ');
        let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse::<i128>().ok();
        let (inode, changed) = (u64::try_from(number()?).ok()?, number()?);
        Some((PathBuf::from(OsStr::from_bytes(fields.next()?)), Mark { inode, changed }))
    };
    Ok(bytes.split(|byte| *byte == 0).filter_map(mark).collect())
}
