//! What another generation would be, before it is made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::head::{Head, Mark, is_left_out, read_index};
use super::private::{Found, find};
use super::store::{Entry, Kind, Tree};
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
    let newest = match newest {
        Some(newest) if open_store(root)?.look(Path::new(&newest.number.to_string()))?.is_some() => Some(newest),
        _ => None,
    };
    if storage(root, machine).0 != Storage::Copy && newest.is_none_or(|newest| newest.storage != Storage::Copy) {
        let is_same = newest.map_or(Ok(false), |newest| Snapshot::of(root, newest, live, site)?.is_same());
        return Ok(Foreseen { is_same: is_same?, takes: None });
    }
    let head = Head::look(&live, site)?;
    let index = newest.map_or_else(|| Ok(BTreeMap::new()), |newest| read_index(root, newest.number))?;
    let is_same = newest.map_or(Ok(false), |newest| is_same(&live, &head, &index, &tree_of(root, newest)?))?;
    let shares = newest.is_some_and(|newest| newest.storage == Storage::Copy);
    let is_copy = storage(root, machine).0 == Storage::Copy;
    let takes = is_copy.then(|| head.room(|path| !shares || index.get(path) != head.marks.get(path)).0);
    Ok(Foreseen { is_same, takes })
}

fn tree_of(root: &Root, generation: &Generation) -> Result<Tree> {
    Tree::open(&root.path().join(paths::generation_tree(generation.number)))
}

/// By what is written down beside a copy, which has inodes and times of its own.
fn is_same(live: &Tree, head: &Head, index: &BTreeMap<PathBuf, Mark>, copy: &Tree) -> Result<bool> {
    if !head.marks.keys().eq(index.keys()) {
        return Ok(false);
    }
    for path in head.changed_since(index) {
        let (Some(now), Some(before)) = (live.look(path)?, copy.look(path)?) else { return Ok(false) };
        if !is_same_folder(path, (live, &now), (copy, &before))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A folder has another time when something private came or went in it, so what counts is what all can see of it.
fn is_same_folder(path: &Path, (live, now): (&Tree, &Entry), (then, before): (&Tree, &Entry)) -> Result<bool> {
    if (now.kind, before.kind) != (Kind::Folder, Kind::Folder) {
        return Ok(false);
    }
    // Of a folder where something is mounted a generation has no more than its name.
    let Some(attributes) = live.attributes(path)? else { return Ok(true) };
    Ok(now.rights == before.rights && Some(attributes) == then.attributes(path)?)
}

/// The live tree beside a snapshot of it, which still has its inodes and times. Both are gone through folder by folder, up
/// to the first difference: to look at all takes many times as long as to make another snapshot.
struct Snapshot {
    live: Tree,
    then: Tree,
    /// What no generation gets of the live tree.
    private: Found,
    /// What has taken its place in the snapshot. All else in it counts, also what is private by now.
    replaced: Found,
    marker: PathBuf,
}

impl Snapshot {
    fn of(root: &Root, newest: &Generation, live: Tree, site: &[String]) -> Result<Self> {
        let then = tree_of(root, newest)?;
        let (private, replaced) = (find(&live, site)?, find(&then, &[])?);
        Ok(Self { live, then, private, replaced, marker: paths::generation_marker(newest.number).into() })
    }

    /// Where a change is seen at once when there was any by xbps is first, unless no generation has it.
    fn is_same(&self) -> Result<bool> {
        let packages = Path::new(paths::XBPS);
        let is_private = packages.ancestors().any(|path| self.private.contains_key(path));
        Ok((is_private || self.is_same_in(packages, false, false)?) && self.is_same_in(Path::new(""), false, false)?)
    }

    /// Whether a folder has the same in both; of one that is emptied, or below such a one, files do not count.
    fn is_same_in(&self, at: &Path, is_emptied: bool, was_emptied: bool) -> Result<bool> {
        let kept = |tree: &Tree, is_emptied: bool, private: &Found| -> Result<Vec<(PathBuf, Entry)>> {
            let all = tree.entries(at)?.into_iter().map(|(name, entry)| (at.join(name), entry));
            Ok(all.filter(|(path, entry)| !is_left_out(path, entry.kind, is_emptied, private) && *path != self.marker).collect())
        };
        let now = kept(&self.live, is_emptied, &self.private)?;
        let then = kept(&self.then, was_emptied, &self.replaced)?;
        if !now.iter().map(|(path, _)| path).eq(then.iter().map(|(path, _)| path)) {
            return Ok(false);
        }
        for ((path, now), (_, before)) in now.iter().zip(&then) {
            if Mark::of(now) != Mark::of(before) && !is_same_folder(path, (&self.live, now), (&self.then, before))? {
                return Ok(false);
            }
            let is_emptied = is_emptied || self.private.contains_key(path);
            let was_emptied = was_emptied || self.replaced.contains_key(path);
            if now.kind == Kind::Folder && !self.is_same_in(path, is_emptied, was_emptied)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
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
