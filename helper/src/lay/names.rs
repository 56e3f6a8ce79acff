//! Names: which of them can be laid, and what removes another.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Begins the name of a file that removes another: `.wh.NAME` takes NAME away (OCI image-spec, layers, whiteouts).
pub const WHITEOUT: &str = ".wh.";

/// What the marker `DIR/.wh.NAME` removes, `DIR/NAME`; `None` for any other path.
pub(super) fn hidden_by(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.as_bytes().strip_prefix(WHITEOUT.as_bytes())?;
    Some(path.with_file_name(OsStr::from_bytes(name)))
}

/// The marker that removes `path`.
pub(super) fn marker_of(path: &Path) -> PathBuf {
    let mut name = WHITEOUT.as_bytes().to_vec();
    name.extend(path.file_name().unwrap_or_default().as_bytes());
    path.with_file_name(OsStr::from_bytes(&name))
}

/// Why nothing of this name can be laid, whoever brings it, and what to do.
#[must_use]
pub fn unsound(name: &[u8], is_folder: bool) -> Option<(&'static str, &'static str)> {
    // What was laid is listed one path a line.
    if name.contains(&b'\n') {
        return Some(("the name holds a line break", "rename it"));
    }
    let gone = name.strip_prefix(WHITEOUT.as_bytes())?;
    if is_folder {
        return Some(("what removes NAME is a file .wh.NAME, not a folder", "put an empty file there"));
    }
    match gone {
        b"" | b"." | b".." => Some(("names nothing to remove", "remove it, or write .wh.NAME")),
        // The opaque marker of container layers, .wh..wh..opq, for one.
        _ if gone.starts_with(WHITEOUT.as_bytes()) => {
            Some(("nodes know no such mark", "remove it, and name what is to go, each with an empty file .wh.NAME"))
        }
        _ => None,
    }
}

/// The path of a member of an archive, without what says nothing (`./a//b/` is `a/b`).
pub(super) fn member(name: &[u8]) -> Result<PathBuf> {
    let shown = String::from_utf8_lossy(name);
    if name.contains(&0) {
        bail!("{}: the name holds a zero byte", shown.escape_debug());
    }
    if name.first() == Some(&b'/') || name.split(|byte| *byte == b'/').any(|part| part == b"..") {
        bail!("{}: it has names that lead elsewhere", shown.escape_debug());
    }
    let parts = name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    Ok(parts.map(OsStr::from_bytes).collect())
}
