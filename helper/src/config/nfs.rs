//! Where the root and the home come from.

use std::net::Ipv4Addr;
use std::path::Path;

use toml::Spanned;

use super::options::Mounted;
use super::raw::{self, HomePath, Raw};
use super::resolve::{Check, value};
use super::source::Mistake;
use crate::site::{Home, Master, Network, Nfs};
use crate::types::{AbsolutePath, Address, FileSystemType, HostName, MountOptions};

/// Folders in which a home cannot lie: what makes the system, what is made anew at each boot, and what is ours. Nor can one of
/// them lie in the home.
const OF_THE_SYSTEM: [&str; 16] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/srv/nfs",
    "/srv/tftp",
    "/sys",
    "/tmp",
    "/usr",
    "/var/lib/voidclust",
];

/// Where the home is mounted when nothing is said.
const HOME: &str = "/home";

/// Where clients mount the home, as far as it is written; `None` when they have none.
fn home_of(raw: &Raw) -> Option<&str> {
    match raw.nfs.home.as_ref().map(Spanned::get_ref) {
        Some(HomePath::None) => None,
        Some(HomePath::Path(path)) => Some(path.as_str()),
        None => Some(HOME),
    }
}

/// Whether `path` is `folder` or lies in it.
pub(super) fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Check<'_> {
    /// Servers of root and home are neither the master itself nor one of its clients, and mounts can work.
    pub(super) fn servers(&mut self, raw: &Raw, network: &Network, master: &Master) {
        let own = network.address.address;
        let of_profiles = raw.profiles.iter().filter_map(|(_, profile)| profile.root_server.as_ref());
        let of_nodes = raw.nodes.iter().filter_map(|entry| entry.node.root_server.as_ref());
        for server in raw.nfs.root_server.iter().chain(of_profiles).chain(of_nodes) {
            let address = server.get_ref().address;
            let client = raw.nodes.iter().find(|entry| entry.node.address.as_ref().is_some_and(|own| own.get_ref().0 == address));
            if address == own {
                let is_for_some = raw.nfs.root_server.as_ref().is_some_and(|all| all.span() != server.span());
                let remedy = if is_for_some {
                    "remove it, and name the other server in profiles, not under [nfs]: nodes without one have the master's root"
                } else {
                    "remove `root_server`: without it the master serves the root"
                };
                self.add(Mistake::at(server.span(), "the root's server is the master itself").remedy(remedy));
            } else if let Some(name) = client.and_then(|client| client.node.name.as_ref()) {
                let text = format!("the root's server is node `{}`, which has its own root from there", name.get_ref());
                self.add(Mistake::at(server.span(), text).remedy("name a server that is no client"));
            } else if network.address.contains(address) {
                self.usable(network.address, address, &server.span(), "the root's server");
            }
        }
        if !self.home_from_itself(raw, own, master) {
            let home =
                raw.nfs.home_server.as_ref().and_then(|device| Some((device.get_ref().servers().parse().ok()?, device.span())));
            if let Some((address, span)) = home.filter(|(address, _)| network.address.contains(*address)) {
                self.usable(network.address, address, &span, "the home's server");
            }
            self.mounts(raw);
        }
    }

    /// Whether a client would ask itself for the home, or the master for an NFS export that it does not have.
    fn home_from_itself(&mut self, raw: &Raw, own: Ipv4Addr, master: &Master) -> bool {
        let Some(device) = &raw.nfs.home_server else { return false };
        let fqdn = master.name.fqdn(raw.cluster.domain.as_ref().map(Spanned::get_ref));
        let names = [own.to_string(), master.name.to_string(), master.name.short().to_owned(), fqdn];
        let is_nfs = raw.nfs.home_type.as_ref().is_none_or(|fstype| fstype.get_ref().as_str().starts_with("nfs"));
        let is_own = |server: &str| {
            // `mgs@tcp` and `mon:6789`, but not an IPv6 address.
            let server = server.split('@').next().unwrap_or(server).to_ascii_lowercase();
            let host = server.split_once(':').filter(|_| !server.starts_with('[')).map_or(server.as_str(), |(host, _)| host);
            matches!(host, "localhost" | "0.0.0.0" | "[::1]" | "[::]")
                || host.starts_with("127.")
                || (is_nfs && names.iter().any(|name| name == host))
        };
        let wrong = device.get_ref().servers().split(',').any(is_own);
        if let Some(name) = self.home_of_a_node(raw).filter(|_| is_nfs && !wrong) {
            let text = format!("the home's server is node `{name}`, which would mount it from itself");
            self.add(
                Mistake::at(device.span(), text)
                    .remedy("name a server that is no client, or give that node a mount of its own there"),
            );
            return true;
        }
        if wrong {
            let text = "the home's server is the master itself";
            self.add(Mistake::at(device.span(), text).remedy("remove `home_server`, and name the folder with `home`"));
        }
        wrong
    }

    /// The node that the home's server is, unless it mounts something else there.
    fn home_of_a_node<'raw>(&self, raw: &'raw Raw) -> Option<&'raw HostName> {
        let host = raw.nfs.home_server.as_ref()?.get_ref().servers();
        let path = home_of(raw)?;
        let domain = raw.cluster.domain.as_ref().map(Spanned::get_ref);
        let is_server = |node: &raw::Node| {
            let address = node.address.as_ref().is_some_and(|address| address.get_ref().to_string() == host);
            let named = |name: &HostName| {
                [name.as_str(), name.short(), &name.fqdn(domain)].iter().any(|name| name.eq_ignore_ascii_case(host))
            };
            (address || node.name.as_ref().is_some_and(|name| named(name.get_ref())))
                && !node.mounts.iter().any(|mount| mount.get_ref().is_at(path))
        };
        raw.nodes.iter().map(|entry| &entry.node).find(|node| is_server(node))?.name.as_ref().map(Spanned::get_ref)
    }

    fn mounts(&mut self, raw: &Raw) {
        let nfs = &raw.nfs;
        if let Some(path) = home_of(raw)
            && let Some(place) = raw.client.mounts.iter().find_map(|mount| mount.get_ref().place_at(path))
        {
            let text = format!("every client mounts the home at {path} already");
            let remedy = "name its server with `home_server` under [nfs], or set home = \"none\" there";
            self.add(Mistake::at(place, text).remedy(remedy));
        }
        if let Some(home) = &nfs.home
            && let HomePath::Path(path) = home.get_ref()
        {
            let path = path.as_str();
            let clashes = |folder: &&&str| is_within(path, folder) || is_within(folder, path);
            if let Some(folder) = OF_THE_SYSTEM.iter().find(clashes) {
                let text = format!("the home cannot be {path}: {folder} belongs to the system or to voidclust");
                self.add(Mistake::at(home.span(), text).remedy("choose another folder, such as /home or /data/home"));
            }
        }
        let fstype = nfs.home_type.as_ref().map_or("nfs4", |fstype| fstype.get_ref().as_str());
        let mounted = match &nfs.home_server {
            None => Mounted::Home,
            Some(_) if fstype.starts_with("nfs") => Mounted::OtherNfs,
            Some(_) => Mounted::Other,
        };
        if let Some(device) = nfs.home_server.as_ref().filter(|_| mounted == Mounted::OtherNfs) {
            let path = device.get_ref().path();
            let one = |server: &str| {
                let address =
                    server.strip_prefix('[').and_then(|server| server.strip_suffix(']')).map(str::parse::<std::net::Ipv6Addr>);
                address.is_some_and(|address| address.is_ok())
                    || server.parse::<HostName>().is_ok()
                    || server.parse::<Address>().is_ok()
            };
            if !one(device.get_ref().servers()) || (path != "/" && path.parse::<AbsolutePath>().is_err()) {
                let text = format!("`{}` is not one NFS server and a path", device.get_ref());
                self.add(Mistake::at(device.span(), text).remedy("write it as nas.example.org:/home, or set `home_type`"));
            }
        }
        self.mount_options(nfs.root_options.as_ref(), Mounted::Root);
        self.mount_options(nfs.home_options.as_ref(), mounted);
    }

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
        let default_home: AbsolutePath = HOME.parse().ok()?;
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
            (None, Some(path)) => {
                let apart = self.facts.apart.contains(Path::new(path.as_str()));
                Home::Master { path, root_squash: value(raw.root_squash_home).unwrap_or(true), apart }
            }
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
            threads: value(raw.threads),
            root_server: value(raw.root_server),
            exports: self.exports(raw.exports, &home),
            home,
        })
    }
}
