//! Node archives: plain tar, the same bytes for the same content.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

use crate::disk::tree::{Content, Item, Owner};

/// The modification time of every member: 1980-01-01, old enough to be nobody's, and no tar warns of it as it does of 0.
const TIME: u64 = 315_532_800;

/// The unit of a tar file.
pub(super) const BLOCK: usize = 512;

/// Writes an archive: the members as they come, each with its owner, all of one fixed time.
///
/// # Errors
/// When a path cannot be put into a tar file.
pub fn write(members: &[(&str, &Item)]) -> Result<Vec<u8>> {
    // As large as it will be: a vector that grows has twice the size of a large archive for a moment.
    let mut builder = Builder::new(Vec::with_capacity(size(members)));
    let mut usual: Option<(Owner, u32, Header)> = None;
    for (path, item) in members {
        // Most have the mode and the owner of the one before: to write these as digits took a third of the time.
        let mut header = match &usual {
            Some((owner, mode, header)) if (*owner, *mode) == (item.owner, item.mode) => header.clone(),
            _ => usual.insert((item.owner, item.mode, header(item))).2.clone(),
        };
        let context = || format!("{path}: cannot be put into an archive");
        match &item.content {
            Content::File(bytes) => {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, path, &bytes.whole()[..]).with_context(context)?;
            }
            Content::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                builder.append_link(&mut header, path, target).with_context(context)?;
            }
            Content::Folder => {
                header.set_entry_type(EntryType::Directory);
                builder.append_data(&mut header, format!("{path}/"), std::io::empty()).with_context(context)?;
            }
            Content::Other => anyhow::bail!("{}: it is neither file, link nor folder", context()),
        }
    }
    builder.into_inner().context("cannot end an archive")
}

/// What is in the header of a member besides its name, its kind and what it holds.
fn header(item: &Item) -> Header {
    let mut header = Header::new_gnu();
    header.set_uid(item.owner.uid.into());
    header.set_gid(item.owner.gid.into());
    header.set_mtime(TIME);
    header.set_mode(item.mode);
    header.set_size(0);
    header
}

/// How many bytes [`write()`] makes of these members, but for very long names.
#[must_use]
pub fn size(members: &[(&str, &Item)]) -> usize {
    let of = |item: &Item| BLOCK + item.bytes().map_or(0, |bytes| bytes.len().next_multiple_of(BLOCK));
    members.iter().map(|(_, item)| of(item)).sum::<usize>() + 2 * BLOCK
}

/// Reads an archive that [`write()`] made.
///
/// # Errors
/// When it is not one.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Item>> {
    let mut members = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().trim_end_matches('/').to_owned();
        let header = entry.header();
        let mode = header.mode()?;
        let owner = Owner { uid: header.uid()?.try_into()?, gid: header.gid()?.try_into()? };
        let content = match header.entry_type() {
            EntryType::Directory => Content::Folder,
            EntryType::Symlink => {
                let target = entry.link_name_bytes().context("a link without a target")?;
                Content::Link(OsString::from_vec(target.into_owned()))
            }
            _ => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                Content::File(content.into())
            }
        };
        members.insert(path, Item { content, mode, owner });
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> BTreeMap<String, Item> {
        let owner = Owner { uid: 998, gid: u32::MAX - 1 };
        BTreeMap::from([
            ("hostname".to_owned(), Item::file(*b"n1\n")),
            (format!("{}/x", "long".repeat(40)), Item::file(*b"").with_mode(0o600)),
            ("munge/munge.key".to_owned(), Item { owner, ..Item::file(*b"key").with_mode(0o400) }),
            ("runit/runsvdir/default/sshd".to_owned(), Item::link("/etc/sv/sshd")),
            ("odd".to_owned(), Item::link(OsString::from_vec(vec![0xff, 0xfe, b'/', b'x']))),
            ("ssl/private".to_owned(), Item { owner, ..Item::folder().with_mode(0o700) }),
        ])
    }

    fn written(members: &BTreeMap<String, Item>) -> Vec<u8> {
        write(&members.iter().map(|(path, item)| (path.as_str(), item)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_and_the_bytes_are_the_same_each_time() {
        let bytes = written(&sample());
        assert_eq!(read(&bytes).unwrap(), sample());
        assert_eq!(written(&sample()), bytes);
    }

    #[test]
    fn the_size_is_known_before() {
        let mut members = sample();
        members.retain(|path, _| path.len() < 100);
        let listed: Vec<_> = members.iter().map(|(path, item)| (path.as_str(), item)).collect();
        assert_eq!(size(&listed), write(&listed).unwrap().len());
    }

    #[test]
    fn a_broken_archive_is_an_error_not_a_panic() {
        let bytes = written(&sample());
        for cut in (0..bytes.len()).step_by(97) {
            let _ = read(&bytes[..cut]);
        }
        assert!(read(&[7; 1024]).is_err());
    }
}
