//! The nodes: names, MACs and addresses are each of one machine only.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::Range;

use toml::Spanned;

use super::raw::{Entry, Macs, Node, Raw};
use super::resolve::Check;
use super::source::Mistake;
use crate::site::{Master, Network};
use crate::types::{HostName, Mac};

/// Who has what already. Machines are numbered in their order, the master is 0.
struct Taken<'raw> {
    domain: Option<&'raw HostName>,
    /// How messages name the machines.
    called: Vec<String>,
    names: HashMap<String, (usize, HostName)>,
    shorts: HashMap<String, usize>,
    macs: HashMap<Mac, usize>,
    addresses: HashMap<Ipv4Addr, usize>,
}

/// Something that another machine has already.
struct Clash {
    other: usize,
    what: &'static str,
    mistake: Mistake,
}

/// What clashes when a node names a card twice.
const LIST: &str = "list of cards";

/// The network cards that a node may have. dnsmasq takes a line of 1,024 characters; an address and a long name are in it.
const CARDS_MAX: usize = 50;

impl Check<'_> {
    /// Names, MACs and addresses are each of one machine only.
    pub(super) fn nodes(&mut self, raw: &Raw, network: &Network, master: &Master) {
        let written = raw.cluster.domain.as_ref();
        if let Some(domain) = written.filter(|domain| is_localhost(domain.get_ref().as_str())) {
            let text = format!("`{}` cannot be a domain: by it each machine means itself", domain.get_ref());
            self.add(Mistake::at(domain.span(), text).remedy("choose another name, or leave it out"));
        }
        // Of machines in such a domain nothing more is said.
        let domain = written.map(Spanned::get_ref).filter(|domain| !is_localhost(domain.as_str()));
        if let Some(span) = raw.master.name.as_ref().or(raw.cluster.domain.as_ref()).map(Spanned::span) {
            self.name_fits(&master.name, domain, span);
        }
        let fqdn = master.name.fqdn(domain);
        let mut taken = Taken {
            domain,
            called: vec!["the master".to_owned()],
            names: HashMap::from([(fqdn, (0, master.name.clone()))]),
            shorts: HashMap::from([(master.name.short().to_owned(), 0)]),
            macs: HashMap::from([(master.mac, 0)]),
            addresses: HashMap::from([(network.address.address, 0)]),
        };
        if let Some(gateway) = network.gateway.filter(|gateway| *gateway != network.address.address) {
            taken.called.push("the gateway".to_owned());
            taken.addresses.insert(gateway, 1);
        }
        for entry in &raw.nodes {
            self.complete(entry);
            if let Some(name) = &entry.node.name {
                self.name_fits(name.get_ref(), domain, name.span());
            }
            if let Some(address) = entry.node.address.as_ref().filter(|_| !self.subnet_told(raw)) {
                self.usable(network.address, address.get_ref().0, &address.span(), "the node's address");
            }
            let clashes = taken.add(&entry.node);
            match (&clashes[..], clashes.first().map(|clash| clash.other)) {
                // Whoever copied a table and did not change it made one mistake, not three.
                ([first, _, ..], Some(other))
                    if other > 0 && clashes.iter().all(|clash| clash.other == other && clash.what != LIST) =>
                {
                    let mut what: Vec<&str> = clashes.iter().map(|clash| clash.what).collect();
                    what.dedup();
                    let text = format!("{}; this node has the same {}", first.mistake.what, what[1..].join(" and "));
                    let text = if what.len() > 1 { text } else { first.mistake.what.clone() };
                    let place = first.mistake.span.clone().unwrap_or(0..0);
                    self.add(Mistake::at(place, text).remedy("give each machine its own, or remove the copy"));
                }
                _ => clashes.into_iter().for_each(|clash| self.add(clash.mistake)),
            }
        }
    }

    /// Whether the master's own subnet was told to be wrong: then no node need be told.
    fn subnet_told(&self, raw: &Raw) -> bool {
        let address = raw.network.address.as_ref().map(Spanned::span);
        self.mistakes.iter().any(|mistake| mistake.span == address)
    }

    /// A node has a name and a card; what was wrong and left out is not missing.
    fn complete(&mut self, Entry { span, node, whole }: &Entry) {
        let called = called(node);
        if node.name.is_none() && *whole {
            self.add(Mistake::at(span.clone(), "this node has no name").remedy("add name = \"…\""));
        }
        match &node.mac {
            Some(written) if Macs::with_places(written).is_empty() => {
                self.add(Mistake::at(written.span(), format!("{called} has an empty list of MACs")).remedy("name at least one"));
            }
            Some(written) if Macs::with_places(written).len() > CARDS_MAX => {
                let cards = Macs::with_places(written).len();
                let text = format!("{called} has {cards} network cards, and at most {CARDS_MAX} fit into a line of dnsmasq");
                self.add(Mistake::at(written.span(), text).remedy("name those that it boots from"));
            }
            None if *whole => {
                self.add(Mistake::at(span.clone(), format!("{called} has no MAC")).remedy("add mac = \"52:54:00:12:34:56\""));
            }
            _ => {}
        }
    }

    /// A machine calls itself by its name with the domain, and nothing else must be called so.
    fn name_fits(&mut self, name: &HostName, domain: Option<&HostName>, span: Range<usize>) {
        let fqdn = name.fqdn(domain);
        if fqdn.len() > HostName::MAX {
            let text = format!("`{fqdn}` has {} characters, a host name at most {}", fqdn.len(), HostName::MAX);
            self.add(Mistake::at(span, text).remedy("shorten the name, or `domain` under [cluster]"));
        } else if let Some(why) = reserved(name) {
            self.add(Mistake::at(span, format!("`{name}` cannot be the name of a machine: {why}")).remedy("choose another name"));
        }
    }
}

/// Whether a domain, or that of a name, is every machine's for itself (RFC 6761, 6.3).
fn is_localhost(name: &str) -> bool {
    name.rsplit('.').next() == Some("localhost")
}

/// What else a name means.
fn reserved(name: &HostName) -> Option<&'static str> {
    let short = name.short();
    // What dnsmasq takes for a lease time in `dhcp-host`: digits and a letter for the unit (dnsmasq(8)).
    let digits = short.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let is_time = digits.len() + 1 >= short.len()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && short.bytes().next().is_some_and(|b| b.is_ascii_digit())
        && matches!(&short[digits.len()..], "" | "s" | "m" | "h" | "d" | "w");
    match short {
        "localhost" | "ip6-localhost" => Some("by it each machine means itself"),
        _ if is_localhost(name.as_str()) => Some("by it each machine means itself"),
        "unlisted" => Some("machines that are not listed are called so"),
        "infinite" | "ignore" => Some("dnsmasq has a meaning for it"),
        _ if is_time => Some("dnsmasq would take it for a lease time"),
        _ => None,
    }
}

fn called(node: &Node) -> String {
    node.name.as_ref().map_or_else(|| "this node".to_owned(), |name| format!("node `{}`", name.get_ref()))
}

impl Taken<'_> {
    /// Notes what a node has, and tells what of it another machine has already.
    fn add(&mut self, node: &Node) -> Vec<Clash> {
        let machine = self.called.len();
        self.called.push(called(node));
        let mut clashes = Vec::new();
        if let Some(name) = &node.name {
            clashes.extend(self.add_name(name, machine));
        }
        for mac in node.mac.iter().flat_map(Macs::with_places) {
            if let Some(other) = self.macs.insert(*mac.get_ref(), machine) {
                if other == machine {
                    let mistake = Mistake::at(mac.span(), format!("{} stands twice in this list", mac.get_ref()));
                    clashes.push(Clash { other, what: LIST, mistake: mistake.remedy("leave one of them out") });
                    continue;
                }
                let text = format!("{} belongs to {} already", mac.get_ref(), self.called[other]);
                let mistake = Mistake::at(mac.span(), text).remedy("each network card is of one machine");
                clashes.push(Clash { other, what: "MAC", mistake });
            }
        }
        if let Some(address) = &node.address
            && let Some(other) = self.addresses.insert(address.get_ref().0, machine)
        {
            let text = format!("{} is the address of {} already", address.get_ref(), self.called[other]);
            let mistake = Mistake::at(address.span(), text).remedy("give each machine an address of its own");
            clashes.push(Clash { other, what: "address", mistake });
        }
        clashes
    }

    fn add_name(&mut self, name: &Spanned<HostName>, machine: usize) -> Option<Clash> {
        let before = self.names.insert(name.get_ref().fqdn(self.domain), (machine, name.get_ref().clone()));
        let short = self.shorts.insert(name.get_ref().short().to_owned(), machine);
        let (other, text) = match (before, short) {
            (Some((other, called)), _) => {
                let who = if other == 0 { "the master" } else { "another node" };
                let same = if called == *name.get_ref() { "" } else { ", which is the same in this domain" };
                (other, format!("{who} is called `{called}` already{same}"))
            }
            (None, Some(other)) => {
                let text = format!("the short name of `{}` is that of {} already", name.get_ref(), self.called[other]);
                (other, text)
            }
            (None, None) => return None,
        };
        let mistake = Mistake::at(name.span(), text).remedy("give each machine a name of its own, before the first dot too");
        Some(Clash { other, what: "name", mistake })
    }
}
