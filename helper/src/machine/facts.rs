//! What the machine and the root tell: gathered once, so that everything after it is a pure function.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::disk::root::Root;
use crate::paths;
use crate::site::{Site, Storage};
use crate::types::{Mac, compare_versions};

/// What the configuration is checked against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The physical network interfaces and their addresses; `None` when the root is not the running machine's.
    pub interfaces: Option<BTreeMap<String, Mac>>,
    /// The master's MAC as the running machine told it the last time.
    pub remembered_mac: Option<Mac>,
    /// The kernels installed under the root, oldest first.
    pub kernels: Vec<String>,
    /// The kernels that an image was built for ([`Facts::gather`] knows none: images are a floor higher).
    pub imaged: BTreeSet<String>,
    /// The overlays there are: ours and the site's.
    pub overlays: BTreeSet<String>,
    /// Whether the shared root is a ZFS data set, as far as one can see.
    pub zfs: bool,
    /// The folders of the system that are file systems of their own on the running machine.
    pub apart: Vec<&'static str>,
    /// How messages name the root.
    pub root: String,
}

impl Facts {
    /// Looks at the root, and at the running machine if the root is its own (`running`).
    ///
    /// # Errors
    /// When something is there but cannot be read.
    pub fn gather(root: &Root, running: bool) -> Result<Self> {
        let interfaces = if running { Some(interfaces(Path::new("/sys/class/net"))?) } else { None };
        let mut overlays = BTreeSet::new();
        for folder in [paths::PACKAGE_OVERLAYS, paths::SITE_OVERLAYS] {
            overlays.extend(root.list(folder)?.unwrap_or_default());
        }
        let remembered = if running { None } else { remembered(root)? };
        Ok(Self {
            interfaces,
            remembered_mac: remembered.as_ref().map(|remembered| remembered.mac),
            kernels: kernels(root)?,
            imaged: BTreeSet::new(),
            overlays,
            zfs: remembered.map_or_else(|| is_zfs(root, running), |remembered| Ok(remembered.zfs))?,
            apart: if running { apart(root) } else { Vec::new() },
            root: root.display(""),
        })
    }
}

/// What a chroot of the machine, in which a kernel is installed for one, cannot see.
#[derive(Debug, Deserialize, Serialize)]
struct Remembered {
    mac: Mac,
    zfs: bool,
}

/// The text of [`paths::REMEMBERED`]; rendered like every other file, so that it goes when all is taken away.
#[must_use]
pub fn remember(site: &Site) -> String {
    format!(
        "# What the master told of itself. Kept by voidclust(8) for runs in a chroot; do not edit.\nmac = \"{}\"\nzfs = {}\n",
        site.master.mac,
        site.master.storage == Storage::Zfs
    )
}

fn remembered(root: &Root) -> Result<Option<Remembered>> {
    let Some(text) = root.read_text(paths::REMEMBERED)? else { return Ok(None) };
    let remembered = toml::from_str(&text);
    remembered.map(Some).with_context(|| format!("{}: cannot be understood; remove it", root.display(paths::REMEMBERED)))
}

/// The kernels that can be booted: those with both modules and an image.
fn kernels(root: &Root) -> Result<Vec<String>> {
    let mut kernels = root.list(paths::MODULES)?.unwrap_or_default();
    let boot = root.list("boot")?.unwrap_or_default();
    kernels.retain(|version| boot.contains(&format!("vmlinuz-{version}")));
    kernels.sort_by(|left, right| compare_versions(left, right));
    Ok(kernels)
}

/// Interfaces with a device behind them: no bridges, no loopback, nothing a container made.
fn interfaces(class: &Path) -> Result<BTreeMap<String, Mac>> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(class) else { return Ok(found) };
    for entry in entries {
        let entry = entry?;
        if !entry.path().join("device").exists() {
            continue;
        }
        let address = std::fs::read_to_string(entry.path().join("address")).unwrap_or_default();
        if let (Ok(mac), Ok(name)) = (address.trim().parse(), entry.file_name().into_string()) {
            found.insert(name, mac);
        }
    }
    Ok(found)
}

/// What is mounted in the lower tree, or over the overlay.
fn apart(root: &Root) -> Vec<&'static str> {
    let is_apart = |folder: &&str| [root.path(), Path::new("/")].iter().any(|root| is_mountpoint(&root.join(folder)));
    ["etc", "usr", "var"].into_iter().filter(is_apart).collect()
}

/// Whether another file system begins here.
#[must_use]
pub fn is_mountpoint(path: &Path) -> bool {
    match (path.metadata(), path.join("..").metadata()) {
        (Ok(here), Ok(above)) => here.dev() != above.dev(),
        _ => false,
    }
}

/// On the running machine the mount table knows; elsewhere the hook of mkinitcpio-zfs is the best sign there is.
fn is_zfs(root: &Root, running: bool) -> Result<bool> {
    if running && let Ok(mounts) = std::fs::read_to_string("/proc/self/mounts") {
        let type_of = |point: &str| {
            mounts
                .lines()
                .filter_map(|line| {
                    let mut fields = line.split(' ').skip(1);
                    (fields.next() == Some(point)).then(|| fields.next().unwrap_or("").to_owned())
                })
                .next_back()
        };
        return Ok(type_of(paths::LOWER).or_else(|| type_of("/")).is_some_and(|fstype| fstype == "zfs"));
    }
    Ok(root.list("usr/lib/initcpio/hooks")?.unwrap_or_default().contains(&"zfs".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, create_dir_all};

    #[test]
    fn kernels_need_modules_and_an_image_and_sort_by_number() {
        let dir = tempfile::tempdir().unwrap();
        create_dir_all(dir.path().join("boot")).unwrap();
        for version in ["6.12.10_1", "6.12.9_1", "6.1.1_1"] {
            create_dir_all(dir.path().join("usr/lib/modules").join(version)).unwrap();
            if version != "6.1.1_1" {
                File::create(dir.path().join(format!("boot/vmlinuz-{version}"))).unwrap();
            }
        }
        let facts = Facts::gather(&Root::open(dir.path()).unwrap(), false).unwrap();
        assert_eq!(facts.kernels, ["6.12.9_1", "6.12.10_1"]);
        assert_eq!((facts.interfaces, facts.zfs), (None, false));
    }

    #[test]
    fn a_chroot_knows_what_the_running_machine_told() {
        let site = crate::testing::example_site();
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        root.folder(paths::STATE).unwrap();
        #[allow(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(dir.path().join(paths::REMEMBERED), remember(&site)).unwrap();
        let facts = Facts::gather(&root, false).unwrap();
        assert_eq!((facts.remembered_mac, facts.zfs), (Some(site.master.mac), true));
    }

    #[test]
    fn only_interfaces_with_a_device_count() {
        let dir = tempfile::tempdir().unwrap();
        for (name, physical) in [("lo", false), ("br0", false), ("enp1s0", true)] {
            create_dir_all(dir.path().join(name)).unwrap();
            #[allow(clippy::disallowed_methods, reason = "a test's own file")]
            std::fs::write(dir.path().join(name).join("address"), "52:54:00:00:00:01\n").unwrap();
            if physical {
                create_dir_all(dir.path().join(name).join("device")).unwrap();
            }
        }
        assert_eq!(interfaces(dir.path()).unwrap().into_keys().collect::<Vec<_>>(), ["enp1s0"]);
    }
}
