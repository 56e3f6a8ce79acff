//! What stands at a path: plain data, the same for what is found on a disk, what ought to be there, and what an archive
//! holds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::disk::archive;

/// The content of a file. Copies share it, and its digest is computed once for all of them. Archives of small files are
/// mostly zeros, and there is one for every node: of such a content only what is between the zeros is kept.
#[derive(Clone)]
pub struct Bytes(Arc<Shared>);

struct Shared {
    kept: Kept,
    len: usize,
    digest: OnceLock<[u8; 32]>,
}

/// The same bytes are always kept in the same way.
#[derive(PartialEq, Eq)]
enum Kept {
    Whole(Vec<u8>),
    /// Runs of words, each as the number of those that are not all zeros, these, and the number of zeros behind them; both
    /// numbers have two bytes, the lower one first.
    Sparse(Box<[u8]>),
}

/// Zeros are counted by as many: to look at each byte by itself took longer than to make the archive.
const WORD: usize = 8;

impl Bytes {
    /// Above this size the digests are compared: the same large file is compared for many nodes.
    const LARGE: usize = 1 << 20;

    /// With the digest, for which all of an archive would have to be made out of what is kept of it.
    #[must_use]
    pub fn with_digest(bytes: Vec<u8>) -> Self {
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let (kept, len) = kept(bytes);
        Self(Arc::new(Shared { kept, len, digest: digest.into() }))
    }

    /// The SHA-256.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        self.0.digest.get_or_init(|| Sha256::digest(self.whole()).into())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    #[must_use]
    pub fn whole(&self) -> Cow<'_, [u8]> {
        match &self.0.kept {
            Kept::Whole(bytes) => Cow::Borrowed(bytes),
            Kept::Sparse(runs) => Cow::Owned(expanded(runs, self.0.len)),
        }
    }

    /// Whether both are one copy.
    #[cfg(test)]
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: Into<Vec<u8>>> From<T> for Bytes {
    fn from(bytes: T) -> Self {
        let (kept, len) = kept(bytes.into());
        Self(Arc::new(Shared { kept, len, digest: OnceLock::new() }))
    }
}

fn kept(mut bytes: Vec<u8>) -> (Kept, usize) {
    // Texts that grew have up to as much again behind them.
    bytes.shrink_to_fit();
    let len = bytes.len();
    (sparse(&bytes).map_or_else(|| Kept::Whole(bytes), Kept::Sparse), len)
}

/// As runs, when that takes less than half; of what is no archive by its size it is not tried.
fn sparse(bytes: &[u8]) -> Option<Box<[u8]>> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(archive::BLOCK) {
        return None;
    }
    let (mut rest, _) = bytes.as_chunks::<WORD>();
    let mut runs = Vec::with_capacity(bytes.len() / 4);
    let mut run = |of_zeros: bool| {
        let most = &rest[..rest.len().min(u16::MAX.into())];
        let length = most.iter().position(|word| (*word == [0; WORD]) != of_zeros).unwrap_or(most.len());
        let (run, behind) = rest.split_at(length);
        rest = behind;
        run
    };
    loop {
        let (kept, zeros) = (run(false), run(true));
        if kept.is_empty() && zeros.is_empty() {
            break;
        }
        runs.extend(u16::try_from(kept.len()).ok()?.to_le_bytes());
        runs.extend(kept.as_flattened());
        runs.extend(u16::try_from(zeros.len()).ok()?.to_le_bytes());
        if runs.len() > bytes.len() / 2 {
            return None;
        }
    }
    Some(runs.into())
}

fn expanded(mut runs: &[u8], len: usize) -> Vec<u8> {
    fn number(runs: &mut &[u8]) -> Option<usize> {
        let (number, rest) = runs.split_first_chunk()?;
        *runs = rest;
        Some(usize::from(u16::from_le_bytes(*number)) * WORD)
    }
    let (mut bytes, mut at) = (vec![0; len], 0);
    while let Some(length) = number(&mut runs) {
        let (kept, rest) = runs.split_at(length);
        runs = rest;
        bytes[at..at + length].copy_from_slice(kept);
        at += length + number(&mut runs).unwrap_or(0);
    }
    bytes
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        let same = || if self.len() > Self::LARGE { self.digest() == other.digest() } else { self.0.kept == other.0.kept };
        Arc::ptr_eq(&self.0, &other.0) || (self.len() == other.len() && same())
    }
}

impl Eq for Bytes {}

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.digest().hash(hasher);
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.whole()), f)
    }
}

/// Whose something is, by number: nodes have the /etc/passwd of the shared root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Owner {
    /// 0:0.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// What an [`Item`] is, with what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    /// A regular file.
    File(Bytes),
    /// A symbolic link with this target, which need not be text.
    Link(OsString),
    /// A folder.
    Folder,
    /// A device, socket or pipe: found, and never written.
    Other,
}

/// What stands at one path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// What it is.
    pub content: Content,
    /// The permission bits, `0o7777` at most.
    pub mode: u32,
    /// Whose it is.
    pub owner: Owner,
}

impl Item {
    /// A file of root's that everybody may read.
    #[must_use]
    pub fn file(bytes: impl Into<Bytes>) -> Self {
        Self { content: Content::File(bytes.into()), mode: 0o644, owner: Owner::ROOT }
    }

    /// A symbolic link of root's.
    #[must_use]
    pub fn link(target: impl Into<OsString>) -> Self {
        Self { content: Content::Link(target.into()), mode: 0o777, owner: Owner::ROOT }
    }

    /// A folder of root's that everybody may look into.
    #[must_use]
    pub const fn folder() -> Self {
        Self { content: Content::Folder, mode: 0o755, owner: Owner::ROOT }
    }

    /// The same with other permission bits.
    #[must_use]
    pub fn with_mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// What a file holds.
    #[must_use]
    pub const fn bytes(&self) -> Option<&Bytes> {
        match &self.content {
            Content::File(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether it is a folder.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        matches!(self.content, Content::Folder)
    }

    /// The line that the manifest keeps of it: the mode and the SHA-256 of the content, or the target of the link.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match &self.content {
            Content::File(bytes) => format!("{:04o} {}", self.mode, hex(bytes.digest())),
            Content::Link(target) => format!("-> {}", target.display()),
            Content::Folder => format!("{:04o} /", self.mode),
            Content::Other => "neither file, link nor folder".to_owned(),
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// Paths relative to the root, in order, and what ought to stand there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<String, Item>);

impl Tree {
    /// Puts `item` at `path`.
    pub fn insert(&mut self, path: impl Into<String>, item: Item) {
        self.0.insert(path.into(), item);
    }

    /// Takes over all of `other`.
    pub fn extend(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_content_mode_and_target_apart() {
        let file = Item::file(*b"abc");
        // The SHA-256 of "abc" is a test vector of FIPS 180-2.
        assert_eq!(file.fingerprint(), "0644 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(file.fingerprint(), file.clone().with_mode(0o600).fingerprint());
        assert_eq!(Item::link("/etc/sv/sshd").fingerprint(), "-> /etc/sv/sshd");
        let prints = [Item::folder().fingerprint(), Item { content: Content::Other, ..Item::folder() }.fingerprint()];
        assert!(!prints.contains(&Item::file(*b"").fingerprint()) && prints[0] != prints[1]);
    }

    #[test]
    fn zeros_are_counted_and_come_back_in_their_places() {
        let long = [vec![1; 100_000], vec![0; 200_000], vec![2, 0, 0, 3], vec![0; 100]].concat();
        let mut files =
            vec![vec![0; 512], vec![7; 512], [vec![0; 500], vec![1; 12]].concat(), [vec![1; 3], vec![0; 509]].concat()];
        files.push([long.clone(), vec![0; 512 - long.len() % 512]].concat());
        for file in files {
            let bytes = Bytes::from(file.clone());
            assert_eq!((bytes.whole().as_ref(), bytes.len()), (&file[..], file.len()));
            let is_sparse = matches!(bytes.0.kept, Kept::Sparse(_));
            assert_eq!(is_sparse, file.iter().filter(|byte| **byte == 0).count() > file.len() / 2);
            assert_eq!(bytes, Bytes::from(file));
        }
        assert!(Bytes::from(Vec::new()).is_empty());
    }

    #[test]
    fn large_contents_are_told_apart_too() {
        let of = |last: u8| Bytes::from([vec![7; Bytes::LARGE], vec![last]].concat());
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_ne!(of(1), Bytes::from(vec![7; Bytes::LARGE]));
    }
}
