//! Generations as read-only snapshots of the subvolume that the root is.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::Result;

use super::Making;
use crate::tools::Tool;

fn btrfs(arguments: &[&str], paths: &[&Path]) -> Result<()> {
    Tool::new("btrfs").args(arguments).args(paths.iter().map(|path| OsStr::new(*path))).output().map(|_| ())
}

/// Makes one that can be written.
pub(super) fn begin(making: &Making<'_>) -> Result<()> {
    btrfs(&["subvolume", "snapshot"], &[making.root.path(), &making.path(&making.aside())])
}

/// Makes it read-only.
pub(super) fn finish(making: &Making<'_>) -> Result<()> {
    let aside = making.path(&making.aside());
    Tool::new("btrfs").args(["property", "set", "-ts"]).arg(aside).args(["ro", "true"]).output().map(|_| ())
}

/// Removes one.
pub(super) fn delete(path: &Path) -> Result<()> {
    btrfs(&["subvolume", "delete"], &[path])
}
