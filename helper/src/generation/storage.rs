//! What keeps the generations of a root, by what it lies on.

use std::os::unix::fs::MetadataExt;

use super::store::{SUBVOLUME, is_btrfs};
use crate::disk::root::Root;
use crate::machine::Machine;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::{machine, overlay_on};
    use crate::paths;

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
}
