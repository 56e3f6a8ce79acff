//! What ZFS tells of the data sets that clients are served from.

use std::path::Path;

use anyhow::Result;

use super::Machine;
use crate::paths;
use crate::tools::Tool;

/// The data sets that clients see when these folders are exported: those that the folders are on, and those mounted below.
#[must_use]
pub fn served(machine: &Machine, folders: &[&Path]) -> Vec<String> {
    let (mounts, lower) = (machine.mounts(), Path::new("/").join(paths::LOWER));
    // What lies on the overlay is taken from the lower tree.
    let below = |folder: &Path| match mounts.holding(folder) {
        Some(mount) if mount.kind == "overlay" => lower.join(folder.strip_prefix("/").unwrap_or(folder)),
        _ => folder.to_owned(),
    };
    let folders: Vec<_> = folders.iter().map(|folder| below(folder)).collect();
    let on = folders.iter().filter_map(|folder| mounts.holding(folder));
    // On a machine without the overlay everything is below `/`, which is not what clients will see.
    let is_under = |mount: &&super::mounts::Mount, folder: &Path| folder != Path::new("/") && mount.point.starts_with(folder);
    let is_zfs = |mount: &&super::mounts::Mount| mount.kind == "zfs";
    let under = mounts.all().filter(is_zfs).filter(|mount| folders.iter().any(|folder| is_under(mount, folder)));
    let under = under.filter(|mount| mounts.is_visible(mount));
    let mut sets: Vec<String> = on.filter(is_zfs).chain(under).map(|mount| mount.source.clone()).collect();
    sets.sort();
    sets.dedup();
    sets
}

/// Those of these data sets in which anybody may look into the snapshots, by `.zfs/snapshot`.
///
/// # Errors
/// When zfs(8) cannot be asked.
pub fn with_snapshots_in_sight(sets: &[String]) -> Result<Vec<String>> {
    if sets.is_empty() {
        return Ok(Vec::new());
    }
    // A name and a value a line, with a tab between them.
    let told = Tool::new("zfs").args(["get", "-H", "-o", "name,value", "snapdir"]).args(sets).output()?;
    let values = told.lines().filter_map(|line| line.split_once('\t'));
    Ok(values.filter(|(_, value)| value.trim() != "disabled").map(|(name, _)| name.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    #[test]
    fn the_data_sets_of_root_and_home_are_known_nested_ones_too() {
        let table = "30 1 0:30 / / rw - overlay overlay rw\n\
            22 30 0:20 / /run rw - tmpfs run rw\n\
            23 22 0:24 / /run/rootfs/lower rw - zfs z/ROOT/void rw\n\
            24 23 0:25 / /run/rootfs/lower/usr rw - zfs z/usr rw\n\
            31 30 0:26 / /home rw - zfs z/home rw\n\
            32 31 0:27 / /home/bob rw - zfs z/home/bob rw\n\
            33 30 0:28 / /other rw - zfs z/other rw\n\
            34 30 8:1 / /plain rw - ext4 /dev/sda1 rw\n";
        let (_dir, master) = machine(&[(paths::MOUNTS, table)]);
        let of = |folders: &[&str]| served(&master, &folders.iter().map(Path::new).collect::<Vec<_>>());
        assert_eq!(of(&["/"]), ["z/ROOT/void", "z/usr"]);
        assert_eq!(of(&["/home"]), ["z/home", "z/home/bob"]);
        assert_eq!(of(&["/home/bob/x"]), ["z/home/bob"]);
        assert_eq!(of(&["/srv/data"]), ["z/ROOT/void"], "it lies in the lower tree");
        assert_eq!(of(&["/plain"]), [""; 0]);
        let table = "30 1 0:30 / / rw - zfs z/r rw\n31 30 0:31 / /other rw - zfs z/other rw\n";
        let (_dir, plain) = machine(&[(paths::MOUNTS, table)]);
        assert_eq!(served(&plain, &[Path::new("/")]), ["z/r"]);
    }
}
