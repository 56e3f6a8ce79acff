//! The roots that clients mount: the live tree and the generations, each seen below the NFSv4 root.

use std::io::Write;

use anyhow::{Context, Result};

use super::Machine;
use super::binds::Binds;
use crate::paths;
use crate::tools::Tool;
use crate::types::generation::Number;

/// Serves the live tree and these generations. What is exported of them is for the exports to say.
///
/// # Errors
/// When one cannot be seen there; the others are.
pub fn serve(machine: &Machine, numbers: impl IntoIterator<Item = Number>) -> Result<()> {
    let mut binds = Binds::of(machine)?;
    let mut served = head(machine, &binds);
    for number in numbers {
        let tree = format!("{}/{}", paths::LOWER, paths::generation_tree(number));
        served = served.and(binds.bind(&tree, &paths::nfs_generation(number)));
    }
    served
}

/// With all that is mounted in it, now and later.
fn head(machine: &Machine, binds: &Binds<'_>) -> Result<()> {
    if binds.is_point(paths::NFS_HEAD) {
        return Ok(());
    }
    let to = machine.path(paths::NFS_HEAD);
    std::fs::create_dir_all(&to).with_context(|| format!("{}: cannot make this folder", to.display()))?;
    let from = machine.path(paths::LOWER);
    // Else nothing that is mounted or unmounted there later would be so here: a clone that stays here is held for ever.
    Tool::new("mount").arg("--make-shared").arg(&from).output()?;
    Tool::new("mount").args(["--make-rslave", "--rbind"]).arg(&from).arg(&to).output().map(|_| ())
}

/// Serves a generation no longer. Its export is gone: whoever still has files of it open there loses them.
///
/// # Errors
/// When somebody else holds it: then it stays where it is.
pub fn withdraw(machine: &Machine, number: Number) -> Result<()> {
    let path = paths::nfs_generation(number);
    if !Binds::of(machine)?.is_point(&path) {
        return Ok(());
    }
    // Clients that are switched off hold files until their lease ends.
    if let Ok(mut unlock) = std::fs::File::options().write(true).open(machine.path(paths::NFS_UNLOCK)) {
        let _ = unlock.write_all(format!("/{path}\n").as_bytes());
    }
    let point = machine.path(&path);
    Tool::new("umount").arg(&point).output()?;
    std::fs::remove_dir(&point).with_context(|| format!("{}: cannot remove this folder", point.display()))
}
