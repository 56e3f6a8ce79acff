//! Owners and extended attributes: which are kept, how they are read and set.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::XattrFlags;

use super::layer::{Xattrs, shown};
use crate::disk::opened::attributes_of;

/// The owner as it is kept: only root can give files away, so for others (tests) all are the same.
pub(super) fn owner(uid: u32, gid: u32) -> (u32, u32) {
    if is_root() { (uid, gid) } else { (0, 0) }
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Attributes that belong to a file; all others belong to the file system that it lies on: the labels of a security
/// module, the marks of overlayfs (a forged one could show any file), the ACL of an NFS server.
fn is_kept(name: &[u8]) -> bool {
    let begins = |with: &str| name.starts_with(with.as_bytes());
    let ours = begins("user.") || begins("trusted.") || name == b"security.capability" || begins("system.posix_acl_");
    ours && !begins("user.overlay.") && !begins("trusted.overlay.") && !name.contains(&0)
}

/// Attributes as tar keeps them in extended headers. GNU's and libarchive's tar both write `SCHILY.xattr.NAME`, libarchive
/// a second time as `LIBARCHIVE.xattr.`; ACLs are texts with names of users, which a node may not know.
pub(super) fn of_pax(records: &BTreeMap<Vec<u8>, Vec<u8>>, path: &Path, notes: &mut Vec<String>) -> Xattrs {
    let mut xattrs = Xattrs::new();
    let mut lost = Vec::new();
    for (keyword, value) in records {
        let keyword = keyword.as_slice();
        if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
            if is_kept(name) {
                xattrs.insert(name.to_vec(), value.clone());
            } else {
                lost.push(name);
            }
        } else if let Some(name) = keyword.strip_prefix(b"LIBARCHIVE.xattr.") {
            let twin = [b"SCHILY.xattr.", name].concat();
            if !records.contains_key(&twin) {
                lost.push(name);
            }
        } else if keyword.starts_with(b"SCHILY.acl.") {
            lost.push(b"ACL");
        }
    }
    lost.dedup();
    for name in lost {
        notes.push(format!(
            "{}: laid without its {}; set that on the node",
            shown(path),
            String::from_utf8_lossy(name).escape_debug()
        ));
    }
    xattrs
}

/// The attributes of an open file or folder that are kept; none where the file system knows none.
pub(super) fn of(file: impl AsFd) -> rustix::io::Result<Xattrs> {
    let mut xattrs = Xattrs::new();
    xattrs.extend(attributes_of(file.as_fd())?.into_iter().filter(|(name, _)| is_kept(name)));
    Ok(xattrs)
}

/// Gives a new file these attributes and no others; returns the names of those that cannot be set, and why.
pub(super) fn set(file: impl AsFd, wanted: &Xattrs) -> Vec<String> {
    let file = file.as_fd();
    let mut lost = Vec::new();
    // A folder may give its ACL to what is made in it.
    for name in of(file).unwrap_or_default().keys().filter(|name| !wanted.contains_key(*name)) {
        let _ = rustix::fs::fremovexattr(file, name.as_slice());
    }
    for (name, value) in wanted {
        if let Err(error) = rustix::fs::fsetxattr(file, name.as_slice(), value, XattrFlags::empty()) {
            lost.push(format!("its {} ({error})", String::from_utf8_lossy(name)));
        }
    }
    lost
}
