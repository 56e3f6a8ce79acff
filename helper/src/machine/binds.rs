//! Folders that are seen at a second place, to be exported there: an export of a folder of its own file system keeps
//! whoever has it from everything else on that file system only when it is a mount of its own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags};

use super::Machine;
use crate::tools::Tool;

/// The binds of a machine: what is wanted is made, and what is gone is undone.
#[derive(Debug)]
pub struct Binds<'machine> {
    machine: &'machine Machine,
    /// Where something is mounted. Asked once: with ten thousand nodes the table has as many lines.
    points: HashSet<PathBuf>,
}

impl<'machine> Binds<'machine> {
    /// As they are now: a run may have made some since the machine was found.
    ///
    /// # Errors
    /// When the table of mounts cannot be read.
    pub fn of(machine: &'machine Machine) -> Result<Self> {
        Ok(Self { machine, points: machine.mounts_now()?.all().map(|mount| mount.point.clone()).collect() })
    }

    /// Whether something is mounted at a path of the machine.
    #[must_use]
    pub fn is_point(&self, path: &str) -> bool {
        self.points.contains(&Path::new("/").join(path))
    }

    /// Makes the folder `source` be seen at `target`, too, where nobody can write; nothing is done when it is.
    ///
    /// # Errors
    /// When the folder `target` cannot be made, or the kernel refuses.
    pub fn bind(&mut self, source: &str, target: &str) -> Result<()> {
        if self.is_point(target) {
            return Ok(());
        }
        let (from, to) = (self.machine.path(source), self.machine.path(target));
        std::fs::create_dir_all(&to).with_context(|| format!("{}: cannot make this folder", to.display()))?;
        if self.machine.is_slash() {
            // Without a process for each: forty seconds of them for ten thousand nodes.
            let context = || format!("{}: cannot bind it to {}", from.display(), to.display());
            rustix::mount::mount_bind(&from, &to).with_context(context)?;
            let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
            rustix::mount::mount_remount(&to, flags, "").with_context(context)?;
        } else {
            Tool::new("mount").args(["-o", "bind,ro"]).arg(from).arg(to).output()?;
        }
        self.points.insert(Path::new("/").join(target));
        Ok(())
    }

    /// Undoes a bind, and removes the folder that it was seen at. Whoever has it open keeps it until he lets go.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unbind(&mut self, target: &str) -> Result<()> {
        let to = self.machine.path(target);
        if self.points.remove(&Path::new("/").join(target)) {
            if self.machine.is_slash() {
                rustix::mount::unmount(&to, UnmountFlags::DETACH).with_context(|| format!("{}: cannot unmount", to.display()))?;
            } else {
                Tool::new("umount").arg("-l").arg(&to).output()?;
            }
        }
        match std::fs::remove_dir(&to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{}: cannot remove this folder", to.display()))
            }
            _ => Ok(()),
        }
    }
}
