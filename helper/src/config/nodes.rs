//! The nodes: names, MACs and addresses are each of one machine only.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use toml::Spanned;

use super::raw::{Entry, Raw};
use super::resolve::Check;
use super::source::Mistake;
use crate::site::{Dhcp, Master, Network};
use crate::types::{AddressRange, HostName, HostNet, Mac};

impl Check<'_> {
    /// Names, MACs and addresses are each of one machine only.
    pub(super) fn nodes(&mut self, raw: &Raw, network: &Network, master: &Master) {
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
                    self.add(Mistake::at(name.span(), text).remedy("give each machine a name of its own"));
                }
            } else if *whole {
                self.add(Mistake::at(span.clone(), "this node has no name").remedy("add name = \"…\""));
            }
            match &node.mac {
                Some(written) if written.get_ref().0.is_empty() => {
                    self.add(
                        Mistake::at(written.span(), format!("{called} has an empty list of MACs")).remedy("name at least one"),
                    );
                }
                Some(written) => {
                    for mac in &written.get_ref().0 {
                        if let Some(other) = macs.insert(*mac, called.clone()) {
                            let text = format!("{mac} belongs to {other} already");
                            self.add(Mistake::at(written.span(), text).remedy("each network card is of one machine"));
                        }
                    }
                }
                None if *whole => {
                    self.add(Mistake::at(span.clone(), format!("{called} has no MAC")).remedy("add mac = \"52:54:00:12:34:56\""));
                }
                None => {}
            }
            if let Some(address) = &node.address {
                self.node_address(address.get_ref().0, &address.span(), network.address, pool);
                if let Some(other) = addresses.insert(address.get_ref().0, called.clone()) {
                    let text = format!("{} is the address of {other} already", address.get_ref());
                    self.add(Mistake::at(address.span(), text).remedy("give each machine an address of its own"));
                }
            }
        }
    }

    /// A machine calls itself by its name with the domain.
    fn name_fits(&mut self, fqdn: &str, span: std::ops::Range<usize>) {
        if fqdn.len() > HostName::MAX {
            let text = format!("`{fqdn}` has {} characters, a host name at most {}", fqdn.len(), HostName::MAX);
            self.add(Mistake::at(span, text).remedy("shorten the name, or `domain` under [cluster]"));
        }
    }

    fn node_address(&mut self, address: Ipv4Addr, span: &std::ops::Range<usize>, net: HostNet, pool: Option<AddressRange>) {
        self.usable(net, address, span, "the node's address");
        if pool.is_some_and(|pool| pool.contains(address)) {
            let text = format!("{address} lies inside `range`, which is for machines without an address of their own");
            self.add(Mistake::at(span.clone(), text).remedy("choose an address outside the range, or a smaller range"));
        }
    }
}
