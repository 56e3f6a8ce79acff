//! The trees of generations: the only module that changes them. Paths are relative to a tree, go through no link, and do
//! not leave its file system.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::disk::opened::{Attributes, Stamp, attributes_of, names_in};

/// What something in a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device, a pipe, a socket.
    Other,
}

/// What stands at a path of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    device: u64,
    pub(super) inode: u64,
    /// How many names it has.
    pub(super) links: u64,
    /// When anything of it was last changed, in nanoseconds since 1970.
    pub(super) changed: i128,
    /// The bytes that it takes on the disk.
    pub(super) room: u64,
    /// Its size.
    pub(super) size: u64,
    /// Permission bits, owner and group.
    pub(super) rights: (u32, u32, u32),
}

impl Entry {
    fn of(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        };
        #[allow(clippy::unnecessary_cast, reason = "the type differs from one architecture to the other")]
        Self {
            kind,
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            links: stat.st_nlink as u64,
            changed: Stamp::of(stat).changed,
            room: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            rights: (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid),
        }
    }
}

/// A folder that is not of the file system that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    /// Something is mounted there.
    Mount,
    /// It is a subvolume of btrfs.
    Subvolume,
}

/// The inode of the top folder of every subvolume.
pub(super) const SUBVOLUME: u64 = 256;

/// Whether a folder is on btrfs.
pub(super) fn is_btrfs(path: &Path) -> Result<bool> {
    /// `BTRFS_SUPER_MAGIC` of `linux/magic.h`.
    const BTRFS: u64 = 0x9123_683e;
    let found = rustix::fs::statfs(path);
    let found = found.with_context(|| format!("{}: cannot ask what file system this is", path.display()))?;
    Ok(u64::try_from(found.f_type) == Ok(BTRFS))
}

/// A tree: that of a generation, or the shared root.
#[derive(Debug)]
pub(super) struct Tree {
    fd: OwnedFd,
    device: u64,
    path: PathBuf,
}

impl Tree {
    /// Opens the tree at a path.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let context = || format!("{}: cannot open this folder", path.display());
        let fd = rustix::fs::open(path, flags, Mode::empty()).with_context(context)?;
        let device = rustix::fs::fstat(&fd).with_context(context)?.st_dev;
        Ok(Self { fd, device, path: path.to_owned() })
    }

    /// How messages name a path in it.
    pub(super) fn display(&self, path: &Path) -> String {
        self.path.join(path).display().to_string()
    }

    /// A folder; `None` when there is none, or on another file system, which is no part of the tree.
    fn folder(&self, path: &Path) -> Result<Option<OwnedFd>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let context = || format!("{}: cannot open this folder", self.display(path));
        let folder = match rustix::fs::openat2(&self.fd, name, flags, Mode::empty(), resolve) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            opened => opened.with_context(context)?,
        };
        let device = rustix::fs::fstat(&folder).with_context(context)?.st_dev;
        Ok((device == self.device).then_some(folder))
    }

    /// The sorted names in a folder; none when it is not there.
    pub(super) fn names(&self, path: &Path) -> Result<Vec<OsString>> {
        let Some(folder) = self.folder(path)? else { return Ok(Vec::new()) };
        names_in(folder.as_fd()).with_context(|| format!("{}: cannot list", self.display(path)))
    }

    /// What is in a folder, by its sorted names, links not followed; nothing when it is not there.
    pub(super) fn entries(&self, path: &Path) -> Result<Vec<(OsString, Entry)>> {
        self.folder(path)?.map_or_else(|| Ok(Vec::new()), |folder| self.entries_in(folder.as_fd(), path))
    }

    fn entries_in(&self, folder: BorrowedFd<'_>, at: &Path) -> Result<Vec<(OsString, Entry)>> {
        let mut entries = Vec::new();
        for name in names_in(folder).with_context(|| format!("{}: cannot list", self.display(at)))? {
            let found = look(folder, &name);
            let found = found.with_context(|| format!("{}: cannot look at it", self.display(&at.join(&name))))?;
            // Gone meanwhile: nobody misses it.
            entries.extend(found.map(|entry| (name, entry)));
        }
        Ok(entries)
    }

    /// What stands at a path, a link not followed; `None` when nothing does.
    pub(super) fn look(&self, path: &Path) -> Result<Option<Entry>> {
        let (parent, name) = parts(path);
        let Some(folder) = self.folder(parent)? else { return Ok(None) };
        look(folder.as_fd(), name).with_context(|| format!("{}: cannot look at it", self.display(path)))
    }

    /// The target of a link.
    pub(super) fn link(&self, path: &Path) -> Result<OsString> {
        let context = || format!("{}: cannot read this link", self.display(path));
        let (parent, name) = parts(path);
        let folder = self.folder(parent)?.with_context(context)?;
        Ok(OsString::from_vec(rustix::fs::readlinkat(folder, name, Vec::new()).with_context(context)?.into_bytes()))
    }

    /// The extended attributes of a folder; `None` of one that is no part of the tree.
    pub(super) fn attributes(&self, path: &Path) -> Result<Option<Attributes>> {
        let Some(folder) = self.folder(path)? else { return Ok(None) };
        attributes_of(folder.as_fd()).map(Some).with_context(|| format!("{}: cannot read its attributes", self.display(path)))
    }

    /// What a folder of the tree is, when it begins another file system.
    pub(super) fn apart(&self, path: &Path) -> Result<Option<Apart>> {
        let Some(entry) = self.look(path)?.filter(|entry| entry.device != self.device) else { return Ok(None) };
        let is_subvolume = entry.inode == SUBVOLUME && is_btrfs(&self.path.join(path))?;
        Ok(Some(if is_subvolume { Apart::Subvolume } else { Apart::Mount }))
    }

    /// Whether a folder of a tree on btrfs is a subvolume that is not mounted there, but belongs to the one that it is in.
    pub(super) fn is_subvolume(&self, path: &Path, entry: &Entry) -> bool {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV;
        let is_top = entry.kind == Kind::Folder && entry.device != self.device && entry.inode == SUBVOLUME;
        is_top && rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), resolve).is_ok()
    }

    /// Opens a file to read it.
    pub(super) fn file(&self, path: &Path) -> Result<File> {
        let context = || format!("{}: cannot read", self.display(path));
        let (parent, name) = parts(path);
        let folder = self.folder(parent)?.with_context(context)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(folder, name, flags, Mode::empty()).with_context(context)?))
    }

    /// Hands all that is in the tree to `seen`, folders before what is in them; it says whether to go into one. What is on
    /// another file system is no part of it: of a folder where something is mounted the folder alone is.
    pub(super) fn walk(&self, seen: &mut dyn FnMut(&Path, &Entry) -> bool) -> Result<()> {
        self.walk_below(Path::new(""), seen)
    }

    /// The same of what is in a folder; nothing when that is not there.
    pub(super) fn walk_below(&self, folder: &Path, seen: &mut dyn FnMut(&Path, &Entry) -> bool) -> Result<()> {
        let Some(open) = self.folder(folder)? else { return Ok(()) };
        self.walk_in(open.as_fd(), folder, seen)
    }

    fn walk_in(&self, folder: BorrowedFd<'_>, at: &Path, seen: &mut dyn FnMut(&Path, &Entry) -> bool) -> Result<()> {
        for (name, entry) in self.entries_in(folder, at)? {
            let path = at.join(name);
            if !seen(&path, &entry) || entry.kind != Kind::Folder {
                continue;
            }
            if let Some(inner) = self.folder(&path)? {
                self.walk_in(inner.as_fd(), &path, seen)?;
            }
        }
        Ok(())
    }

    /// Removes what stands at a path, with all that is in it; nothing may be there.
    pub(super) fn delete(&self, path: &Path) -> Result<()> {
        let (parent, name) = parts(path);
        match self.folder(parent)? {
            Some(folder) => {
                delete_in(folder.as_fd(), name, self.device).with_context(|| format!("{}: cannot remove", self.display(path)))
            }
            None => Ok(()),
        }
    }

    /// Removes what stands at a path and all that is in it, but leaves the folders, for programs look for theirs, and what
    /// [`stays`].
    pub(super) fn empty(&self, path: &Path) -> Result<()> {
        if self.look(path)?.is_some_and(|entry| entry.kind != Kind::Folder) {
            return if stays(path) { Ok(()) } else { self.delete(path) };
        }
        for name in self.names(path)? {
            self.empty(&path.join(name))?;
        }
        Ok(())
    }

    /// Makes a folder.
    pub(super) fn make_folder(&self, path: &Path, mode: u32) -> Result<()> {
        let context = || format!("{}: cannot make this folder", self.display(path));
        let (parent, name) = parts(path);
        let folder = self.folder(parent)?.with_context(context)?;
        rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(mode)).with_context(context)
    }

    /// Writes a file of ours, an inode of its own, where nothing may stand.
    pub(super) fn put(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let context = || format!("{}: cannot write", self.display(path));
        let (parent, name) = parts(path);
        let folder = self.folder(parent)?.with_context(context)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o600)).with_context(context)?);
        file.write_all(bytes).with_context(context)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).with_context(context)
    }

    /// Gives a folder another name in the same folder.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let context = || format!("{}: cannot rename it", self.display(from));
        let folder = self.folder(parts(from).0)?.with_context(context)?;
        rustix::fs::renameat(&folder, parts(from).1, &folder, parts(to).1).with_context(context)?;
        rustix::fs::fsync(&folder).with_context(context)
    }

    /// Waits until all that was written to its file system is on the disk.
    pub(super) fn sync(&self) -> Result<()> {
        rustix::fs::syncfs(&self.fd).with_context(|| format!("{}: cannot sync", self.path.display()))
    }
}

/// Whether a file stays where all others go: it tells svlogd(8) what to do in its folder of logs.
pub(super) fn stays(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new("config"))
}

fn parts(path: &Path) -> (&Path, &OsStr) {
    (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or(OsStr::new(".")))
}

fn look(folder: BorrowedFd<'_>, name: &OsStr) -> std::io::Result<Option<Entry>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Entry::of(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// So many times a folder is emptied that fills again, with this between.
const TRIES: usize = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

fn delete_in(folder: BorrowedFd<'_>, name: &OsStr, device: u64) -> std::io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inner = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    if rustix::fs::fstat(&inner)?.st_dev != device {
        // In a snapshot, what was a subvolume is an empty folder that seems to be somewhere else.
        let removed = rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR);
        return removed
            .map_err(|_| std::io::Error::other(format!("something is mounted on {} in it; unmount that", name.display())));
    }
    // A tool that outlived the run that was killed may still write there, and notices that soon.
    for _ in 0..TRIES {
        for name in names_in(inner.as_fd())? {
            delete_in(inner.as_fd(), &name, device)?;
        }
        match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY) => std::thread::sleep(PAUSE),
            removed => return Ok(removed?),
        }
    }
    Err(std::io::Error::other(format!("something goes on writing into {} in it; end that", name.display())))
}
