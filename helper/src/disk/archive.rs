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
    let (mut builder, mut headers) = (builder(members), Headers::default());
    members.iter().try_for_each(|(path, item)| append(&mut builder, path, item, headers.of(item)))?;
    builder.into_inner().context("cannot end an archive")
}

/// Writes one archive after the other. Members that are as in the one before are copied: nodes have most in common.
#[derive(Debug, Default)]
pub struct Writer {
    before: BTreeMap<String, (Item, Vec<u8>)>,
    headers: Headers,
}

impl Writer {
    /// As [`write()`] does it.
    ///
    /// # Errors
    /// The same.
    pub fn write(&mut self, members: &[(&str, &Item)]) -> Result<Vec<u8>> {
        let mut builder = builder(members);
        for (path, item) in members {
            match self.before.get(*path).filter(|(before, _)| before == *item) {
                Some((_, member)) => builder.get_mut().extend_from_slice(member),
                None => {
                    let begin = builder.get_ref().len();
                    append(&mut builder, path, item, self.headers.of(item))?;
                    self.before.insert((*path).to_owned(), ((*item).clone(), builder.get_ref()[begin..].to_vec()));
                }
            }
        }
        builder.into_inner().context("cannot end an archive")
    }
}

fn builder(members: &[(&str, &Item)]) -> Builder<Vec<u8>> {
    // As large as it will be: a vector that grows has twice the size of a large archive for a moment.
    Builder::new(Vec::with_capacity(size(members)))
}

fn append(builder: &mut Builder<Vec<u8>>, path: &str, item: &Item, mut header: Header) -> Result<()> {
    let context = || format!("{path}: cannot be put into an archive");
    match &item.content {
        Content::File(bytes) => {
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, path, &bytes.whole()[..]).with_context(context)
        }
        Content::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            builder.append_link(&mut header, path, target).with_context(context)
        }
        Content::Folder => {
            header.set_entry_type(EntryType::Directory);
            builder.append_data(&mut header, format!("{path}/"), std::io::empty()).with_context(context)
        }
        Content::Other => anyhow::bail!("{}: it is neither file, link nor folder", context()),
    }
}

/// What is in the header of a member besides its name, its kind and what it holds. Most have the mode and the owner of the one
/// before: to write these as digits took a third of the time.
#[derive(Debug, Default)]
struct Headers(Option<(Owner, u32, Header)>);

impl Headers {
    fn of(&mut self, item: &Item) -> Header {
        if let Some((owner, mode, header)) = &self.0
            && (*owner, *mode) == (item.owner, item.mode)
        {
            return header.clone();
        }
        let mut header = Header::new_gnu();
        header.set_uid(item.owner.uid.into());
        header.set_gid(item.owner.gid.into());
        header.set_mtime(TIME);
        header.set_mode(item.mode);
        header.set_size(0);
        self.0.insert((item.owner, item.mode, header)).2.clone()
    }
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
    fn what_is_copied_from_the_archive_before_is_as_if_it_was_written() {
        let mut writer = Writer::default();
        let (first, mut second) = (sample(), sample());
        second.insert("hostname".to_owned(), Item::file(*b"n2\n"));
        second.insert("munge/munge.key".to_owned(), first["munge/munge.key"].clone().with_mode(0o440));
        second.remove("odd");
        for members in [&first, &second, &first] {
            let listed: Vec<_> = members.iter().map(|(path, item)| (path.as_str(), item)).collect();
            assert_eq!(writer.write(&listed).unwrap(), written(members));
        }
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
