//! A way back: a snapshot of the machine's own root, where its storage makes one at once.

use std::collections::BTreeMap;
use std::path::PathBuf;

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
    /// Older ones that could not be removed, one message each.
    pub failures: Vec<String>,
}

/// The ways back to a snapshot, as commands.
#[derive(Debug, PartialEq, Eq)]
pub struct Ways {
    /// How the snapshot is called.
    pub name: String,
    /// On the machine, while it serves: what generations are made of goes back, and these stay.
    pub here: String,
    /// From another system, for a machine that does not boot.
    pub elsewhere: String,
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
        Ok(Snapshot { name, failures })
    }

    /// Those to each of ours, the oldest first.
    ///
    /// # Errors
    /// When the storage cannot be asked.
    pub fn ways_back(&self) -> Result<Vec<Ways>> {
        let listed = match self {
            Self::Zfs(set) => {
                let list = ["list", "-H", "-t", "snapshot", "-o", "name,clones", "-s", "createtxg", "-d", "1"];
                Tool::new("zfs").args(list).arg(set).output()?
            }
            Self::Btrfs { .. } => String::new(),
        };
        Ok(self.ours()?.into_iter().map(|(number, name)| self.ways(name, number, &listed)).collect())
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

    /// `listed` are all snapshots of a data set with their clones, the oldest first.
    fn ways(&self, name: String, number: u64, listed: &str) -> Ways {
        // What was written in the same second in the same size is compared by content.
        let copy = format!("rsync -axcAHXS --delete --exclude=/{} --exclude=/{}", paths::GENERATIONS, paths::SNAPSHOTS);
        // Exports come back, too, of generations that have gone since: `apply` is there for that.
        let here = |script: &str| format!("voidclust shell --no-snapshot -- {script}; voidclust apply");
        match self {
            Self::Zfs(_) => {
                let newer = listed.lines().filter_map(|line| line.split_once('\t')).skip_while(|(other, _)| *other != name);
                let clones: Vec<&str> =
                    newer.skip(1).map(|(_, clones)| clones).filter(|clones| !matches!(*clones, "" | "-")).collect();
                let elsewhere = if clones.is_empty() {
                    format!("zfs rollback -r {name}")
                } else {
                    format!("zfs rollback -R {name} (what is newer goes: {})", clones.join(","))
                };
                let script = format!("sh -c 'mount -m -t zfs -o ro {name} /run/before && {copy} /run/before/ /'");
                Ways { here: here(&script), elsewhere, name }
            }
            Self::Btrfs { device, subvolume, .. } => {
                let from = format!("/{}/{PREFIX}{number}/", paths::SNAPSHOTS);
                let elsewhere = format!("mount -o subvol={} {device} /mnt && {copy} /mnt{from} /mnt/", subvolume.display());
                Ways { here: here(&format!("{copy} {from} /")), elsewhere, name }
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
        let ways =
            |storage: Option<Storage>, listed: &str| storage.map(|storage| storage.ways(storage.name(7), 7, listed)).unwrap();
        let listed = "z/r@a\tz/old\nz/r@voidclust-shell-7\t-\nz/r@voidclust-2\t";
        let copy = "rsync -axcAHXS --delete --exclude=/var/lib/voidclust/generations --exclude=/var/lib/voidclust/snapshots";
        let zfs = ways(storage("zfs", "/", "z/r"), &format!("{listed}-\n"));
        assert_eq!(zfs.elsewhere, "zfs rollback -r z/r@voidclust-shell-7");
        assert_eq!(
            zfs.here,
            format!(
                "voidclust shell --no-snapshot -- sh -c 'mount -m -t zfs -o ro z/r@voidclust-shell-7 /run/before && \
                 {copy} /run/before/ /'; voidclust apply"
            )
        );
        let newer = ways(storage("zfs", "/", "z/r"), &format!("{listed}z/voidclust/r/2\n"));
        assert_eq!(newer.elsewhere, "zfs rollback -R z/r@voidclust-shell-7 (what is newer goes: z/voidclust/r/2)");
        let btrfs = ways(storage("btrfs", "/@", "/dev/sda2"), "");
        let from = "/var/lib/voidclust/snapshots/voidclust-shell-7/";
        assert_eq!(btrfs.elsewhere, format!("mount -o subvol=/@ /dev/sda2 /mnt && {copy} /mnt{from} /mnt/"));
        assert_eq!(btrfs.here, format!("voidclust shell --no-snapshot -- {copy} {from} /; voidclust apply"));
    }
}
