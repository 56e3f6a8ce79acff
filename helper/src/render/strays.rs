//! What an administrator put beside our archives under a name that no node asks for.

use std::collections::BTreeSet;

use crate::disk::root::Root;
use crate::disk::tree::Content;
use crate::paths;
use crate::site::Site;
use crate::types::Mac;

/// A note for each name in /etc/overlays that is neither that of a node's card, as nodes spell it, nor that for all others.
pub(super) fn notes(root: &Root, site: &Site) -> Vec<String> {
    let cards: BTreeSet<Mac> = site.nodes.iter().flat_map(|node| &node.macs).chain([&site.master.mac]).copied().collect();
    match root.list(paths::OVERLAYS) {
        Ok(names) => names.unwrap_or_default().iter().filter_map(|name| note(root, &cards, name)).collect(),
        Err(error) => vec![format!("{error:#}")],
    }
}

fn note(root: &Root, cards: &BTreeSet<Mac>, name: &str) -> Option<String> {
    // Nodes leave these out, too.
    if name.starts_with('.') || name.ends_with('~') || name.ends_with(paths::NEW_SUFFIX) {
        return None;
    }
    let (machine, rest) = name.split_once('.').map_or((name, ""), |(machine, _)| (machine, &name[machine.len()..]));
    let mac = machine.parse::<Mac>().ok();
    // Nodes read a MAC in either case, and with dashes, but not without anything between its bytes.
    let is_spelled = mac.is_some_and(|mac| mac.to_string().len() == machine.len());
    let path = format!("{}/{name}", paths::OVERLAYS);
    let file = root.display(&path);
    if machine == paths::DEFAULT_NODE || (is_spelled && mac.is_some_and(|mac| cards.contains(&mac))) {
        // What a link leads to may come later.
        let there = root.find(&path).ok()??.content;
        return match (rest, there) {
            ("", Content::File(_)) => {
                Some(format!("{file}: a file, which no node takes; put a folder there, or name it {name}.NAME.tar"))
            }
            ("", _) => None,
            (_, Content::Folder) => Some(format!("{file}: a folder, which no node takes; name it {machine}")),
            _ => None,
        };
    }
    Some(match mac {
        // What we rendered for a node that is gone, goes by itself.
        Some(_) if paths::archive_owner(&format!("{}/{name}", paths::OVERLAYS)).is_some() => return None,
        Some(mac) if is_spelled => {
            format!("{file}: no node has the card {mac}, so it is served to none; give the card to a [[node]] by its `mac`")
        }
        Some(mac) => format!("{file}: no node reads it, they ask for the MAC in another spelling; rename it to {mac}{rest}"),
        None => format!("{file}: no node reads it; name it by the MAC of a card, or `{}`", paths::DEFAULT_NODE),
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests' own files")]
mod tests {
    use super::*;
    use crate::testing::example_site;

    #[test]
    fn names_that_no_node_asks_for_are_told_with_the_right_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let site = example_site();
        assert_eq!(notes(&root, &site), [""; 0]);
        let folders = ["52:54:00:17:c7:e2", "default", ".git", "52:54:00:17:C7:E3", "525400179999", "52:54:00:17:c7:e2.d"];
        for name in folders {
            std::fs::create_dir_all(dir.path().join(paths::OVERLAYS).join(name)).unwrap();
        }
        let files = ["52:54:00:17:c7:e2.50.tar", "default.x.tar", "52:54:00:17:c7:e2.a.tar~", "52-54-00-17-c7-e2.b.tar"];
        for name in files.iter().chain(&["525400171234.a.tar", "node1.tar", "52:54:00:17:c7:e4", "52:54:00:17:99:99.b.tar"]) {
            std::fs::write(dir.path().join(paths::OVERLAYS).join(name), "").unwrap();
        }
        let notes = notes(&root, &site);
        assert_eq!(notes.len(), 6, "{notes:?}");
        assert!(notes[0].contains("/525400171234.a.tar: no node reads it") && notes[0].ends_with("to 52:54:00:17:12:34.a.tar"));
        assert!(notes[1].contains("/525400179999: no node reads it") && notes[1].ends_with("to 52:54:00:17:99:99"));
        assert!(notes[2].contains("/52:54:00:17:99:99.b.tar: no node has the card"), "{notes:?}");
        assert!(
            notes[3].ends_with("/52:54:00:17:c7:e2.d: a folder, which no node takes; name it 52:54:00:17:c7:e2"),
            "{notes:?}"
        );
        assert!(notes[4].ends_with("put a folder there, or name it 52:54:00:17:c7:e4.NAME.tar"), "{notes:?}");
        assert!(notes[5].contains("/node1.tar: no node reads it; name it by the MAC"), "{notes:?}");
    }
}
