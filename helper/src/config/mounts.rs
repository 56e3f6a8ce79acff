//! What nodes mount besides root and home, and what the master exports for it.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use toml::Spanned;

use super::nfs::is_within;
use super::options::Mounted;
use super::resolve::Check;
use super::source::Mistake;
use super::words;
use crate::site::{Export, Home, Master, Network, Nfs};
use crate::types::mount::{Mount, MountDevice, MountType};
use crate::types::{AbsolutePath, HostName, MountOptions};

/// A mount as it is written: the fields of fstab(5).
#[derive(Debug)]
pub(super) struct RawMount {
    device: MountDevice,
    path: AbsolutePath,
    fstype: Option<MountType>,
    options: Option<MountOptions>,
}

/// An export as it is written.
#[derive(Debug)]
pub(super) struct RawExport {
    path: AbsolutePath,
    read_only: bool,
    root_squash: bool,
}

impl<'de> Deserialize<'de> for RawMount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::read("mount", "{ device = \"nas:/data\", path = \"/data\" }", deserializer)?;
        let mount = (|| {
            Ok(Self {
                device: fields.needed("device")?,
                path: fields.needed("path")?,
                fstype: fields.text("type")?,
                options: fields.text("options")?,
            })
        })();
        fields.done(mount, &["device", "path", "type", "options"])
    }
}

impl<'de> Deserialize<'de> for RawExport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::read("export", "{ path = \"/data\" }", deserializer)?;
        let export = (|| {
            Ok(Self {
                path: fields.needed("path")?,
                read_only: fields.flag("read_only")?.unwrap_or(false),
                root_squash: fields.flag("root_squash")?.unwrap_or(true),
            })
        })();
        fields.done(export, &["path", "read_only", "root_squash"])
    }
}

/// The fields of a small table in a list. serde's own messages would speak of texts, and name no remedy.
struct Fields {
    what: &'static str,
    example: &'static str,
    fields: toml::Table,
}

impl Fields {
    fn read<'de, D: Deserializer<'de>>(what: &'static str, example: &'static str, deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Table(fields) => Ok(Self { what, example, fields }),
            other => Err(D::Error::custom(format!("{other} is no {what}; write {example}"))),
        }
    }

    fn text<T: FromStr<Err = String>>(&mut self, key: &str) -> Result<Option<T>, String> {
        match self.fields.remove(key) {
            None => Ok(None),
            Some(toml::Value::String(text)) => text.parse().map(Some),
            Some(other) => Err(format!("`{key}` is a text, not {other}; write {key} = \"…\"")),
        }
    }

    fn needed<T: FromStr<Err = String>>(&mut self, key: &str) -> Result<T, String> {
        let missing = format!("this {} has no `{key}`; write {}", self.what, self.example);
        self.text(key)?.ok_or(missing)
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>, String> {
        match self.fields.remove(key) {
            None => Ok(None),
            Some(toml::Value::Boolean(flag)) => Ok(Some(flag)),
            Some(other) => Err(format!("`{key}` is true or false, not {other}; write {key} = true")),
        }
    }

    /// The whole, or what is wrong with it first of all: a key that we do not have.
    fn done<T, E: Error>(&self, whole: Result<T, String>, keys: &[&'static str]) -> Result<T, E> {
        let unknown = self.fields.keys().find(|key| !keys.contains(&key.as_str()));
        if let Some(unknown) = unknown {
            let meant = words::meant(unknown, keys.iter().copied());
            let remedy =
                meant.map_or_else(|| format!("use one of: {}", keys.join(", ")), |meant| format!("did you mean `{meant}`?"));
            return Err(E::custom(format!("unknown key `{}` in this {}; {remedy}", unknown.escape_debug(), self.what)));
        }
        whole.map_err(E::custom)
    }
}

/// Not to be mounted over, nor exported.
const SYSTEM: [&str; 10] = ["/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/sbin", "/usr", "/srv/tftp", "/srv"];
/// Nor anything in these.
const KERNEL: [&str; 5] = ["/dev", "/proc", "/run", "/srv/nfs", "/sys"];

fn of_the_system(path: &str) -> bool {
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
            if of_the_system(raw.path.as_str()) {
                let text = format!("a node needs its own {}", raw.path);
                self.add(Mistake::at(span.clone(), text).remedy("mount it elsewhere, or a folder of it"));
            }
            if let Some(path) = served.and_then(|served| served.lacks(raw.device.as_str())) {
                let text = format!("the master does not export {path}");
                self.add(Mistake::at(span.clone(), text).remedy(format!("add {{ path = \"{path}\" }} to `exports` under [nfs]")));
            }
            let mount = Mount::new(&raw.device, &raw.path, raw.fstype.as_ref(), raw.options.as_ref());
            if let Some(options) = raw.options.filter(|_| mount.fstype.starts_with("nfs")) {
                self.mount_options(Some(&Spanned::new(span.clone(), options)), Mounted::Besides);
            }
            if mounts.insert(raw.path.clone(), mount).is_some() {
                let text = format!("{} is mounted twice here", raw.path);
                self.add(Mistake::at(span, text).remedy("keep one of them; a profile or node may name the path again"));
            }
        }
        mounts.into_values().collect()
    }

    /// What the master exports besides root and home.
    pub(super) fn exports(&mut self, list: Vec<Spanned<RawExport>>, home: &Home) -> Vec<Export> {
        let mut exports: Vec<Export> = Vec::new();
        for raw in list {
            let (span, raw) = (raw.span(), raw.into_inner());
            let path = raw.path.as_str();
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
            exports.push(Export { path: raw.path, read_only: raw.read_only, root_squash: raw.root_squash });
        }
        exports
    }
}
