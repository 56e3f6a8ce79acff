//! What keeps the generations of a root, by what it lies on.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, bail};

use super::store::{SUBVOLUME, is_btrfs};
use crate::disk::root::Root;
use crate::machine::Machine;
use crate::paths;
use crate::types::generation::Storage;

/// What will keep the generations of a root, and why. That of ZFS names the data set of the root.
#[must_use]
pub fn storage(root: &Root, machine: Option<&Machine>) -> (Storage, String) {
    let shown = root.display("");
    let mount = machine.and_then(Machine::root_mount);
    let is_subvolume = || root.path().metadata().is_ok_and(|found| found.ino() == SUBVOLUME);
    match mount.map(|mount| (mount.kind.as_str(), mount.source.clone())) {
        Some(("zfs", set)) => (Storage::Zfs(set.clone()), format!("{shown} is the data set {set}")),
        Some(("btrfs", _)) if is_subvolume() => (Storage::Btrfs, format!("{shown} is a subvolume of btrfs")),
        Some(("btrfs", _)) => (Storage::Copy, format!("{shown} is on btrfs, but is no subvolume of its own")),
        Some((kind, _)) => (Storage::Copy, format!("{shown} is on {kind}, which has no snapshots")),
        None if is_subvolume() && is_btrfs(root.path()).unwrap_or(false) => {
            (Storage::Btrfs, format!("{shown} is a subvolume of btrfs"))
        }
        None => (Storage::Copy, format!("{shown} is no root of a running machine, which would tell what else can keep them")),
    }
}

/// Refuses a root of which no node could boot: a generation has what is on the root's own file system, and no more.
///
/// # Errors
/// When the programs are not on it.
pub(super) fn is_whole(machine: &Machine) -> Result<()> {
    let lower = if machine.overlay().is_some() { paths::LOWER } else { "" };
    let programs = Path::new("/").join(lower).join("usr");
    match machine.mounts().at(&programs) {
        Some(mount) => bail!(
            "{}: {} is a file system of its own, which no generation has; move what is in it into the root's, or let nodes boot \
             the live tree: generation = \"head\"",
            programs.display(),
            mount.source
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::{machine, overlay_on};

    #[test]
    fn what_the_root_lies_on_keeps_its_generations() {
        for (kind, wanted, reason) in [
            ("zfs", Storage::Zfs("z/ROOT/void".to_owned()), "is the data set z/ROOT/void"),
            ("xfs", Storage::Copy, "is on xfs, which has no snapshots"),
            ("btrfs", Storage::Copy, "is on btrfs, but is no subvolume of its own"),
        ] {
            let (dir, machine) = machine(&[(paths::MOUNTS, &overlay_on(kind, "z/ROOT/void", "rw"))]);
            let (found, why) = storage(&Root::open(dir.path()).unwrap(), Some(&machine));
            assert!(found == wanted && why.ends_with(reason), "{why}");
        }
    }

    #[test]
    fn a_root_without_its_programs_is_none() {
        let table = overlay_on("zfs", "z/ROOT/void", "rw");
        let (_dir, whole) = machine(&[(paths::MOUNTS, &table)]);
        assert!(is_whole(&whole).is_ok());
        let lower = table.lines().find(|line| line.contains(" /run/rootfs/lower ")).unwrap();
        let number = lower.split(' ').next().unwrap();
        let apart = format!("{table}99 {number} 0:99 / /run/rootfs/lower/usr rw - zfs z/ROOT/void/usr rw\n");
        let (_dir, machine) = machine(&[(paths::MOUNTS, &apart)]);
        let error = is_whole(&machine).unwrap_err().to_string();
        assert!(error.contains("/run/rootfs/lower/usr: z/ROOT/void/usr is a file system of its own"), "{error}");
    }
}
