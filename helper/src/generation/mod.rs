//! Makes, keeps and removes generations: read-only copies of the shared root, without what is private.
//!
//! A generation is one from the moment that its record is written, which is the last thing that [`make`] does, and none
//! from the moment that it is forgotten, the first thing that [`remove`] does. So whatever stands in the folder of
//! generations and has no record is litter of a killed run, and [`sweep`] removes it.

mod copy;
mod head;
mod pattern;
mod private;
#[cfg(test)]
mod scene;
mod store;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::disk::generations::load;
use crate::disk::lock::Lock;
use crate::disk::root::{Root, split};
use crate::machine::Machine;
use crate::paths;
use crate::types::generation::{Generation, Number, Storage};
use crate::types::{compare_versions, whole_number};
pub use private::{Instead, Left, Private, TABLE, private_in};
use store::Tree;

/// What a generation is to be.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// What the administrator says of it.
    pub text: &'a str,
    /// What else the site wants to be in none: paths from `/`, `*`, `?` and `**` as in a shell.
    pub private: &'a [String],
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// A generation that is being made.
struct Making<'a> {
    root: &'a Root,
    /// The folder of generations.
    store: Tree,
    number: Number,
    order: &'a Order<'a>,
}

impl<'a> Making<'a> {
    fn new(root: &'a Root, number: Number, order: &'a Order<'a>) -> Result<Self> {
        Ok(Self { root, store: open_store(root)?, number, order })
    }

    /// Where a name in the folder of generations is, for tools.
    fn path(&self, name: &Path) -> PathBuf {
        self.root.path().join(paths::GENERATIONS).join(name)
    }

    /// What is made.
    fn copy(&self) -> Result<Tree> {
        Tree::open(&self.path(&self.aside()))
    }

    fn aside(&self) -> PathBuf {
        name_of(&paths::generation_aside(self.number))
    }

    fn index_aside(&self) -> PathBuf {
        name_of(&format!("{}.index", paths::generation_aside(self.number)))
    }

    /// Refuses what would fill the disk: bytes and inodes.
    fn has_room(&self, (bytes, inodes): (u64, u64)) -> Result<()> {
        let folder = self.root.display(paths::GENERATIONS);
        let there = rustix::fs::statvfs(folder.as_str()).with_context(|| format!("{folder}: cannot ask for its room"))?;
        let free = there.f_bavail.saturating_mul(there.f_frsize);
        let missing = if bytes > free {
            format!("{} bytes are missing for a generation, which takes {bytes} here", bytes - free)
        } else if there.f_files > 0 && inodes > there.f_favail {
            format!("{} inodes are missing for a generation, which takes {inodes} here", inodes - there.f_favail)
        } else {
            return Ok(());
        };
        bail!(
            "{folder}: {missing}; make room (voidclust generation remove N), list what nodes do not need under `private`, or \
             let nodes boot the live tree: generation = \"head\""
        )
    }
}

/// Makes a generation of the root. Then it is one, though nobody boots it.
///
/// # Errors
/// When there is no room for it, the root goes on changing, or a tool fails. What was made is swept by the next run.
pub fn make(
    lock: &Lock<'_>,
    root: &Root,
    machine: Option<&Machine>,
    number: Number,
    before: Option<&Generation>,
    order: &Order<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Generation> {
    sweep(lock, root, machine)?;
    let (storage, _) = storage(root, machine);
    let making = Making::new(root, number, order)?;
    let context = || format!("generation {number}: cannot make it");
    match &storage {
        Storage::Copy => copy::begin(&making, before, progress),
        _ => bail!("not yet"),
    }
    .with_context(context)?;
    progress("taking out what is private");
    let copy = making.copy()?;
    private::generalise(&copy, order.private).with_context(context)?;
    copy.put(Path::new(&paths::generation_marker(number)), format!("{number}\n").as_bytes(), 0o444)?;
    progress("writing it to the disk");
    making.store.sync()?;
    if storage == Storage::Copy {
        making.store.rename(&making.index_aside(), &name_of(&paths::generation_index(number)))?;
    }
    making.store.rename(&making.aside(), &name_of(&paths::generation_tree(number)))?;
    let kernels = kernels(root, number)?;
    let generation = Generation { number, made: order.now, text: order.text.to_owned(), storage, kernels };
    lock.record_generation(&generation)?;
    Ok(generation)
}

/// The kernels that a generation has modules of, oldest first.
fn kernels(root: &Root, number: Number) -> Result<Vec<String>> {
    let mut kernels = root.list(&format!("{}/{}", paths::generation_tree(number), paths::MODULES))?.unwrap_or_default();
    kernels.sort_by(|left, right| compare_versions(left, right));
    Ok(kernels)
}

/// Removes a generation that no menu names and no node uses.
///
/// # Errors
/// When it is busy, and then nothing was changed; else when a tool fails, and then the next [`sweep`] removes what is left.
pub fn remove(lock: &Lock<'_>, root: &Root, machine: Option<&Machine>, generation: &Generation) -> Result<()> {
    let _ = machine;
    let number = generation.number;
    let store = open_store(root)?;
    lock.forget_generation(number)?;
    let (tree, aside) = (name_of(&paths::generation_tree(number)), name_of(&paths::generation_aside(number)));
    if store.look(&tree)?.is_some() {
        store.rename(&tree, &aside)?;
    }
    delete(root, &store, &aside)?;
    store.delete(&name_of(&paths::generation_index(number)))
}

/// Removes what killed runs left: what stands in the folder of generations and no record tells of.
///
/// # Errors
/// When a record cannot be understood, for then it is not known what is litter; or when something cannot be removed.
pub fn sweep(lock: &Lock<'_>, root: &Root, machine: Option<&Machine>) -> Result<()> {
    let _ = (lock, machine);
    let made = load(root)?.made;
    let store = open_store(root)?;
    for name in store.names(Path::new(""))? {
        let Some(text) = name.to_str() else { continue };
        let number = whole_number::<Number>(text.strip_suffix(".index").unwrap_or(text));
        if text.starts_with(paths::TEMP_PREFIX) || number.is_some_and(|number| !made.contains_key(&number)) {
            delete(root, &store, Path::new(&name))?;
        }
    }
    Ok(())
}

fn delete(root: &Root, store: &Tree, name: &Path) -> Result<()> {
    let _ = root;
    store.delete(name)
}

/// What will keep the generations of a root, and why.
#[must_use]
pub fn storage(root: &Root, machine: Option<&Machine>) -> (Storage, String) {
    let _ = machine;
    (Storage::Copy, format!("{} is on a file system without snapshots", root.display("")))
}

fn open_store(root: &Root) -> Result<Tree> {
    root.folder(paths::GENERATIONS)?;
    Tree::open(&root.path().join(paths::GENERATIONS))
}

/// The name of a path in the folder of generations.
fn name_of(path: &str) -> PathBuf {
    PathBuf::from(split(path).1)
}
