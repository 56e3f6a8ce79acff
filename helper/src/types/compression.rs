//! By what the clients' image is compressed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A program that compresses the clients' image, by the name that mkinitcpio gives it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Small, and unpacked at once.
    #[default]
    Zstd,
    /// The smallest: for links on which each megabyte counts.
    Xz,
    /// For kernels that unpack nothing else.
    Gzip,
}

impl Compression {
    /// All of them, the usual one first.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Xz, Self::Gzip];

    /// What the program is told besides what mkinitcpio tells it. docs/performance.md has the figures.
    #[must_use]
    pub fn options(self) -> &'static str {
        match self {
            // A window of 32 MB instead of 4 makes it 2% smaller, for so much memory while a node unpacks it. Stronger levels
            // bring less than they cost.
            Self::Zstd => "-10 --zstd=wlog=25",
            Self::Xz => "",
            // -9 takes seven times as long for 1%. No time of its own: the same inputs make the same bytes.
            Self::Gzip => "-n",
        }
    }

    /// What a kernel has in its configuration when it can unpack it.
    #[must_use]
    pub fn kernel_option(self) -> &'static str {
        match self {
            Self::Zstd => "CONFIG_RD_ZSTD",
            Self::Xz => "CONFIG_RD_XZ",
            Self::Gzip => "CONFIG_RD_GZIP",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Gzip => "gzip",
        })
    }
}
