//! One source that is an archive: all of it, or a reason why not.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tar::EntryType;

use super::layer::{Entry, Kind, Layer, Meta, put, shown};
use super::{attributes, names};
use crate::tools::Tool;

/// The unit of a tar file, in bytes; two blocks of zeros end it (POSIX.1, pax, "ustar Interchange Format").
const BLOCK: usize = 512;

/// How compressed files begin, and the program that undoes it with `-dc` (magic(5) of each).
const COMPRESSED: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"LZIP", "lzip"),
];

/// Reads the archive `bytes` of the file at `path`. What cannot be kept of a member is said in `notes`.
///
/// # Errors
/// When it is not whole, or holds what cannot be laid.
pub(super) fn load(path: &Path, bytes: &[u8], notes: &mut Vec<String>) -> Result<Layer> {
    match COMPRESSED.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        Some((_, program)) => read(&Tool::new(*program).arg("-dc").arg(path).bytes()?, notes),
        None => read(bytes, notes),
    }
}

/// What the headers before a member say about it.
#[derive(Debug, Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    records: Records,
}

/// Extended headers of pax: keywords and values.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn read(bytes: &[u8], notes: &mut Vec<String>) -> Result<Layer> {
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let mut layer = Layer::new();
    let mut global = Records::new();
    let mut ahead = Ahead::default();
    let mut last: Option<PathBuf> = None;
    // Raw: the crate's own reader of extended headers ends at a line break, which values of attributes may hold.
    for member in archive.entries()?.raw(true) {
        let mut member = member.with_context(|| match &last {
            None => "it is no tar archive".to_owned(),
            Some(path) => format!("it is damaged or was cut behind {}", shown(path)),
        })?;
        let kind = member.header().entry_type();
        match kind {
            EntryType::XGlobalHeader => global.extend(records(&content(&mut member)?)?),
            EntryType::XHeader => {
                ahead.records = global.clone();
                ahead.records.extend(records(&content(&mut member)?)?);
            }
            EntryType::GNULongName => ahead.name = Some(text(content(&mut member)?)),
            EntryType::GNULongLink => ahead.target = Some(text(content(&mut member)?)),
            _ => {
                let mut said = std::mem::take(&mut ahead);
                if said.records.is_empty() {
                    said.records.clone_from(&global);
                }
                last = Some(add(&mut layer, &mut member, said, notes)?);
            }
        }
    }
    whole(bytes, usize::try_from(archive.into_inner().position())?)?;
    Ok(layer)
}

/// Insists on the two blocks of zeros, the first of which ends at `end`, and on nothing behind them: an archive that is
/// being copied may be cut between two members.
fn whole(bytes: &[u8], end: usize) -> Result<()> {
    let zero = |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|block| block.iter().all(|byte| *byte == 0));
    if end < BLOCK || !zero(end - BLOCK..end) || !zero(end..end + BLOCK) {
        bail!("its end is missing: it was cut, or is being copied; copy it again");
    }
    if !zero(end..bytes.len()) {
        bail!("it goes on behind its end; join archives with tar -A");
    }
    Ok(())
}

fn content<R: Read>(member: &mut tar::Entry<'_, R>) -> Result<Vec<u8>> {
    let size = member.size();
    let mut content = Vec::new();
    member.read_to_end(&mut content)?;
    if content.len() as u64 != size {
        bail!("it ends in the middle of a member: it was cut, or is being copied; copy it again");
    }
    Ok(content)
}

/// GNU's long names end with a zero byte.
fn text(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

/// Extended headers: `LENGTH KEYWORD=VALUE` and a line break, the length being that of all of it.
fn records(mut bytes: &[u8]) -> Result<Records> {
    let mut records = Records::new();
    while !bytes.is_empty() {
        let parsed = (|| {
            let blank = bytes.iter().position(|byte| *byte == b' ')?;
            let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
            let record = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            Some((length, record[..equals].to_vec(), record[equals + 1..].to_vec()))
        })();
        let (length, keyword, value) = parsed.context("an extended header of it is damaged")?;
        records.insert(keyword, value);
        bytes = &bytes[length..];
    }
    Ok(records)
}

fn number(records: &Records, keyword: &str) -> Result<Option<u64>> {
    let Some(value) = records.get(keyword.as_bytes()) else { return Ok(None) };
    let value = std::str::from_utf8(value)?;
    value.parse().map(Some).with_context(|| format!("an extended header of it says {keyword}={value}"))
}

/// Puts one member into the layer; returns its path.
fn add<R: Read>(layer: &mut Layer, member: &mut tar::Entry<'_, R>, ahead: Ahead, notes: &mut Vec<String>) -> Result<PathBuf> {
    let records = &ahead.records;
    let value = |keyword: &str| records.get(keyword.as_bytes()).cloned();
    let name = value("path").or(ahead.name).unwrap_or_else(|| member.path_bytes().into_owned());
    let path = names::member(&name)?;
    let header = member.header().clone();
    let folder = header.entry_type().is_dir() || (header.entry_type().is_file() && name.ends_with(b"/"));
    if header.entry_type().is_gnu_sparse() || records.keys().any(|keyword| keyword.starts_with(b"GNU.sparse.")) {
        bail!("{}: is stored with holes; make the archive without --sparse", shown(&path));
    }
    if number(records, "size")?.is_some_and(|size| size != member.size()) {
        bail!("{}: its two headers say two sizes", shown(&path));
    }
    let target =
        || value("linkpath").or(ahead.target.clone()).or_else(|| member.link_name_bytes().map(std::borrow::Cow::into_owned));
    let kind = match header.entry_type() {
        _ if folder => Kind::Folder,
        EntryType::Symlink if target().is_none_or(|target| target.is_empty()) => bail!("{}: is a link to nothing", shown(&path)),
        EntryType::Symlink => Kind::Link(os(target().unwrap_or_default()).into()),
        EntryType::Link => {
            let target = names::member(&target().unwrap_or_default())?;
            match layer.get(&target) {
                Some(entry) if !entry.is_folder() => entry.kind.clone(),
                _ => bail!("{}: is a hard link to {}, which it does not hold before that", shown(&path), shown(&target)),
            }
        }
        EntryType::Regular | EntryType::Continuous => Kind::File(content(member)?),
        _ => bail!("{}: it holds more than files, folders and links", shown(&path)),
    };
    if path.as_os_str().is_empty() {
        // The folder of the archive itself: TARGET_ETC is nobody's to change.
        if kind == Kind::Folder {
            return Ok(path);
        }
        bail!("it has a member without a name");
    }
    // Some programs leave them blank, which means 0.
    let blank = |field: [u8; 8]| field.iter().all(|byte| matches!(byte, 0 | b' ')).then_some(0);
    let old = header.as_old();
    let uid = number(records, "uid")?.or(blank(old.uid)).map_or_else(|| header.uid(), Ok)?;
    let gid = number(records, "gid")?.or(blank(old.gid)).map_or_else(|| header.gid(), Ok)?;
    let owner = |number: u64| u32::try_from(number).with_context(|| format!("{}: its owner {number} is too large", shown(&path)));
    let (uid, gid) = attributes::owner(owner(uid)?, owner(gid)?);
    let mode = if matches!(kind, Kind::Link(_)) { 0o777 } else { header.mode()? & 0o7777 };
    let xattrs = attributes::of_pax(records, &path, notes);
    put(layer, path.clone(), Entry { kind, meta: Meta { uid, gid, mode, xattrs } })?;
    Ok(path)
}

fn os(bytes: Vec<u8>) -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, text) in [("hostname", "n1\n"), ("long/".repeat(40).as_str(), ""), ("ssh/key", "secret")] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(text.len() as u64);
            header.set_entry_type(if text.is_empty() { EntryType::Directory } else { EntryType::Regular });
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn an_archive_is_read_whole_or_not_at_all() {
        let bytes = sample();
        let layer = read(&bytes, &mut Vec::new()).unwrap();
        assert_eq!(layer[Path::new("ssh/key")].kind, Kind::File(b"secret".to_vec()));
        assert_eq!(layer.len(), 43);
        for cut in 0..bytes.len() {
            read(&bytes[..cut], &mut Vec::new()).unwrap_err();
        }
    }

    #[test]
    fn no_byte_of_a_header_makes_it_panic() {
        let bytes = sample();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] = [0, b'5', 0xff][at % 3];
            // With a checksum that is right, or it would be seen at once.
            let block = at / BLOCK * BLOCK;
            let other = |at: &usize| !(148..156).contains(&(at - block));
            let sum: u32 = (block..block + BLOCK).filter(other).map(|at| u32::from(bytes[at])).sum();
            bytes[block + 148..block + 156].copy_from_slice(format!("{:06o}\0 ", sum + 8 * 32).as_bytes());
            let _ = read(&bytes, &mut Vec::new());
        }
    }

    #[test]
    fn extended_headers_may_hold_any_value() {
        let found = records(b"13 a=b\nc=d\n\0\n9 uid=12\n").unwrap();
        assert_eq!(found, Records::from([(b"a".to_vec(), b"b\nc=d\n\0".to_vec()), (b"uid".to_vec(), b"12".to_vec())]));
        for broken in [b"9 uid=12".as_slice(), b"x", b"3 \n", b"99 a=b\n", b"2 ", b"0 a=b\n", b"1 a=b\n"] {
            records(broken).unwrap_err();
        }
    }
}
