//! What another generation would be, before it is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::head::{Head, Mark, read_index};
use super::store::{Kind, Tree};
use super::{open_store, storage};
use crate::disk::root::Root;
use crate::machine::Machine;
use crate::paths;
use crate::types::generation::{Generation, Storage};

/// What another generation would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreseen {
    /// As the newest one is: nothing changed since.
    pub is_same: bool,
    /// The bytes that it would take on the disk; `None` where the storage shares what did not change by itself.
    pub takes: Option<u64>,
}

/// Looks what another generation would be; `site` is what is private by the configuration.
///
/// # Errors
/// When the root or the newest generation cannot be looked through.
pub fn foresee(root: &Root, machine: Option<&Machine>, newest: Option<&Generation>, site: &[String]) -> Result<Foreseen> {
    let live = Tree::open(root.path())?;
    let head = Head::look(&live, site)?;
    let is_copy = storage(root, machine).0 == Storage::Copy;
    let then = newest.map_or_else(|| Ok(BTreeMap::new()), |newest| marks_of(root, newest))?;
    let is_same = newest.map_or(Ok(false), |newest| is_same(&live, &head, &then, newest, root))?;
    let shares = newest.is_some_and(|newest| newest.storage == Storage::Copy);
    let takes = is_copy.then(|| head.room(|path| !shares || then.get(path) != head.marks.get(path)).0);
    Ok(Foreseen { is_same, takes })
}

/// What the root was when a generation was made: a snapshot still has its inodes and times, a copy has them written down.
fn marks_of(root: &Root, generation: &Generation) -> Result<BTreeMap<PathBuf, Mark>> {
    if generation.storage == Storage::Copy {
        return read_index(root, generation.number);
    }
    if open_store(root)?.look(Path::new(&generation.number.to_string()))?.is_none() {
        return Ok(BTreeMap::new());
    }
    // All that is in it counts, also what is private by now.
    let mut marks = Head::look(&tree_of(root, generation)?, &[])?.marks;
    marks.remove(Path::new(&paths::generation_marker(generation.number)));
    Ok(marks)
}

fn tree_of(root: &Root, generation: &Generation) -> Result<Tree> {
    Tree::open(&root.path().join(paths::generation_tree(generation.number)))
}

/// A folder has another time when something private came or went in it, so what counts is what all can see of it.
fn is_same(live: &Tree, head: &Head, then: &BTreeMap<PathBuf, Mark>, newest: &Generation, root: &Root) -> Result<bool> {
    if !head.marks.keys().eq(then.keys()) {
        return Ok(false);
    }
    let tree = tree_of(root, newest)?;
    for path in head.changed_since(then) {
        let (Some(now), Some(before)) = (live.look(path)?, tree.look(path)?) else { return Ok(false) };
        if (now.kind, before.kind) != (Kind::Folder, Kind::Folder) {
            return Ok(false);
        }
        // Of a folder where something is mounted a generation has no more than its name.
        let Some(attributes) = live.attributes(path)? else { continue };
        if now.rights != before.rights || Some(attributes) != tree.attributes(path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test's own files")]
pub(super) mod tests {
    use super::*;
    use crate::generation::scene::{Scene, can_copy};

    /// Nothing changed since the newest generation; then one thing after the other does. All is as it was in the end.
    pub(in crate::generation) fn sees_what_changed(scene: &Scene, private: &[&str]) {
        let is_same = || scene.foresees(private).is_same;
        let at = |path: &str| scene.at_path(path);
        assert!(is_same());
        // What comes and goes in a folder where it is private.
        scene.write("etc/machine-id", "4567");
        scene.write("etc/crypttab", "x");
        std::fs::remove_file(at("etc/crypttab")).unwrap();
        scene.write("srv/data/other.key", "secret");
        std::fs::remove_file(at("srv/data/other.key")).unwrap();
        assert!(is_same());
        let changed = |what: &str, change: &dyn Fn(), back: &dyn Fn()| {
            change();
            assert!(!is_same(), "{what}");
            back();
            assert!(is_same(), "{what}");
        };
        let gone = |path: &str| std::fs::remove_file(at(path)).unwrap();
        let renamed = |from: &str, to: &str| std::fs::rename(at(from), at(to)).unwrap();
        changed("a new file", &|| scene.write("usr/new", ""), &|| gone("usr/new"));
        changed("one beside what is private", &|| scene.write("srv/data/x.pem", ""), &|| gone("srv/data/x.pem"));
        changed("another name", &|| renamed("etc", "e"), &|| renamed("e", "etc"));
        changed("a folder's mode", &|| scene.chmod("usr/lib", 0o700), &|| scene.chmod("usr/lib", 0o755));
        changed("an attribute of a folder", &|| attribute(&at("usr"), true), &|| attribute(&at("usr"), false));
        assert!(!scene.foresees(&[private, &["/etc/hosts"]].concat()).is_same);
    }

    fn attribute(path: &Path, is_set: bool) {
        let set = || rustix::fs::setxattr(path, "user.new", b"x", rustix::fs::XattrFlags::empty());
        if is_set { set() } else { rustix::fs::removexattr(path, "user.new") }.unwrap();
    }

    #[test]
    fn what_changed_since_the_newest_is_seen_before_another_is_made() {
        if !can_copy("what_changed_since_the_newest_is_seen_before_another_is_made") {
            return;
        }
        let scene = Scene::new();
        let first = scene.foresees(&[]);
        assert!(!first.is_same && first.takes.is_some_and(|bytes| bytes > 4096), "{first:?}");
        scene.make();
        let again = scene.foresees(&[]);
        assert!(again.is_same && again.takes < first.takes, "{again:?}");
        sees_what_changed(&scene, &[]);
        // The same bytes, written anew: nobody can tell without reading all.
        scene.write("etc/hosts", "AAAA\n");
        assert!(!scene.foresees(&[]).is_same);
    }
}
