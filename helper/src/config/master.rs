//! The master: its name, and the card by which it finds its overlay.

use toml::Spanned;

use super::raw::{self, MasterMac, StorageMode};
use super::resolve::Check;
use super::source::Mistake;
use crate::site::{Master, Storage};
use crate::types::{InterfaceName, Mac};

impl Check<'_> {
    pub(super) fn master(
        &mut self,
        raw: &raw::Master,
        interface: Option<&Spanned<InterfaceName>>,
        clean: bool,
    ) -> Option<Master> {
        let span = raw.mac.as_ref().map(Spanned::span);
        let known = self.interface_known(interface);
        let mac = match raw.mac.as_ref().map(|mac| *mac.get_ref()) {
            Some(MasterMac::Given(mac)) => self.mac_known(mac, span.as_ref()),
            Some(MasterMac::Auto) | None if !clean || !known => None,
            Some(MasterMac::Auto) | None => self.own_mac(span.as_ref(), interface),
        };
        Some(Master {
            name: raw.name.as_ref().map_or_else(|| "master".parse().ok(), |name| Some(name.get_ref().clone()))?,
            mac: mac?,
            storage: match raw.storage.as_ref().map_or(StorageMode::Auto, |mode| *mode.get_ref()) {
                StorageMode::Auto if self.facts.zfs => Storage::Zfs,
                StorageMode::Auto | StorageMode::Plain => Storage::Plain,
                StorageMode::Zfs => Storage::Zfs,
            },
            modules: raw.modules.iter().map(|module| module.get_ref().clone()).collect(),
            overlays: raw.overlays.iter().map(|overlay| overlay.get_ref().clone()).collect(),
            services: raw.services.iter().map(|service| service.get_ref().clone()).collect(),
        })
    }

    /// Whether the running machine has the interface, if it can be asked. It may be a bridge or a bond: dnsmasq answers
    /// there, too.
    fn interface_known(&mut self, interface: Option<&Spanned<InterfaceName>>) -> bool {
        let (Some(there), Some(name)) = (&self.facts.interfaces, interface) else { return true };
        if there.names.contains(name.get_ref().as_str()) {
            return true;
        }
        let text = format!("this machine has no network interface `{}`", name.get_ref());
        let names: Vec<&str> = there.names.iter().map(String::as_str).collect();
        self.add(Mistake::at(name.span(), text).remedy(format!("use one of: {}", names.join(", "))));
        false
    }

    /// By this MAC the master finds its overlay at boot, so it must be of a card of its own.
    fn mac_known(&mut self, mac: Mac, span: Option<&std::ops::Range<usize>>) -> Option<Mac> {
        let Some(there) = &self.facts.interfaces else { return Some(mac) };
        if there.macs.contains(&mac) {
            return Some(mac);
        }
        let cards: Vec<String> = there.cards.iter().map(|(name, mac)| format!("\"{mac}\" ({name})")).collect();
        let text = format!("this machine has no network card with the MAC {mac}, so it would not boot as the master");
        let remedy = if cards.is_empty() { "it has none at all".to_owned() } else { format!("use one of: {}", cards.join(", ")) };
        self.add(Mistake::at(span.cloned().unwrap_or(0..0), text).remedy(remedy));
        None
    }

    /// The MAC of the running machine's own card.
    fn own_mac(&mut self, span: Option<&std::ops::Range<usize>>, interface: Option<&Spanned<InterfaceName>>) -> Option<Mac> {
        let at = |text: String| match span {
            Some(span) => Mistake::at(span.clone(), text),
            None => Mistake::missing(text),
        };
        let Some(there) = &self.facts.interfaces else {
            if self.facts.remembered_mac.is_some() {
                return self.facts.remembered_mac;
            }
            let text = format!("the master's MAC cannot be read: {}", self.facts.unasked);
            let mistake = at(text).remedy("set `mac` under [master]");
            self.add(mistake);
            return None;
        };
        let names = || there.cards.keys().cloned().collect::<Vec<_>>().join(", ");
        if let Some(name) = interface {
            if let Some(mac) = there.cards.get(name.get_ref().as_str()) {
                return Some(*mac);
            }
            let text = format!("`{}` is no network card, so the master's MAC cannot be read from it", name.get_ref());
            let remedy = format!("set `mac` under [master] to that of one of: {}", names());
            self.add(Mistake::at(name.span(), text).remedy(remedy));
            return None;
        }
        if let (1, Some(mac)) = (there.cards.len(), there.cards.values().next()) {
            return Some(*mac);
        }
        let text = format!("this machine has {} network cards, so its MAC cannot be read", there.cards.len());
        let mistake = at(text).remedy(format!("set `interface` under [network] to one of: {}; or `mac` under [master]", names()));
        self.add(mistake);
        None
    }
}
