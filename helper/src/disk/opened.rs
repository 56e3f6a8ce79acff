//! What is in a folder that is open already: no path is looked up again, and no link is followed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

use crate::disk::tree::{Content, Item, Owner};

/// The sorted names in an open folder.
///
/// # Errors
/// What the system says.
pub fn names_in(folder: BorrowedFd<'_>) -> std::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    let mut room = [const { MaybeUninit::uninit() }; 8192];
    // It may have been listed before.
    rustix::fs::seek(folder, rustix::fs::SeekFrom::Start(0))?;
    let mut entries = RawDir::new(folder, &mut room);
    while let Some(entry) = entries.next() {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    Ok(names)
}

/// What is called `name` in an open folder, not following a link.
///
/// # Errors
/// What the system says, but for "not there".
pub fn find_in(folder: BorrowedFd<'_>, name: &str) -> std::io::Result<Option<Item>> {
    look_in(folder, name)?.map(|stat| read_in(folder, name, &stat)).transpose()
}

/// What the system tells of `name` in an open folder, not following a link.
///
/// # Errors
/// What the system says, but for "not there".
pub fn look_in(folder: BorrowedFd<'_>, name: &str) -> std::io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The whole of what [`look_in`] told.
///
/// # Errors
/// What the system says, and when a file goes on changing while it is read.
pub fn read_in(folder: BorrowedFd<'_>, name: &str, stat: &Stat) -> std::io::Result<Item> {
    let content = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Content::File(read_whole(&mut open_in(folder, name)?, Some(stat))?.into()),
        FileType::Symlink => Content::Link(link_in(folder, name)?),
        FileType::Directory => Content::Folder,
        _ => Content::Other,
    };
    Ok(Item { content, mode: stat.st_mode & 0o7777, owner: Owner { uid: stat.st_uid, gid: stat.st_gid } })
}

/// Opens a file or folder called `name` in an open folder, no link and without waiting for anybody.
///
/// # Errors
/// What the system says.
pub fn open_in(folder: BorrowedFd<'_>, name: &str) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(folder, name, flags, Mode::empty())?))
}

/// The target of a symbolic link called `name` in an open folder.
///
/// # Errors
/// What the system says.
pub fn link_in(folder: BorrowedFd<'_>, name: &str) -> std::io::Result<OsString> {
    Ok(OsString::from_vec(rustix::fs::readlinkat(folder, name, Vec::new())?.into_bytes()))
}

/// Extended attributes, by name.
pub type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// The extended attributes of an open file or folder; none where the file system knows none.
///
/// # Errors
/// What the system says.
pub fn attributes_of(file: BorrowedFd<'_>) -> rustix::io::Result<Attributes> {
    let names = match grown(1024, |room| rustix::fs::flistxattr(file, room)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Attributes::new()),
        names => names?,
    };
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut attributes = Attributes::new();
    for name in names {
        attributes.insert(name.to_vec(), grown(256, |room| rustix::fs::fgetxattr(file, name, room))?);
    }
    Ok(attributes)
}

/// What is read, in as much room as it needs.
fn grown(
    first: usize,
    read: impl Fn(rustix::buffer::SpareCapacity<'_, u8>) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(first);
    loop {
        match read(spare_capacity(&mut bytes)) {
            Ok(_) => return Ok(bytes),
            Err(Errno::RANGE) => bytes.reserve(bytes.capacity() * 2),
            Err(error) => return Err(error),
        }
    }
}

/// By what a file is known that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    size: i128,
    /// When its content was last written, in nanoseconds since 1970.
    pub written: i128,
    /// When anything of it was last changed, which nobody can set back; in nanoseconds since 1970.
    pub changed: i128,
}

impl Stamp {
    /// What the system tells.
    #[must_use]
    pub fn of(stat: &Stat) -> Self {
        // The types of these fields differ from one architecture to the other.
        let time = |seconds: i128, nanoseconds: i128| seconds * 1_000_000_000 + nanoseconds;
        Self {
            size: stat.st_size.into(),
            written: time(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
            changed: time(stat.st_ctime.into(), stat.st_ctime_nsec.into()),
        }
    }
}

/// More than this is not read into memory, in bytes: nothing that we write or are to understand is as large.
const READ_MAX: u64 = 512 << 20;

/// Room for what a file of the kernel says in one piece, since some say nothing to a second question.
const KERNEL_FILE: usize = 8192;

/// Reads a file that nobody writes: when it is another one after than it was before, it is read again. `seen` is what
/// was told of it; without, a file that says to be empty is read to its end all the same, as those of the kernel need.
///
/// # Errors
/// What the system says, and when it goes on changing.
pub fn read_whole(file: &mut File, seen: Option<&Stat>) -> std::io::Result<Vec<u8>> {
    const TRIES: usize = 3;
    let mut before = seen.copied().map_or_else(|| rustix::fs::fstat(&*file), Ok)?;
    for tried in 0..TRIES {
        if tried > 0 {
            file.seek(SeekFrom::Start(0))?;
        }
        let size = u64::try_from(before.st_size).unwrap_or(0);
        if size > READ_MAX {
            let why = format!("it has {} MiB, and nothing that belongs here has more than {}", size >> 20, READ_MAX >> 20);
            return Err(std::io::Error::other(why));
        }
        let size = usize::try_from(size).unwrap_or(0);
        let is_told = size > 0 || seen.is_some();
        // With room for a byte more, to see one that grows.
        let mut bytes = Vec::with_capacity(if is_told { size + 1 } else { KERNEL_FILE });
        // By hand, or std would ask once more for the size of each of ten thousand files, where it stands, and for its end.
        while !(is_told && bytes.len() >= size) {
            bytes.reserve(1);
            match rustix::io::read(&*file, spare_capacity(&mut bytes)) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let after = rustix::fs::fstat(&*file)?;
        if Stamp::of(&before) == Stamp::of(&after) {
            return Ok(bytes);
        }
        before = after;
    }
    Err(std::io::Error::other("it goes on changing while it is read; run again when it is whole"))
}
