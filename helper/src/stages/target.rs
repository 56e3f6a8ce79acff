//! Which tree a run works on, and what runs from it.

use std::path::Path;

use anyhow::{Result, bail};

use crate::cli::Global;
use crate::disk::lock::Lock;
use crate::disk::root::Root;
use crate::disk::tree::{Content, Item};
use crate::machine::Machine;
use crate::paths;
use crate::types::Problem;

/// What runs from a tree.
#[derive(Debug)]
pub enum Runs {
    /// Nothing, as far as can be seen: another root, a chroot.
    Nothing,
    /// This machine, and changes of the tree are at once its own.
    Machine(Machine),
    /// This machine, from an overlay over the tree, so that `/` itself is in memory.
    Overlay(Machine),
    /// The same, seen from a chroot of the tree, where packages are installed.
    Outside,
}

/// The tree that a run works on.
#[derive(Debug)]
pub struct Target {
    /// The tree: `/`, the lower tree of a running master, or `--root`.
    pub root: Root,
    /// What runs from it.
    pub runs: Runs,
    /// Whether it was named as `/`, which is in memory: what a package manager changes there is gone with the next boot.
    pub is_in_memory: bool,
}

impl Target {
    /// Chooses the tree. On a master that runs from its overlay changes of `/` would be lost: the lower tree is meant.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn open(global: &Global) -> Result<Self> {
        let root = Root::open(global.machine.as_deref().unwrap_or(&global.root))?;
        if !root.is_slash() && global.machine.is_none() {
            // The lower tree by its own path is the same tree.
            let below = Machine::find(Path::new("/"))?.filter(|machine| machine.overlay().is_some() && root.is(&machine.root()));
            return Ok(Self { root, runs: below.map_or(Runs::Nothing, Runs::Overlay), is_in_memory: false });
        }
        Ok(match Machine::find(root.path())? {
            Some(machine) if machine.overlay().is_some() => {
                Self { root: Root::open(&machine.root())?, runs: Runs::Overlay(machine), is_in_memory: true }
            }
            Some(machine) => Self { root, runs: Runs::Machine(machine), is_in_memory: false },
            None if Machine::is_seen_from_its_lower_tree() => Self { root, runs: Runs::Outside, is_in_memory: false },
            None => Self { root, runs: Runs::Nothing, is_in_memory: false },
        })
    }

    /// The machine that runs from the tree, when it can be asked.
    #[must_use]
    pub fn machine(&self) -> Option<&Machine> {
        match &self.runs {
            Runs::Machine(machine) | Runs::Overlay(machine) => Some(machine),
            Runs::Nothing | Runs::Outside => None,
        }
    }

    /// Refuses to go on where there is nothing to configure.
    ///
    /// # Errors
    /// On a client, which has its root from the master.
    pub fn is_no_client(&self) -> Result<()> {
        match self.machine().and_then(Machine::server) {
            Some(master) => {
                bail!("this machine is a client of {master}, and only has what is made there; run voidclust on {master}")
            }
            None => Ok(()),
        }
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// When another run holds it, or nothing can be written: with the reason, when that can be known.
    pub fn lock(&self) -> Result<Lock<'_>> {
        Lock::take(&self.root).or_else(|error| self.cannot_lock(error))
    }

    /// Takes the lock where a run did before, and else leaves no trace.
    ///
    /// # Errors
    /// The same.
    pub fn lock_again(&self) -> Result<Option<Lock<'_>>> {
        Lock::take_again(&self.root).or_else(|error| self.cannot_lock(error))
    }

    fn cannot_lock<T>(&self, error: anyhow::Error) -> Result<T> {
        match self.machine().map(Machine::is_read_only).transpose()?.flatten() {
            Some(why) => bail!("{}: cannot be written; {why}", self.root.display("")),
            None => Err(error),
        }
    }

    /// Refuses to go on when the administrator edited in memory one of these files, or a file below one of these folders
    /// that `is_read`: from the lower tree. Only what lies in the upper tree was edited there: of everything else the
    /// overlay may still show an old text of the lower tree. Whoever edits the lower file afterwards has said what is meant.
    ///
    /// # Errors
    /// When one was edited, with the command that keeps the edit.
    pub fn is_not_edited_in_memory<'path>(
        &self,
        paths: impl IntoIterator<Item = &'path str>,
        is_read: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let Runs::Overlay(machine) = &self.runs else { return Ok(()) };
        let upper = machine.path(paths::UPPER);
        if !upper.exists() {
            return Ok(());
        }
        let upper = Root::open(&upper)?;
        let mut files = Vec::new();
        for path in paths {
            files_of(&upper, path, &mut files)?;
        }
        for file in files.into_iter().filter(|file| is_read(file)) {
            let Some(edited) = upper.find(&file)? else { continue };
            let below = self.root.find(&file)?;
            let lower = self.root.display(&file);
            let (what, keep) = match (&edited.content, below.as_ref().map(|item| &item.content)) {
                // How an overlay marks what was removed: a device.
                (Content::Other, None) => continue,
                (here, Some(there)) if here == there => continue,
                (_, Some(_)) if self.root.changed(&file)? > upper.changed(&file)? => continue,
                (Content::Other, Some(_)) => ("removed", format!("rm -r {lower}")),
                _ => ("changed", format!("cp -a /{file} {lower}")),
            };
            bail!("/{file}: was {what} in memory, and differs from {lower}, which alone survives a reboot; keep it with: {keep}");
        }
        Ok(())
    }

    /// What is mounted so that the machine does not see what we write, or we do not see what the administrator wrote, in one
    /// of these folders that are `read` too: one problem for each mount.
    #[must_use]
    pub fn is_elsewhere<'path>(&self, read: impl IntoIterator<Item = &'path str>) -> Vec<Problem> {
        let Runs::Overlay(machine) = &self.runs else { return Vec::new() };
        let (mounts, slash) = (machine.mounts(), Path::new("/"));
        let lower = slash.join(paths::LOWER);
        let mut problems: Vec<Problem> = Vec::new();
        let written = paths::WRITTEN.iter().map(|folder| (*folder, "written to", "served"));
        let read = std::iter::once(paths::CONFIG_DROPINS).chain(read);
        for (folder, done, seen_as) in written.chain(read.map(|folder| (folder, "read in", "here"))) {
            let (seen, written) = (slash.join(folder), lower.join(folder));
            let (Some(above), Some(below)) = (mounts.holding(&seen), mounts.holding(&written)) else { continue };
            let problem = if mounts.are_one(&seen, &written) || (above.point == slash && below.point == lower) {
                continue;
            } else if above.point == slash {
                let point = slash.join(below.point.strip_prefix(&lower).unwrap_or(&below.point));
                let (below, point) = (below.point.display(), point.display());
                Problem::new(below.to_string(), "a file system of its own that the running machine does not see")
                    .remedy(format!("mount --rbind {below} {point}, and see to it at every boot"))
            } else {
                let point = above.point.display();
                let there = lower.join(above.point.strip_prefix(slash).unwrap_or(&above.point));
                let (there, fstab) = (there.display(), self.root.display(paths::FSTAB));
                let what = format!("a file system of its own, so that what is {done} {there} is not what is {seen_as}");
                Problem::new(point.to_string(), what).remedy(format!(
                    "show it there too: mount --rbind {point} {there}; and at every boot, by a line behind its own in {fstab}: {}",
                    shown_below(&above.point)
                ))
            };
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        problems
    }
}

/// The line of fstab that shows a mounted file system in the lower tree, too. A boot without the overlay has no folder
/// there, and must not stop over it.
#[must_use]
pub fn shown_below(point: &Path) -> String {
    let there = Path::new("/").join(paths::LOWER).join(point.strip_prefix("/").unwrap_or(point));
    format!("{} {} none rbind,X-mount.mkdir 0 0", point.display(), there.display())
}

/// A file, or all files of a folder.
fn files_of(root: &Root, path: &str, files: &mut Vec<String>) -> Result<()> {
    if !root.find(path)?.as_ref().is_some_and(Item::is_folder) {
        files.push(path.to_owned());
        return Ok(());
    }
    for name in root.list(path)?.unwrap_or_default() {
        files_of(root, &format!("{path}/{name}"), files)?;
    }
    Ok(())
}
