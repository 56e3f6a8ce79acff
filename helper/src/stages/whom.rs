//! Who boots what: whom names stand for, and who runs another generation than he would boot now.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use super::target::Target;
use crate::generation::{self, Client};
use crate::machine::Machine;
use crate::site::{Node, Root, Site};
use crate::types::generation::{Number, Whom};
use crate::types::{OverlayName, nearest};
use crate::words::some;

/// Reads whom names stand for: nodes by name, MAC or address, and profiles.
///
/// # Errors
/// When one is neither.
pub fn of(site: &Site, names: &[String]) -> Result<Whom> {
    let mut whom = Whom::default();
    for name in names {
        if let Some(node) = site.node(name) {
            whom.nodes.push(node.name.to_string());
        } else if site.profiles.keys().any(|profile| profile.as_str() == name) {
            whom.profiles.push(name.clone());
        } else {
            let known = site.nodes.iter().map(|node| node.name.as_str()).chain(site.profiles.keys().map(OverlayName::as_str));
            let hint = nearest(name, known).map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            bail!("--only {name}: there is no such node or profile{hint}");
        }
    }
    Ok(whom)
}

/// The generation that all of these boot now, or the newest of them.
pub(super) fn now_of(site: &Site, whom: &Whom) -> Option<Number> {
    if whom.is_all() {
        return site.generations.published.numbers().max();
    }
    meant(site, whom).filter_map(|node| site.published_to(node)).max()
}

/// Whether one of these boots generations at all.
pub(super) fn use_generations(site: &Site, whom: &Whom) -> bool {
    meant(site, whom).any(|node| site.uses_generations(node))
}

/// The clients that these are.
fn meant<'site>(site: &'site Site, whom: &'site Whom) -> impl Iterator<Item = Option<&'site Node>> {
    let of_profile = |node: &Node| node.profiles.iter().any(|own| whom.profiles.iter().any(|name| name == own.as_str()));
    let named = move |node: &Node| whom.nodes.iter().any(|name| name == node.name.as_str()) || of_profile(node);
    site.clients().filter(move |node| whom.is_all() || node.is_some_and(named))
}

/// Whether these boot a generation already, and no other one.
#[must_use]
pub fn boot_all(site: &Site, whom: &Whom, number: Number) -> bool {
    let published = &site.generations.published;
    let then = published.to(number, whom, |node, profile| has_profile(site, node, profile));
    (then.all, then.exceptions()) == (published.all, published.exceptions())
}

pub(super) fn has_profile(site: &Site, node: &str, profile: &str) -> bool {
    site.node(node).is_some_and(|node| node.profiles.iter().any(|own| own.as_str() == profile))
}

/// What looks private and would be in the next generation, as notes.
///
/// # Errors
/// When the tree cannot be looked through.
pub fn told_to_all(target: &Target, site: &Site) -> Result<Vec<String>> {
    const SHOWN: usize = 5;
    let suspects = generation::suspects(&target.root, &site.private())?;
    let paths: Vec<String> = suspects.paths.iter().map(|path| format!("/{path}")).collect();
    let mut notes = Vec::new();
    if !paths.is_empty() {
        let which = some(&paths, SHOWN, ", ");
        notes.push(format!(
            "not for everybody, and yet read by every node: {which}; list what is the master's own as `private` under [root]"
        ));
    }
    if suspects.is_cut {
        let what = "too many files to look at all of them for what is private; list folders of data as `private` under [root]";
        notes.push(what.to_owned());
    }
    Ok(notes)
}

/// The nodes that would boot a generation now, by name; machines that are not listed as `others`.
#[must_use]
pub fn booted_by(site: &Site, number: Number) -> Vec<String> {
    let nodes = site.nodes.iter().filter(|node| site.root_of(Some(node)) == Root::Generation(number));
    let others = (site.root_of(None) == Root::Generation(number)).then(|| "others".to_owned());
    nodes.map(|node| node.name.to_string()).chain(others).collect()
}

/// Who uses which generation of this master. A node whose root another server has uses one only if it is seen: it mounts
/// what else the master serves.
///
/// # Errors
/// When the server's records cannot be read.
pub fn in_use(target: &Target, site: &Site, machine: &Machine) -> Result<BTreeMap<Number, Vec<Client>>> {
    let mut used = generation::in_use(machine, &target.root)?;
    let elsewhere = site.nodes.iter().filter(|node| site.root_server_of(Some(node)).is_some());
    let elsewhere: BTreeSet<String> = elsewhere.filter_map(|node| node.address).map(|address| address.to_string()).collect();
    used.values_mut().for_each(|clients| clients.retain(|client| client.certain || !elsewhere.contains(&client.address)));
    used.retain(|_, clients| !clients.is_empty());
    Ok(used)
}

/// What runs another generation than it would boot now, in a line each.
///
/// # Errors
/// When the server's records cannot be read.
pub fn behind(target: &Target, site: &Site, machine: &Machine) -> Result<Vec<String>> {
    let mut lines = BTreeSet::new();
    for (number, clients) in in_use(target, site, machine)? {
        for client in clients.iter().filter(|client| client.certain) {
            let node = site.node(&client.address);
            let Root::Generation(now) = site.root_of(node) else { continue };
            if now != number {
                let name = node.map_or(client.address.as_str(), |node| node.name.as_str());
                lines.insert(format!("{name} runs generation {number}; a reboot brings {now}"));
            }
        }
    }
    Ok(lines.into_iter().collect())
}
