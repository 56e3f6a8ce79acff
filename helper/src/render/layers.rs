//! Which overlays and services a machine gets, in which order, and why.

use std::collections::{BTreeMap, BTreeSet};

use crate::render::overlay::{CLIENT, MASTER};
use crate::site::{HTTP_SERVICE, Node, Site, Transfer};
use crate::types::mount::Mount;
use crate::types::{OverlayName, Service};

/// A machine to compose for.
#[derive(Debug, Clone, Copy)]
pub enum Machine<'site> {
    /// The master.
    Master,
    /// A listed client.
    Node(&'site Node),
    /// Any machine that is not listed.
    Unlisted,
}

/// Why an overlay is laid.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "by", content = "name")]
pub enum Reason {
    /// The built-in overlay of the master or of all clients.
    Base,
    /// `[master]` or `[client]`.
    Role(&'static str),
    /// A profile.
    Profile(String),
    /// The node itself.
    Node,
}

/// The overlays of a machine in the order in which they are laid, and why.
#[must_use]
pub fn overlays<'site>(site: &'site Site, machine: Machine<'site>) -> Vec<(&'site str, Reason)> {
    fn named<'n>(names: &'n [OverlayName], reason: &Reason) -> Vec<(&'n str, Reason)> {
        names.iter().map(|name| (name.as_str(), reason.clone())).collect()
    }
    let mut layers = match machine {
        Machine::Master => vec![(MASTER, Reason::Base)],
        Machine::Unlisted | Machine::Node(_) => vec![(CLIENT, Reason::Base)],
    };
    match machine {
        Machine::Master => layers.extend(named(&site.master.overlays, &Reason::Role("master"))),
        Machine::Unlisted | Machine::Node(_) => layers.extend(named(&site.client.overlays, &Reason::Role("client"))),
    }
    if let Machine::Node(node) = machine {
        for (name, profile) in site.profiles_of(node) {
            layers.extend(named(&profile.overlays, &Reason::Profile(name.to_string())));
        }
        layers.extend(named(&node.overlays, &Reason::Node));
    }
    layers
}

/// The services of a machine: those it needs to play its part, then what the configuration says; the later wins.
#[must_use]
pub fn services(site: &Site, machine: Machine<'_>) -> BTreeMap<String, (Service, Reason)> {
    let on = |name: &str| Service { name: name.to_owned(), enabled: true };
    let mut lists: Vec<(Vec<Service>, Reason)> = Vec::new();
    match machine {
        Machine::Master => {
            // What is one node's alone comes from the master by NFS, wherever the root and the home come from.
            let mut base = ["dnsmasq", "nfs-server", "nfsdcld", "rpcbind", "statd"].map(on).to_vec();
            base.extend((site.transfer() == Transfer::Http).then(|| on(HTTP_SERVICE)));
            lists.push((base, Reason::Base));
            lists.push((site.master.services.clone(), Reason::Role("master")));
        }
        Machine::Unlisted | Machine::Node(_) => {
            // A stock machine runs dhcpcd. On a client it would take the card away from under the root; and so on.
            let harmful = site.lower.harmful(site.network.address.address).map(|(name, _)| name);
            let off = |name: &str| Service { name: name.to_owned(), enabled: false };
            let mut base: Vec<Service> = harmful.chain(["dhcpcd"]).map(off).collect();
            let mounts = site.mounts_of(if let Machine::Node(node) = machine { Some(node) } else { None });
            if mounts.values().any(|mount| mount.remote) {
                base.push(on("netmount"));
            }
            lists.push((base, Reason::Base));
            lists.push((site.client.services.clone(), Reason::Role("client")));
        }
    }
    if let Machine::Node(node) = machine {
        for (name, profile) in site.profiles_of(node) {
            lists.push((profile.services.clone(), Reason::Profile(name.to_string())));
        }
        lists.push((node.services.clone(), Reason::Node));
    }
    let mut services = BTreeMap::new();
    for (list, reason) in lists {
        for service in list {
            services.insert(service.name.clone(), (service, reason.clone()));
        }
    }
    services
}

/// What the lower tree has and this machine must not have, by its path below /etc: a script with which a client would take
/// the master's address and cut off its root, a master's rc.local of an earlier version, which calls itself without end,
/// and the machine id, when many machines share an overlay.
pub(super) fn withheld<'site>(site: &'site Site, machine: Machine<'_>) -> BTreeSet<&'site str> {
    let mut paths: BTreeSet<&str> = match machine {
        Machine::Master => BTreeSet::new(),
        Machine::Unlisted | Machine::Node(_) => site.lower.scripts_with_address(site.network.address.address).collect(),
    };
    paths.extend(site.lower.rc_local_is_ours().then_some("rc.local"));
    paths.extend(matches!(machine, Machine::Unlisted).then_some("machine-id"));
    paths
}

/// What [`kind`] sorts by.
pub(super) type Kind<'site> = (u8, [&'site [OverlayName]; 2], &'site [Service], &'site [Mount], Vec<&'site str>);

/// By what machines are sorted. Those for which it is the same are alike: only what templates say of them differs.
pub(super) fn kind<'site>(site: &'site Site, machine: Machine<'site>) -> Kind<'site> {
    match machine {
        Machine::Master => (0, [&[], &[]], &[], &[], Vec::new()),
        Machine::Unlisted => (1, [&[], &[]], &[], &[], Vec::new()),
        Machine::Node(node) => {
            let identity = site.identity_of(node).into_iter().flat_map(|identity| identity.0.keys()).map(String::as_str);
            (2, [&node.profiles, &node.overlays], &node.services, &node.mounts, identity.collect())
        }
    }
}
