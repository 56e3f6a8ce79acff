//! Where the root and the home come from.

use toml::Spanned;

use super::raw::{self, HomePath};
use super::resolve::{Check, value};
use super::source::Mistake;
use crate::site::{Home, Nfs};
use crate::types::{AbsolutePath, FileSystemType, MountOptions};

impl Check<'_> {
    pub(super) fn nfs(&mut self, raw: raw::Nfs) -> Option<Nfs> {
        if raw.home_server.is_none() {
            if let Some(fstype) = &raw.home_type {
                let text = "`home_type` is given, but the home comes from the master";
                self.add(Mistake::at(fstype.span(), text).remedy("name the server with `home_server`, or remove `home_type`"));
            }
        } else {
            if let Some(squash) = &raw.root_squash_home {
                let text = "`root_squash_home` has no effect: the home comes from another server";
                self.add(Mistake::at(squash.span(), text).remedy("remove it, and set it on that server"));
            }
            if let Some(home) = raw.home.as_ref().filter(|home| *home.get_ref() == HomePath::None) {
                self.add(
                    Mistake::at(home.span(), "`home` is \"none\", but `home_server` names one").remedy("remove one of them"),
                );
            }
        }
        self.within_bounds("threads", raw.threads.as_ref());
        let default_home: AbsolutePath = "/home".parse().ok()?;
        let path = match value(raw.home) {
            Some(HomePath::None) => None,
            Some(HomePath::Path(path)) => Some(path),
            None => Some(default_home.clone()),
        };
        let nfs4: FileSystemType = "nfs4".parse().ok()?;
        let home = match (value(raw.home_server), path) {
            (Some(device), path) => {
                Home::Server { device, fstype: value(raw.home_type).unwrap_or(nfs4), path: path.unwrap_or(default_home) }
            }
            (None, Some(path)) => Home::Master { path, root_squash: value(raw.root_squash_home).unwrap_or(true) },
            (None, None) => Home::None,
        };
        let options = |given: Option<Spanned<MountOptions>>, default: &str| value(given).or_else(|| default.parse().ok());
        let home_default = match &home {
            Home::Server { fstype, .. } if !fstype.as_str().starts_with("nfs") => "defaults",
            _ => "rw,nfsvers=4,retrans=10",
        };
        Some(Nfs {
            root_options: options(raw.root_options, "ro,nfsvers=4,retrans=10")?,
            home_options: options(raw.home_options, home_default)?,
            threads: value(raw.threads).unwrap_or(8),
            root_server: value(raw.root_server),
            home,
        })
    }
}
