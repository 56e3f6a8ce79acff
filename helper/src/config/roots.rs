//! Which root each client boots: the generations that are named exist, and have what is booted with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::inherited::Inherited;
use super::raw::Raw;
use super::source::Mistake;
use crate::site::Site;
use crate::types::generation::RootWish;
use crate::types::{Kernel, RootServer};

/// Where wishes are written.
pub(super) struct Wishes(Inherited);

impl Wishes {
    /// Notes the places before the values are taken out of `raw`.
    pub(super) fn of(raw: &Raw) -> Self {
        Self(Inherited::of(raw, &raw.client.generation, |profile| &profile.generation, |node| &node.generation))
    }

    /// What cannot be, each place once.
    pub(super) fn mistakes(&self, site: &Site) -> Vec<Mistake> {
        let mut told: BTreeMap<usize, Mistake> = BTreeMap::new();
        let mut tell = |span: &Range<usize>, wish: RootWish, server: Option<&RootServer>, kernel: &Kernel| {
            if let Some((what, remedy)) = fault(site, wish, server, kernel) {
                told.entry(span.start).or_insert_with(|| Mistake::at(span.clone(), what).remedy(remedy));
            }
        };
        // A profile that no node names is checked, too.
        for (name, span) in &self.0.profiles {
            let Some(profile) = site.profiles.get(name) else { continue };
            if let Some(wish) = profile.generation {
                tell(span, wish, profile.root_server.as_ref().or(site.nfs.root_server.as_ref()), &Kernel::Newest);
            }
        }
        if let Some(span) = &self.0.all {
            tell(span, site.client.generation, site.nfs.root_server.as_ref(), &site.client.kernel);
        }
        for (node, own) in site.nodes.iter().zip(&self.0.nodes) {
            let of_profiles = || site.profiles_of(node).rev().find_map(|(name, _)| self.0.profiles.get(name));
            // A root for all times that profile or node name is nearer than what all clients wish.
            let of_all = || self.0.all.as_ref().filter(|_| site.uses_generations(Some(node)));
            if let Some(span) = own.as_ref().or_else(of_profiles).or_else(of_all) {
                tell(span, site.wish_of(Some(node)), site.root_server_of(Some(node)), site.kernel_of(node));
            }
        }
        told.into_values().collect()
    }
}

/// What is wrong with a wish, and what would be right.
fn fault(site: &Site, wish: RootWish, server: Option<&RootServer>, kernel: &Kernel) -> Option<(String, String)> {
    let made = &site.generations.made;
    let there = || match made.keys().map(ToString::to_string).collect::<Vec<_>>() {
        none if none.is_empty() => "none was published yet".to_owned(),
        numbers => format!("there are: {}", numbers.join(", ")),
    };
    match wish {
        RootWish::Newest => None,
        _ if server.is_some_and(|server| !server.has_generations()) => Some((
            "`generation` has no effect: `root_server` names one root for all".to_owned(),
            "put {generation} into its path, or remove this line".to_owned(),
        )),
        RootWish::Head => server.map(|server| {
            let what = format!("the live tree is the master's, and {} serves the root", server.address);
            (what, "use \"newest\" or a number, or remove `root_server`".to_owned())
        }),
        RootWish::Number(number) if !made.contains_key(&number) => {
            Some((format!("there is no generation {number}"), format!("use \"newest\", or one there is; {}", there())))
        }
        RootWish::Number(number) => {
            let Kernel::Version(version) = kernel else { return None };
            if site.generations.has_kernel(number, version) {
                return None;
            }
            let with: BTreeSet<String> =
                made.keys().filter(|number| site.generations.has_kernel(**number, version)).map(ToString::to_string).collect();
            let which = if with.is_empty() { "none has".to_owned() } else { with.into_iter().collect::<Vec<_>>().join(", ") };
            Some((
                format!("generation {number} has no modules of kernel {version}, which is booted with it"),
                format!("use \"newest\", another kernel, or a generation that has: {which}"),
            ))
        }
    }
}
