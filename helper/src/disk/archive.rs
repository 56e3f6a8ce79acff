//! Node archives: plain tar, the same bytes for the same content.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result};
use tar::{Builder, EntryType, Header};

use crate::disk::tree::Item;

/// The modification time of every member: 1980-01-01, old enough to be nobody's, and no tar warns of it as it does of 0.
const TIME: u64 = 315_532_800;

/// What stands at one path of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// A file or a link.
    Item(Item),
    /// A folder with these permission bits.
    Folder(u32),
}

/// Writes an archive: members sorted by path, owner 0:0, fixed time.
///
/// # Errors
/// When a path cannot be put into a tar file.
pub fn write(members: &BTreeMap<String, Member>) -> Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::with_capacity(members.len() * 1024 + 1024));
    for (path, member) in members {
        let mut header = Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(TIME);
        let context = || format!("{path}: cannot be put into an archive");
        match member {
            Member::Item(Item::File { bytes, mode }) => {
                header.set_mode(*mode);
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, path, &bytes[..]).with_context(context)?;
            }
            Member::Item(Item::Link(target)) => {
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                builder.append_link(&mut header, path, target).with_context(context)?;
            }
            Member::Folder(mode) => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(*mode);
                header.set_size(0);
                builder.append_data(&mut header, format!("{path}/"), std::io::empty()).with_context(context)?;
            }
        }
    }
    builder.into_inner().context("cannot end an archive")
}

/// Reads an archive that [`write()`] made.
///
/// # Errors
/// When it is not one.
pub fn read(bytes: &[u8]) -> Result<BTreeMap<String, Member>> {
    let mut members = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().trim_end_matches('/').to_owned();
        let mode = entry.header().mode()?;
        let member = match entry.header().entry_type() {
            EntryType::Directory => Member::Folder(mode),
            EntryType::Symlink => {
                let target = entry.link_name()?.context("a link without a target")?;
                Member::Item(Item::Link(target.to_string_lossy().into_owned()))
            }
            _ => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                Member::Item(Item::File { bytes: content.into(), mode })
            }
        };
        members.insert(path, member);
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> BTreeMap<String, Member> {
        BTreeMap::from([
            ("hostname".to_owned(), Member::Item(Item::file(*b"n1\n"))),
            (format!("{}/x", "long".repeat(40)), Member::Item(Item::File { bytes: (*b"").into(), mode: 0o600 })),
            ("runit/runsvdir/default/sshd".to_owned(), Member::Item(Item::Link("/etc/sv/sshd".into()))),
            ("ssl/private".to_owned(), Member::Folder(0o700)),
        ])
    }

    #[test]
    fn what_is_written_is_read_back_and_the_bytes_are_the_same_each_time() {
        let bytes = write(&sample()).unwrap();
        assert_eq!(read(&bytes).unwrap(), sample());
        assert_eq!(write(&sample()).unwrap(), bytes);
    }

    #[test]
    fn a_broken_archive_is_an_error_not_a_panic() {
        let bytes = write(&sample()).unwrap();
        for cut in (0..bytes.len()).step_by(97) {
            let _ = read(&bytes[..cut]);
        }
        assert!(read(&[7; 1024]).is_err());
    }
}
