//! Lays the overlays of a machine over /etc: at boot, and again on the running machine to bring it up to date.
//!
//! For each MAC of the machine the archives `MAC.*` in name order, then for each the folder `MAC`; a later one wins. The master
//! has them in its lower tree, in the folders [`paths::LAID`]; a client fetches its own. When no MAC has any, and the root came over the network: `default.*` and `default`. All of it is read and put
//! together in memory and then compared with the target, so that a source leaves either all of itself behind or nothing, and
//! only what differs is touched: each thing is made aside and takes its place by a rename, with the present time, which tells
//! programs such as cron that it changed. Rules that keep /etc whole:
//!
//! - `.wh.NAME` removes NAME.
//! - A folder of 0755 root:root is there for what it holds: one that /etc has keeps its owner and mode. Any other owner or
//!   mode is meant, and given to it.
//! - A symbolic link to a folder of /etc stays a link where an overlay has a folder; what the folder holds goes through it.
//!   One that leads out of /etc does not.
//! - A file or link never replaces a folder that holds anything, unless `.wh.NAME` is there, too.
//! - A refresh makes what an earlier run laid, and no overlay has any more, what it is in the shared root, or removes it. But
//!   when a source cannot be read, or there is none at all, nothing is taken back, and what that source laid stays.
//!
//! Killed at any moment, a run leaves each file old or new, and the next one knows all that may have been laid.

mod archive;
mod attributes;
mod dry;
mod folder;
mod held;
mod layer;
mod names;
mod node;
mod own;
mod readers;
mod records;
mod restore;
mod session;
mod sources;
mod target;

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::paths;
pub use dry::{Coming, Foreseen};
pub use names::{WHITEOUT, unsound};
pub use node::spelled;
use records::Records;
pub use sources::owner;

/// Where a run finds what it needs to know of the machine, and where it keeps its records.
#[derive(Debug, Clone)]
pub struct Run {
    /// Records and log; outlives no boot.
    pub dir: PathBuf,
    /// Where the lower tree is seen.
    pub lower: PathBuf,
    /// The kernel's devices.
    pub sys: PathBuf,
    /// The kernel command line.
    pub cmdline: PathBuf,
    /// The table of mounts.
    pub mountinfo: PathBuf,
    /// Where that table has the lower tree.
    pub point: PathBuf,
}

/// One thing that a run did, by its path in the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new, or other than before.
    Changed(PathBuf),
    /// It is gone.
    Removed(PathBuf),
}

impl Change {
    /// Where.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Changed(path) | Self::Removed(path) => path,
        }
    }

    /// `changed PATH` or `removed PATH`.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let (what, path) = match self {
            Self::Changed(path) => (b"changed ", path),
            Self::Removed(path) => (b"removed ", path),
        };
        [what, path.as_os_str().as_bytes()].concat()
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Report {
    /// What was changed, in order.
    pub changes: Vec<Change>,
    /// After a refresh: the running services that read what changed, now or earlier, and that nobody restarted since.
    pub restart: BTreeSet<String>,
    /// What was left out, and why.
    pub warnings: Vec<String>,
}

impl Run {
    /// On a machine whose root is `slash`: `/`, or in a test a folder with the files of one.
    #[must_use]
    pub fn on(slash: &Path) -> Self {
        Self {
            dir: slash.join(paths::RECORDS),
            lower: slash.join(paths::LOWER),
            sys: slash.join("sys"),
            cmdline: slash.join(paths::COMMAND_LINE),
            mountinfo: slash.join(paths::MOUNTS),
            point: Path::new("/").join(paths::LOWER),
        }
    }

    /// Lays the overlays in `overlays`, or where this machine finds its own, for the machine with these MACs, or for this one,
    /// over `etc`. A `refresh` also takes back what no overlay has any more, and says which services read what changed; a
    /// client fetches its own before, and changes nothing when it cannot.
    ///
    /// # Errors
    /// When it cannot begin: no record can be kept, or `etc` is no folder. All else is in the report, and the rest was done.
    pub fn lay(&self, overlays: Option<&Path>, etc: &Path, macs: &[String], refresh: bool) -> Result<Report> {
        session::lay(self, overlays, etc, macs, refresh)
    }

    /// What a refresh would do when the folder of overlays holds what is `coming`. Nothing is written, fetched, nor waited for.
    ///
    /// # Errors
    /// When `etc` is no folder.
    pub fn foresee(&self, overlays: Option<&Path>, etc: &Path, macs: &[String], coming: &Coming<'_>) -> Result<Foreseen> {
        dry::foresee(self, overlays, etc, macs, coming)
    }

    /// Says that these services were restarted, or their user was told: the next refresh does not name them again.
    ///
    /// # Errors
    /// When that cannot be recorded.
    pub fn told<'name>(&self, services: impl IntoIterator<Item = &'name str>) -> Result<()> {
        let records = Records::open(&self.dir)?;
        let mut untold = records.untold()?;
        let before = untold.len();
        for service in services {
            untold.remove(service.as_bytes());
        }
        if untold.len() == before { Ok(()) } else { records.set_untold(&untold) }
    }
}

/// The service that reads a file of /etc when it starts, by its path there.
#[must_use]
pub fn reader_of(path: &str) -> Option<&str> {
    if let Some(service) = path.strip_prefix("sv/").and_then(|rest| rest.split_once('/')) {
        return Some(service.0);
    }
    Some(match path.split('/').next()? {
        "dnsmasq.conf" | "dnsmasq.d" | "dnsmasq.hosts" | "hosts" | "ethers" => "dnsmasq",
        "exports" | "exports.d" | "nfs.conf" | "nfs.conf.d" => "nfs-server",
        // What every ssh reads by itself.
        "ssh" if !path.starts_with("ssh/ssh_known_hosts") => "sshd",
        "chrony.conf" => "chronyd",
        "ntp.conf" => "isc-ntpd",
        "ntpd.conf" => "openntpd",
        "dhcpcd.conf" => "dhcpcd",
        "fstab" => "netmount",
        _ => return None,
    })
}

/// The file or folder of /etc that a path is or is in, when stage 1 or 2 of the boot reads it, and nobody does afterwards.
#[must_use]
pub fn read_at_boot(path: &str) -> Option<String> {
    const READ: &[&str] = &[
        "rc.local",
        "rc.local.d",
        "rc.conf",
        "hostname",
        "fstab",
        "crypttab",
        "scratchtab",
        "hostid",
        "modules-load.d",
        "modprobe.d",
        "sysctl.conf",
        "sysctl.d",
        "udev",
    ];
    let mut parts = path.split('/');
    let first = parts.next()?;
    match parts.next() {
        // Stages, core-services, and what these call; runsvdir sees a changed list of services by itself.
        Some(second) if first == "runit" && second != "runsvdir" => Some(format!("runit/{second}")),
        _ => READ.contains(&first).then(|| first.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lead_to_the_services_that_read_them() {
        for (path, service) in [
            ("dnsmasq.conf", "dnsmasq"),
            ("exports.d/voidclust.exports", "nfs-server"),
            ("sv/netmount/conf", "netmount"),
            ("ssh/sshd_config", "sshd"),
        ] {
            assert_eq!(reader_of(path), Some(service));
        }
        assert_eq!([reader_of("motd"), reader_of("ssh/ssh_known_hosts")], [None, None]);
    }
}
