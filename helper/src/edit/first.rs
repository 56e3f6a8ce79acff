//! The first configuration: what is proposed of what was seen, one key after the other, and how it goes into the file that
//! the package ships, whose comments stay.

use crate::machine::dhcp::Asked;
use crate::machine::seen::{Link, Seen};
use crate::types::{AddressRange, HostNet, quoted};

/// The most addresses of a pool that is proposed.
const POOL: u32 = 100;
/// Names that an installation gives to any machine.
const NAMES_OF_ALL: [&str; 3] = ["void", "void-live", "localhost"];

/// A key of the first configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The table that it is in.
    pub table: &'static str,
    /// Its name.
    pub key: &'static str,
    /// Its value, without quotes; several with commas between them. `None` leaves it as it is.
    pub value: Option<String>,
    /// Why this is proposed, as the end of a sentence.
    pub found: String,
}

impl Said {
    /// As it is written in TOML.
    fn written(&self) -> Option<String> {
        let value = self.value.as_ref()?;
        if self.key != "dns" {
            return Some(quoted(value));
        }
        let servers = value.split([',', ' ']).filter(|server| !server.is_empty());
        Some(format!("[{}]", servers.map(quoted).collect::<Vec<_>>().join(", ")))
    }
}

/// The next proposal, after what was said already; `None` when nothing is left. `ask` asks whether another DHCP server is
/// there: only when that matters.
#[must_use]
pub fn next(seen: &Seen, said: &[Said], ask: &mut dyn FnMut(HostNet, &Link) -> Asked) -> Option<Said> {
    let word = |key: &str| said.iter().find(|said| said.key == key).and_then(|said| said.value.as_deref());
    let is_open = |key: &str| said.iter().all(|said| said.key != key);
    let proposal = |table, key, value: String, found: String| Some(Said { table, key, value: Some(value), found });
    let link = word("interface").map_or_else(|| link(seen), |name| seen.links.iter().find(|link| link.name == name));
    if is_open("interface") {
        let link = link?;
        return proposal("network", "interface", link.name.clone(), why(seen, link));
    }
    // Of an interface that is not here nothing is known.
    let link = link?;
    if is_open("address") {
        let stays = if link.by_dhcp { "; a DHCP client runs: see to it that the address stays" } else { "" };
        return proposal("network", "address", link.net.to_string(), format!("what {} has{stays}", link.name));
    }
    let net: HostNet = word("address")?.parse().ok()?;
    let is_of_it = |address: &std::net::Ipv4Addr| net.usable(*address).is_ok();
    if let Some(gateway) = link.gateway.filter(is_of_it).filter(|_| is_open("gateway")) {
        return proposal("network", "gateway", gateway.to_string(), "where this machine's way out leads".to_owned());
    }
    if is_open("dns") && !seen.dns.is_empty() {
        // Nodes ask three at most.
        let servers: Vec<String> = seen.dns.iter().take(3).map(ToString::to_string).collect();
        return proposal("network", "dns", servers.join(", "), "those that this machine asks".to_owned());
    }
    if is_open("dhcp") {
        let (value, found) = match ask(net, link) {
            Asked::Answered(server) => ("proxy", format!("{server} gives out addresses here")),
            Asked::Silent => ("server", "nobody answered who gives out addresses".to_owned()),
            Asked::Not(why) => ("proxy", format!("not asked whether anybody gives out addresses: {why}")),
        };
        return proposal("network", "dhcp", value.to_owned(), found);
    }
    if is_open("range") && word("dhcp") == Some("server") {
        let taken: Vec<_> = [net.address].into_iter().chain(link.gateway).chain(seen.dns.iter().copied()).collect();
        if let Some(range) = pool(net, &taken) {
            return proposal("network", "range", range.to_string(), "for machines that are not listed".to_owned());
        }
    }
    if let Some(name) = seen.name.as_ref().filter(|name| is_open("name") && !NAMES_OF_ALL.contains(&name.as_str())) {
        return proposal("master", "name", name.to_string(), "what this machine is called".to_owned());
    }
    // A bridge mostly has the MAC of one of its cards; by one of its own the master would not find what is laid on it.
    let mac = link.mac.filter(|mac| seen.macs.contains(mac)).or(seen.macs.first().copied());
    match mac.filter(|_| is_open("mac") && !link.is_card) {
        Some(mac) => proposal("master", "mac", mac.to_string(), format!("of a card, which {} is not", link.name)),
        None => None,
    }
}

/// The interface that is most likely to be the cluster's: of several the one that does not lead out.
fn link(seen: &Seen) -> Option<&Link> {
    seen.links.iter().min_by_key(|link| link.gateway.is_some())
}

fn why(seen: &Seen, link: &Link) -> String {
    let others = seen.links.iter().filter(|other| other.name != link.name);
    let leads = |link: &Link| if link.gateway.is_some() { ", which leads out" } else { "" };
    let others: Vec<String> = others.map(|other| format!("{} has {}{}", other.name, other.net, leads(other))).collect();
    if others.is_empty() {
        return "the only one with an address".to_owned();
    }
    format!("has {}{}; {}", link.net, leads(link), others.join("; "))
}

/// A pool in the upper part of a subnet, without these addresses.
fn pool(net: HostNet, taken: &[std::net::Ipv4Addr]) -> Option<AddressRange> {
    let (first, last) = net.hosts();
    let hosts = last.to_bits() - first.to_bits() + 1;
    let size = POOL.min(hosts / 4);
    let ends = (0..4).map(|step| last.to_bits() - step * size);
    let ranges = ends.map(|end| AddressRange { first: (end + 1 - size).into(), last: end.into() });
    ranges.filter(|range| size > 0 && range.first >= first).find(|range| !taken.iter().any(|one| range.contains(*one)))
}

/// The text with what was said: in place of the comment that shows the key, with a line above that tells why.
#[must_use]
pub fn written(text: &str, said: &[Said]) -> String {
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    for said in said {
        let Some(value) = said.written() else { continue };
        let new = [format!("# Found: {}.", said.found), format!("{} = {value}", said.key)];
        let header = format!("[{}]", said.table);
        let Some(begin) = lines.iter().position(|line| line.trim() == header) else {
            lines.extend([String::new(), header].into_iter().chain(new));
            continue;
        };
        let table = lines.iter().skip(begin + 1).position(|line| line.trim_start_matches('#').starts_with('['));
        let end = table.map_or(lines.len(), |length| begin + 1 + length);
        let shown = format!("#{} = ", said.key);
        let at = (begin + 1..end).find(|at| lines[*at].starts_with(&shown));
        let place = at.map_or(begin + 1..begin + 1, |at| at..at + 1);
        lines.splice(place, new);
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(links: &[(&str, &str, Option<[u8; 4]>)]) -> Seen {
        let link = |(name, net, gateway): &(&str, &str, Option<[u8; 4]>)| Link {
            name: (*name).to_owned(),
            mac: "52:54:00:00:00:01".parse().ok(),
            is_card: !name.starts_with("br"),
            net: net.parse().unwrap(),
            gateway: gateway.map(Into::into),
            by_dhcp: false,
        };
        Seen { links: links.iter().map(link).collect(), ..Seen::default() }
    }

    /// All proposals, each taken but for what is said here.
    fn taken(seen: &Seen, asked: &Asked, but: &[(&str, Option<&str>)]) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(mut proposal) = next(seen, &said, &mut |_, _| asked.clone()) {
            if let Some((_, value)) = but.iter().find(|(key, _)| *key == proposal.key) {
                proposal.value = value.map(ToOwned::to_owned);
            }
            said.push(proposal);
        }
        said.iter().map(|said| format!("{} = {}", said.key, said.written().unwrap_or_default())).collect()
    }

    #[test]
    fn a_machine_with_one_card_says_all_but_the_nodes() {
        let mut seen = seen(&[("eth0", "172.23.199.225/24", Some([172, 23, 199, 1]))]);
        seen.dns = vec![[172, 23, 199, 1].into(), [1, 1, 1, 1].into()];
        seen.name = "box".parse().ok();
        let answered = Asked::Answered([172, 23, 199, 1].into());
        assert_eq!(
            taken(&seen, &answered, &[]),
            [
                "interface = \"eth0\"",
                "address = \"172.23.199.225/24\"",
                "gateway = \"172.23.199.1\"",
                "dns = [\"172.23.199.1\", \"1.1.1.1\"]",
                "dhcp = \"proxy\"",
                "name = \"box\""
            ]
        );
    }

    #[test]
    fn of_several_the_one_that_leads_nowhere_is_the_clusters() {
        let seen = seen(&[("eth0", "192.168.1.5/24", Some([192, 168, 1, 1])), ("eth1", "10.0.0.1/24", None)]);
        let told = taken(&seen, &Asked::Silent, &[]);
        assert_eq!(told[..2], ["interface = \"eth1\"", "address = \"10.0.0.1/24\""]);
        assert_eq!(told[2..], ["dhcp = \"server\"", "range = \"10.0.0.192 - 10.0.0.254\""]);
        let told = taken(&seen, &Asked::Silent, &[("interface", Some("eth0")), ("dhcp", Some("off"))]);
        assert_eq!(told[1..], ["address = \"192.168.1.5/24\"", "gateway = \"192.168.1.1\"", "dhcp = \"off\""]);
    }

    #[test]
    fn what_is_left_out_or_unknown_is_asked_no_further() {
        let mut one = seen(&[("br0", "10.0.0.1/24", None)]);
        one.name = "void-live".parse().ok();
        one.macs = [2, 1].map(|number| format!("52:54:00:00:00:0{number}").parse().unwrap()).into();
        let told = taken(&one, &Asked::Not("x".to_owned()), &[("dhcp", None)]);
        assert_eq!(told[2..], ["dhcp = ", "mac = \"52:54:00:00:00:01\""], "a bridge has no card's MAC of its own");
        one.links[0].mac = "52:54:00:00:00:09".parse().ok();
        assert_eq!(taken(&one, &Asked::Silent, &[]).last().unwrap(), "mac = \"52:54:00:00:00:01\"", "nor one of a card");
        assert_eq!(taken(&one, &Asked::Silent, &[("interface", Some("eth9"))]), ["interface = \"eth9\""]);
        assert!(taken(&seen(&[]), &Asked::Silent, &[]).is_empty());
    }

    #[test]
    fn a_pool_holds_nobody_and_fits() {
        let pool = |net: &str, taken: &[[u8; 4]]| {
            let taken: Vec<std::net::Ipv4Addr> = taken.iter().map(|address| (*address).into()).collect();
            pool(net.parse().unwrap(), &taken).map(|range| range.to_string())
        };
        assert_eq!(pool("10.0.0.1/16", &[[10, 0, 0, 1]]).unwrap(), "10.0.255.155 - 10.0.255.254");
        assert_eq!(pool("10.0.0.254/24", &[[10, 0, 0, 254]]).unwrap(), "10.0.0.129 - 10.0.0.191");
        assert_eq!(pool("10.0.0.1/30", &[[10, 0, 0, 1]]), None);
    }

    #[test]
    fn the_shipped_file_keeps_its_comments() {
        let shipped = include_str!("../../voidclust.conf");
        let say = |table, key, value: &str| Said { table, key, value: Some(value.to_owned()), found: "x".to_owned() };
        let said = [say("network", "interface", "eth0"), say("network", "dns", "10.0.0.1 10.0.0.2"), say("master", "name", "m")];
        let text = written(shipped, &said);
        assert!(text.contains("one network card.\n# Found: x.\ninterface = \"eth0\"\n# The master's address"), "{text}");
        assert!(text.contains("\n# Found: x.\ndns = [\"10.0.0.1\", \"10.0.0.2\"]\n"), "{text}");
        assert!(text.contains("# Its host name.\n# Found: x.\nname = \"m\"\n"), "{text}");
        assert_eq!(text.lines().count(), shipped.lines().count() + 3);
        assert_eq!(written("", &said[..1]), "\n[network]\n# Found: x.\ninterface = \"eth0\"\n");
        assert_eq!(written("[network]\n[master]\n", &said[..1]), "[network]\n# Found: x.\ninterface = \"eth0\"\n[master]\n");
    }
}
