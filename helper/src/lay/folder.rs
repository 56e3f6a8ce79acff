//! One source that is a folder, made by hand: all of it, or a reason why not.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::attributes;
use super::layer::{Entry, Kind, Layer, Meta, put, shown};

/// Reads the folder that `from` is.
///
/// # Errors
/// When a part of it cannot be read, or cannot be laid.
pub(super) fn load(from: impl AsFd) -> Result<Layer> {
    let mut layer = Layer::new();
    walk(from.as_fd(), Path::new(""), &mut layer)?;
    Ok(layer)
}

fn walk(from: impl AsFd, below: &Path, layer: &mut Layer) -> Result<()> {
    for name in list(&from).with_context(|| format!("{}: cannot list", shown(below)))? {
        let name = OsStr::from_bytes(&name);
        let path = below.join(name);
        let (entry, folder) = entry_of(&from, name, &path)?;
        put(layer, path.clone(), entry)?;
        if let Some(folder) = folder {
            walk(folder, &path, layer)?;
        }
    }
    Ok(())
}

/// The names in a folder.
pub(super) fn list(folder: impl AsFd) -> rustix::io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

/// What is called `name` in an open folder, with its descriptor when it is a folder itself. No link is followed.
///
/// # Errors
/// When it cannot be read, changes meanwhile, or is a device, pipe or socket.
pub(super) fn entry_of(folder: impl AsFd, name: &OsStr, path: &Path) -> Result<(Entry, Option<OwnedFd>)> {
    let folder = folder.as_fd();
    let cannot = || format!("{}: cannot read", shown(path));
    let open = |flags: OFlags| {
        let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(folder, name, flags, Mode::empty()).with_context(cannot)
    };
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).with_context(cannot)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let file = File::from(open(OFlags::NONBLOCK)?);
            let meta = meta(&rustix::fs::fstat(&file)?, attributes::of(&file).with_context(cannot)?);
            (Entry { kind: Kind::File(content(&file).with_context(cannot)?), meta }, None)
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(folder, name, Vec::new()).with_context(cannot)?;
            let kind = Kind::Link(OsStr::from_bytes(target.as_bytes()).into());
            (Entry { kind, meta: Meta { mode: 0o777, ..meta(&stat, Default::default()) } }, None)
        }
        FileType::Directory => {
            let inner = open(OFlags::DIRECTORY)?;
            let meta = meta(&rustix::fs::fstat(&inner)?, attributes::of(&inner).with_context(cannot)?);
            (Entry { kind: Kind::Folder, meta }, Some(inner))
        }
        _ => bail!("{}: it holds more than files, folders and links", shown(path)),
    })
}

pub(super) fn meta(stat: &Stat, xattrs: super::layer::Xattrs) -> Meta {
    let (uid, gid) = attributes::owner(stat.st_uid, stat.st_gid);
    Meta { uid, gid, mode: stat.st_mode & 0o7777, xattrs }
}

/// All of an open file.
///
/// # Errors
/// When it cannot be read, does not fit into memory, or is written to meanwhile: half of it would be laid.
pub(super) fn content(file: &File) -> Result<Vec<u8>> {
    let state = |file: &File| {
        let stat = rustix::fs::fstat(file)?;
        Ok::<_, rustix::io::Errno>((stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec))
    };
    let before = state(file)?;
    let mut content = Vec::new();
    let size = usize::try_from(before.0)?;
    content.try_reserve_exact(size + 1).with_context(|| format!("no memory for its {size} bytes"))?;
    // Through `take`, or std would ask once more for the size of each file, and where it stands.
    file.take(u64::MAX).read_to_end(&mut content)?;
    if state(file)? != before || content.len() != size {
        bail!("it changed while it was read; run again");
    }
    Ok(content)
}
