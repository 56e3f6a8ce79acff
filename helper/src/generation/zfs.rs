//! Generations as clones of snapshots of the data set that the root is: nothing can be taken out of a snapshot.

use std::path::Path;

use anyhow::{Context, Result};

use super::Making;
use crate::tools::Tool;
use crate::types::generation::{Generations, Number};
use crate::types::whole_number;

/// What the names of our snapshots begin with, behind the `@`; the number follows.
const SNAPSHOT: &str = "voidclust-";

/// The data set below which the clones of a root are. Not below that of the root: loaders take what is there for roots to
/// boot, and of two roots in one pool neither may take the other's for litter.
fn parent(head: &str) -> String {
    match head.split_once('/') {
        Some((pool, rest)) => format!("{pool}/voidclust/{rest}"),
        None => format!("{head}/voidclust"),
    }
}

/// The data set of a generation.
pub(super) fn clone_of(head: &str, number: Number) -> String {
    format!("{}/{number}", parent(head))
}

fn snapshot_of(head: &str, number: Number) -> String {
    format!("{head}@{SNAPSHOT}{number}")
}

fn zfs(arguments: &[&str]) -> Result<String> {
    Tool::new("zfs").args(arguments).output()
}

/// Mounts a data set.
pub(super) fn mount(set: &str, path: &Path, options: &str) -> Result<()> {
    Tool::new("mount").args(["-t", "zfs", "-o", options, set]).arg(path).output().map(|_| ())
}

/// Unmounts what is at a path.
pub(super) fn unmount(path: &Path) -> Result<()> {
    let tool = Tool::new("umount").arg(path).output().map(|_| ());
    tool.with_context(|| format!("{}: cannot be unmounted; a node or a program may use it", path.display()))
}

/// Makes a clone, and mounts it where it is made.
pub(super) fn begin(making: &Making<'_>, head: &str) -> Result<()> {
    let clone = clone_of(head, making.number);
    let snapshot = snapshot_of(head, making.number);
    let pool = head.split('/').next().unwrap_or(head);
    // Each one of those between, for only the last one gets the options: nobody is to mount any.
    let inner: Vec<usize> = parent(head).match_indices('/').map(|(at, _)| at).filter(|at| *at > pool.len()).collect();
    let parent = parent(head);
    for above in inner.into_iter().map(|at| &parent[..at]).chain([parent.as_str()]) {
        let options = ["canmount=off", "mountpoint=none", "com.sun:auto-snapshot=false"].map(|option| ["-o", option]);
        zfs(&[&["create", "-p"], options.as_flattened(), &[above]].concat())?;
    }
    zfs(&["snapshot", &snapshot])?;
    // A clone has these of its own parents, and without its lists it would show other rights than the root.
    let shown = zfs(&["get", "-H", "-o", "property,value", "acltype,xattr", head])?;
    let shown = shown.lines().filter_map(|line| line.split_once('\t')).map(|(name, value)| format!("{name}={}", value.trim()));
    let options = ["canmount=noauto", "mountpoint=legacy", "snapdir=disabled"].map(ToOwned::to_owned).into_iter().chain(shown);
    let options: Vec<String> = options.flat_map(|option| ["-o".to_owned(), option]).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    zfs(&[&["clone"], options.as_slice(), &[&snapshot, &clone]].concat())?;
    making.store.make_folder(&making.aside(), 0o700)?;
    mount(&clone, &making.path(&making.aside()), "rw")
}

/// Makes it read-only, and mounts it at its place.
pub(super) fn finish(making: &Making<'_>, head: &str) -> Result<()> {
    let clone = clone_of(head, making.number);
    unmount(&making.path(&making.aside()))?;
    zfs(&["set", "readonly=on", &clone])?;
    // The folder is that of the mount.
    making.store.rename(&making.aside(), &making.tree())?;
    mount(&clone, &making.path(&making.tree()), "ro")
}

/// Destroys a clone that is not mounted, and its snapshot.
pub(super) fn destroy(set: &str) -> Result<()> {
    let origin = zfs(&["get", "-H", "-o", "value", "origin", set])?;
    // With the snapshots that others take of all there is, which would hold it for ever.
    zfs(&["destroy", "-r", set])?;
    let origin = origin.trim();
    // Nothing but ours: somebody may have promoted it.
    if origin.split_once('@').is_some_and(|(_, name)| number_in(name).is_some()) {
        zfs(&["destroy", origin])?;
    }
    Ok(())
}

/// Destroys our snapshots of the root that no record tells of, each with its clone, which is not mounted. Returns what is said
/// of those that somebody holds.
pub(super) fn sweep(head: &str, generations: &Generations) -> Result<Vec<String>> {
    let mut held = Vec::new();
    let listed = zfs(&["list", "-H", "-t", "snapshot", "-o", "name,clones", "-d", "1", head])?;
    for (snapshot, clones) in listed.lines().filter_map(|line| line.split_once('\t')) {
        let number = snapshot.split_once('@').and_then(|(_, name)| number_in(name));
        let Some(number) = number.filter(|number| !generations.made.contains_key(number)) else { continue };
        let ours = clone_of(head, number);
        let destroyed = match clones.trim() {
            "" | "-" => zfs(&["destroy", snapshot]).map(|_| ()),
            clones if clones == ours => destroy(&ours),
            // Somebody lives on it.
            _ => Ok(()),
        };
        held.extend(destroyed.err().map(|error| format!("generation {number}, which is none any more, takes room: {error:#}")));
    }
    Ok(held)
}

fn number_in(name: &str) -> Option<Number> {
    name.strip_prefix(SNAPSHOT).and_then(whole_number)
}

/// The bytes that a data set has for itself.
pub(super) fn used(set: &str) -> Result<u64> {
    let told = zfs(&["get", "-Hp", "-o", "value", "used", set])?;
    told.trim().parse().with_context(|| format!("`zfs get used {set}` told `{}`, which is no number", told.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_lie_apart_from_all_roots() {
        assert_eq!(clone_of("z/ROOT/void", 3), "z/voidclust/ROOT/void/3");
        assert_eq!(clone_of("z", 3), "z/voidclust/3");
        assert_eq!((number_in("voidclust-3"), number_in("voidclust-shell-3"), number_in("voidclust-03")), (Some(3), None, None));
    }
}
