//! One run at a time: the right to change files under a root.

use std::fmt;
use std::fs::File;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};

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
        let (folder, name) = split(paths::LOCK);
        let folder = root.folder(folder)?;
        // The file is never replaced or removed: two runs could then lock two files of one name.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o600));
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
        let _first = Lock::take(&root).unwrap();
        assert!(Lock::take(&root).unwrap_err().to_string().contains("another voidclust"));
    }
}
