//! A list names a thing once, and no service is both enabled and kept down in it. Between lists the later word counts.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use toml::Spanned;

use super::raw::{Entry, Raw};
use super::resolve::Check;
use super::source::Mistake;
use crate::types::Service;

impl Check<'_> {
    /// Tells what stands twice in one list.
    pub(super) fn named_once(&mut self, raw: &Raw) {
        let (nodes, profiles) =
            (|| raw.nodes.iter().map(|Entry { node, .. }| node), || raw.profiles.iter().map(|(_, profile)| profile));
        self.once(&raw.network.dns);
        self.once(&raw.root.private);
        let modules = profiles().map(|profile| &profile.modules).chain([&raw.master.modules, &raw.client.modules]);
        modules.for_each(|list| self.once(list));
        let overlays = nodes().map(|node| &node.overlays).chain(profiles().map(|profile| &profile.overlays));
        overlays.chain(nodes().map(|node| &node.profiles)).for_each(|list| self.once(list));
        [&raw.master.overlays, &raw.client.overlays].into_iter().for_each(|list| self.once(list));
        let services = nodes().map(|node| &node.services).chain(profiles().map(|profile| &profile.services));
        services.chain([&raw.master.services, &raw.client.services]).for_each(|list| self.services_once(list));
    }

    fn once<T: Display>(&mut self, list: &[Spanned<T>]) {
        let mut named = HashSet::new();
        for item in list {
            if !named.insert(item.get_ref().to_string()) {
                let text = format!("`{}` stands twice in this list", item.get_ref());
                self.add(Mistake::at(item.span(), text).remedy("leave one of them out"));
            }
        }
    }

    fn services_once(&mut self, list: &[Spanned<Service>]) {
        let mut named: HashMap<&str, bool> = HashMap::new();
        for item in list {
            let Service { name, enabled } = item.get_ref();
            let mistake = match named.insert(name, *enabled) {
                Some(before) if before == *enabled => format!("`{}` stands twice in this list", item.get_ref()),
                Some(_) => format!("this list both enables `{name}` and keeps it down"),
                None => continue,
            };
            self.add(Mistake::at(item.span(), mistake).remedy("leave one of them out"));
        }
    }
}
