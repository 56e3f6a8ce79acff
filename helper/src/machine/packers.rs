//! What can compress the clients' image, and which kernel could unpack it: mkinitcpio only warns of a program that is missing,
//! and makes an image five times as large; a kernel that cannot unpack its initramfs panics.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::kernels::{config_of, has};
use crate::disk::root::Root;
use crate::paths;
use crate::types::Compression;

/// What cannot be, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Packers {
    /// Whose program is not there, although mkinitcpio is.
    missing: BTreeSet<Compression>,
    /// By kernel, what it cannot unpack. One whose configuration is not there can do all.
    foreign: BTreeMap<String, BTreeSet<Compression>>,
    /// How messages name the root.
    root: String,
}

impl Packers {
    /// Looks for the programs, and into the configurations of kernels.
    pub(super) fn gather(root: &Root, configs: &[(String, String)]) -> Result<Self> {
        let mut packers = Self { root: root.display(""), ..Self::default() };
        let has_mkinitcpio = root.open_file(paths::MKINITCPIO_PROGRAM)?.is_some();
        // The package of mkinitcpio depends on zstd.
        for compression in Compression::ALL.into_iter().filter(|compression| *compression != Compression::Zstd) {
            if has_mkinitcpio && root.open_file(&format!("{}/{compression}", paths::PROGRAMS))?.is_none() {
                packers.missing.insert(compression);
            }
        }
        for (kernel, config) in configs {
            let foreign = Compression::ALL.into_iter().filter(|compression| !has(config, compression.kernel_option(), &["=y"]));
            packers.foreign.insert(kernel.clone(), foreign.collect());
        }
        Ok(packers)
    }

    /// What is wrong with an image for these kernels that is compressed so, and what would be right.
    #[must_use]
    pub fn fault(&self, compression: Compression, kernels: &BTreeSet<String>) -> Option<(String, String)> {
        let is_foreign =
            |kernel: &str, compression| self.foreign.get(kernel).is_some_and(|foreign| foreign.contains(&compression));
        let foreign = kernels.iter().find(|kernel| is_foreign(kernel, compression));
        let is_right = |compression: &Compression| {
            !self.missing.contains(compression) && !kernels.iter().any(|kernel| is_foreign(kernel, *compression))
        };
        let right: Vec<String> =
            Compression::ALL.into_iter().filter(is_right).map(|right| format!("compression = \"{right}\"")).collect();
        let or_else = |otherwise: &str| {
            if right.is_empty() {
                otherwise.to_owned()
            } else {
                format!("write {} under [client], or {otherwise}", right.join(" or "))
            }
        };
        if let Some(kernel) = foreign {
            let what = format!(
                "kernel {kernel} cannot unpack an image that {compression} made, and would panic: no {}=y in /{}",
                compression.kernel_option(),
                config_of(kernel)
            );
            return Some((what, or_else("boot another kernel")));
        }
        self.missing.contains(&compression).then(|| {
            let what = format!("there is no {compression} in {}, which would compress the clients' image", self.root);
            (what, or_else(&format!("install {compression} there")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::kernels::configs;

    const K: &str = "6.12.94_1";

    fn put(root: &Root, path: &str, text: &str) {
        #[allow(clippy::disallowed_methods, reason = "a test's own file")]
        {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    fn fault(root: &Root, compression: Compression) -> Option<(String, String)> {
        let configs = configs(root, &[K.to_owned()]).unwrap();
        Packers::gather(root, &configs).unwrap().fault(compression, &[K.to_owned()].into())
    }

    #[test]
    fn a_kernel_that_cannot_unpack_it_is_told_with_what_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(fault(&root, Compression::Zstd), None, "nothing is known of it");
        put(&root, "boot/config-6.12.94_1", "CONFIG_RD_GZIP=y\nCONFIG_RD_XZ=y\n# CONFIG_RD_ZSTD is not set\nCONFIG_RD_ZSTDX=y\n");
        let (what, remedy) = fault(&root, Compression::Zstd).unwrap();
        assert!(
            what.starts_with("kernel 6.12.94_1 cannot unpack") && what.ends_with("no CONFIG_RD_ZSTD=y in /boot/config-6.12.94_1")
        );
        assert_eq!(remedy, "write compression = \"xz\" or compression = \"gzip\" under [client], or boot another kernel");
        assert_eq!(fault(&root, Compression::Gzip), None);
        put(&root, "boot/config-6.12.94_1", "# CONFIG_BLK_DEV_INITRD is not set\n");
        assert_eq!(fault(&root, Compression::Gzip).unwrap().1, "boot another kernel");
    }

    #[test]
    fn a_program_that_is_missing_is_told_where_mkinitcpio_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(fault(&root, Compression::Xz), None, "nothing is built here");
        put(&root, "usr/bin/mkinitcpio", "");
        assert_eq!(fault(&root, Compression::Zstd), None);
        let (what, remedy) = fault(&root, Compression::Xz).unwrap();
        assert!(what.starts_with("there is no xz in "), "{what}");
        assert_eq!(remedy, "write compression = \"zstd\" under [client], or install xz there");
    }
}
