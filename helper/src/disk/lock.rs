//! One run at a time: the right to change files under a root.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::disk::root::{Root, split};
use crate::paths;

/// Another run holds it.
#[derive(Debug)]
pub struct Busy(String);

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: another voidclust is at work on this root; wait for it to end", self.0)
    }
}

impl std::error::Error for Busy {}

/// The right to change files: held while it lives, one at a time per root.
#[derive(Debug)]
pub struct Lock<'root> {
    pub(super) root: &'root Root,
    file: File,
}

impl<'root> Lock<'root> {
    /// What it is held on.
    #[must_use]
    pub fn root(&self) -> &'root Root {
        self.root
    }

    /// Takes the lock, waiting for nobody.
    ///
    /// # Errors
    /// [`Busy`] when another run holds it; others when the lock file cannot be made.
    pub fn take(root: &'root Root) -> Result<Self> {
        let folder = root.folder(split(paths::LOCK).0)?;
        Self::of(root, opened(&folder, OFlags::CREATE))
    }

    /// Takes the lock, and makes none; `None` where no run ever took it.
    ///
    /// # Errors
    /// [`Busy`] when another run holds it; others when the lock file cannot be opened.
    pub fn take_again(root: &'root Root) -> Result<Option<Self>> {
        let Some(folder) = root.existing_folder(split(paths::LOCK).0)? else { return Ok(None) };
        match opened(&folder, OFlags::empty()) {
            Err(Errno::NOENT) => Ok(None),
            file => Self::of(root, file).map(Some),
        }
    }

    fn of(root: &'root Root, file: rustix::io::Result<OwnedFd>) -> Result<Self> {
        let file = File::from(file.with_context(|| format!("{}: cannot open the lock", root.display(paths::LOCK)))?);
        match file.try_lock() {
            Ok(()) => Ok(Self { root, file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Busy(root.display(paths::LOCK)).into()),
            Err(std::fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("{}: cannot lock", root.display(paths::LOCK)))
            }
        }
    }
}

/// The file is never replaced or removed: two runs could then lock two files of one name.
fn opened(folder: &OwnedFd, create: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | create;
    rustix::fs::openat(folder, split(paths::LOCK).1, flags, Mode::from_raw_mode(0o600))
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Closing the file is not enough: a program that is being started may hold a copy of the descriptor for a moment.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert!(Lock::take_again(&root).unwrap().is_none());
        assert_eq!(root.list("").unwrap(), Some(vec![]), "and none was made");
        let first = Lock::take(&root).unwrap();
        for second in [Lock::take(&root).map(Some), Lock::take_again(&root)] {
            assert!(second.unwrap_err().to_string().contains("another voidclust"));
        }
        drop(first);
        assert!(Lock::take_again(&root).unwrap().is_some());
    }
}
