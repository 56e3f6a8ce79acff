//! What an administrator put beside our archives under a name that no node asks for.

use crate::disk::root::Root;
use crate::paths;
use crate::types::Mac;

/// A note for each name in /etc/overlays that is neither a card's, as nodes spell it, nor that for all others.
pub(super) fn notes(root: &Root) -> Vec<String> {
    match root.list(paths::OVERLAYS) {
        Ok(names) => names.unwrap_or_default().iter().filter_map(|name| note(root, name)).collect(),
        Err(error) => vec![format!("{error:#}")],
    }
}

fn note(root: &Root, name: &str) -> Option<String> {
    // Nodes leave these out, too.
    if name.starts_with('.') || name.ends_with('~') || name.ends_with(paths::NEW_SUFFIX) {
        return None;
    }
    let (machine, rest) = name.split_once('.').map_or((name, ""), |(machine, _)| (machine, &name[machine.len()..]));
    let mac = machine.parse::<Mac>().ok();
    // Nodes read a MAC in either case, and with dashes, but not without anything between its bytes.
    if machine == paths::DEFAULT_NODE || mac.is_some_and(|mac| mac.to_string().len() == machine.len()) {
        return None;
    }
    let file = root.display(&format!("{}/{name}", paths::OVERLAYS));
    Some(match mac {
        Some(mac) => format!("{file}: no node reads it, they ask for the MAC in another spelling; rename it to {mac}{rest}"),
        None => format!("{file}: no node reads it; name it by the MAC of a card, or `{}`", paths::DEFAULT_NODE),
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests' own files")]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_node_asks_for_are_told_with_the_right_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(notes(&root), [""; 0]);
        let right = [
            "52:54:00:17:c7:e2",
            "52:54:00:17:c7:e2.50.tar",
            "default",
            "default.x.tar",
            "52:54:00:17:c7:e2.a.tar~",
            ".git",
            "52:54:00:17:C7:E2",
            "52-54-00-17-c7-e2.b.tar",
        ];
        for name in right.iter().chain(&["525400179999", "525400171234.a.tar", "node1.tar"]) {
            std::fs::create_dir_all(dir.path().join(paths::OVERLAYS).join(name)).unwrap();
        }
        let notes = notes(&root);
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].contains("/525400171234.a.tar: no node reads it") && notes[0].ends_with("to 52:54:00:17:12:34.a.tar"));
        assert!(notes[1].contains("/525400179999: no node reads it") && notes[1].ends_with("to 52:54:00:17:99:99"));
        assert!(notes[2].contains("/node1.tar: no node reads it; name it by the MAC"), "{notes:?}");
    }
}
