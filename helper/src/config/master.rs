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
        let mac = match raw.mac.as_ref().map(|mac| *mac.get_ref()) {
            Some(MasterMac::Given(mac)) => Some(mac),
            Some(MasterMac::Auto) | None if !clean => None,
            Some(MasterMac::Auto) | None => self.own_mac(raw.mac.as_ref().map(Spanned::span).as_ref(), interface),
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

    /// The MAC of the running machine's own card.
    fn own_mac(&mut self, span: Option<&std::ops::Range<usize>>, interface: Option<&Spanned<InterfaceName>>) -> Option<Mac> {
        let at = |text: String| match span {
            Some(span) => Mistake::at(span.clone(), text),
            None => Mistake::missing(text),
        };
        let Some(interfaces) = &self.facts.interfaces else {
            if self.facts.remembered_mac.is_some() {
                return self.facts.remembered_mac;
            }
            let text = format!("the master's MAC cannot be read: {} is not the running machine's root", self.facts.root);
            let mistake = at(text).remedy("set `mac` under [master]");
            self.add(mistake);
            return None;
        };
        let names = || interfaces.keys().cloned().collect::<Vec<_>>().join(", ");
        if let Some(name) = interface {
            if let Some(mac) = interfaces.get(name.get_ref().as_str()) {
                return Some(*mac);
            }
            let text = format!("this machine has no network card `{}`", name.get_ref());
            let remedy = format!("use one of: {}; or set `mac` under [master]", names());
            self.add(Mistake::at(name.span(), text).remedy(remedy));
            return None;
        }
        if let (1, Some(mac)) = (interfaces.len(), interfaces.values().next()) {
            return Some(*mac);
        }
        let text = format!("this machine has {} network cards, so its MAC cannot be read", interfaces.len());
        let mistake = at(text).remedy(format!("set `interface` under [network] to one of: {}; or `mac` under [master]", names()));
        self.add(mistake);
        None
    }
}
