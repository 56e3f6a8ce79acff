//! A way back: a snapshot of the machine's own root, where its storage makes one at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Machine;
use super::mounts::Mount;
use crate::disk::root::Root;
use crate::paths;
use crate::tools::Tool;

/// So many stay; the oldest go first.
const KEPT: usize = 3;
/// What the names of ours begin with; a number follows. Of ZFS they are the part behind the `@`.
const PREFIX: &str = "voidclust-shell-";

/// A storage that makes snapshots, and of what.
#[derive(Debug)]
pub enum Storage {
    /// A data set.
    Zfs(String),
    /// A subvolume.
    Btrfs {
        /// What is mounted.
        device: String,
        /// The subvolume that the root is, as a path from the top of the file system.
        subvolume: PathBuf,
        /// Where it is seen.
        root: PathBuf,
    },
}

/// A snapshot that was made.
#[derive(Debug)]
pub struct Snapshot {
    /// How it is called.
    pub name: String,
    /// How to come back to it.
    pub back: String,
    /// Older ones that could not be removed, one message each.
    pub failures: Vec<String>,
}

impl Storage {
    /// That of the machine's own root; `None` when it makes no snapshots.
    #[must_use]
    pub fn of(machine: &Machine) -> Option<Self> {
        let mount: &Mount = machine.root_mount()?;
        match mount.kind.as_str() {
            "zfs" => Some(Self::Zfs(mount.source.clone())),
            "btrfs" => Some(Self::Btrfs { device: mount.source.clone(), subvolume: mount.root.clone(), root: machine.root() }),
            _ => None,
        }
    }

    /// Makes a snapshot, and removes ours that are older than the newest [`KEPT`].
    ///
    /// # Errors
    /// When there are none to be made, with what the storage says.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let before = self.ours()?;
        let number = before.keys().next_back().map_or(1, |last| last + 1);
        let name = self.name(number);
        match self {
            Self::Zfs(_) => Tool::new("zfs").arg("snapshot").arg(&name).output()?,
            Self::Btrfs { root, .. } => {
                Root::open(root)?.folder(paths::SNAPSHOTS).context("cannot make the folder of snapshots")?;
                Tool::new("btrfs").args(["subvolume", "snapshot", "-r"]).arg(root).arg(&name).output()?
            }
        };
        let old = before.len().saturating_sub(KEPT - 1);
        let removed = before.values().take(old).map(|name| self.remove(name));
        let failures = removed.filter_map(Result::err).map(|error| format!("{error:#}")).collect();
        Ok(Snapshot { back: self.back(&name, number), name, failures })
    }

    /// Each of ours with the command that brings it back, the oldest first.
    ///
    /// # Errors
    /// When the storage cannot be asked.
    pub fn ways_back(&self) -> Result<Vec<(String, String)>> {
        Ok(self.ours()?.into_iter().map(|(number, name)| (name.clone(), self.back(&name, number))).collect())
    }

    /// Ours there are, by number.
    fn ours(&self) -> Result<BTreeMap<u64, String>> {
        let numbers: Vec<u64> = match self {
            Self::Zfs(set) => {
                let list = ["list", "-H", "-t", "snapshot", "-o", "name", "-d", "1"];
                let listed = Tool::new("zfs").args(list).arg(set).output()?;
                let names = listed.lines().filter_map(|line| line.split_once('@').map(|(_, name)| name));
                names.filter_map(number_in).collect()
            }
            Self::Btrfs { root, .. } => {
                let names = Root::open(root)?.list(paths::SNAPSHOTS)?.unwrap_or_default();
                names.iter().filter_map(|name| number_in(name)).collect()
            }
        };
        Ok(numbers.into_iter().map(|number| (number, self.name(number))).collect())
    }

    fn name(&self, number: u64) -> String {
        match self {
            Self::Zfs(set) => format!("{set}@{PREFIX}{number}"),
            Self::Btrfs { root, .. } => format!("{}/{PREFIX}{number}", root.join(paths::SNAPSHOTS).display()),
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let tool = match self {
            Self::Zfs(_) => Tool::new("zfs").arg("destroy"),
            Self::Btrfs { .. } => Tool::new("btrfs").args(["subvolume", "delete"]),
        };
        tool.arg(name).output().map(|_| ())
    }

    /// The command that brings a snapshot back, for a time when nothing runs from the root.
    fn back(&self, name: &str, number: u64) -> String {
        match self {
            Self::Zfs(_) => format!("zfs rollback -r {name}"),
            Self::Btrfs { subvolume, .. } if subvolume == Path::new("/") => {
                let from = format!("/mnt/{}/{PREFIX}{number}/", paths::SNAPSHOTS);
                let but = format!("--exclude=/{}", paths::SNAPSHOTS);
                format!("with the file system on /mnt: rsync -aHAXx --delete {but} {from} /mnt/")
            }
            Self::Btrfs { device, subvolume, .. } => {
                let at = format!("/mnt{}", subvolume.display());
                let from = format!("{at}.old/{}/{PREFIX}{number}", paths::SNAPSHOTS);
                format!("mount -o subvolid=5 {device} /mnt && mv {at} {at}.old && btrfs subvolume snapshot {from} {at}")
            }
        }
    }
}

fn number_in(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::{machine, overlay_on};

    #[test]
    fn each_storage_has_its_way_back() {
        let storage = |kind: &str, root: &str, source: &str| {
            let table = overlay_on(kind, source, "rw").replace("0:2 / /run", &format!("0:2 {root} /run"));
            let (_dir, machine) = machine(&[(paths::MOUNTS, &table)]);
            Storage::of(&machine)
        };
        assert!(storage("ext4", "/", "/dev/sda1").is_none());
        let back = |storage: Option<Storage>| storage.map(|storage| storage.back(&storage.name(7), 7)).unwrap();
        assert_eq!(back(storage("zfs", "/", "z/r")), "zfs rollback -r z/r@voidclust-shell-7");
        assert_eq!(
            back(storage("btrfs", "/@", "/dev/sda2")),
            "mount -o subvolid=5 /dev/sda2 /mnt && mv /mnt/@ /mnt/@.old && \
             btrfs subvolume snapshot /mnt/@.old/var/lib/voidclust/snapshots/voidclust-shell-7 /mnt/@"
        );
        assert!(
            back(storage("btrfs", "/", "/dev/sda2")).contains("rsync -aHAXx --delete --exclude=/var/lib/voidclust/snapshots ")
        );
    }
}
