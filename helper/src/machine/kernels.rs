//! Which kernels could not boot a client, by the configuration that their package leaves in /boot: it would show as a node that
//! tries for ever, or as a shell on a screen that nobody sees.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::disk::root::Root;
use crate::paths;

/// What a client cannot do without, and for what.
const NEEDED: [(&str, &str); 4] = [
    ("CONFIG_PACKET", "ask for its address"),
    ("CONFIG_NFS_V4", "mount its root"),
    ("CONFIG_OVERLAY_FS", "lay an overlay over its root"),
    ("CONFIG_TMPFS", "keep in memory what it changes"),
];

/// The kernels that lack something of it, and which it is. One whose configuration is not there lacks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Unfit(Vec<(String, usize)>);

impl Unfit {
    pub(super) fn of(configs: &[(String, String)]) -> Self {
        let lacks = |config: &str| NEEDED.iter().position(|(option, _)| !has(config, option, &["=y", "=m"]));
        Self(configs.iter().filter_map(|(kernel, config)| Some((kernel.clone(), lacks(config)?))).collect())
    }

    /// What is wrong with clients that boot these kernels, and what would be right.
    #[must_use]
    pub fn fault(&self, kernels: &BTreeSet<String>) -> Option<(String, String)> {
        let (kernel, lacked) = self.0.iter().find(|(kernel, _)| kernels.contains(kernel))?;
        let (option, purpose) = NEEDED[*lacked];
        let what = format!("kernel {kernel} cannot boot a client: no {option} in /{}, to {purpose}", config_of(kernel));
        Some((what, "boot another kernel".to_owned()))
    }
}

/// Whether a configuration has an option with one of these values.
pub(super) fn has(config: &str, option: &str, values: &[&str]) -> bool {
    config.lines().any(|line| line.strip_prefix(option).is_some_and(|value| values.contains(&value)))
}

/// The configurations of those of the kernels that have one.
pub(super) fn configs(root: &Root, kernels: &[String]) -> Result<Vec<(String, String)>> {
    let mut configs = Vec::new();
    for kernel in kernels {
        configs.extend(root.read_text(&config_of(kernel))?.map(|config| (kernel.clone(), config)));
    }
    Ok(configs)
}

/// Where the configuration of a kernel is.
pub(super) fn config_of(kernel: &str) -> String {
    format!("{}/config-{kernel}", paths::BOOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "CONFIG_PACKET=m\nCONFIG_NFS_V4=m\nCONFIG_OVERLAY_FS=m\nCONFIG_TMPFS=y\n";

    #[test]
    fn what_a_client_needs_is_built_in_or_a_module() {
        let fault = |config: &str| Unfit::of(&[("k".to_owned(), config.to_owned())]).fault(&["k".to_owned()].into());
        assert_eq!((fault(ALL), fault(&ALL.replace("=m", "=y"))), (None, None));
        for (lacks, option) in [
            (ALL.replace("CONFIG_NFS_V4=m", "# CONFIG_NFS_V4 is not set\nCONFIG_NFS_V4_1=y"), "CONFIG_NFS_V4"),
            (ALL.replace("CONFIG_OVERLAY_FS=m\n", ""), "CONFIG_OVERLAY_FS"),
        ] {
            let (what, _) = fault(&lacks).unwrap();
            assert!(what.starts_with(&format!("kernel k cannot boot a client: no {option} in /boot/config-k, to ")), "{what}");
        }
        assert_eq!(Unfit::of(&[("other".to_owned(), String::new())]).fault(&["k".to_owned()].into()), None);
    }
}
