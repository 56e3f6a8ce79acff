//! How the nodes are: what each runs, as far as this machine can see it, and what a reboot would change.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use md5::{Digest, Md5};

use super::target::Target;
use super::wanted::Wanted;
use crate::disk::lines;
use crate::disk::tree::hex;
use crate::generation;
use crate::image;
use crate::machine::clients::{self, Client};
use crate::machine::fetched::{self, Fetched};
use crate::machine::sent::{Log, Sent};
use crate::machine::{Machine, clock};
use crate::render::menus;
use crate::site::{Node, Root, Site};
use crate::types::Mac;
use crate::types::generation::Number;
use crate::words::counted;

/// Who was sent something and is not up after so many seconds did not come up.
const BOOTING: u64 = 600;

/// Who has not spoken for so many seconds is silent: nodes speak several times in a lease, and a busy one may be late.
const SILENT: u64 = 60;

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It has files of this master.
    Up,
    /// The boot server has sent it something a moment ago.
    Booting,
    /// Neither.
    Silent,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Up, Self::Booting, Self::Silent];

    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Booting => "booting",
            Self::Silent => "silent",
        }
    }
}

/// What a node would boot now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boots {
    /// The kernel.
    pub kernel: String,
    /// The name of the image's folder.
    pub image: String,
    /// The root.
    pub root: Root,
    /// Since when its menu has the command line, in seconds since 1970; 0 when it has had no other.
    pub line_since: u64,
}

/// What was seen of all machines at one moment.
#[derive(Debug)]
pub struct Sight {
    /// When, in seconds since 1970.
    pub now: u64,
    /// For how many seconds the NFS server waits for a client that does not speak.
    pub lease: u64,
    /// The clients of the NFS server, with the generations that each is known to use.
    pub clients: Vec<(Client, BTreeSet<Number>)>,
    /// What the boot server sent; `None` when its log is nowhere.
    pub log: Option<Log>,
    /// What nodes have fetched of their overlays, by their first card.
    pub fetched: BTreeMap<Mac, Fetched>,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// Since when, in seconds since 1970; when it is silent, when it was heard last.
    pub since: Option<u64>,
    /// The kernel that it runs.
    pub kernel: Option<String>,
    /// The image that it was sent, when that can be of this boot.
    pub image: Option<String>,
    /// The generation that it runs; `None` also for the live tree.
    pub generation: Option<Number>,
    /// What it has of its overlays, while it is up.
    pub overlay: Option<Fetched>,
    /// What the boot server sent it last.
    pub sent: Option<Sent>,
    /// What it would boot now; `None` when there is nothing for it.
    pub boots: Option<Boots>,
}

impl NodeStatus {
    /// What a reboot would change, in words: of that which is known.
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        let mut changes = Vec::new();
        let Some(boots) = self.boots.as_ref().filter(|_| self.state == State::Up) else { return changes };
        if self.kernel.as_ref().is_some_and(|kernel| *kernel != boots.kernel) {
            changes.push("kernel".to_owned());
        } else if self.image.as_ref().is_some_and(|image| *image != boots.image) {
            changes.push("image".to_owned());
        }
        if self.generation.is_some_and(|number| Root::Generation(number) != boots.root) {
            changes.push("generation".to_owned());
        }
        if self.has_another_line() == Some(true) {
            changes.push("command line".to_owned());
        }
        if let Some(Fetched::Behind(files)) = &self.overlay {
            changes.push(counted(files.len(), "file"));
        }
        changes
    }

    /// Whether it booted with another command line than it would now; `None` when that cannot be known.
    fn has_another_line(&self) -> Option<bool> {
        let since = self.boots.as_ref().map_or(0, |boots| boots.line_since);
        match (self.sent.as_ref().and_then(|sent| sent.menu), self.since) {
            _ if since == 0 => Some(false),
            (Some(sent), _) => Some(sent < since),
            (None, Some(up)) if up < since => Some(true),
            // It may have changed while the node booted; and who runs longer than this master is taken to be up since that booted.
            (None, _) => None,
        }
    }

    /// What cannot be known of a node that is up.
    #[must_use]
    pub fn unknown(&self) -> Vec<&'static str> {
        if self.state != State::Up {
            return Vec::new();
        }
        // Who runs the live tree has no mark of it.
        let is_head = self.boots.as_ref().is_some_and(|boots| boots.root == Root::Head);
        let unknown = [
            ("kernel", self.kernel.is_none()),
            ("image", self.image.is_none()),
            ("generation", self.generation.is_none() && !is_head),
            ("command line", self.has_another_line().is_none()),
            ("overlay", self.overlay == Some(Fetched::Unknown)),
        ];
        unknown.into_iter().filter_map(|(what, is_unknown)| is_unknown.then_some(what)).collect()
    }

    /// Whether somebody should look at it.
    #[must_use]
    pub fn wants_attention(&self) -> bool {
        self.state == State::Silent || !self.changes().is_empty()
    }
}

/// How all nodes are, as they were seen. Pure.
#[must_use]
pub fn of(site: &Site, sight: &Sight, boots: impl Fn(&Node) -> Option<Boots>) -> Vec<NodeStatus> {
    let mut by_identifier: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_address: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, (client, _)) in sight.clients.iter().enumerate() {
        for (table, key) in [(&mut by_identifier, client.identifier()), (&mut by_address, client.address.as_str())] {
            let known = table.entry(key).or_insert(number);
            // One that booted again is there twice until its first lease has ended.
            if sight.clients[*known].0.since < client.since {
                *known = number;
            }
        }
    }
    let status = |node: &Node| {
        let by_card = node.macs.iter().filter_map(|mac| by_identifier.get(identifier(*mac).as_str()));
        let by_card = by_card.max_by_key(|number| sight.clients[**number].0.since).copied();
        let client = by_card.or_else(|| by_address.get(node.address?.to_string().as_str()).copied());
        let client = client.map(|number| &sight.clients[number]);
        let sent = sight.log.as_ref().and_then(|log| log.to(&node.macs, node.address));
        let (state, since) = state(sight, client.map(|(client, _)| client), sent);
        let up = client.filter(|_| state == State::Up);
        let kernel = up.and_then(|(client, _)| client.kernel.clone());
        let of_kernel = |image: &&String| kernel.as_ref().is_none_or(|kernel| image.starts_with(&format!("{kernel}-")));
        let generation = up.and_then(|(_, numbers)| if numbers.len() == 1 { numbers.first().copied() } else { None });
        NodeStatus {
            name: node.name.to_string(),
            state,
            since,
            // Somebody may have chosen another one in the menu.
            image: up.and(sent).and_then(|sent| sent.image.as_ref()).filter(of_kernel).cloned(),
            kernel,
            generation,
            overlay: up.and(node.macs.first()).and_then(|mac| sight.fetched.get(mac)).cloned(),
            sent: sent.cloned(),
            boots: boots(node),
        }
    };
    site.nodes.iter().map(status).collect()
}

/// Whether a machine is there, and since when.
fn state(sight: &Sight, client: Option<&Client>, sent: Option<&Sent>) -> (State, Option<u64>) {
    let heard = |client: &Client| sight.now.saturating_sub(client.renewed.unwrap_or_default());
    let is_there = |client: &&Client| client.renewed.map_or(!client.is_given_up, |ago| ago <= sight.lease.max(SILENT));
    let booting = sent.filter(|sent| sight.now.saturating_sub(sent.at) < BOOTING);
    let booting = booting.filter(|sent| client.is_none_or(|client| client.since < sent.at));
    match (client.filter(is_there), booting) {
        (_, Some(sent)) => (State::Booting, Some(sent.at)),
        (Some(client), None) => (State::Up, Some(client.since)),
        (None, None) => (State::Silent, client.map(heard).max(sent.map(|sent| sent.at))),
    }
}

/// What a machine that booted from a card calls itself among the clients, as its initramfs makes it.
fn identifier(mac: Mac) -> String {
    hex(&Md5::digest(format!("{mac}\n")))
}

/// How many machines have files of this master and are no node.
#[must_use]
pub fn strangers(site: &Site, sight: &Sight) -> usize {
    let known: BTreeSet<String> = site.nodes.iter().flat_map(|node| &node.macs).map(|mac| identifier(*mac)).collect();
    let is_known = |client: &Client| known.contains(client.identifier()) || site.node(&client.address).is_some();
    sight.clients.iter().filter(|(client, _)| !is_known(client)).count()
}

/// Looks at the machines: what they run is what they tell the services of this one.
///
/// # Errors
/// When a service cannot be asked.
pub fn look(target: &Target, site: &Site, machine: &Machine) -> Result<Sight> {
    let of = |node: &Node| Some(node.macs.first().map(|mac| fetched::of(machine, &node.macs).map(|fetched| (*mac, fetched))));
    Ok(Sight {
        now: clock::now()?,
        lease: clients::lease(machine)?,
        clients: generation::clients(machine, &target.root)?,
        log: Log::of(machine)?,
        fetched: site.nodes.iter().filter_map(of).flatten().collect::<Result<_>>()?,
    })
}

/// How the nodes are at this moment.
///
/// # Errors
/// When a service cannot be asked, or an image cannot be read.
pub fn now(target: &Target, wanted: &Wanted, machine: &Machine) -> Result<(Sight, Vec<NodeStatus>)> {
    let (site, installed) = (&wanted.site, &wanted.facts.kernels);
    let images = image::kept(&target.root, site, installed)?;
    let sight = look(target, site, machine)?;
    let lines = lines::load(&target.root)?.unwrap_or_default();
    let boots = |node: &Node| {
        let line_since = node.macs.first().and_then(|mac| lines.get(mac)).map_or(0, |line| line.since);
        let (image, root) = menus::first(site, Some(node), &images, installed)?;
        Some(Boots { kernel: image.kernel.clone(), image: image.name(), root, line_since })
    };
    let nodes = of(site, &sight, boots);
    Ok((sight, nodes))
}

#[cfg(test)]
mod tests;
