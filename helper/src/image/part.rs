//! The files of an image: their size and hash, and whether an initramfs can be one.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::root::Root;
use crate::disk::tree::hex;

/// Smaller than any initramfs with a shell in it.
const SMALLEST: u64 = 64 * 1024;
/// How an initramfs begins that a kernel can read: cpio, or one of its compressions (linux/lib/decompress.c).
const MAGIC: &[&[u8]] = &[
    b"070701",
    b"070702",
    b"\x1f\x8b",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"\x02\x21\x4c\x18",
    b"\x5d\0\0",
    b"BZh",
    b"\x89LZO",
];

/// One file of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Part {
    /// In bytes.
    pub size: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

/// Size and hash of a regular file, read piece by piece; `None` when there is none.
pub(super) fn measure(root: &Root, path: &str) -> Result<Option<Part>> {
    let Some(mut file) = root.open_file(path)? else { return Ok(None) };
    let context = || format!("{}: cannot read", root.display(path));
    if !file.metadata().with_context(context)?.is_file() {
        return Ok(None);
    }
    copy(&mut file, &mut std::io::sink()).with_context(context).map(Some)
}

/// Copies, and tells size and hash of what went by.
pub(super) fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<Part> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(Part { size, sha256: hex(&digest.finalize()) });
        }
        digest.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        size += count as u64;
    }
}

/// Size and hash of a file that mkinitcpio made, after a look at whether it can be one.
pub(super) fn initramfs(root: &Root, path: &str) -> Result<Part> {
    let shown = root.display(path);
    let Some(file) = root.open_file(path)? else { bail!("{shown}: mkinitcpio ended well but made no such file") };
    let Some(part) = measure(root, path)? else { bail!("{shown}: mkinitcpio ended well but made something that is no file") };
    let mut head = Vec::new();
    file.take(8).read_to_end(&mut head).with_context(|| format!("{shown}: cannot read"))?;
    if part.size < SMALLEST || !MAGIC.iter().any(|magic| head.starts_with(magic)) {
        bail!("{shown}: mkinitcpio ended well but made {} bytes that are no initramfs", part.size);
    }
    Ok(part)
}
