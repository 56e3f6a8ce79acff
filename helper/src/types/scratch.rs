//! The disks of a node that it may have for itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::AbsolutePath;

checked_text!(
    /// A disk or a part of one, as a node calls it: `/dev/sda`, `/dev/disk/by-id/…`. What it holds must not decide, so no label.
    BlockDevice,
    |text| {
        let name = text.strip_prefix("/dev/").unwrap_or_default();
        let sound = |part: &str| !part.is_empty() && part != "." && part != "..";
        name.split('/').all(sound) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/:._+@-".contains(&b))
    },
    "is not a disk; write it as /dev/sda, /dev/nvme0n1 or /dev/disk/by-id/…"
);

/// What a node takes into use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scratch {
    /// What is formatted and mounted.
    pub device: Option<BlockDevice>,
    /// Where.
    pub path: AbsolutePath,
    /// What memory is swapped to.
    pub swap: Option<BlockDevice>,
    /// Whether what somebody else left on these may be overwritten.
    pub wipe: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_named_below_dev() {
        for text in ["/dev/sda", "/dev/nvme0n1p2", "/dev/disk/by-path/pci-0000:00:1f.2-ata-1", "/dev/mapper/vg-lv"] {
            assert!(text.parse::<BlockDevice>().is_ok(), "{text}");
        }
        for text in
            ["", "sda", "/dev/", "/dev//sda", "/dev/../etc/x", "/dev/sd a", "LABEL=x", "/etc/sda", "/dev/sda;x", "/dev/x/"]
        {
            assert!(text.parse::<BlockDevice>().unwrap_err().contains("write it as /dev/sda"), "{text}");
        }
    }
}
