//! Folders that are seen at a second place, to be exported there: an export of a folder of its own file system keeps
//! whoever has it from everything else on that file system only when it is a mount of its own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::MountFlags;

use super::Machine;
use crate::tools::Tool;

/// The binds of a machine: what is wanted is made.
#[derive(Debug)]
pub(super) struct Binds<'machine> {
    machine: &'machine Machine,
    /// Where something is mounted. Asked once: with ten thousand nodes the table has as many lines.
    points: HashSet<PathBuf>,
}

impl<'machine> Binds<'machine> {
    /// As they are now: a run may have made some since the machine was found.
    ///
    /// # Errors
    /// When the table of mounts cannot be read.
    pub(super) fn of(machine: &'machine Machine) -> Result<Self> {
        Ok(Self { machine, points: machine.mounts_now()?.all().map(|mount| mount.point.clone()).collect() })
    }

    /// Whether something is mounted at a path of the machine.
    #[must_use]
    pub(super) fn is_point(&self, path: &str) -> bool {
        self.points.contains(&Path::new("/").join(path))
    }

    /// Makes the folder `source` be seen at `target`, too, where nobody can write; nothing is done when it is.
    ///
    /// # Errors
    /// When the folder `target` cannot be made, or the kernel refuses.
    pub(super) fn bind(&mut self, source: &str, target: &str) -> Result<()> {
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
}
