//! The folder that is laid over, and what is changed in it: each thing is made aside and takes its place by a rename.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use super::dry::{Pretended, There};
use super::layer::{Entry, Kind, Meta};
use super::{attributes, folder};

/// What is being made, in the folder where it will be; the next run sweeps what a killed one left. The dot hides it from
/// runsvdir and from what reads folders of small files.
pub(super) const ASIDE: &str = ".voidclust-new";

/// An open tree. Nothing is read or written outside of it, whatever its links say.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    fd: OwnedFd,
    /// In a dry run, what is not done to it.
    pub(super) dry: Option<Pretended>,
}

impl Target {
    /// # Errors
    /// When it is no folder that can be opened.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let cannot = || format!("{}: cannot open this folder", path.display());
        let path = path.canonicalize().with_context(cannot)?;
        let fd =
            rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).with_context(cannot)?;
        Ok(Self { path, fd, dry: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn open_folder(&self, real: &Path) -> rustix::io::Result<OwnedFd> {
        let real = if real.as_os_str().is_empty() { Path::new(".") } else { real };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.fd, real, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// Opens the folder at `path`, and tells its path without links; `None` when there is none in this tree. Links are
    /// followed as long as they lead to a folder of the tree.
    ///
    /// # Errors
    /// When it is there and cannot be opened.
    pub(super) fn folder(&self, path: &Path) -> rustix::io::Result<Option<(OwnedFd, PathBuf)>> {
        let real = match self.open_folder(path) {
            Ok(fd) => return Ok(Some((fd, path.to_owned()))),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(Errno::LOOP) => self.path.join(path).canonicalize(),
            Err(error) => return Err(error),
        };
        // A link in it leads to a folder, here or elsewhere, or to nothing.
        let Ok(real) = real else { return Ok(None) };
        let Ok(real) = real.strip_prefix(&self.path) else { return Ok(None) };
        match self.open_folder(real) {
            Ok(fd) => Ok(Some((fd, real.to_owned()))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether `path` is, or leads to, a folder of this tree.
    pub(super) fn has_folder(&self, path: &Path) -> bool {
        let pretended = self.dry.as_ref().map(|pretended| pretended.folder(self, path).is_ok_and(|real| real.is_some()));
        pretended.unwrap_or_else(|| self.folder(path).is_ok_and(|folder| folder.is_some()))
    }

    /// The folder of `path` and what stands there, the last link not followed; `None` when that folder is not in the tree.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(super) fn find(&self, path: &Path) -> Result<Option<Place>> {
        let name = path.file_name().unwrap_or_default();
        let mut parent = path.parent().unwrap_or(Path::new("")).to_owned();
        if let Some(pretended) = &self.dry {
            let Some(real) = pretended.folder(self, &parent)? else { return Ok(None) };
            if let Some(entry) = pretended.at(&real.join(name)) {
                let (folder, real, dry) = (self.fd.try_clone()?, real.join(name), self.dry.clone());
                return Ok(Some(Place {
                    folder,
                    name: name.into(),
                    real,
                    there: entry.map_or(There::Nothing, There::Pretended),
                    dry,
                }));
            }
            parent = real;
        }
        let Some((folder, real)) = self.folder(&parent)? else { return Ok(None) };
        let there = match rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => There::OnDisk(stat),
            Err(Errno::NOENT) => There::Nothing,
            Err(error) => return Err(error.into()),
        };
        Ok(Some(Place { folder, name: name.into(), real: real.join(name), there, dry: self.dry.clone() }))
    }

    /// Removes what a killed run left in the folder at `path`.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn sweep(&self, path: &Path) -> Result<()> {
        match self.folder(path)? {
            _ if self.dry.is_some() => Ok(()),
            Some((folder, _)) => remove(&folder, ASIDE.as_ref()),
            None => Ok(()),
        }
    }
}

/// A name in an open folder of a [`Target`].
#[derive(Debug)]
pub(super) struct Place {
    folder: OwnedFd,
    name: std::ffi::OsString,
    /// Its path without links.
    pub(super) real: PathBuf,
    pub(super) there: There,
    dry: Option<Pretended>,
}

impl Place {
    pub(super) fn is_there(&self) -> bool {
        !matches!(self.there, There::Nothing)
    }

    fn is(&self, kind: FileType) -> bool {
        self.there.is(kind)
    }

    pub(super) fn is_folder(&self) -> bool {
        self.is(FileType::Directory)
    }

    pub(super) fn is_link(&self) -> bool {
        self.is(FileType::Symlink)
    }

    /// What stands here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn entry(&self) -> Result<Entry> {
        match &self.there {
            There::Pretended(entry) => Ok(entry.clone()),
            _ => folder::entry_of(&self.folder, &self.name, &self.real).map(|(entry, _)| entry),
        }
    }

    /// The folder that stands here, open.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn open(&self) -> Result<OwnedFd> {
        Ok(open_folder(&self.folder, &self.name, ResolveFlags::empty())?)
    }

    /// Whether exactly this stands here already.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(super) fn is_same(&self, entry: &Entry) -> Result<bool> {
        let stat = match &self.there {
            There::Nothing => return Ok(false),
            There::OnDisk(stat) => stat,
            There::Pretended(there) => return Ok(there == entry),
        };
        let (uid, gid) = attributes::owner(stat.st_uid, stat.st_gid);
        if (uid, gid) != (entry.meta.uid, entry.meta.gid) {
            return Ok(false);
        }
        let mode_is_same = stat.st_mode & 0o7777 == entry.meta.mode;
        match &entry.kind {
            Kind::File(bytes) => {
                let alike =
                    self.is(FileType::RegularFile) && mode_is_same && u64::try_from(stat.st_size) == Ok(bytes.len() as u64);
                Ok(alike && self.entry()? == *entry)
            }
            Kind::Link(_) => Ok(self.is_link() && self.entry()?.kind == entry.kind),
            Kind::Folder => Ok(self.is_folder() && mode_is_same && attributes::of(self.open()?)? == entry.meta.xattrs),
        }
    }

    /// Gives the folder that stands here owner, mode and attributes; returns what of them cannot be set.
    ///
    /// # Errors
    /// When owner or mode cannot be set.
    pub(super) fn give(&self, meta: &Meta) -> Result<Vec<String>> {
        match self.dry {
            Some(_) => Ok(Vec::new()),
            None => give(&self.open()?, meta),
        }
    }

    /// Sets the attributes of a file or folder that is this but for them; `None` when it differs in more. Returns whether any
    /// changed, and those that cannot be set.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn give_attributes(&self, entry: &Entry) -> Result<Option<(bool, Vec<String>)>> {
        if !self.is_there() || self.is_link() {
            return Ok(None);
        }
        let there = self.entry()?;
        let but_for_them = Entry { meta: Meta { xattrs: entry.meta.xattrs.clone(), ..there.meta.clone() }, ..there };
        if but_for_them != *entry {
            return Ok(None);
        }
        if self.dry.is_some() {
            return Ok(Some((entry.meta.xattrs != there.meta.xattrs, Vec::new())));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, &self.name, flags, Mode::empty())?;
        let lost = attributes::set(&file, &entry.meta.xattrs);
        Ok(Some((attributes::of(&file)? != there.meta.xattrs, lost)))
    }

    /// Puts this here, in place of what is there: an empty folder, or no folder. Returns what of it cannot be set.
    ///
    /// # Errors
    /// When it cannot be made, or a folder is there that holds something; then that is left as it is.
    pub(super) fn put(&self, entry: &Entry) -> Result<Vec<String>> {
        if let Some(pretended) = &self.dry {
            pretended.set(&self.real, Some(entry));
            return Ok(Vec::new());
        }
        let aside = OsStr::new(ASIDE);
        remove(&self.folder, aside)?;
        let made = self.make(aside, entry).and_then(|lost| {
            if self.is_folder() && !entry.is_folder() {
                rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::REMOVEDIR)?;
            } else if self.is_there() && entry.is_folder() {
                rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty())?;
            }
            rustix::fs::renameat(&self.folder, aside, &self.folder, &self.name)?;
            Ok(lost)
        });
        if made.is_err() {
            remove(&self.folder, aside)?;
        }
        made
    }

    fn make(&self, aside: &OsStr, entry: &Entry) -> Result<Vec<String>> {
        match &entry.kind {
            Kind::File(bytes) => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file = File::from(rustix::fs::openat(&self.folder, aside, flags, Mode::from_raw_mode(0o600))?);
                file.write_all(bytes)?;
                give(&file, &entry.meta)
            }
            Kind::Link(target) => {
                rustix::fs::symlinkat(target, &self.folder, aside)?;
                if attributes::is_root() {
                    let (uid, gid) = (Uid::from_raw(entry.meta.uid), Gid::from_raw(entry.meta.gid));
                    rustix::fs::chownat(&self.folder, aside, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
                }
                Ok(Vec::new())
            }
            Kind::Folder => {
                rustix::fs::mkdirat(&self.folder, aside, Mode::from_raw_mode(0o700))?;
                give(open_folder(&self.folder, aside, ResolveFlags::empty())?, &entry.meta)
            }
        }
    }

    /// Removes what stands here and all below it.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub(super) fn remove(&self) -> Result<()> {
        match &self.dry {
            Some(pretended) => pretended.set(&self.real, None),
            None => remove(&self.folder, &self.name)?,
        }
        Ok(())
    }

    /// Whether a folder stands here that holds anything.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub(super) fn holds_something(&self) -> Result<bool> {
        let names = match self.there {
            There::OnDisk(_) if self.is_folder() => folder::list(self.open()?)?,
            _ => Vec::new(),
        };
        Ok(self.is_folder() && self.dry.as_ref().map_or(!names.is_empty(), |pretended| pretended.holds(&self.real, &names)))
    }
}

fn give(file: impl AsFd, meta: &Meta) -> Result<Vec<String>> {
    let file = file.as_fd();
    if attributes::is_root() {
        rustix::fs::fchown(file, Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))
            .with_context(|| format!("cannot give it to {}:{}", meta.uid, meta.gid))?;
    }
    // After the owner, whose change takes bits and capabilities away.
    rustix::fs::fchmod(file, Mode::from_raw_mode(meta.mode)).context("cannot set its mode")?;
    Ok(attributes::set(file, &meta.xattrs))
}

fn open_folder(folder: impl AsFd, name: &OsStr, more: ResolveFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | more;
    rustix::fs::openat2(folder, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Removes what is called `name` in an open folder and all below it; nothing is there: fine.
fn remove(folder: impl AsFd, name: &OsStr) -> Result<()> {
    let folder = folder.as_fd();
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    // A mount inside is not ours to empty.
    let inner = match open_folder(folder, name, ResolveFlags::NO_XDEV) {
        Err(Errno::XDEV) => bail!("a file system is mounted in it"),
        other => other?,
    };
    for below in folder::list(&inner)? {
        remove(&inner, OsStr::from_bytes(&below))?;
    }
    Ok(rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
}
