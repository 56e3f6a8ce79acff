//! Whether the generations are as they were made, and what they take.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use rustix::fs::Access;
use rustix::io::Errno;

use super::store::{Kind, Tree};
use super::{kernels, open_store, zfs};
use crate::disk::root::Root;
use crate::paths;
use crate::types::generation::{Generation, Generations, Number, Storage};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose it is.
    pub generation: Number,
    /// What is wrong, as the rest of a sentence.
    pub what: String,
}

/// Looks whether each generation is there, is the one that its record tells of, cannot be written where the storage sees to
/// that, and has the modules of its kernels.
///
/// # Errors
/// When something cannot be looked at.
pub fn verify(root: &Root, generations: &Generations) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for made in generations.made.values() {
        let mut find = |what: String| findings.push(Finding { generation: made.number, what });
        let tree = paths::generation_tree(made.number);
        let marker = root.read(&format!("{tree}/{}", paths::generation_marker(made.number)))?;
        if root.look(&tree)?.is_none() {
            find(format!("{} is not there", root.display(&tree)));
            continue;
        }
        match marker {
            Some(text) if text == format!("{}\n", made.number).as_bytes() => {}
            Some(_) => find("its marker names another one".to_owned()),
            None if matches!(made.storage, Storage::Zfs(_)) => find("its data set is not mounted".to_owned()),
            None => find("its marker is not there".to_owned()),
        }
        let writable = rustix::fs::access(root.path().join(&tree), Access::WRITE_OK) != Err(Errno::ROFS);
        if writable && made.storage != Storage::Copy {
            find("it can be written".to_owned());
        }
        let there = kernels(root, made.number)?;
        for kernel in made.kernels.iter().filter(|kernel| !there.contains(kernel)) {
            find(format!("the modules of {kernel} are gone"));
        }
    }
    Ok(findings)
}

/// The bytes that a generation has for itself, and that would be free without it; `None` where the storage does not tell.
///
/// # Errors
/// When it cannot be looked through, or the storage cannot be asked.
pub fn own_size(root: &Root, generation: &Generation) -> Result<Option<u64>> {
    match &generation.storage {
        Storage::Zfs(set) => zfs::used(set).map(Some),
        Storage::Btrfs => Ok(None),
        Storage::Copy => {
            let store = open_store(root)?;
            if store.look(Path::new(&generation.number.to_string()))?.is_none() {
                return Ok(Some(0));
            }
            copied(&Tree::open(&root.path().join(paths::generation_tree(generation.number)))?).map(Some)
        }
    }
}

/// What folders take, and files that have all their names in the tree.
fn copied(tree: &Tree) -> Result<u64> {
    let mut size = 0;
    let mut names: BTreeMap<u64, u64> = BTreeMap::new();
    tree.walk(&mut |_, entry| {
        let seen = names.entry(entry.inode).or_default();
        *seen += 1;
        if entry.kind == Kind::Folder || *seen == entry.links {
            size += entry.room;
        }
        true
    })?;
    Ok(size)
}
