//! What a run keeps for the next one, in the folder RUN: it outlives no boot, as what was laid outlives none.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;

use super::target::Target;
use crate::paths::{BROUGHT, CHANGES, LAY_LOCK, LAY_LOG, OWN_MACS, UNTOLD, WAITING, WAS_LAID};

/// The folder RUN, locked while this lives; or, in a dry run, left as it is.
#[derive(Debug)]
pub(super) struct Records {
    dir: PathBuf,
    lock: Option<File>,
    log: Option<File>,
}

/// Lines that may be no UTF-8.
pub(super) type Lines = BTreeSet<Vec<u8>>;

/// What a source brought: its name in the folder of overlays, and a path.
pub(super) type Brought = BTreeSet<(Vec<u8>, PathBuf)>;

/// All of them, each inserted. `collect` would sort them first, with 5 kB of program for each type that every node reads
/// over the network at every boot.
pub(super) fn set<T: Ord>(all: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(all);
    set
}

/// Everything that a run goes on from.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// What runs before this one laid.
    pub(super) laid: BTreeSet<PathBuf>,
    /// What each source brought.
    pub(super) brought: Brought,
    /// Services that were not told yet.
    pub(super) untold: Lines,
    /// Files that are read at the next boot only.
    pub(super) waiting: Lines,
    /// By which this machine was known at boot.
    pub(super) macs: Vec<String>,
}

impl Records {
    /// Waits until no other run is at work. Killed or not, the lock ends with the process.
    ///
    /// # Errors
    /// When the folder cannot be made, or nothing can be written there.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("{}: cannot make this folder", dir.display()))?;
        let lock = dir.join(LAY_LOCK);
        let lock_file = open(&lock, |options| options.truncate(false))?;
        rustix::fs::flock(&lock_file, FlockOperation::LockExclusive)
            .with_context(|| format!("{}: cannot lock", lock.display()))?;
        // Earlier versions unpacked there, keys of hosts among the rest.
        if let Some(work) = Target::open(dir)?.find(Path::new("work"))? {
            work.remove()?;
        }
        let log = open(&dir.join(LAY_LOG), |options| options.append(true)).ok();
        Ok(Self { dir: dir.to_owned(), lock: Some(lock_file), log })
    }

    /// The records as a dry run has them: what would be written is not.
    pub(super) fn unchanged(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), lock: None, log: None }
    }

    /// One more line of the log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn log(&self, line: &str) -> Result<()> {
        if self.lock.is_none() {
            return Ok(());
        }
        let written = self.log.as_ref().map(|mut log| log.write_all(format!("{line}\n").as_bytes()));
        let written = written.with_context(|| format!("{}: cannot write", self.dir.join(LAY_LOG).display()))?;
        written.with_context(|| format!("{}: cannot write", self.dir.join(LAY_LOG).display()))
    }

    fn read(&self, name: &str) -> Result<Vec<Vec<u8>>> {
        let path = self.dir.join(name);
        match std::fs::read(&path) {
            Ok(text) => Ok(text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| format!("{}: cannot read", path.display())),
        }
    }

    /// The old lines or the new ones, whatever happens.
    fn write<'line>(&self, name: &str, lines: impl IntoIterator<Item = &'line Vec<u8>>) -> Result<()> {
        if self.lock.is_none() {
            return Ok(());
        }
        let (path, new) = (self.dir.join(name), self.dir.join(format!("{name}.new")));
        let mut text = Vec::new();
        for line in lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        let context = || format!("{}: cannot write", path.display());
        let mut file = open(&new, |options| options.truncate(true))?;
        let written = file.write_all(&text).and_then(|()| Ok(rustix::fs::rename(&new, &path)?));
        if written.is_err() {
            let _ = rustix::fs::unlink(&new);
        }
        written.with_context(context)
    }

    fn append(&self, name: &str, line: &[u8]) -> Result<()> {
        if self.lock.is_none() {
            return Ok(());
        }
        let path = self.dir.join(name);
        let mut file = open(&path, |options| options.append(true))?;
        file.write_all(&[line, b"\n"].concat()).with_context(|| format!("{}: cannot write", path.display()))
    }

    /// # Errors
    /// When a record is there and cannot be read.
    pub(super) fn all(&self) -> Result<Recorded> {
        let laid = set(self.read(WAS_LAID)?.into_iter().map(|line| std::ffi::OsString::from_vec(line).into()));
        let parts = |line: Vec<u8>| {
            let slash = line.iter().position(|byte| *byte == b'/')?;
            Some((line[..slash].to_vec(), OsStr::from_bytes(&line[slash + 1..]).into()))
        };
        let brought = set(self.read(BROUGHT)?.into_iter().filter_map(parts));
        let waiting = set(self.read(WAITING)?);
        Ok(Recorded { laid, brought, untold: self.untold()?, waiting, macs: self.macs()? })
    }

    /// # Errors
    /// When the record is there and cannot be read.
    pub(super) fn macs(&self) -> Result<Vec<String>> {
        Ok(self.read(OWN_MACS)?.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect())
    }

    /// # Errors
    /// When it cannot be written.
    pub(super) fn set_laid(&self, paths: &BTreeSet<PathBuf>) -> Result<()> {
        let lines: Vec<_> = paths.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect();
        self.write(WAS_LAID, &lines)
    }

    /// # Errors
    /// When it cannot be written.
    pub(super) fn set_brought(&self, brought: &Brought) -> Result<()> {
        let line = |(name, path): &(Vec<u8>, PathBuf)| [name, b"/".as_slice(), path.as_os_str().as_bytes()].concat();
        let lines: Vec<_> = brought.iter().map(line).collect();
        self.write(BROUGHT, &lines)
    }

    /// # Errors
    /// When it cannot be written.
    pub(super) fn set_macs(&self, macs: &[String]) -> Result<()> {
        let lines: Vec<_> = macs.iter().map(|mac| mac.clone().into_bytes()).collect();
        self.write(OWN_MACS, &lines)
    }

    /// # Errors
    /// When the record is there and cannot be read.
    pub(super) fn untold(&self) -> Result<Lines> {
        Ok(set(self.read(UNTOLD)?))
    }

    /// # Errors
    /// When it cannot be written.
    pub(super) fn set_untold(&self, services: &Lines) -> Result<()> {
        self.write(UNTOLD, services)
    }

    /// # Errors
    /// When it cannot be written.
    pub(super) fn add_waiting(&self, file: &[u8]) -> Result<()> {
        self.append(WAITING, file)
    }

    /// # Errors
    /// When it cannot be written.
    pub(super) fn no_changes(&self) -> Result<()> {
        self.write(CHANGES, [])
    }

    /// # Errors
    /// When it cannot be written.
    pub(super) fn add_change(&self, line: &[u8]) -> Result<()> {
        self.append(CHANGES, line)
    }
}

fn open(path: &Path, how: impl FnOnce(&mut OpenOptions) -> &mut OpenOptions) -> Result<File> {
    let mut options = OpenOptions::new();
    how(options.write(true).create(true).mode(0o644)).open(path).with_context(|| format!("{}: cannot write", path.display()))
}
