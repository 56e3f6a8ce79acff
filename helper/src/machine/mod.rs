//! The running machine: the only room that knows /proc, /sys, /run and the services that are up.

mod binds;
pub mod cards;
pub mod changed;
pub mod clients;
pub mod clock;
pub mod dhcp;
pub mod facts;
pub mod fetched;
pub mod kernels;
pub mod loads;
pub mod logs;
pub mod mounts;
pub mod overlay;
pub mod packages;
pub mod packers;
pub mod proc;
pub mod reboot;
pub mod requests;
pub mod roots;
pub mod seen;
pub mod sent;
pub mod served;
pub mod services;
pub mod snapshot;
pub mod ssh;
pub mod wake;
pub mod zfs;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::paths;
use mounts::{Mount, Mounts};

/// The machine that this program runs on. What it reads, and what its tools are told to change, lies below a prefix: `/`,
/// or a folder of a test that has the files of a machine.
#[derive(Debug)]
pub struct Machine {
    slash: PathBuf,
    mounts: Mounts,
}

impl Machine {
    /// The machine whose root is `slash`; `None` when that cannot be known: without /proc, and in a chroot of it.
    ///
    /// # Errors
    /// When the table of mounts is there and cannot be read.
    pub fn find(slash: &Path) -> Result<Option<Self>> {
        let found = Self { slash: slash.to_owned(), mounts: Mounts::default() };
        let Some(table) = found.text(paths::MOUNTS)? else { return Ok(None) };
        let machine = Self { mounts: Mounts::parse(&table), ..found };
        // A chroot sees `/` too, but not as the first process does.
        let is_machine =
            !machine.is_slash() || machine.overlay().is_some() || same_folder(Path::new(paths::FIRST_ROOT), Path::new("/"));
        Ok(is_machine.then_some(machine))
    }

    /// Whether this process is in a chroot of the lower tree of the machine that it runs on, as xchroot(1) makes it.
    #[must_use]
    pub fn is_seen_from_its_lower_tree() -> bool {
        same_folder(&Path::new(paths::FIRST_ROOT).join(paths::LOWER), Path::new("/"))
    }

    /// Whether it is the real one.
    #[must_use]
    pub fn is_slash(&self) -> bool {
        self.slash == Path::new("/")
    }

    /// A path of the machine.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.slash.join(relative)
    }

    /// The text of a file; `None` when it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn text(&self, relative: &str) -> Result<Option<String>> {
        let path = self.path(relative);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{}: cannot read", path.display())),
        }
    }

    /// What a file of /etc holds; `None` when it is not there, or cannot be read.
    #[must_use]
    pub fn etc(&self, path: &str) -> Option<String> {
        self.text(&format!("etc/{path}")).ok().flatten()
    }

    /// What is mounted.
    #[must_use]
    pub fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// What is mounted now: a run may have mounted something itself since the machine was found.
    ///
    /// # Errors
    /// When the table of mounts cannot be read.
    pub fn mounts_now(&self) -> Result<Mounts> {
        Ok(Mounts::parse(&self.text(paths::MOUNTS)?.unwrap_or_default()))
    }

    /// The lines of one of the [records](paths::RECORDS) that laying keeps; none when it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn record(&self, name: &str) -> Result<Vec<String>> {
        let text = self.text(&paths::record(name))?.unwrap_or_default();
        Ok(text.lines().filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect())
    }

    /// The lower tree, when the machine runs from its overlay, so that `/` itself is in memory.
    #[must_use]
    pub fn overlay(&self) -> Option<&Mount> {
        self.mounts.at(&Path::new("/").join(paths::LOWER))
    }

    /// Where the machine's own root is on a disk: `/`, or the lower tree.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        if self.overlay().is_some() { self.path(paths::LOWER) } else { self.slash.clone() }
    }

    /// The mount that its own root is on.
    #[must_use]
    pub fn root_mount(&self) -> Option<&Mount> {
        self.overlay().or_else(|| self.mounts.holding(Path::new("/")))
    }

    /// The server of the root: on a client, which has no root of its own.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.root_mount().and_then(Mount::server)
    }

    /// Whether its root is a ZFS data set.
    #[must_use]
    pub fn is_zfs(&self) -> bool {
        self.root_mount().is_some_and(|mount| mount.kind == "zfs")
    }

    /// Why nothing can be written to its root, and what to do; `None` when it can.
    ///
    /// # Errors
    /// When the kernel's command line cannot be read.
    pub fn is_read_only(&self) -> Result<Option<String>> {
        let Some(mount) = self.root_mount().filter(|mount| mount.read_only) else { return Ok(None) };
        let told = self.text(paths::COMMAND_LINE)?.unwrap_or_default();
        let point = mount.point.display();
        Ok(Some(if mount.kind == "zfs" && told.split_whitespace().any(|word| word == "ro") {
            "`ro` on the kernel's command line makes ZFS import the pool read-only; put `rw` there, and reboot".to_owned()
        } else {
            format!("{point} is mounted read-only; look why (dmesg), then: mount -o remount,rw {point}")
        }))
    }
}

fn same_folder(left: &Path, right: &Path) -> bool {
    match (left.metadata(), right.metadata()) {
        (Ok(left), Ok(right)) => left.dev() == right.dev() && left.ino() == right.ino(),
        _ => false,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The files of a machine in a folder, by path.
    #[allow(clippy::disallowed_methods, reason = "a test's own files")]
    pub(crate) fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let machine = Machine::find(dir.path()).unwrap().unwrap();
        (dir, machine)
    }

    /// The line of the table of mounts for the lower tree, and that of the overlay.
    pub(crate) fn overlay_on(kind: &str, source: &str, options: &str) -> String {
        format!("1 0 0:1 / / rw - overlay o rw\n2 1 0:2 / /run/rootfs/lower {options} - {kind} {source} rw\n")
    }

    #[test]
    fn a_client_knows_its_server_and_a_master_none() {
        for (mounts, server) in [
            (overlay_on("nfs4", "172.23.199.225:/head", "ro"), Some("172.23.199.225")),
            ("1 0 0:1 / / rw - nfs 10.0.0.1:/void rw\n".to_owned(), Some("10.0.0.1")),
            (overlay_on("ext4", "/dev/sda1", "rw"), None),
        ] {
            let (_dir, machine) = machine(&[(paths::MOUNTS, &mounts)]);
            assert_eq!(machine.server(), server);
        }
    }

    #[test]
    fn a_root_that_cannot_be_written_is_explained() {
        let told = |kind: &str, options: &str, line: &str| {
            let (_dir, machine) = machine(&[(paths::MOUNTS, &overlay_on(kind, "x", options)), (paths::COMMAND_LINE, line)]);
            machine.is_read_only().unwrap()
        };
        assert_eq!(told("zfs", "rw", "root=zfs:z/r ro"), None);
        assert!(told("zfs", "ro", "root=zfs:z/r ro").unwrap().contains("import the pool read-only"));
        assert!(told("ext4", "ro", "ro").unwrap().contains("mount -o remount,rw /run/rootfs/lower"));
    }

    #[test]
    fn without_a_table_of_mounts_nothing_is_known_to_run() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Machine::find(dir.path()).unwrap().is_none());
    }
}
