//! From the values as written to the [`Site`]: defaults, and every check that needs more than one value, a file for each
//! part of the site.

use toml::Spanned;

use super::limits::Written;
use super::mounts::Served;
use super::raw::{self, Firmware, Raw};
use super::roots::Wishes;
use super::scratch::Disks;
use super::source::Mistake;
use super::values;
use super::{inherited, known};
use crate::machine::facts::Facts;
use crate::site::{Boot, Client, Generalised, Node, Profile, Site};

/// Checks `raw` and fills in the defaults; `None` when `mistakes` is not empty afterwards.
pub(super) fn resolve(raw: Raw, facts: &Facts, mistakes: &mut Vec<Mistake>) -> Option<Site> {
    let clean = mistakes.is_empty();
    let mut check = Check { facts, mistakes };
    let network = check.network(&raw.network, &raw.nodes, clean);
    let master = check.master(&raw.master, raw.network.interface.as_ref(), clean);
    check.names_known(&raw);
    check.named_once(&raw);
    if let (Some(network), Some(master)) = (&network, &master) {
        check.nodes(&raw, network, master);
        check.servers(&raw, network, master);
    }
    let (written, wishes, disks) = (Written::of(&raw), Wishes::of(&raw), Disks::of(&raw));
    let compression = inherited::span(&raw.client.compression);
    let nfs = check.nfs(raw.nfs);
    let boot = check.boot(raw.boot);
    let root = check.root(raw.root);
    let domain = raw.cluster.domain.as_ref().map(Spanned::get_ref);
    let served = match (&network, &master, &nfs) {
        (Some(network), Some(master), Some(nfs)) => Some(Served::new(network, master, domain, nfs)),
        _ => None,
    };
    let served = served.as_ref();
    let mounts = check.mounts_of(raw.client.mounts, served);
    let profiles = raw.profiles.into_iter().map(|(name, profile)| (name.into_inner(), check.profile(profile, served))).collect();
    let nodes: Option<Vec<Node>> = raw.nodes.into_iter().map(|entry| check.node(entry.node, served)).collect();
    if !mistakes.is_empty() {
        return None;
    }
    let site = Site {
        domain: value(raw.cluster.domain),
        network: network?,
        master: master?,
        client: Client {
            cmdline: value(raw.client.cmdline),
            modules: values(raw.client.modules),
            drivers: value(raw.client.drivers).unwrap_or_default(),
            compression: value(raw.client.compression).unwrap_or_default(),
            overlays: values(raw.client.overlays),
            services: values(raw.client.services),
            kernel: value(raw.client.kernel).unwrap_or_default(),
            generation: value(raw.client.generation).unwrap_or_default(),
            identity: value(raw.client.identity).unwrap_or(true),
            mounts,
        },
        root,
        nfs: nfs?,
        boot: boot?,
        power: value(raw.power.command),
        vars: raw.vars,
        profiles,
        nodes: nodes?,
        lower: facts.lower.clone(),
        generations: facts.generations.clone(),
        identities: facts.identities.clone(),
    };
    mistakes.extend(wishes.mistakes(&site));
    mistakes.extend(disks.mistakes(&site));
    mistakes.extend(written.too_long(&site, facts));
    mistakes.extend(known::unbootable(&site, facts, compression));
    mistakes.is_empty().then_some(site)
}

pub(super) fn value<T>(key: Option<Spanned<T>>) -> Option<T> {
    key.map(Spanned::into_inner)
}

pub(super) fn values<T>(list: Vec<Spanned<T>>) -> Vec<T> {
    list.into_iter().map(Spanned::into_inner).collect()
}

/// What the checks need, and where they complain.
pub(super) struct Check<'a> {
    pub(super) facts: &'a Facts,
    pub(super) mistakes: &'a mut Vec<Mistake>,
}

impl Check<'_> {
    pub(super) fn add(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    fn profile(&mut self, raw: raw::Profile, served: Option<&Served>) -> Profile {
        Profile {
            overlays: values(raw.overlays),
            services: values(raw.services),
            cmdline: value(raw.cmdline),
            modules: values(raw.modules),
            kernel: value(raw.kernel),
            generation: value(raw.generation),
            root_server: value(raw.root_server),
            mounts: self.mounts_of(raw.mounts, served),
            scratch: self.scratch(raw.scratch),
            vars: raw.vars,
        }
    }

    fn node(&mut self, raw: raw::Node, served: Option<&Served>) -> Option<Node> {
        let mounts = self.mounts_of(raw.mounts, served);
        let scratch = self.scratch(raw.scratch);
        Some(Node {
            name: value(raw.name)?,
            macs: values(raw::Macs::with_places(&raw.mac?)),
            address: value(raw.address).map(|address| address.0),
            profiles: values(raw.profiles),
            overlays: values(raw.overlays),
            services: values(raw.services),
            cmdline: value(raw.cmdline),
            kernel: value(raw.kernel),
            generation: value(raw.generation),
            root_server: value(raw.root_server),
            mounts,
            scratch,
            vars: raw.vars,
        })
    }

    pub(super) fn within_bounds(&mut self, key: &str, number: Option<&Spanned<u16>>) {
        let (least, most) = values::bounds(key);
        if let Some(wrong) = number.filter(|number| !(least..=most).contains(number.get_ref())) {
            self.add(Mistake::of(wrong.span(), values::out_of_bounds(key, &wrong.get_ref().to_string())));
        }
    }

    fn root(&mut self, raw: raw::Root) -> Generalised {
        self.within_bounds("keep", raw.keep.as_ref());
        Generalised { keep: value(raw.keep).unwrap_or(3), private: values(raw.private) }
    }

    fn boot(&mut self, raw: raw::Boot) -> Option<Boot> {
        self.within_bounds("keep", raw.keep.as_ref());
        self.within_bounds("timeout", raw.timeout.as_ref());
        let twice = |list: &[Firmware]| list.iter().enumerate().any(|(at, one)| list[..at].contains(one));
        if let Some(firmware) = raw.firmware.as_ref().filter(|firmware| twice(firmware.get_ref())) {
            self.add(Mistake::at(firmware.span(), "`firmware` names one twice").remedy("leave one of them out"));
        }
        if let Some(firmware) = raw.firmware.as_ref().filter(|firmware| firmware.get_ref().is_empty()) {
            self.add(
                Mistake::at(firmware.span(), "`firmware` is empty, so no machine could boot")
                    .remedy("name \"bios\", \"uefi\" or both"),
            );
        }
        let firmware = value(raw.firmware).unwrap_or_else(|| vec![Firmware::Bios, Firmware::Uefi]);
        Some(Boot {
            bios: firmware.contains(&Firmware::Bios),
            uefi: firmware.contains(&Firmware::Uefi),
            keep: value(raw.keep).unwrap_or(2),
            timeout: value(raw.timeout).unwrap_or(0),
            transfer: value(raw.transfer).unwrap_or_default(),
        })
    }
}
