//! Makes, keeps and removes generations: read-only copies of the shared root, without what is private.
//!
//! A generation is one from the moment that its record is written, which is the last thing that [`make`] does, and none
//! from the moment that it is forgotten, the first thing that [`remove`] does. So whatever stands in the folder of
//! generations and has no record is litter of a killed run, and [`sweep`] removes it.

mod btrfs;
mod copy;
mod differences;
mod foresee;
mod head;
mod nfsd;
mod pattern;
mod private;
#[cfg(test)]
mod scene;
mod storage;
mod store;
mod suspects;
#[cfg(test)]
mod tests;
mod verify;
mod zfs;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::disk::generations::load;
use crate::disk::lock::Lock;
use crate::disk::root::{Root, split};
use crate::machine::Machine;
use crate::machine::mounts::Mounts;
use crate::paths;
use crate::progress::Progress;
use crate::types::generation::{Generation, Number, Storage};
use crate::types::{compare_versions, whole_number};
pub use differences::{Became, Difference, changed_in_etc, differences};
pub use foresee::{Foreseen, foresee};
pub use nfsd::{Client, clients, in_use, superfluous};
pub use private::{Instead, Left, Private, TABLE, private_in};
pub use storage::storage;
use store::{Apart, Tree};
pub use suspects::{Suspects, subvolumes, suspects};
pub use verify::{Finding, own_size, verify};

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

    fn tree(&self) -> PathBuf {
        name_of(&paths::generation_tree(self.number))
    }

    fn index_aside(&self) -> PathBuf {
        name_of(&format!("{}.index", paths::generation_aside(self.number)))
    }

    /// Makes all of it but the record.
    fn run(&self, storage: Storage, before: Option<&Generation>, progress: &mut dyn Progress) -> Result<Generation> {
        match &storage {
            Storage::Copy => copy::begin(self, before, progress)?,
            Storage::Btrfs => btrfs::begin(self)?,
            Storage::Zfs(head) => zfs::begin(self, head)?,
        }
        progress.step("taking out what is private");
        self.generalise()?;
        progress.step("writing it to the disk");
        let storage = self.finish(storage)?;
        let kernels = kernels(self.root, self.number)?;
        Ok(Generation { number: self.number, made: self.order.now, text: self.order.text.to_owned(), storage, kernels })
    }

    /// Makes a generation of what is a copy of the root.
    fn generalise(&self) -> Result<()> {
        let copy = self.copy()?;
        private::generalise(&copy, self.order.private)?;
        // Of its own, never one with that of another generation: by it the server tells who uses which.
        let marker = paths::generation_marker(self.number);
        copy.put(Path::new(&marker), format!("{}\n", self.number).as_bytes(), 0o444)?;
        copy.sync()
    }

    /// Makes it read-only where that can be, and gives it its place. What keeps it is told.
    fn finish(&self, storage: Storage) -> Result<Storage> {
        match storage {
            Storage::Copy => {
                self.store.rename(&self.index_aside(), &name_of(&paths::generation_index(self.number)))?;
                self.store.rename(&self.aside(), &self.tree())?;
            }
            Storage::Btrfs => {
                btrfs::finish(self)?;
                self.store.rename(&self.aside(), &self.tree())?;
            }
            Storage::Zfs(head) => {
                zfs::finish(self, &head)?;
                return Ok(Storage::Zfs(zfs::clone_of(&head, self.number)));
            }
        }
        Ok(storage)
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
/// When there is no room for it, the root goes on changing, or a tool fails. Then all is as it was before.
pub fn make(
    lock: &Lock<'_>,
    root: &Root,
    machine: Option<&Machine>,
    number: Number,
    before: Option<&Generation>,
    order: &Order<'_>,
    progress: &mut dyn Progress,
) -> Result<Generation> {
    machine.map_or(Ok(()), storage::is_whole)?;
    for stays in sweep(lock, root, machine)? {
        progress.tell(&stays);
    }
    let made = Making::new(root, number, order)?.run(storage(root, machine).0, before, progress);
    let made = made.and_then(|generation| lock.record_generation(&generation).map(|()| generation));
    made.with_context(|| format!("generation {number}: cannot be made")).inspect_err(|_| {
        // That it failed is what matters; what cannot be removed now, the next run sweeps.
        let _ = sweep(lock, root, machine);
    })
}

/// The kernels that a generation has modules of, oldest first.
fn kernels(root: &Root, number: Number) -> Result<Vec<String>> {
    let mut kernels = root.list(&format!("{}/{}", paths::generation_tree(number), paths::MODULES))?.unwrap_or_default();
    kernels.sort_by(|left, right| compare_versions(left, right));
    Ok(kernels)
}

/// Removes a generation that no menu names and no node uses, and that is served no more.
///
/// # Errors
/// When it is in use, and then nothing was changed; else when a tool fails, and then the next [`sweep`] removes what is
/// left.
pub fn remove(lock: &Lock<'_>, root: &Root, machine: Option<&Machine>, generation: &Generation) -> Result<()> {
    let number = generation.number;
    if let Some(place) = machine.map(|machine| seen_at(machine, number)).transpose()?.flatten() {
        bail!("generation {number}: is in use: it is seen at {place}; umount that, and if it is busy, reboot who uses it");
    }
    let store = open_store(root)?;
    let (tree, aside) = (name_of(&paths::generation_tree(number)), name_of(&paths::generation_aside(number)));
    let was_mounted = store.apart(&tree)? == Some(Apart::Mount);
    if was_mounted {
        zfs::unmount(&root.path().join(paths::generation_tree(number)))
            .with_context(|| format!("generation {number}: is in use"))?;
    }
    if let (Storage::Zfs(set), Some(machine)) = (&generation.storage, machine) {
        let mounts = machine.mounts_now()?;
        if let Some(held) = mounts.all().find(|mount| mount.source == *set) {
            if was_mounted {
                mount(root, generation)?;
            }
            bail!("generation {number}: is in use: it is mounted on {}; umount that", held.point.display());
        }
    }
    lock.forget_generation(number)?;
    if store.look(&tree)?.is_some() {
        store.rename(&tree, &aside)?;
    }
    delete(root, &store, &aside)?;
    if let Storage::Zfs(set) = &generation.storage {
        zfs::destroy(set)?;
    }
    store.delete(&name_of(&paths::generation_index(number)))
}

/// Where else the tree of a generation is seen. Nothing keeps files from being removed that are served from there.
fn seen_at(machine: &Machine, number: Number) -> Result<Option<String>> {
    // As it is now: it may have been served when the program started.
    let mounts = Mounts::parse(&machine.text(paths::MOUNTS)?.unwrap_or_default());
    let lower = if machine.overlay().is_some() { paths::LOWER } else { "" };
    let tree = paths::generation_tree(number);
    let own = Path::new("/").join(lower).join(&tree);
    let Some(device) = mounts.holding(&own).map(|mount| &mount.device) else { return Ok(None) };
    // Where the live tree is served a clone is seen as well, and goes with its own mount.
    let mut others = mounts.all().filter(|mount| mount.device == *device && !mount.point.ends_with(&tree));
    let place = others.find(|mount| mounts.are_one(&mount.point, &own));
    Ok(place.map(|mount| mount.point.display().to_string()))
}

/// Removes what killed runs left: what stands in the folder of generations and no record tells of, snapshots and clones.
/// Returns what is said of those snapshots and clones that stay; they are in nobody's way.
///
/// # Errors
/// When a record cannot be understood, for then it is not known what is litter; or when something cannot be removed.
pub fn sweep(_lock: &Lock<'_>, root: &Root, machine: Option<&Machine>) -> Result<Vec<String>> {
    let generations = load(root)?;
    let store = open_store(root)?;
    for name in store.names(Path::new(""))? {
        let Some(text) = name.to_str() else { continue };
        let number = whole_number::<Number>(text.strip_suffix(".index").unwrap_or(text));
        if text.starts_with(paths::TEMP_PREFIX) || number.is_some_and(|number| !generations.made.contains_key(&number)) {
            delete(root, &store, Path::new(&name))?;
        }
    }
    match storage(root, machine) {
        (Storage::Zfs(head), _) => zfs::sweep(&head, &generations),
        _ => Ok(Vec::new()),
    }
}

/// Removes what is not named any more, whatever it is.
fn delete(root: &Root, store: &Tree, name: &Path) -> Result<()> {
    let path = root.path().join(paths::GENERATIONS).join(name);
    match store.apart(name)? {
        Some(Apart::Subvolume) => return btrfs::delete(&path),
        Some(Apart::Mount) => zfs::unmount(&path)?,
        None => {}
    }
    store.delete(name)
}

/// Lets the tree of a generation be seen, after a boot: nothing else mounts a clone.
///
/// # Errors
/// When it cannot be mounted.
pub fn mount(root: &Root, generation: &Generation) -> Result<()> {
    let Storage::Zfs(set) = &generation.storage else { return Ok(()) };
    let tree = paths::generation_tree(generation.number);
    if open_store(root)?.apart(&name_of(&tree))?.is_some() {
        return Ok(());
    }
    root.folder(&tree)?;
    let mounted = zfs::mount(set, &root.path().join(&tree), "ro");
    mounted.with_context(|| format!("generation {}: cannot be mounted", generation.number))
}

fn open_store(root: &Root) -> Result<Tree> {
    root.folder(paths::GENERATIONS)?;
    Tree::open(&root.path().join(paths::GENERATIONS))
}

/// The name of a path in the folder of generations.
fn name_of(path: &str) -> PathBuf {
    PathBuf::from(split(path).1)
}
