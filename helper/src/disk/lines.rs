//! Since when each node would boot with its kernel command line: who loaded his menu before that has another one.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::generations;
use super::lock::Lock;
use super::root::Root;
use crate::paths;
use crate::types::Mac;

/// A command line, and since when the menus have it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Line {
    /// What tells it from others.
    pub digest: String,
    /// In seconds since 1970; 0 when it was there before anybody noted it.
    pub since: u64,
}

/// Those of all nodes, by their first cards.
pub type Lines = BTreeMap<Mac, Line>;

/// Reads them; `None` before the first were noted.
///
/// # Errors
/// When they cannot be read or understood.
pub fn load(root: &Root) -> Result<Option<Lines>> {
    generations::read(root, paths::LINES)
}

impl Lock<'_> {
    /// Notes them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note_lines(&self, lines: &Lines) -> Result<()> {
        self.write_record(paths::LINES, "Since when nodes have their command line", lines)
    }
}

/// Those of these nodes, each with what tells its line from others: what is as before is so since then, all else since `now`.
#[must_use]
pub fn noted(before: Option<&Lines>, nodes: impl Iterator<Item = (Mac, String)>, now: u64) -> Lines {
    let line = |(mac, digest): (Mac, String)| {
        // Of what nobody has noted before, nobody knows since when it is so.
        let since =
            before.map_or(0, |before| before.get(&mac).filter(|line| line.digest == digest).map_or(now, |line| line.since));
        (mac, Line { digest, since })
    };
    nodes.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_has_a_time_and_what_was_there_first_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert_eq!(load(&root).unwrap(), None);
        let macs = [1, 2, 3].map(|number| format!("52:54:00:00:00:0{number}").parse::<Mac>().unwrap());
        let of = |lines: [&str; 3]| macs.into_iter().zip(lines.map(ToOwned::to_owned)).filter(|(_, line)| !line.is_empty());
        let times = |lines: &Lines| lines.values().map(|line| line.since).collect::<Vec<_>>();
        let first = noted(None, of(["a", "b", ""]), 10);
        assert_eq!(times(&first), [0, 0]);
        Lock::take(&root).unwrap().note_lines(&first).unwrap();
        let before = load(&root).unwrap();
        assert_eq!(before.as_ref(), Some(&first));
        // The second is another one, and the third is new.
        let second = noted(before.as_ref(), of(["a", "x", "c"]), 20);
        assert_eq!(times(&second), [0, 20, 20]);
        assert_eq!(times(&noted(Some(&second), of(["a", "x", ""]), 30)), [0, 20]);
    }
}
