//! What nodes mount besides root and home, and what the master exports for it.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;

use super::nfs::is_within;
use super::options::Mounted;
use super::raw::{Key, Table};
use super::resolve::{Check, value};
use super::source::Mistake;
use crate::site::{Export, Home, Master, Network, Nfs};
use crate::types::mount::{Mount, MountDevice, MountType};
use crate::types::{AbsolutePath, HostName, MountOptions};

/// A mount as it is written: the fields of fstab(5).
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawMount {
    device: Key<MountDevice>,
    path: Key<AbsolutePath>,
    #[serde(rename = "type")]
    fstype: Key<MountType>,
    options: Key<MountOptions>,
}

impl RawMount {
    /// Where its path is written, if that is this one.
    pub(super) fn place_at(&self, path: &str) -> Option<std::ops::Range<usize>> {
        self.path.as_ref().filter(|own| own.get_ref().as_str() == path).map(Spanned::span)
    }

    /// Whether it is mounted there.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.place_at(path).is_some()
    }
}

impl Table for RawMount {
    const HEADER: &'static str = "this mount";
    const KEYS: &'static [(&'static str, &'static str)] = &[
        ("device", "Key<MountDevice>"),
        ("path", "Key<AbsolutePath>"),
        ("type", "Key<MountType>"),
        ("options", "Key<MountOptions>"),
    ];
}

/// An export as it is written.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawExport {
    path: Key<AbsolutePath>,
    read_only: Key<bool>,
    root_squash: Key<bool>,
}

impl Table for RawExport {
    const HEADER: &'static str = "this export";
    const KEYS: &'static [(&'static str, &'static str)] =
        &[("path", "Key<AbsolutePath>"), ("read_only", "Key<bool>"), ("root_squash", "Key<bool>")];
}

/// How a mount and an export are written, for messages.
pub(super) const MOUNT: &str = "{ device = \"nas:/data\", path = \"/data\" }";
pub(super) const EXPORT: &str = "{ path = \"/data\" }";

/// Not to be mounted over, nor exported.
const SYSTEM: [&str; 10] = ["/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/sbin", "/usr", "/srv/tftp", "/srv"];
/// Nor anything in these.
const KERNEL: [&str; 5] = ["/dev", "/proc", "/run", "/srv/nfs", "/sys"];

pub(super) fn of_the_system(path: &str) -> bool {
    SYSTEM.contains(&path) || KERNEL.iter().any(|folder| is_within(path, folder))
}

/// What the master exports, for those who mount it: its names and address, and the paths.
pub(super) struct Served {
    hosts: Vec<String>,
    paths: Vec<String>,
}

impl Served {
    pub(super) fn new(network: &Network, master: &Master, domain: Option<&HostName>, nfs: &Nfs) -> Self {
        let hosts = vec![master.name.to_string(), master.name.fqdn(domain), network.address.address.to_string()];
        let root = nfs.root_server.is_none().then_some("/root");
        let home = matches!(nfs.home, Home::Master { .. }).then_some("/home");
        let exports = nfs.exports.iter().map(|export| export.path.as_str());
        Self { hosts, paths: root.into_iter().chain(home).chain(exports).map(ToOwned::to_owned).collect() }
    }

    /// The path of the master that a device names in vain.
    fn lacks<'device>(&self, device: &'device str) -> Option<&'device str> {
        let (host, path) = device.split_once(':')?;
        let here = self.hosts.iter().any(|name| name.eq_ignore_ascii_case(host));
        (here && !self.paths.iter().any(|served| is_within(path, served))).then_some(path)
    }
}

impl Check<'_> {
    /// The mounts of one table.
    pub(super) fn mounts_of(&mut self, list: Vec<Spanned<RawMount>>, served: Option<&Served>) -> Vec<Mount> {
        let mut mounts: BTreeMap<AbsolutePath, Mount> = BTreeMap::new();
        for raw in list {
            let (span, raw) = (raw.span(), raw.into_inner());
            let lacks = if raw.device.is_none() { "device" } else { "path" };
            let (Some(device), Some(path)) = (raw.device, raw.path) else {
                self.add(Mistake::at(span, format!("this mount has no `{lacks}`")).remedy(format!("write {MOUNT}")));
                continue;
            };
            let (place, path) = (path.span(), path.into_inner());
            if of_the_system(path.as_str()) {
                let text = format!("a node needs its own {path}");
                self.add(Mistake::at(place.clone(), text).remedy("mount it elsewhere, or a folder of it"));
            }
            if let Some(path) = served.and_then(|served| served.lacks(device.get_ref().as_str())) {
                let text = format!("the master does not export {path}");
                self.add(
                    Mistake::at(device.span(), text).remedy(format!("add {{ path = \"{path}\" }} to `exports` under [nfs]")),
                );
            }
            let fstype = value(raw.fstype);
            let mount = Mount::new(device.get_ref(), &path, fstype.as_ref(), raw.options.as_ref().map(Spanned::get_ref));
            if mount.fstype.starts_with("nfs") {
                self.mount_options(raw.options.as_ref(), Mounted::Besides);
            }
            if mounts.contains_key(&path) {
                let text = format!("{path} is mounted twice here");
                self.add(Mistake::at(place, text).remedy("keep one of them; a profile or node may name the path again"));
            }
            mounts.insert(path, mount);
        }
        mounts.into_values().collect()
    }

    /// What the master exports besides root and home.
    pub(super) fn exports(&mut self, list: Vec<Spanned<RawExport>>, home: &Home) -> Vec<Export> {
        let mut exports: Vec<Export> = Vec::new();
        for raw in list {
            let (span, raw) = (raw.span(), raw.into_inner());
            let Some(path) = raw.path else {
                self.add(Mistake::at(span, "this export has no `path`").remedy(format!("write {EXPORT}")));
                continue;
            };
            let (span, whole) = (path.span(), path.into_inner());
            let path = whole.as_str();
            let clash = match home {
                Home::Master { path: home, .. } if is_within(path, home.as_str()) => {
                    Some(format!("{path} is exported as the home already"))
                }
                // Clients would look for it in the root or in the home that the master exports.
                _ if is_within(path, "/root") || is_within(path, "/home") => {
                    Some(format!("{path} cannot be told from the root or the home that this master may export"))
                }
                _ if of_the_system(path) => Some(format!("{path} belongs to the system")),
                _ => exports
                    .iter()
                    .find(|other| is_within(path, other.path.as_str()) || is_within(other.path.as_str(), path))
                    .map(|other| {
                        format!(
                            "{path} and {} lie in each other, and what is mounted below an export is exported with it",
                            other.path
                        )
                    }),
            };
            if let Some(text) = clash {
                self.add(Mistake::at(span, text).remedy("export another folder, or remove this one"));
            }
            let (read_only, root_squash) = (value(raw.read_only).unwrap_or(false), value(raw.root_squash).unwrap_or(true));
            let apart = self.facts.apart.contains(Path::new(whole.as_str()));
            exports.push(Export { path: whole, read_only, root_squash, apart });
        }
        exports
    }
}
