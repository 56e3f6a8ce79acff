//! What a node mounts besides its root and the home.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text::is_type;
use super::{AbsolutePath, MountOptions, nearest};

/// Types that come over a network although their devices may not look like it; mount(8) knows no list of them.
const REMOTE: [&str; 16] = [
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.sshfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "orangefs",
    "smb3",
];

checked_text!(
    /// A device as fstab(5) takes it: `nas:/data`, `//nas/share`, `/dev/sda1`, `LABEL=scratch`, `tmpfs`.
    MountDevice,
    |text| text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/[".contains(c))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b":/,.@_=+-[]".contains(&b)),
    "is not a device; write it as nas.example.org:/data, LABEL=scratch, /dev/sda1 or tmpfs"
);

checked_text!(
    /// The type of any file system as mount(8) takes it; `swap` and `ignore` are words of fstab(5) for what is none.
    MountType,
    |text| {
        if is_type(text) && !["swap", "ignore"].contains(&text) {
            return misspelt(text);
        }
        Err(format!("`{}` is not a file system type; write for example nfs4, ext4 or tmpfs", super::shown(text)))
    }
);

/// Types of Linux and of programs mount.TYPE that are well known. There are others, and kernel and root tell only on the node
/// which it has: so only what is a slip of the pen for one of these is refused.
const TYPES: [&str; 66] = [
    "9p",
    "adfs",
    "affs",
    "afs",
    "aufs",
    "auto",
    "bcachefs",
    "beegfs",
    "befs",
    "bfs",
    "bind",
    "btrfs",
    "ceph",
    "cifs",
    "coda",
    "cvfs",
    "davfs",
    "ecryptfs",
    "erofs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fuse",
    "fuseblk",
    "gfs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "hfs",
    "hfsplus",
    "iso9660",
    "jffs2",
    "jfs",
    "lustre",
    "mergerfs",
    "minix",
    "msdos",
    "ncpfs",
    "nfs",
    "nfs4",
    "nilfs2",
    "none",
    "ntfs",
    "ntfs3",
    "ocfs2",
    "orangefs",
    "overlay",
    "proc",
    "pvfs2",
    "ramfs",
    "reiserfs",
    "smb3",
    "smbfs",
    "sshfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "udf",
    "ufs",
    "vfat",
    "virtiofs",
    "wekafs",
    "xfs",
    "zfs",
];

/// Refuses what is next to a well-known type.
pub(super) fn misspelt(text: &str) -> Result<(), String> {
    let nfs = text.len() <= 5 && text.to_lowercase().starts_with("nfs");
    if TYPES.contains(&text) || text.starts_with("fuse.") {
        return Ok(());
    }
    match nearest(text, TYPES).or(nfs.then_some("nfs4")) {
        Some(meant) => Err(format!("there is no file system type `{}`; did you mean {meant}?", super::shown(text))),
        None => Ok(()),
    }
}

/// A file system that a node mounts: the fields of fstab(5), each as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mount {
    /// What is mounted.
    pub device: String,
    /// Where.
    pub path: String,
    /// The type of the file system.
    #[serde(rename = "type")]
    pub fstype: String,
    /// All options.
    pub options: String,
    /// Whether it comes over the network, and netmount mounts it.
    pub remote: bool,
}

impl Mount {
    /// Fills in what is not given: the type by the device, and the options that keep a node from hanging.
    #[must_use]
    pub fn new(device: &MountDevice, path: &AbsolutePath, fstype: Option<&MountType>, options: Option<&MountOptions>) -> Self {
        let of_server = device.as_str().contains(":/");
        let by_device = || match device.as_str() {
            text if text.starts_with("//") => "cifs",
            "tmpfs" => "tmpfs",
            _ if of_server => "nfs4",
            _ => "auto",
        };
        let fstype = fstype.map_or_else(by_device, MountType::as_str).to_owned();
        let remote = Self::is_remote(device.as_str(), &fstype);
        let options = options.map(MountOptions::as_str);
        if remote {
            return Self::remote(device.to_string(), path.to_string(), fstype, options.unwrap_or("defaults"));
        }
        // A disk that one node lacks must not end its boot in a shell.
        let options = options.unwrap_or(if fstype == "tmpfs" { "defaults" } else { "nofail" });
        let options = with(options, &["X-mount.mkdir"]);
        Self { device: device.to_string(), path: path.to_string(), fstype, options, remote }
    }

    /// Whether this comes over the network.
    #[must_use]
    pub fn is_remote(device: &str, fstype: &str) -> bool {
        device.contains(":/") || device.starts_with("//") || REMOTE.contains(&fstype)
    }

    /// One that comes over the network. The root may lack its mount point: below a file system of the master, for one.
    #[must_use]
    pub fn remote(device: String, path: String, fstype: String, options: &str) -> Self {
        Self { device, path, fstype, options: with(options, &["_netdev", "X-mount.mkdir"]), remote: true }
    }

    /// The /tmp of every client.
    #[must_use]
    pub fn tmp() -> Self {
        let text = ToOwned::to_owned;
        let (device, path, options) = (text("tmpfs"), text("/tmp"), text("defaults,nosuid,nodev"));
        Self { fstype: device.clone(), device, path, options, remote: false }
    }
}

/// Adds options that are not there, with or without a value.
fn with(options: &str, wanted: &[&str]) -> String {
    let given: Vec<&str> = options.split(',').map(|option| option.split('=').next().unwrap_or(option)).collect();
    let added = wanted.iter().filter(|option| !given.contains(option));
    std::iter::once(&options).chain(added).copied().collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(device: &str, fstype: Option<&str>, options: Option<&str>) -> String {
        let fstype = fstype.map(|text| text.parse().unwrap());
        let options = options.map(|text| text.parse().unwrap());
        let mount = Mount::new(&device.parse().unwrap(), &"/x".parse().unwrap(), fstype.as_ref(), options.as_ref());
        format!("{} {} {}", mount.fstype, mount.options, if mount.remote { "remote" } else { "local" })
    }

    #[test]
    fn what_is_not_given_follows_from_the_device() {
        for (device, fstype, options, whole) in [
            ("nas:/data", None, None, "nfs4 defaults,_netdev,X-mount.mkdir remote"),
            ("nas:/data", Some("nfs"), Some("ro,_netdev"), "nfs ro,_netdev,X-mount.mkdir remote"),
            ("//nas/share", None, None, "cifs defaults,_netdev,X-mount.mkdir remote"),
            ("gluster1", Some("glusterfs"), None, "glusterfs defaults,_netdev,X-mount.mkdir remote"),
            ("LABEL=scratch", None, None, "auto nofail,X-mount.mkdir local"),
            ("/dev/nvme0n1p1", Some("xfs"), Some("noatime,X-mount.mkdir=0700"), "xfs noatime,X-mount.mkdir=0700 local"),
            ("tmpfs", None, Some("size=2g"), "tmpfs size=2g,X-mount.mkdir local"),
        ] {
            assert_eq!(mount(device, fstype, options), whole, "{device}");
        }
    }

    #[test]
    fn types_that_are_a_slip_of_the_pen_are_refused_and_unknown_ones_are_not() {
        for (text, meant) in
            [("nfs5", "nfs4"), ("nsf4", "nfs4"), ("NFS4", "nfs4"), ("btfrs", "btrfs"), ("tempfs", "tmpfs"), ("cephfs", "ceph")]
        {
            let told = text.parse::<MountType>().unwrap_err();
            assert!(told.ends_with(&format!("; did you mean {meant}?")), "{told}");
        }
        for text in TYPES.into_iter().chain(["fuse.sshfs", "fuse.nsf4", "panfs", "quobyte", "moosefs", "vboxsf"]) {
            assert!(text.parse::<MountType>().is_ok(), "{text}");
        }
    }

    #[test]
    fn devices_stand_in_fstab_as_they_are() {
        for text in ["", "#x", "a b", "a\tb", "-x", "a\"b", "$x", "nas:/a\\040b"] {
            assert!(text.parse::<MountDevice>().is_err(), "{text}");
        }
    }
}
