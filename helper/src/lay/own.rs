//! What is this machine's alone, fetched from its master: in the initramfs, right after the root, and again by a refresh.
//!
//! The master exports a folder for each card below one path, to the address of its node. To look into one that is exported to
//! somebody else shows an empty folder; that there is none at all means that the master does not know the card. So a machine
//! that is listed never takes what is for all others, whatever is slow or broken.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, RenameFlags};
use rustix::mount::UnmountFlags;

use super::records::Records;
use super::sources::DEFAULT;
use super::target::Target;
use super::{Run, node};
use crate::paths;
use crate::tools::Tool;

/// Where the master's folders are mounted meanwhile, and where the copy is made; both in the folder of the records.
const MOUNTED: &str = "own.mounted";
const NEW: &str = "own.new";

/// Nothing is repeated in silence, and a master that does not answer any more is an error, not a wait for ever.
const OPTIONS: &str = "ro,nfsvers=4,retry=0,soft,timeo=100,retrans=3,nosuid,nodev,noexec";

impl Run {
    /// Fetches what is this machine's alone from `SERVER:/PATH`.
    ///
    /// # Errors
    /// When it cannot: what was fetched before stays.
    pub fn fetch(&self, from: &str) -> Result<()> {
        fetch(self, &Records::open(&self.dir)?, from)
    }

    /// What was fetched.
    fn own(&self) -> PathBuf {
        self.dir.join(paths::OWN)
    }

    /// The folders where a machine finds what it lays: in what was fetched, or in the lower tree. The master fetches nothing, and a client
    /// whose image is older than this did not.
    pub(super) fn overlays(&self) -> Vec<PathBuf> {
        let own = self.own();
        if own.exists() { vec![own] } else { paths::LAID.map(|folder| self.lower.join(folder)).into() }
    }
}

pub(super) fn fetch(run: &Run, records: &Records, from: &str) -> Result<()> {
    let mut macs = records.macs()?;
    if macs.is_empty() {
        let (found, unknown) = node::macs(&run.cmdline, &run.sys);
        if !unknown.is_empty() {
            bail!("{}", unknown.join("; "));
        }
        macs = found;
    }
    let mounted = run.dir.join(MOUNTED);
    // What a killed run left; mostly there is nothing.
    let _ = rustix::mount::unmount(&mounted, UnmountFlags::DETACH);
    make(&mounted)?;
    Tool::new("mount.nfs4").arg(from).arg(&mounted).args(["-o", OPTIONS]).output()?;
    let copied = copy(run, records, &macs, &mounted, from);
    let unmounted = Tool::new("umount").arg("-l").arg(&mounted).output();
    copied.and(unmounted.map(drop))
}

fn copy(run: &Run, records: &Records, macs: &[String], mounted: &Path, from: &str) -> Result<()> {
    let (own, new) = (run.own(), run.dir.join(NEW));
    remove(&run.dir, NEW)?;
    make(&new)?;
    let mut listed = Vec::new();
    for mac in macs {
        if is_there(&mounted.join(mac))? {
            listed.push(mac.as_str());
        }
    }
    if listed.is_empty() {
        listed.push(DEFAULT);
    }
    for (rank, name) in listed.iter().enumerate() {
        let theirs = mounted.join(name).join(paths::OWN);
        if is_there(&theirs)? {
            Tool::new("cp").arg("-a").arg(theirs.join(".")).arg(&new).output()?;
            records.log(&format!("fetched {from}/{name}"))?;
        } else if rank == 0 {
            bail!("{from}/{name} is not for the address of this machine, or is not served yet");
        } else {
            records.log(&format!("{from}/{name} is another machine's"))?;
        }
    }
    // What was copied brought its mode.
    std::fs::set_permissions(&new, Permissions::from_mode(0o700))
        .with_context(|| format!("{}: cannot set the mode", new.display()))?;
    let flags = if own.exists() { RenameFlags::EXCHANGE } else { RenameFlags::empty() };
    rustix::fs::renameat_with(CWD, &new, CWD, &own, flags).with_context(|| format!("{}: cannot replace", own.display()))?;
    remove(&run.dir, NEW)
}

/// Only when the server says so, there is none.
fn is_there(path: &Path) -> Result<bool> {
    match path.metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{}: cannot look at it", path.display())),
    }
}

/// Makes a folder that only root may enter.
fn make(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("{}: cannot make this folder", folder.display()))
}

fn remove(dir: &Path, name: &str) -> Result<()> {
    Target::open(dir)?.find(Path::new(name))?.map_or(Ok(()), |place| place.remove())
}
