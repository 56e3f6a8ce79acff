//! The one tree we work on: every path is relative to it, and nothing leads out of it.
//!
//! Reads follow symbolic links, but inside the tree only, as if it were `/` (openat2(2), `RESOLVE_IN_ROOT`).
//! Everything that is written goes through [`Root::folder`], which refuses a link where a folder is expected.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use rustix::fs::{Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::disk::opened::{Stamp, find_in, look_in, names_in, read_whole};
use crate::disk::tree::Item;

/// A tree: `/`, or the folder given with `--root`.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    fd: OwnedFd,
}

impl Root {
    /// Opens the tree at `path`.
    ///
    /// # Errors
    /// When `path` is not a folder that can be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let path = path.canonicalize().with_context(|| format!("{}: cannot open the root folder", path.display()))?;
        let fd = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("{}: cannot open the root folder", path.display()))?;
        Ok(Self { path, fd })
    }

    /// The tree's own path, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How messages and tools name `relative`.
    #[must_use]
    pub fn display(&self, relative: &str) -> String {
        self.path.join(relative.trim_start_matches('/')).display().to_string()
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_slash(&self) -> bool {
        self.path == Path::new("/")
    }

    /// Whether this is the tree at `path`.
    #[must_use]
    pub fn is(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|path| path == self.path)
    }

    fn open_at(&self, relative: &str, flags: OFlags, resolve: ResolveFlags) -> rustix::io::Result<OwnedFd> {
        let relative = relative.trim_start_matches('/');
        let relative = if relative.is_empty() { "." } else { relative };
        rustix::fs::openat2(&self.fd, relative, flags | OFlags::CLOEXEC, Mode::empty(), resolve | ResolveFlags::NO_MAGICLINKS)
    }

    /// Opens a file for reading, links inside the tree followed; `None` when there is none.
    ///
    /// # Errors
    /// Anything but "not there".
    pub fn open_file(&self, relative: &str) -> Result<Option<File>> {
        match self.open_at(relative, OFlags::RDONLY | OFlags::NONBLOCK, ResolveFlags::IN_ROOT) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{}: cannot read", self.display(relative))),
        }
    }

    /// The bytes of a file, links inside the tree followed; `None` when there is none.
    ///
    /// # Errors
    /// Anything but "not there".
    pub fn read(&self, relative: &str) -> Result<Option<Vec<u8>>> {
        let Some(mut file) = self.open_file(relative)? else { return Ok(None) };
        read_whole(&mut file, None).map(Some).with_context(|| format!("{}: cannot read", self.display(relative)))
    }

    /// The text of a file; `None` when there is none.
    ///
    /// # Errors
    /// Anything but "not there", and text that is not UTF-8.
    pub fn read_text(&self, relative: &str) -> Result<Option<String>> {
        let Some(bytes) = self.read(relative)? else { return Ok(None) };
        let text = String::from_utf8(bytes).with_context(|| format!("{}: is not UTF-8 text", self.display(relative)))?;
        Ok(Some(text))
    }

    /// The sorted names in a folder; `None` when there is none.
    ///
    /// # Errors
    /// Anything but "not there".
    pub fn list(&self, relative: &str) -> Result<Option<Vec<String>>> {
        let fd = match self.open_at(relative, OFlags::RDONLY | OFlags::DIRECTORY, ResolveFlags::IN_ROOT) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{}: cannot list", self.display(relative))),
        };
        let names = names_in(fd.as_fd()).with_context(|| format!("{}: cannot list", self.display(relative)))?;
        let text = |name: OsString| {
            name.into_string().map_err(|name| {
                anyhow!("{}/{}: the name is not UTF-8; rename it", self.display(relative), name.to_string_lossy())
            })
        };
        names.into_iter().map(text).collect::<Result<_>>().map(Some)
    }

    /// What is at `relative`, the last link not followed and no parent being a link.
    ///
    /// # Errors
    /// When it cannot be looked at, or a parent is a link.
    pub fn find(&self, relative: &str) -> Result<Option<Item>> {
        let (parent, name) = split(relative);
        match self.existing_folder(parent)? {
            Some(folder) => find_in(folder.as_fd(), name).with_context(|| format!("{}: cannot read", self.display(relative))),
            None => Ok(None),
        }
    }

    /// What the system tells of a path, the last link not followed; `None` when nothing is there.
    ///
    /// # Errors
    /// When it cannot be looked at, or a parent is a link.
    pub fn look(&self, relative: &str) -> Result<Option<Stat>> {
        let (parent, name) = split(relative);
        let Some(folder) = self.existing_folder(parent)? else { return Ok(None) };
        look_in(folder.as_fd(), name).with_context(|| format!("{}: cannot look at it", self.display(relative)))
    }

    /// When what stands at a path was last written, in nanoseconds since 1970; `None` when nothing is there.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn changed(&self, relative: &str) -> Result<Option<i128>> {
        Ok(self.look(relative)?.map(|stat| Stamp::of(&stat).written))
    }

    /// Opens a folder no part of which is a symbolic link; `None` when it is not there.
    ///
    /// # Errors
    /// When a part of the path is a link or not a folder.
    pub fn existing_folder(&self, relative: &str) -> Result<Option<OwnedFd>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match self.open_at(relative, flags, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP) => {
                bail!(
                    "{}: a part of this path is a symbolic link; voidclust writes through none, put a folder there",
                    self.display(relative)
                )
            }
            Err(Errno::NOTDIR) => bail!("{}: a part of this path is not a folder; move it away", self.display(relative)),
            Err(error) => Err(error).with_context(|| format!("{}: cannot open", self.display(relative))),
        }
    }

    /// Opens a folder, made with its parents if it is not there (mode 0755, and 0700 for the archives and identities of
    /// single machines, which hold what only root may read). No part of the path may be a symbolic link.
    ///
    /// # Errors
    /// When a part is a link or a file, or cannot be made.
    pub fn folder(&self, relative: &str) -> Result<OwnedFd> {
        if let Some(folder) = self.existing_folder(relative)? {
            return Ok(folder);
        }
        self.folder_in(&self.folder(split(relative).0)?, relative)
    }

    /// The same, below its parent, which is open already.
    ///
    /// # Errors
    /// The same.
    pub fn folder_in(&self, above: &OwnedFd, relative: &str) -> Result<OwnedFd> {
        let name = split(relative).1;
        let is_private = [crate::paths::NODES, crate::paths::IDENTITIES].iter().any(|private| relative.starts_with(private));
        let mode = if is_private { 0o700 } else { 0o755 };
        let is_new = match rustix::fs::mkdirat(above, name, Mode::from_raw_mode(mode)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error).with_context(|| format!("{}: cannot make this folder", self.display(relative))),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(folder) = rustix::fs::openat(above, name, flags, Mode::empty()) else {
            // By the whole path the reason is known.
            let folder = self.existing_folder(relative)?;
            return folder.with_context(|| format!("{}: vanished while it was made", self.display(relative)));
        };
        if is_new {
            // The umask may have taken bits away that nodes need to read.
            rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode))
                .with_context(|| format!("{}: cannot set the mode", self.display(relative)))?;
        }
        Ok(folder)
    }
}

/// Splits `a/b/c` into `a/b` and `c`.
#[must_use]
pub fn split(relative: &str) -> (&str, &str) {
    relative.rsplit_once('/').unwrap_or(("", relative))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn a_link_out_of_the_root_is_read_inside_it_and_never_written_through() {
        let (dir, root) = tree();
        symlink("/etc", dir.path().join("srv")).unwrap();
        assert_eq!(root.list("srv").unwrap(), Some(vec![]));
        let refused = root.folder("srv/tftp").unwrap_err().to_string();
        // What is mounted there would hide what we write from a master that runs from its overlay.
        assert!(refused.contains("symbolic link") && !refused.contains("mount"), "{refused}");
        symlink("../../../etc/hostname", dir.path().join("etc/name")).unwrap();
        assert_eq!(root.read("etc/name").unwrap(), None);
    }

    #[test]
    fn what_is_too_large_for_memory_is_named() {
        let (dir, root) = tree();
        File::create(dir.path().join("etc/huge")).unwrap().set_len(1 << 42).unwrap();
        for error in [root.read("etc/huge").unwrap_err(), root.find("etc/huge").unwrap_err()] {
            let error = format!("{error:#}");
            assert!(error.contains("/etc/huge: cannot read: it has 4194304 MiB"), "{error}");
        }
    }

    #[test]
    fn a_file_where_a_folder_is_expected_is_named() {
        let (dir, root) = tree();
        File::create(dir.path().join("srv")).unwrap();
        assert!(root.folder("srv/tftp").unwrap_err().to_string().contains("not a folder"));
    }

    #[test]
    fn folders_are_made_with_their_parents() {
        let (dir, root) = tree();
        root.folder("srv/tftp/images").unwrap();
        root.folder(crate::paths::NODES).unwrap();
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| dir.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("srv/tftp/images"), mode(crate::paths::NODES)), (0o755, 0o700));
        let found = root.find("srv/tftp").unwrap().unwrap();
        assert!(found.is_folder() && found.mode == 0o755);
        assert_eq!(root.find("srv/none/x").unwrap(), None);
    }
}
