//! What the machine and the root tell: gathered once, so that everything after it is a pure function.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Machine;
use super::cards::Interfaces;
use super::kernels::{self, Unfit};
use super::packers::Packers;
use crate::disk::root::Root;
use crate::disk::{generations, identities, lower};
use crate::paths;
use crate::site::Site;
use crate::types::generation::Generations;
use crate::types::identity::Identities;
use crate::types::lower::Lower;
use crate::types::{Mac, compare_versions};

/// What the configuration is checked against.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// The network interfaces; `None` when the root is not the running machine's, or that has no /sys.
    pub interfaces: Option<Interfaces>,
    /// The master's MAC as the running machine told it the last time.
    pub remembered_mac: Option<Mac>,
    /// The kernels installed under the root, oldest first.
    pub kernels: Vec<String>,
    /// The kernels that an image was built for; a pinned one may be booted long after its package went.
    pub imaged: BTreeSet<String>,
    /// The kernels that could not boot a client.
    pub unfit: Unfit,
    /// What the clients' image can be compressed by.
    pub packers: Packers,
    /// The overlays there are: ours and the site's.
    pub overlays: BTreeSet<String>,
    /// The services there are, installed or brought by an overlay; `None` when the root has none at all.
    pub services: Option<BTreeSet<String>>,
    /// Whether the shared root is a ZFS data set.
    pub zfs: bool,
    /// Where file systems begin that are exported as a whole: whoever has a handle of a file there gets to no file beside.
    pub apart: BTreeSet<PathBuf>,
    /// Why nothing is known of the interfaces, when nothing is.
    pub unasked: String,
    /// What the lower tree has of its own that concerns the nodes.
    pub lower: Lower,
    /// The generations there are, and who boots which.
    pub generations: Generations,
    /// What makes each node itself, as far as it was made.
    pub identities: Identities,
    /// How messages name the root.
    pub root: String,
}

impl Facts {
    /// Looks at the root, and at the `machine` if the root is its own. `imaged` are the kernels of the images there are.
    ///
    /// # Errors
    /// When something is there but cannot be read.
    pub fn gather(root: &Root, machine: Option<&Machine>, imaged: BTreeSet<String>) -> Result<Self> {
        let mut overlays = BTreeSet::new();
        let mut services = root.list(paths::SERVICES)?.map(BTreeSet::from_iter);
        for folder in [paths::PACKAGE_OVERLAYS, paths::SITE_OVERLAYS] {
            let names = root.list(folder)?.unwrap_or_default();
            if let Some(services) = &mut services {
                for name in &names {
                    services.extend(services_below(root, &format!("{folder}/{name}/sv"))?);
                }
            }
            overlays.extend(names);
        }
        let unasked = match machine {
            Some(machine) => format!("{} is not there; is /sys mounted?", machine.path(paths::INTERFACES).display()),
            None => format!("{} is not the running machine's root", root.display("")),
        };
        let remembered = if machine.is_some() { None } else { remembered(root)? };
        let apart = match machine {
            Some(machine) => machine.mounts().apart(paths::OWN_MOUNTS),
            None => remembered.iter().flat_map(|remembered| remembered.apart.iter().cloned()).collect(),
        };
        let kernels = kernels(root)?;
        let configs = kernels::configs(root, &kernels)?;
        Ok(Self {
            interfaces: machine.map(Interfaces::of).transpose()?.flatten(),
            remembered_mac: remembered.map(|remembered| remembered.mac),
            unfit: Unfit::of(&configs),
            packers: Packers::gather(root, &configs)?,
            kernels,
            imaged,
            overlays,
            services,
            zfs: machine.map_or_else(|| is_zfs(root), |machine| Ok(machine.is_zfs()))?,
            apart,
            unasked,
            lower: lower::read(root)?,
            generations: generations::load(root)?,
            identities: identities::load(root)?,
            root: root.display(""),
        })
    }
}

/// What a chroot of the machine, in which a kernel is installed for one, cannot see.
#[derive(Debug, Deserialize, Serialize)]
struct Remembered {
    mac: Mac,
    #[serde(default)]
    apart: Vec<PathBuf>,
}

/// The text of [`paths::REMEMBERED`]; rendered like every other file, so that it goes when all is taken away.
#[must_use]
pub fn remember(site: &Site) -> String {
    let apart = site.exported().filter(|(_, apart)| *apart);
    let apart: Vec<String> = apart.map(|(path, _)| format!("\"{path}\"")).collect();
    let apart = if apart.is_empty() { String::new() } else { format!("apart = [{}]\n", apart.join(", ")) };
    format!(
        "# What the master told of itself. Kept by voidclust(8) for runs in a chroot; do not edit.\nmac = \"{}\"\n{apart}",
        site.master.mac
    )
}

fn remembered(root: &Root) -> Result<Option<Remembered>> {
    let Some(text) = root.read_text(paths::REMEMBERED)? else { return Ok(None) };
    let remembered = toml::from_str(&text);
    remembered.map(Some).with_context(|| format!("{}: cannot be understood; remove it", root.display(paths::REMEMBERED)))
}

/// The services that an overlay brings: with a program to run, not only with settings for one that is installed.
fn services_below(root: &Root, folder: &str) -> Result<Vec<String>> {
    let mut runs = Vec::new();
    for name in root.list(folder)?.unwrap_or_default() {
        let files = root.list(&format!("{folder}/{name}"))?.unwrap_or_default();
        if files.iter().any(|file| file == "run" || file == "run.j2") {
            runs.push(name);
        }
    }
    Ok(runs)
}

/// The kernels that can be booted: those with both modules and an image.
fn kernels(root: &Root) -> Result<Vec<String>> {
    let mut kernels = root.list(paths::MODULES)?.unwrap_or_default();
    let boot = root.list(paths::BOOT)?.unwrap_or_default();
    kernels.retain(|version| boot.contains(&format!("vmlinuz-{version}")));
    kernels.sort_by(|left, right| compare_versions(left, right));
    Ok(kernels)
}

/// Whether the tree lies on ZFS, as it does in a chroot of the machine that it is installed on.
fn is_zfs(root: &Root) -> Result<bool> {
    /// `ZFS_SUPER_MAGIC` of `include/sys/fs/zfs.h`.
    const ZFS: u64 = 0x2fc1_2fc1;
    let found = rustix::fs::statfs(root.path());
    let found = found.with_context(|| format!("{}: cannot ask what file system this is", root.display("")))?;
    Ok(u64::try_from(found.f_type) == Ok(ZFS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::{machine, overlay_on};
    use crate::site::Home;
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
        let facts = Facts::gather(&Root::open(dir.path()).unwrap(), None, BTreeSet::new()).unwrap();
        assert_eq!(facts.kernels, ["6.12.9_1", "6.12.10_1"]);
        assert_eq!((facts.interfaces, facts.zfs), (None, false));
    }

    #[test]
    fn a_chroot_knows_what_the_running_machine_told() {
        let mut site = crate::testing::example_site();
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        root.folder(paths::STATE).unwrap();
        #[allow(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(dir.path().join(paths::REMEMBERED), remember(&site)).unwrap();
        let facts = Facts::gather(&root, None, BTreeSet::new()).unwrap();
        assert_eq!(facts.remembered_mac, Some(site.master.mac));
        assert!(facts.apart.is_empty());
        site.nfs.home = Home::Master { path: "/home".parse().unwrap(), root_squash: true, apart: true };
        #[allow(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(dir.path().join(paths::REMEMBERED), remember(&site)).unwrap();
        assert_eq!(Facts::gather(&root, None, BTreeSet::new()).unwrap().apart, ["/home".into()].into());
    }

    #[test]
    fn the_table_of_mounts_tells_a_machine_on_zfs() {
        for (kind, zfs) in [("zfs", true), ("btrfs", false)] {
            let (dir, machine) = machine(&[(paths::MOUNTS, &overlay_on(kind, "x", "rw")), ("sys/class/net/lo/x", "")]);
            let root = Root::open(dir.path()).unwrap();
            assert_eq!(Facts::gather(&root, Some(&machine), BTreeSet::new()).unwrap().zfs, zfs);
        }
    }
}
