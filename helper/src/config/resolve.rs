//! From the values as written to the [`Site`]: defaults, and every check that needs more than one value.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use toml::Spanned;

use super::raw::{self, DhcpMode, Entry, Firmware, HomePath, MasterMac, Raw, StorageMode};
use super::source::Problem;
use crate::machine::facts::Facts;
use crate::site::{Boot, Client, Dhcp, Home, Master, Network, Nfs, Node, Profile, Site, Storage};
use crate::types::{AbsolutePath, AddressRange, FileSystemType, HostName, HostNet, Kernel, Mac, MountOptions, OverlayName};

/// Checks `raw` and fills in the defaults; `None` when `problems` is not empty afterwards.
pub(super) fn resolve(raw: Raw, facts: &Facts, problems: &mut Vec<Problem>) -> Option<Site> {
    let clean = problems.is_empty();
    let mut check = Check { facts, problems };
    let network = check.network(&raw.network, &raw.nodes, clean);
    let master = check.master(&raw.master, raw.network.interface.as_ref(), clean);
    check.names_known(&raw);
    if let (Some(network), Some(master)) = (&network, &master) {
        check.nodes(&raw, network, master);
    }
    let nfs = check.nfs(raw.nfs);
    let boot = check.boot(raw.boot);
    if !problems.is_empty() {
        return None;
    }
    Some(Site {
        domain: value(raw.cluster.domain),
        network: network?,
        master: master?,
        client: Client {
            cmdline: value(raw.client.cmdline),
            modules: values(raw.client.modules),
            drivers: value(raw.client.drivers).unwrap_or_default(),
            overlays: values(raw.client.overlays),
            services: values(raw.client.services),
            kernel: value(raw.client.kernel).unwrap_or_default(),
        },
        nfs: nfs?,
        boot: boot?,
        profiles: raw.profiles.into_iter().map(|(name, profile)| (name.into_inner(), resolved_profile(profile))).collect(),
        nodes: raw.nodes.into_iter().map(|entry| resolved_node(entry.node)).collect::<Option<_>>()?,
    })
}

fn value<T>(key: Option<Spanned<T>>) -> Option<T> {
    key.map(Spanned::into_inner)
}

fn values<T>(list: Vec<Spanned<T>>) -> Vec<T> {
    list.into_iter().map(Spanned::into_inner).collect()
}

fn resolved_profile(raw: raw::Profile) -> Profile {
    Profile {
        overlays: values(raw.overlays),
        services: values(raw.services),
        cmdline: value(raw.cmdline),
        modules: values(raw.modules),
        kernel: value(raw.kernel),
    }
}

fn resolved_node(raw: raw::Node) -> Option<Node> {
    Some(Node {
        name: value(raw.name)?,
        macs: value(raw.mac)?.0,
        address: value(raw.address).map(|address| address.0),
        profiles: values(raw.profiles),
        overlays: values(raw.overlays),
        services: values(raw.services),
        cmdline: value(raw.cmdline),
        kernel: value(raw.kernel),
    })
}

/// What the checks need, and where they complain.
struct Check<'a> {
    facts: &'a Facts,
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The network; `clean` tells whether the tables were read without a mistake, so that a missing key is really missing.
    fn network(&mut self, raw: &raw::Network, nodes: &[Entry], clean: bool) -> Option<Network> {
        let mode = raw.dhcp.as_ref().map_or(DhcpMode::Proxy, |mode| *mode.get_ref());
        if let Some(range) = raw.range.as_ref().filter(|_| mode != DhcpMode::Server) {
            let text = "`range` is given, but the master gives out no addresses";
            self.add(Problem::at(range.span(), text).remedy("set dhcp = \"server\", or remove `range`"));
        }
        let Some(address) = raw.address.as_ref().map(|address| *address.get_ref()) else {
            if clean {
                let text = "the master's address is missing";
                self.add(Problem::missing(text).remedy("set it under [network], for example address = \"172.23.199.225/24\""));
            }
            return None;
        };
        if let Some(gateway) = &raw.gateway {
            self.usable(address, gateway.get_ref().0, &gateway.span(), "the gateway");
        }
        let range = raw.range.as_ref().map(|range| *range.get_ref());
        if let (Some(written), Some(range)) = (&raw.range, range) {
            self.usable(address, range.first, &written.span(), "the range's first address");
            self.usable(address, range.last, &written.span(), "the range's last address");
            let taken =
                [("the master's address", Some(address.address)), ("the gateway", raw.gateway.as_ref().map(|g| g.get_ref().0))];
            for (what, taken) in taken.into_iter().filter_map(|(what, taken)| Some((what, taken?))) {
                if range.contains(taken) {
                    let text = format!("the range holds {what}, {taken}");
                    self.add(Problem::at(written.span(), text).remedy("choose a range without it"));
                }
            }
        }
        if mode == DhcpMode::Server && raw.range.is_none() {
            for Entry { node, .. } in nodes.iter().filter(|entry| entry.whole && entry.node.address.is_none()) {
                if let Some(name) = &node.name {
                    let text = format!("node `{}` has no address, and the master has no range to take one from", name.get_ref());
                    self.add(Problem::at(name.span(), text).remedy("give it an `address`, or set `range` under [network]"));
                }
            }
        }
        Some(Network {
            interface: raw.interface.as_ref().map(|name| name.get_ref().clone()),
            address,
            gateway: raw.gateway.as_ref().map(|gateway| gateway.get_ref().0),
            dns: raw.dns.iter().map(|server| server.get_ref().0).collect(),
            dhcp: match mode {
                DhcpMode::Proxy => Dhcp::Proxy,
                DhcpMode::Server => Dhcp::Server(range),
                DhcpMode::Off => Dhcp::Off,
            },
        })
    }

    fn usable(&mut self, net: HostNet, address: Ipv4Addr, span: &std::ops::Range<usize>, what: &str) {
        if let Err(why) = net.usable(address) {
            let text = format!("{what}, {address}, is {why}");
            self.add(Problem::at(span.clone(), text).remedy(format!(
                "choose one between {} and {}",
                net.network(),
                net.broadcast()
            )));
        }
    }

    fn master(
        &mut self,
        raw: &raw::Master,
        interface: Option<&Spanned<crate::types::InterfaceName>>,
        clean: bool,
    ) -> Option<Master> {
        let mac = match raw.mac.as_ref().map(|mac| *mac.get_ref()) {
            Some(MasterMac::Given(mac)) => Some(mac),
            Some(MasterMac::Auto) | None if !clean => None,
            Some(MasterMac::Auto) | None => self.own_mac(raw.mac.as_ref().map(Spanned::span).as_ref(), interface),
        };
        Some(Master {
            name: raw.name.as_ref().map_or_else(|| "master".parse().ok(), |name| Some(name.get_ref().clone()))?,
            mac: mac?,
            storage: match raw.storage.as_ref().map_or(StorageMode::Auto, |mode| *mode.get_ref()) {
                StorageMode::Auto if self.facts.zfs => Storage::Zfs,
                StorageMode::Auto | StorageMode::Plain => Storage::Plain,
                StorageMode::Zfs => Storage::Zfs,
            },
            modules: raw.modules.iter().map(|module| module.get_ref().clone()).collect(),
            overlays: raw.overlays.iter().map(|overlay| overlay.get_ref().clone()).collect(),
            services: raw.services.iter().map(|service| service.get_ref().clone()).collect(),
        })
    }

    /// The MAC of the running machine's own card.
    fn own_mac(
        &mut self,
        span: Option<&std::ops::Range<usize>>,
        interface: Option<&Spanned<crate::types::InterfaceName>>,
    ) -> Option<Mac> {
        let at = |text: String| match span {
            Some(span) => Problem::at(span.clone(), text),
            None => Problem::missing(text),
        };
        let Some(interfaces) = &self.facts.interfaces else {
            if self.facts.remembered_mac.is_some() {
                return self.facts.remembered_mac;
            }
            let text = format!("the master's MAC cannot be read: {} is not the running machine's root", self.facts.root);
            let problem = at(text).remedy("set `mac` under [master]");
            self.add(problem);
            return None;
        };
        let names = || interfaces.keys().cloned().collect::<Vec<_>>().join(", ");
        if let Some(name) = interface {
            if let Some(mac) = interfaces.get(name.get_ref().as_str()) {
                return Some(*mac);
            }
            let text = format!("this machine has no network card `{}`", name.get_ref());
            let remedy = format!("use one of: {}; or set `mac` under [master]", names());
            self.add(Problem::at(name.span(), text).remedy(remedy));
            return None;
        }
        if let (1, Some(mac)) = (interfaces.len(), interfaces.values().next()) {
            return Some(*mac);
        }
        let text = format!("this machine has {} network cards, so its MAC cannot be read", interfaces.len());
        let problem = at(text).remedy(format!("set `interface` under [network] to one of: {}; or `mac` under [master]", names()));
        self.add(problem);
        None
    }

    /// Profiles, overlays and kernels that are named must exist.
    fn names_known(&mut self, raw: &Raw) {
        let profiles: Vec<&str> = raw.profiles.iter().map(|(name, _)| name.get_ref().as_str()).collect();
        for Entry { node, .. } in &raw.nodes {
            for profile in node.profiles.iter().filter(|profile| !profiles.contains(&profile.get_ref().as_str())) {
                let text = format!("there is no profile `{}`", profile.get_ref());
                let known = if profiles.is_empty() { "none yet".to_owned() } else { profiles.join(", ") };
                self.add(
                    Problem::at(profile.span(), text)
                        .remedy(format!("add [profile.{}], or use one of: {known}", profile.get_ref())),
                );
            }
            self.overlays_known(&node.overlays);
            self.kernel_known(node.kernel.as_ref());
        }
        for (_, profile) in &raw.profiles {
            self.overlays_known(&profile.overlays);
            self.kernel_known(profile.kernel.as_ref());
        }
        self.overlays_known(&raw.master.overlays);
        self.overlays_known(&raw.client.overlays);
        self.kernel_known(raw.client.kernel.as_ref());
    }

    fn overlays_known(&mut self, overlays: &[Spanned<OverlayName>]) {
        for overlay in overlays.iter().filter(|overlay| !self.facts.overlays.contains(overlay.get_ref().as_str())) {
            let text = format!("there is no overlay `{}`", overlay.get_ref());
            let remedy = format!("make the folder /{}/{} (it mirrors /etc)", crate::paths::SITE_OVERLAYS, overlay.get_ref());
            self.problems.push(Problem::at(overlay.span(), text).remedy(remedy));
        }
    }

    fn kernel_known(&mut self, kernel: Option<&Spanned<Kernel>>) {
        let Some(written) = kernel else { return };
        if let Kernel::Version(version) = written.get_ref()
            && !self.facts.kernels.contains(version)
            && !self.facts.imaged.contains(version)
        {
            let text = format!("kernel `{version}` is not installed");
            let known = if self.facts.kernels.is_empty() { "none".to_owned() } else { self.facts.kernels.join(", ") };
            let remedy = format!("install it, or use \"newest\"; installed under {}: {known}", self.facts.root);
            self.add(Problem::at(written.span(), text).remedy(remedy));
        }
    }

    /// A machine calls itself by its name with the domain.
    fn name_fits(&mut self, fqdn: &str, span: std::ops::Range<usize>) {
        if fqdn.len() > HostName::MAX {
            let text = format!("`{fqdn}` has {} characters, a host name at most {}", fqdn.len(), HostName::MAX);
            self.add(Problem::at(span, text).remedy("shorten the name, or `domain` under [cluster]"));
        }
    }

    /// Names, MACs and addresses are each of one machine only.
    fn nodes(&mut self, raw: &Raw, network: &Network, master: &Master) {
        let domain = raw.cluster.domain.as_ref().map(Spanned::get_ref);
        if let Some(span) = raw.master.name.as_ref().or(raw.cluster.domain.as_ref()).map(Spanned::span) {
            self.name_fits(&master.name.fqdn(domain), span);
        }
        let mut names = HashMap::from([(master.name.fqdn(domain), ("the master", master.name.clone()))]);
        let mut macs: HashMap<Mac, String> = HashMap::from([(master.mac, "the master".to_owned())]);
        let mut addresses: HashMap<Ipv4Addr, String> = HashMap::from([(network.address.address, "the master".to_owned())]);
        if let Some(gateway) = network.gateway {
            addresses.entry(gateway).or_insert_with(|| "the gateway".to_owned());
        }
        let pool = match network.dhcp {
            Dhcp::Server(range) => range,
            Dhcp::Proxy | Dhcp::Off => None,
        };
        for Entry { span, node, whole } in &raw.nodes {
            let called = node.name.as_ref().map_or_else(|| "this node".to_owned(), |name| format!("node `{}`", name.get_ref()));
            if let Some(name) = &node.name {
                let fqdn = name.get_ref().fqdn(domain);
                self.name_fits(&fqdn, name.span());
                if let Some((other, called)) = names.insert(fqdn, ("another node", name.get_ref().clone())) {
                    let same = if called == *name.get_ref() { "" } else { ", which is the same in this domain" };
                    let text = format!("{other} is called `{called}` already{same}");
                    self.add(Problem::at(name.span(), text).remedy("give each machine a name of its own"));
                }
            } else if *whole {
                self.add(Problem::at(span.clone(), "this node has no name").remedy("add name = \"…\""));
            }
            match &node.mac {
                Some(written) if written.get_ref().0.is_empty() => {
                    self.add(
                        Problem::at(written.span(), format!("{called} has an empty list of MACs")).remedy("name at least one"),
                    );
                }
                Some(written) => {
                    for mac in &written.get_ref().0 {
                        if let Some(other) = macs.insert(*mac, called.clone()) {
                            let text = format!("{mac} belongs to {other} already");
                            self.add(Problem::at(written.span(), text).remedy("each network card is of one machine"));
                        }
                    }
                }
                None if *whole => {
                    self.add(Problem::at(span.clone(), format!("{called} has no MAC")).remedy("add mac = \"52:54:00:12:34:56\""));
                }
                None => {}
            }
            if let Some(address) = &node.address {
                self.node_address(address.get_ref().0, &address.span(), network.address, pool);
                if let Some(other) = addresses.insert(address.get_ref().0, called.clone()) {
                    let text = format!("{} is the address of {other} already", address.get_ref());
                    self.add(Problem::at(address.span(), text).remedy("give each machine an address of its own"));
                }
            }
        }
    }

    fn node_address(&mut self, address: Ipv4Addr, span: &std::ops::Range<usize>, net: HostNet, pool: Option<AddressRange>) {
        self.usable(net, address, span, "the node's address");
        if pool.is_some_and(|pool| pool.contains(address)) {
            let text = format!("{address} lies inside `range`, which is for machines without an address of their own");
            self.add(Problem::at(span.clone(), text).remedy("choose an address outside the range, or a smaller range"));
        }
    }

    fn nfs(&mut self, raw: raw::Nfs) -> Option<Nfs> {
        if raw.home_server.is_none() {
            if let Some(fstype) = &raw.home_type {
                let text = "`home_type` is given, but the home comes from the master";
                self.add(Problem::at(fstype.span(), text).remedy("name the server with `home_server`, or remove `home_type`"));
            }
        } else {
            if let Some(squash) = &raw.root_squash_home {
                let text = "`root_squash_home` has no effect: the home comes from another server";
                self.add(Problem::at(squash.span(), text).remedy("remove it, and set it on that server"));
            }
            if let Some(home) = raw.home.as_ref().filter(|home| *home.get_ref() == HomePath::None) {
                self.add(
                    Problem::at(home.span(), "`home` is \"none\", but `home_server` names one").remedy("remove one of them"),
                );
            }
        }
        if let Some(threads) = raw.threads.as_ref().filter(|threads| !(1..=1024).contains(threads.get_ref())) {
            self.add(Problem::at(threads.span(), "`threads` must be between 1 and 1024").remedy("8 serves a few dozen nodes"));
        }
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

    fn boot(&mut self, raw: raw::Boot) -> Option<Boot> {
        if let Some(keep) = raw.keep.as_ref().filter(|keep| *keep.get_ref() == 0) {
            self.add(Problem::at(keep.span(), "`keep` must be at least 1").remedy("2 leaves one image to fall back to"));
        }
        if let Some(firmware) = raw.firmware.as_ref().filter(|firmware| firmware.get_ref().is_empty()) {
            self.add(
                Problem::at(firmware.span(), "`firmware` is empty, so no machine could boot")
                    .remedy("name \"bios\", \"uefi\" or both"),
            );
        }
        let firmware = value(raw.firmware).unwrap_or_else(|| vec![Firmware::Bios, Firmware::Uefi]);
        Some(Boot {
            bios: firmware.contains(&Firmware::Bios),
            uefi: firmware.contains(&Firmware::Uefi),
            keep: value(raw.keep).unwrap_or(2),
            timeout: value(raw.timeout).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::raw;
    use std::collections::BTreeSet;

    /// Every table as it is written, with its keys.
    fn tables() -> [(&'static str, &'static [&'static str]); raw::TABLES.len()] {
        let tables = [
            ("[cluster]", raw::Cluster::KEYS),
            ("[network]", raw::Network::KEYS),
            ("[master]", raw::Master::KEYS),
            ("[client]", raw::Client::KEYS),
            ("[nfs]", raw::Nfs::KEYS),
            ("[boot]", raw::Boot::KEYS),
            ("[profile.NAME]", raw::Profile::KEYS),
            ("[[node]]", raw::Node::KEYS),
        ];
        for ((header, _), table) in tables.iter().zip(raw::TABLES) {
            assert!(header.trim_matches(['[', ']']).split('.').next() == Some(table), "{header} is not {table}");
        }
        tables
    }

    #[test]
    fn the_manual_page_has_every_key_in_its_table_and_no_other() {
        let page = include_str!("../../../docs/voidclust.conf.5");
        let keys = page.split("\n.Sh ").find(|section| section.starts_with("KEYS\n")).unwrap();
        let mut sections: Vec<&str> = keys.split("\n.Ss ").skip(1).collect();
        for (header, keys) in tables() {
            let section = sections.remove(0);
            assert!(section.starts_with(header), "{header} comes next, not {section}");
            let named = section.lines().filter_map(|line| line.strip_prefix(".It Cm ")?.split(' ').next());
            let keys: BTreeSet<&str> = keys.iter().copied().collect();
            assert_eq!(named.collect::<BTreeSet<_>>(), keys, "{header}");
        }
        assert!(sections.is_empty(), "{sections:?}");
    }

    #[test]
    fn the_shipped_file_shows_every_key_in_its_table_and_no_other() {
        let shipped = include_str!("../../voidclust.conf");
        let mut shown: Vec<(&str, BTreeSet<&str>)> = Vec::new();
        for line in shipped.lines().map(|line| line.trim_start_matches('#')) {
            match (line.starts_with('['), line.split_once(" = "), shown.last_mut()) {
                (true, _, _) => shown.push((line, BTreeSet::new())),
                (false, Some((key, _)), Some((_, keys))) if !key.contains(' ') => {
                    keys.insert(key);
                }
                _ => {}
            }
        }
        let wanted = tables().map(|(header, keys)| (header.replace("NAME", "compute"), keys.iter().copied().collect()));
        assert_eq!(shown.into_iter().map(|(header, keys)| (header.to_owned(), keys)).collect::<Vec<_>>(), wanted);
    }
}
