//! The network: addresses that are in it, and who gives them out.

use std::net::Ipv4Addr;
use std::ops::Range;

use toml::Spanned;

use super::raw::{self, DhcpMode, Entry};
use super::resolve::Check;
use super::source::Mistake;
use crate::site::{Dhcp, Network};
use crate::types::{AddressRange, HostNet};

/// So many name servers does the C library ask (MAXNS of resolv.h).
const RESOLVERS: usize = 3;

impl Check<'_> {
    /// The network; `clean` tells whether the tables were read without a mistake, so that a missing key is really missing.
    pub(super) fn network(&mut self, raw: &raw::Network, nodes: &[Entry], clean: bool) -> Option<Network> {
        let mode = raw.dhcp.as_ref().map_or(DhcpMode::Proxy, |mode| *mode.get_ref());
        // A mode that could not be read has been told; the range may well agree with what was meant.
        let known = clean || raw.dhcp.is_some();
        if let Some(range) = raw.range.as_ref().filter(|_| known && mode != DhcpMode::Server) {
            let text = "`range` is given, but the master gives out no addresses";
            self.add(Mistake::at(range.span(), text).remedy("set dhcp = \"server\", or remove `range`"));
        }
        let Some(address) = raw.address.as_ref().map(|address| *address.get_ref()) else {
            if clean {
                let text = "the master's address is missing";
                self.add(Mistake::missing(text).remedy("set it under [network], for example address = \"172.23.199.225/24\""));
            }
            return None;
        };
        let range = raw.range.as_ref().map(|range| *range.get_ref());
        if !self.subnet_is_wrong(raw, address, nodes) {
            if let Some(gateway) = &raw.gateway {
                self.usable(address, gateway.get_ref().0, &gateway.span(), "the gateway");
            }
            for server in raw.dns.iter().filter(|server| address.contains(server.get_ref().0)) {
                self.usable(address, server.get_ref().0, &server.span(), "the DNS server");
            }
            if let Some(written) = &raw.range {
                self.range(written, address, raw.gateway.as_ref().map(|gateway| gateway.get_ref().0), nodes);
            }
        }
        if let Some(fourth) = raw.dns.get(RESOLVERS) {
            let text = format!("nodes ask only the first {RESOLVERS} DNS servers (resolv.conf(5))");
            self.add(Mistake::at(fourth.span(), text).remedy("leave the others out"));
        }
        if let Some(dhcp) = raw.dhcp.as_ref().filter(|_| mode == DhcpMode::Server) {
            self.addresses_for_all(&dhcp.span(), raw.range.as_ref(), nodes);
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

    /// When nothing that has an address is in the master's subnet, it is the master's address that is wrong: said once.
    fn subnet_is_wrong(&mut self, raw: &raw::Network, address: HostNet, nodes: &[Entry]) -> bool {
        let of_nodes = nodes.iter().filter_map(|entry| entry.node.address.as_ref()).map(|address| address.get_ref().0);
        let of_others =
            raw.gateway.iter().map(|gateway| gateway.get_ref().0).chain(raw.range.iter().map(|range| range.get_ref().first));
        let others: Vec<Ipv4Addr> = of_nodes.chain(of_others).collect();
        let wrong = others.len() > 1 && !others.iter().any(|other| address.contains(*other));
        if let Some(written) = raw.address.as_ref().filter(|_| wrong) {
            let subnet = format!("{}/{}", address.network(), address.prefix);
            let text = format!("none of the other {} addresses is in its subnet, {subnet}", others.len());
            self.add(Mistake::at(written.span(), text).remedy("correct it, or the length of its prefix"));
        }
        wrong
    }

    /// The pool lies in the subnet, and whoever has an address of its own is not in it. One problem at most.
    fn range(&mut self, written: &Spanned<AddressRange>, net: HostNet, gateway: Option<Ipv4Addr>, nodes: &[Entry]) {
        let range = *written.get_ref();
        for (what, end) in [("the range's first address", range.first), ("the range's last address", range.last)] {
            if net.usable(end).is_err() {
                return self.usable(net, end, &written.span(), what);
            }
        }
        let machines = [("the master's address", Some(net.address)), ("the gateway", gateway)];
        for (what, taken) in machines.into_iter().filter_map(|(what, taken)| Some((what, taken?))) {
            if range.contains(taken) {
                let text = format!("the range holds {what}, {taken}");
                return self.add(Mistake::at(written.span(), text).remedy("choose a range without it"));
            }
        }
        let within =
            nodes.iter().filter_map(|entry| entry.node.address.as_ref()).filter(|address| range.contains(address.get_ref().0));
        match &within.collect::<Vec<_>>()[..] {
            [] => {}
            [address] => {
                let text =
                    format!("{} lies inside `range`, which is for machines without an address of their own", address.get_ref());
                self.add(Mistake::at(address.span(), text).remedy("choose an address outside the range, or a smaller range"));
            }
            several => {
                let text = format!("the range holds the addresses of {} nodes, and is for machines without one", several.len());
                self.add(Mistake::at(written.span(), text).remedy("choose a range without them"));
            }
        }
    }

    /// A master that gives out addresses has one for each node without.
    fn addresses_for_all(&mut self, dhcp: &Range<usize>, range: Option<&Spanned<AddressRange>>, nodes: &[Entry]) {
        let without = nodes.iter().filter(|entry| entry.whole && entry.node.address.is_none());
        let without: Vec<_> = without.filter_map(|entry| entry.node.name.as_ref()).collect();
        match (range, &without[..]) {
            (None, [name]) => {
                let text = format!("node `{}` has no address, and the master has no range to take one from", name.get_ref());
                self.add(Mistake::at(name.span(), text).remedy("give it an `address`, or set `range` under [network]"));
            }
            (None, [_, _, ..]) => {
                let text = format!("{} nodes have no address, and the master has no range to take one from", without.len());
                self.add(Mistake::at(dhcp.clone(), text).remedy("set `range`, or give each node an `address`"));
            }
            (Some(range), _) if range.get_ref().size() < without.len() => {
                let (size, nodes) = (range.get_ref().size(), without.len());
                let text = format!("the range holds {size} addresses, and {nodes} nodes have none of their own");
                self.add(Mistake::at(range.span(), text).remedy("make it larger, or give nodes an `address`"));
            }
            _ => {}
        }
    }

    pub(super) fn usable(&mut self, net: HostNet, address: Ipv4Addr, span: &Range<usize>, what: &str) {
        if let Err(why) = net.usable(address) {
            let text = format!("{what}, {address}, is {why}");
            let (first, last) = net.hosts();
            self.add(Mistake::at(span.clone(), text).remedy(format!("choose one between {first} and {last}")));
        }
    }
}
