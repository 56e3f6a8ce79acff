//! Which services read which files, and how the running machine is told that they changed.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::disk::root::Root;
use crate::paths;
use crate::site::Site;
use crate::stages::changes::Change;
use crate::tools::{self, Tool};

/// The service that reads a file of /etc, by its path there. `lay-overlays` has the same table, for nodes without us.
#[must_use]
pub fn reader_of(path: &str) -> Option<&str> {
    if let Some(service) = path.strip_prefix("sv/").and_then(|rest| rest.split_once('/')) {
        return Some(service.0);
    }
    Some(match path.split('/').next()? {
        "dnsmasq.conf" | "dnsmasq.d" | "hosts" | "ethers" => "dnsmasq",
        "exports" | "exports.d" | "nfs.conf" | "nfs.conf.d" => "nfs-server",
        "ssh" => "sshd",
        "chrony.conf" => "chronyd",
        "ntp.conf" => "isc-ntpd",
        "ntpd.conf" => "openntpd",
        "dhcpcd.conf" => "dhcpcd",
        "fstab" => "netmount",
        _ => return None,
    })
}

/// The services of the master that a set of changes concerns.
#[must_use]
pub fn affected(site: &Site, changes: &[Change]) -> BTreeSet<String> {
    let archive = paths::archive(&site.master.mac.to_string());
    let members = changes.iter().filter(|change| change.path == archive).filter_map(|change| change.member.as_deref());
    members.filter_map(reader_of).map(ToOwned::to_owned).collect()
}

/// Brings the running machine up to date with the overlays in `root`: lays what changed over /etc, and says one line for
/// each. Returns the services that read what changed, now or in an earlier run that did not come to tell them, and what
/// went wrong: something may have been left out, and the rest laid. The script itself says on stderr what that was.
pub fn refresh(root: &Root, say: &mut dyn FnMut(&str)) -> (BTreeSet<String>, Result<()>) {
    // The lower tree's own folder: through the overlay, files that were replaced below it look stale or deleted.
    let overlays = root.path().join(paths::OVERLAYS);
    let mut restart = BTreeSet::new();
    let laid = script().arg("--refresh").arg(overlays).arg("/etc").lines(|line| match line.strip_prefix("restart ") {
        Some(service) => {
            restart.insert(service.to_owned());
        }
        None => say(line),
    });
    (restart, laid)
}

/// Says that these services were told, or their user was: the next refresh does not name them again.
///
/// # Errors
/// When the script cannot be run.
pub fn told<'name>(services: impl IntoIterator<Item = &'name String>) -> Result<()> {
    let mut services = services.into_iter().peekable();
    if services.peek().is_none() {
        return Ok(());
    }
    script().arg("--told").args(services).output().map(|_| ())
}

fn script() -> Tool {
    Tool::new(Path::new("/").join(paths::LAY_OVERLAYS))
}

/// Restarts a service if it runs; the NFS server only reads its exports again, so that no client is interrupted.
///
/// # Errors
/// When the service cannot be told.
pub fn tell(service: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
    if !Path::new("/etc/runit/runsvdir/current").join(service).exists() {
        return Ok(());
    }
    if service == "nfs-server" && tools::on_path("exportfs") {
        Tool::new("exportfs").arg("-ra").output()?;
        say("exports read again");
    } else {
        Tool::new("sv").args(["restart", service]).output()?;
        say(&format!("restarted {service}"));
    }
    Ok(())
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
        assert_eq!(reader_of("motd"), None);
    }
}
