//! Where a key is written that nodes have from themselves, their profiles or what holds for all: noted before the values are taken
//! out of their tables, for checks of the whole.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use super::raw::{Key, Node, Profile, Raw};
use crate::types::OverlayName;

/// The places of one key.
#[derive(Debug)]
pub(super) struct Inherited {
    pub(super) all: Option<Range<usize>>,
    pub(super) profiles: BTreeMap<OverlayName, Range<usize>>,
    /// In the order of the nodes.
    pub(super) nodes: Vec<Option<Range<usize>>>,
}

impl Inherited {
    /// Those of the key that stands there for all, and that these functions take out of a table.
    pub(super) fn of<T>(raw: &Raw, all: &Key<T>, profile: impl Fn(&Profile) -> &Key<T>, node: impl Fn(&Node) -> &Key<T>) -> Self {
        let of_profile = |(name, table): &(Spanned<OverlayName>, Profile)| Some((name.get_ref().clone(), span(profile(table))?));
        Self {
            all: span(all),
            profiles: raw.profiles.iter().filter_map(of_profile).collect(),
            nodes: raw.nodes.iter().map(|entry| span(node(&entry.node))).collect(),
        }
    }
}

/// The place of a value, if it is written.
pub(super) fn span<T>(key: &Key<T>) -> Option<Range<usize>> {
    key.as_ref().map(Spanned::span)
}
