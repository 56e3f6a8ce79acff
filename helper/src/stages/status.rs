//! How the nodes are: what each runs, as far as this machine can see it, and what a reboot would change.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use md5::{Digest, Md5};

use super::target::Target;
use super::wanted::Wanted;
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
        if let Some(Fetched::Behind(files)) = &self.overlay {
            changes.push(counted(files.len(), "file"));
        }
        changes
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
    let boots = |node: &Node| {
        let (image, root) = menus::first(site, Some(node), &images, installed)?;
        Some(Boots { kernel: image.kernel.clone(), image: image.name(), root })
    };
    let nodes = of(site, &sight, boots);
    Ok((sight, nodes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::example_site;

    const NOW: u64 = 10_000;

    fn client(node: &Node, kernel: Option<&str>, since: u64, renewed: u64) -> Client {
        let address = node.address.map_or_else(|| "10.0.0.9".to_owned(), |address| address.to_string());
        let name = format!("Linux NFSv4.2 {}/(none)", identifier(node.macs[0]));
        let kernel = kernel.map(ToOwned::to_owned);
        Client { address, name, kernel, since, renewed: Some(renewed), is_given_up: false, states: String::new() }
    }

    fn boots(_: &Node) -> Option<Boots> {
        Some(Boots { kernel: "6.12.10_1".to_owned(), image: "6.12.10_1-bbb".to_owned(), root: Root::Generation(3) })
    }

    fn sight(clients: Vec<(Client, BTreeSet<Number>)>, log: &str) -> Sight {
        Sight { now: NOW, lease: 90, clients, log: Some(Log::parse(log, NOW, "")), fetched: BTreeMap::new() }
    }

    #[test]
    fn a_node_is_up_as_long_as_its_lease_lasts() {
        let site = example_site();
        let (a, b) = (&site.nodes[0], &site.nodes[1]);
        let up = (client(a, None, 5000, 60), [3].into());
        // An earlier boot of the same machine, whose lease has not ended.
        let before = (client(a, None, 4000, 80), [2].into());
        let gone = (client(b, None, 5000, 91), [3].into());
        let nodes = of(&site, &sight(vec![before, up, gone], ""), boots);
        assert_eq!((nodes[0].state, nodes[0].since, nodes[0].generation), (State::Up, Some(5000), Some(3)));
        assert_eq!((nodes[1].state, nodes[1].since, nodes[1].generation), (State::Silent, Some(NOW - 91), None));
        assert_eq!((nodes[2].state, nodes[2].since), (State::Silent, None));
        assert!(nodes[1].wants_attention() && nodes[1].changes().is_empty() && nodes[1].unknown().is_empty());
        // Of old kernels, which do not tell how long ago that was.
        let courtesy = Client { is_given_up: true, renewed: None, ..client(a, None, 5000, 0) };
        assert_eq!(of(&site, &sight(vec![(courtesy, [3].into())], ""), boots)[0].state, State::Silent);
    }

    #[test]
    fn who_was_sent_something_after_it_came_up_boots_for_a_while() {
        let site = example_site();
        let log = |seconds: u64, of: &Node| {
            let sent = format!("dnsmasq-tftp[1]: sent /srv/tftp/images/6.12.10_1-aaa/initramfs.img to {}", of.address.unwrap());
            format!(
                "Nov 30 01:00:00 {sent}\nNov 30 {:02}:{:02}:{:02} dnsmasq[1]: x\n",
                1 + seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            )
        };
        let a = &site.nodes[0];
        let state = |ago, since| of(&site, &sight(vec![(client(a, None, since, 1), [3].into())], &log(ago, a)), boots)[0].clone();
        assert_eq!((state(30, 9000).state, state(30, 9000).since), (State::Booting, Some(NOW - 30)));
        let up = state(30, 9980);
        assert_eq!((up.state, up.image.as_deref(), up.changes()), (State::Up, Some("6.12.10_1-aaa"), vec!["image".to_owned()]));
        let silent = of(&site, &sight(Vec::new(), &log(BOOTING, a)), boots)[0].clone();
        assert_eq!((silent.state, silent.since), (State::Silent, Some(NOW - BOOTING)));
    }

    #[test]
    fn what_a_reboot_would_change_is_said_and_what_is_not_known_is_no_change() {
        let site = example_site();
        let a = &site.nodes[0];
        let mut known = sight(vec![(client(a, Some("6.12.9_1"), 5000, 1), [2].into())], "");
        known.fetched.insert(a.macs[0], Fetched::Behind(vec!["hosts".to_owned()]));
        let node = of(&site, &known, boots)[0].clone();
        assert_eq!(node.changes(), ["kernel", "generation", "1 file"]);
        assert_eq!(node.unknown(), ["image"]);
        let node = of(&site, &sight(vec![(client(a, None, 5000, 1), BTreeSet::new())], ""), boots)[0].clone();
        assert!(node.changes().is_empty() && !node.wants_attention());
        assert_eq!(node.unknown(), ["kernel", "image", "generation"]);
        let to_head = |node: &Node| boots(node).map(|boots| Boots { root: Root::Head, ..boots });
        let node = of(&site, &sight(vec![(client(a, Some("6.12.10_1"), 5000, 1), [2].into())], ""), to_head)[0].clone();
        assert_eq!(node.changes(), ["generation"]);
    }

    #[test]
    fn a_node_without_an_address_is_known_by_its_identifier_and_a_stranger_by_neither() {
        let mut site = example_site();
        let other = client(&site.nodes[2], None, 5000, 1);
        site.nodes[0].address = None;
        let mine = client(&site.nodes[0], None, 5000, 1);
        site.nodes.pop();
        let known = sight(vec![(mine, [3].into()), (other, [3].into())], "");
        assert_eq!(of(&site, &known, boots)[0].state, State::Up);
        assert_eq!(strangers(&site, &known), 1);
        // md5 of `52:54:00:17:c7:e2` and a line end, as md5sum(1) has it.
        assert_eq!(identifier("52:54:00:17:c7:e2".parse().unwrap()), "f41eadba1cd82c7a29c7691945bcfac2");
    }
}
