//! Takes apart what a machine lays over /etc: what is rendered for it alone, and what is copied as for others.
//!
//! Each machine has an archive of its own. What it has of an overlay that is copied stays out of it when it is not little:
//! that becomes an archive which all machines share that have the same of it, one file on the disk. Both are parts of one
//! finished layout, so their order says nothing; but for whiteouts, which take away what stands there when they come, and so
//! are in the first, the machine's own.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use crate::disk::archive::{self, Writer};
use crate::disk::root::split;
use crate::disk::tree::{Bytes, Item};
use crate::lay::WHITEOUT;
use crate::render::outline::Outline;
use crate::render::overlay::{Overlays, Piece};

/// Less than this, in bytes of an archive, is in each machine's own: a file more for each node would take as much room, and
/// time at boot.
const SHARED_MIN: usize = 8192;

/// What became of templates, and what is the machine's own, by path.
pub(super) type Singles<'o> = BTreeMap<&'o str, Item>;

/// An outline, taken apart.
#[derive(Debug)]
pub(super) struct Parts<'o> {
    /// What is to be rendered, or is the machine's own.
    pub(super) single: Vec<(&'o str, &'o Piece)>,
    /// What is copied into the machine's own archive.
    own: Vec<(&'o str, &'o Item)>,
    /// What is copied into an archive that others share, by overlay.
    shared: Vec<Part<'o>>,
}

/// What a machine has of one overlay.
#[derive(Debug)]
struct Part<'o> {
    overlay: &'o str,
    items: Vec<(&'o str, &'o Item)>,
    /// What it has not, for another overlay has it: few, as a rule.
    without: Vec<&'o str>,
}

/// The archives that machines share, by overlay and by what they have not of it.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<BTreeMap<(String, Vec<String>), Item>>);

impl<'o> Parts<'o> {
    pub(super) fn of(outline: &'o Outline<'_>, overlays: &'o Overlays) -> Self {
        let mut parts = Self { single: Vec::new(), own: Vec::new(), shared: Vec::new() };
        let mut copied: BTreeMap<&str, Vec<(&str, &Item)>> = BTreeMap::new();
        for (path, placed) in &outline.placed {
            match placed.overlay {
                _ if placed.is_single() => parts.single.push((path, &placed.piece)),
                Some(overlay) if !is_whiteout(path) => copied.entry(overlay).or_default().push((path, &placed.piece.item)),
                _ => parts.own.push((path, &placed.piece.item)),
            }
        }
        for (overlay, items) in copied {
            if archive::size(&items) < SHARED_MIN {
                parts.own.extend(items);
                continue;
            }
            let all = overlays.named.get(overlay).into_iter().flat_map(BTreeMap::keys);
            let without = all.map(String::as_str).filter(|path| items.binary_search_by_key(path, |(path, _)| path).is_err());
            let without = without.collect();
            parts.shared.push(Part { overlay, items, without });
        }
        parts
    }

    /// The machine's own archive, and by overlay those that it shares.
    pub(super) fn archives(
        &self,
        rendered: &Singles<'_>,
        shared: &Shared,
        writer: &mut Writer,
    ) -> Result<Vec<(Option<&'o str>, Item)>> {
        let mut own: Vec<(&str, &Item)> = self.own.clone();
        own.extend(rendered.iter().map(|(path, item)| (*path, item)));
        own.sort_unstable_by_key(|(path, _)| *path);
        let mut archives = vec![(None, packed(writer.write(&own)?))];
        for part in &self.shared {
            let key = (part.overlay.to_owned(), part.without.iter().map(|path| (*path).to_owned()).collect());
            // Held while it is made: whoever else wants the same waits for it.
            let mut made = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
            let archive = match made.get(&key) {
                Some(archive) => archive.clone(),
                None => made.entry(key).or_insert(packed(archive::write(&part.items)?)).clone(),
            };
            archives.push((Some(part.overlay), archive));
        }
        Ok(archives)
    }
}

fn is_whiteout(path: &str) -> bool {
    split(path).1.starts_with(WHITEOUT)
}

/// An archive is for root alone, it may hold keys.
fn packed(archive: Vec<u8>) -> Item {
    Item::file(Bytes::with_digest(archive)).with_mode(0o600)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::disk::archive;
    use crate::disk::tree::{Item, Tree};
    use crate::paths::{archive as own, shared_archive};
    use crate::render::compose::Composer;
    use crate::testing::{copied, example_site, overlays, template};

    const LARGE: &str = "0123456789abcdef";

    /// What is in an archive, and nothing when there is none.
    fn members(tree: &Tree, path: &str) -> Vec<String> {
        let bytes = tree.0.get(path).and_then(Item::bytes);
        bytes.map_or_else(Vec::new, |bytes| archive::read(&bytes.whole()).unwrap().into_keys().collect())
    }

    #[test]
    fn what_is_copied_is_shared_when_it_is_not_little_and_whiteouts_come_first() {
        let mut site = example_site();
        for (node, overlay) in site.nodes.iter_mut().zip(["one", "two", "three"]) {
            node.overlays = vec![overlay.parse().unwrap()];
        }
        let large = copied(&LARGE.repeat(1000));
        let client =
            [("big", large.clone()), ("motd", copied("base")), (".wh.cron.d", copied("")), ("name", template("{{ node.name }}"))];
        let overlays = overlays(&[
            ("client", &client),
            ("one", &[("small", copied("x"))]),
            ("two", &[("motd", copied("own"))]),
            ("three", &[("cron.d/job", copied("x")), ("large", large)]),
        ]);
        let site = Arc::new(site);
        let tree = Composer::new(&site, &overlays).archives().unwrap();
        let macs: Vec<String> = site.nodes.iter().map(|node| node.macs[0].to_string()).collect();
        let of = |node: usize| members(&tree, &own(&macs[node]));
        let services = ["runit/runsvdir/default/netmount", "sv/dhcpcd/down"];
        assert_eq!(of(0), [".wh.cron.d", "name", services[0], "small", services[1]]);
        assert_eq!(of(1), [".wh.cron.d", "motd", "name", services[0], services[1]]);
        // The node's own archive is laid first: what it takes away is laid again by the next.
        assert_eq!(of(2), [".wh.cron.d", "name", services[0], services[1]]);
        assert_eq!(members(&tree, &shared_archive(&macs[2], "three")), ["cron.d/job", "large"]);
        let shared = |name: &str| tree.0.get(&shared_archive(name, "client")).unwrap();
        assert_eq!(members(&tree, &shared_archive(&macs[0], "client")), ["big", "motd"]);
        assert_eq!(members(&tree, &shared_archive(&macs[1], "client")), ["big"], "motd is its own");
        let same = |left: &Item, right: &Item| left.bytes().unwrap().is_shared_with(right.bytes().unwrap());
        assert!(same(shared(&macs[0]), shared(&macs[2])) && same(shared(&macs[0]), shared("default")));
        assert!(!same(shared(&macs[0]), shared(&macs[1])));
        assert!(tree.0.values().all(|item| item.mode == 0o600));
    }
}
