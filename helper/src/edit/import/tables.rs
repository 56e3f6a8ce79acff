//! Lists with a line for each card: ethers(5), and the leases of dnsmasq(8).

use std::net::Ipv4Addr;

use super::{Import, unless};
use crate::edit::draft::Draft;
use crate::types::{HostName, Mac, Problem, shown};

/// A card as ethers(5) may write it: leading zeros may be missing.
pub(super) fn card(text: &str) -> Option<Mac> {
    let padded: Vec<String> = text.split(':').map(|pair| format!("{pair:0>2}")).collect();
    padded.join(":").parse().ok().filter(|_| padded.len() == 6)
}

/// The lines with their numbers, without comments.
fn lines(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let words = text.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>());
    words.enumerate().map(|(at, words)| (at + 1, words)).filter(|(_, words)| !words.is_empty())
}

/// Adds a card to the node of this name, which may have others.
fn add(import: &mut Import, cards: &mut Vec<Vec<String>>, name: &str, card: Mac, address: Option<Ipv4Addr>) {
    if let Some(at) = import.nodes.iter().position(|(known, _)| known == name) {
        cards[at].push(card.to_string());
        return;
    }
    let mut draft = Draft::default();
    if let Some(address) = address {
        draft.text("address", &address.to_string());
    }
    import.nodes.push((name.to_owned(), draft));
    cards.push(vec![card.to_string()]);
}

/// Writes the cards of all nodes, which are known only at the end.
fn with_cards(mut import: Import, cards: &[Vec<String>]) -> Import {
    for ((_, draft), cards) in import.nodes.iter_mut().zip(cards) {
        let others = std::mem::take(&mut draft.set);
        draft.list("mac", cards, true);
        draft.set.extend(others);
    }
    import
}

/// `MAC NAME`, or `MAC ADDRESS` of a machine that hosts names.
pub(super) fn ethers(file: &str, text: &str, hosts: &str) -> Result<Import, Vec<Problem>> {
    let hosts: Vec<(Ipv4Addr, Vec<&str>)> =
        lines(hosts).filter_map(|(_, words)| Some((words.first()?.parse().ok()?, words[1..].to_vec()))).collect();
    let (mut import, mut cards, mut problems) = (Import::default(), Vec::new(), Vec::new());
    for (line, words) in lines(text) {
        let [mac, host, ..] = words[..] else {
            problems.push(Problem::new(file, "a line is a card and a name").line(line).remedy("write 52:54:00:12:34:56 node1"));
            continue;
        };
        let Some(mac) = card(mac) else {
            let what = format!("`{}` is not a MAC address", shown(mac));
            problems.push(Problem::new(file, what).line(line).remedy("write it as 52:54:00:12:34:56"));
            continue;
        };
        let found = hosts.iter().find(|(address, names)| host.parse() == Ok(*address) || names.contains(&host));
        let name =
            if host.parse::<Ipv4Addr>().is_ok() { found.and_then(|(_, names)| names.first().copied()) } else { Some(host) };
        match name {
            Some(name) => add(&mut import, &mut cards, name, mac, found.map(|(address, _)| *address)),
            None => import.left_out.push(format!("{file}:{line}: {mac}, for hosts has no name of {host}")),
        }
    }
    unless(problems, with_cards(import, &cards))
}

/// `EXPIRY MAC ADDRESS NAME CLIENT-ID`, with `*` for what is not known.
pub(super) fn leases(file: &str, text: &str) -> Result<Import, Vec<Problem>> {
    let (mut import, mut cards, mut problems) = (Import::default(), Vec::new(), Vec::new());
    for (line, words) in lines(text) {
        let (mac, address) = match words[..] {
            // Leases of IPv6, and what identifies the server.
            ["duid", ..] => break,
            [_, mac, address, _, ..] => (mac.rsplit_once('-').map_or(mac, |(_, mac)| mac), address.parse::<Ipv4Addr>().ok()),
            _ => ("", None),
        };
        let (Some(mac), Some(address)) = (card(mac), address) else {
            let problem = Problem::new(file, "this is no lease of an IPv4 address").line(line);
            problems.push(problem.remedy("a line is: time, MAC, address, name, client"));
            continue;
        };
        match words[3].parse::<HostName>() {
            Ok(name) => add(&mut import, &mut cards, &name.to_string(), mac, Some(address)),
            Err(_) => import.left_out.push(format!("{file}:{line}: {mac} at {address}, which has no name")),
        }
    }
    unless(problems, with_cards(import, &cards))
}
