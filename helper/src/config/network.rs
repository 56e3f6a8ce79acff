//! The network: addresses that are in it, and who gives them out.

use std::net::Ipv4Addr;

use super::raw::{self, DhcpMode, Entry};
use super::resolve::Check;
use super::source::Mistake;
use crate::site::{Dhcp, Network};
use crate::types::HostNet;

impl Check<'_> {
    /// The network; `clean` tells whether the tables were read without a mistake, so that a missing key is really missing.
    pub(super) fn network(&mut self, raw: &raw::Network, nodes: &[Entry], clean: bool) -> Option<Network> {
        let mode = raw.dhcp.as_ref().map_or(DhcpMode::Proxy, |mode| *mode.get_ref());
        if let Some(range) = raw.range.as_ref().filter(|_| mode != DhcpMode::Server) {
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
                    self.add(Mistake::at(written.span(), text).remedy("choose a range without it"));
                }
            }
        }
        if mode == DhcpMode::Server && raw.range.is_none() {
            for Entry { node, .. } in nodes.iter().filter(|entry| entry.whole && entry.node.address.is_none()) {
                if let Some(name) = &node.name {
                    let text = format!("node `{}` has no address, and the master has no range to take one from", name.get_ref());
                    self.add(Mistake::at(name.span(), text).remedy("give it an `address`, or set `range` under [network]"));
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

    pub(super) fn usable(&mut self, net: HostNet, address: Ipv4Addr, span: &std::ops::Range<usize>, what: &str) {
        if let Err(why) = net.usable(address) {
            let text = format!("{what}, {address}, is {why}");
            self.add(Mistake::at(span.clone(), text).remedy(format!(
                "choose one between {} and {}",
                net.network(),
                net.broadcast()
            )));
        }
    }
}
