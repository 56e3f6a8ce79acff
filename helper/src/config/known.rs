//! What is named must exist: profiles, overlays, services, kernels. A name that is wrong in many places is one mistake.

use std::collections::HashMap;
use std::ops::Range;

use toml::Spanned;

use super::raw::{Entry, Raw};
use super::resolve::Check;
use super::source::Mistake;
use crate::machine::facts::Facts;
use crate::paths;
use crate::site::Site;
use crate::types::{Kernel, OverlayName, Service, did_you_mean};

/// The overlay that only the master gets, and the one that it does not get.
const MASTER: &str = "master";
const CLIENT: &str = "client";

/// The first place of a name that is not known, and how many there are.
type Unknown = HashMap<String, (Range<usize>, usize)>;

fn note(unknown: &mut Unknown, name: &str, span: Range<usize>) {
    let (first, count) = unknown.entry(name.to_owned()).or_insert_with(|| (span.clone(), 0));
    if span.start < first.start {
        *first = span;
    }
    *count += 1;
}

/// `, in 3 places`
fn places(count: usize) -> String {
    if count > 1 { format!(", which is named in {count} places") } else { String::new() }
}

/// The guess, before what is to be done when it is wrong.
fn guess<'known>(wrong: &str, known: impl IntoIterator<Item = &'known str>) -> String {
    let guess = did_you_mean(wrong, known);
    if guess.is_empty() { guess } else { format!("{guess}Otherwise ") }
}

/// A kernel that is booted and could not boot a client, and an image that nobody could make, or that such a kernel could not
/// unpack; `place` is that of its compression.
pub(super) fn unbootable(site: &Site, facts: &Facts, place: Option<Range<usize>>) -> impl Iterator<Item = Mistake> {
    let kernels = site.booted_kernels(&facts.kernels);
    let faults = [(None, facts.unfit.fault(&kernels)), (place, facts.packers.fault(site.client.compression, &kernels))];
    faults.into_iter().filter_map(|(span, fault)| fault.map(|(what, remedy)| Mistake { span, what, remedy: Some(remedy) }))
}

impl Check<'_> {
    /// Profiles, overlays, services and kernels that are named must exist.
    pub(super) fn names_known(&mut self, raw: &Raw) {
        let nodes = || raw.nodes.iter().map(|Entry { node, .. }| node);
        let profiles = || raw.profiles.iter().map(|(_, profile)| profile);
        self.profiles_known(raw);

        let of_clients = nodes().flat_map(|node| &node.overlays).chain(profiles().flat_map(|profile| &profile.overlays));
        let of_clients: Vec<_> = of_clients.chain(&raw.client.overlays).collect();
        self.not_of_another(&of_clients, MASTER, "it makes a machine the master");
        let of_master: Vec<_> = raw.master.overlays.iter().collect();
        self.not_of_another(&of_master, CLIENT, "the master would mount its home from itself");
        self.overlays_known(of_clients.into_iter().chain(of_master));

        let services = nodes().flat_map(|node| &node.services).chain(profiles().flat_map(|profile| &profile.services));
        self.services_known(services.chain(&raw.client.services).chain(&raw.master.services));

        let kernels =
            nodes().filter_map(|node| node.kernel.as_ref()).chain(profiles().filter_map(|profile| profile.kernel.as_ref()));
        self.kernels_known(kernels.chain(&raw.client.kernel));
    }

    fn profiles_known(&mut self, raw: &Raw) {
        // Its table may be the one that could not be read.
        if raw.profiles_lost {
            return;
        }
        let known: Vec<&str> = raw.profiles.iter().map(|(name, _)| name.get_ref().as_str()).collect();
        let mut unknown = Unknown::new();
        for profile in raw.nodes.iter().flat_map(|entry| &entry.node.profiles) {
            if !known.contains(&profile.get_ref().as_str()) {
                note(&mut unknown, profile.get_ref().as_str(), profile.span());
            }
        }
        let all = if known.is_empty() { "there are none yet".to_owned() } else { format!("there are: {}", known.join(", ")) };
        for (name, (span, count)) in unknown {
            let hint = guess(&name, known.iter().copied());
            let text = format!("there is no profile `{name}`{}", places(count));
            self.add(Mistake::at(span, text).remedy(format!("{hint}add [profile.{name}]; {all}")));
        }
    }

    /// Refuses the overlay that is for another machine.
    fn not_of_another(&mut self, overlays: &[&Spanned<OverlayName>], other: &str, because: &str) {
        if let Some(overlay) = overlays.iter().find(|overlay| overlay.get_ref().as_str() == other) {
            let text = format!("the overlay `{other}` cannot be used here: {because}");
            self.add(Mistake::at(overlay.span(), text).remedy("put what you need of it into an overlay of another name"));
        }
    }

    fn overlays_known<'raw>(&mut self, overlays: impl Iterator<Item = &'raw Spanned<OverlayName>>) {
        let mut unknown = Unknown::new();
        for overlay in overlays.filter(|overlay| !self.facts.overlays.contains(overlay.get_ref().as_str())) {
            note(&mut unknown, overlay.get_ref().as_str(), overlay.span());
        }
        for (name, (span, count)) in unknown {
            let hint = guess(&name, self.facts.overlays.iter().map(String::as_str));
            let text = format!("there is no overlay `{name}`{}", places(count));
            let folder = format!("/{}/{name}", paths::SITE_OVERLAYS);
            self.add(Mistake::at(span, text).remedy(format!("{hint}make the folder {folder} (it mirrors /etc)")));
        }
    }

    /// Services have a folder in /etc/sv, or an overlay brings it. A root that has none at all cannot tell.
    fn services_known<'raw>(&mut self, services: impl Iterator<Item = &'raw Spanned<Service>>) {
        let Some(known) = &self.facts.services else { return };
        let mut unknown = Unknown::new();
        for service in services.filter(|service| !known.contains(&service.get_ref().name)) {
            note(&mut unknown, &service.get_ref().name, service.span());
        }
        for (name, (span, count)) in unknown {
            let hint = guess(&name, known.iter().map(String::as_str));
            let text = format!("there is no service `{name}`{}", places(count));
            let remedy = format!("{hint}install the package that has /{}/{name}", paths::SERVICES);
            self.mistakes.push(Mistake::at(span, text).remedy(remedy));
        }
    }

    fn kernels_known<'raw>(&mut self, kernels: impl Iterator<Item = &'raw Spanned<Kernel>>) {
        let mut unknown = Unknown::new();
        for kernel in kernels {
            if let Kernel::Version(version) = kernel.get_ref()
                && !self.facts.kernels.contains(version)
                && !self.facts.imaged.contains(version)
            {
                note(&mut unknown, version, kernel.span());
            }
        }
        for (version, (span, count)) in unknown {
            let known = if self.facts.kernels.is_empty() { "none".to_owned() } else { self.facts.kernels.join(", ") };
            let text = format!("kernel `{version}` is not installed{}", places(count));
            let remedy = format!("install it, or use \"newest\"; installed under {}: {known}", self.facts.root);
            self.add(Mistake::at(span, text).remedy(remedy));
        }
    }
}
