//! What ought to be on the disk: paths and what stands there. Plain data.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// What stands at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A regular file.
    File {
        /// The content, shared between paths that hold the same.
        bytes: Arc<[u8]>,
        /// The permission bits.
        mode: u32,
    },
    /// A symbolic link with this target.
    Link(String),
}

impl Item {
    /// A file that everybody may read.
    #[must_use]
    pub fn file(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::File { bytes: bytes.into(), mode: 0o644 }
    }

    /// The line that the manifest keeps of it: the mode and the SHA-256 of the content, or the target of the link.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match self {
            Self::File { bytes, mode } => fingerprint_file(bytes, *mode),
            Self::Link(target) => format!("-> {target}"),
        }
    }
}

/// The fingerprint of a file with these bytes and this mode.
#[must_use]
pub fn fingerprint_file(bytes: &[u8], mode: u32) -> String {
    format!("{mode:04o} {}", hex(&Sha256::digest(bytes)))
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Paths relative to the root, in order, and what stands there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<String, Item>);

impl Tree {
    /// Puts `item` at `path`.
    pub fn insert(&mut self, path: impl Into<String>, item: Item) {
        self.0.insert(path.into(), item);
    }

    /// Takes over all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
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
        assert_ne!(file.fingerprint(), Item::File { bytes: (*b"abc").into(), mode: 0o600 }.fingerprint());
        assert_eq!(Item::Link("/etc/sv/sshd".into()).fingerprint(), "-> /etc/sv/sshd");
    }
}
