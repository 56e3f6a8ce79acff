//! Overlays: folders that mirror /etc, ours and the site's, as plain data.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use crate::disk::root::{Root, split};
use crate::disk::tree::Item;
use crate::lay::WHITEOUT;
use crate::paths;
use crate::render::reader::Reader;
use crate::render::strays;
use crate::site::Site;
use crate::types::Problem;

/// The overlay that every client gets first.
pub const CLIENT: &str = "client";
/// The overlay that the master gets first.
pub const MASTER: &str = "master";

/// What removes the file at a path: `a/.wh.b` for `a/b`.
#[must_use]
pub fn whiteout(path: &str) -> String {
    let (folder, name) = split(path);
    if folder.is_empty() { format!("{WHITEOUT}{name}") } else { format!("{folder}/{WHITEOUT}{name}") }
}

/// Who brings a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A package of ours.
    Package,
    /// The site's own folder.
    Site,
    /// The `services` of the configuration.
    Configuration,
    /// The lower tree, which has something that a machine must not have.
    Lower,
    /// What was made to be a node's own: its keys and ids, and who is known by them.
    Identity,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Package => "package",
            Self::Site => "site",
            Self::Configuration => "configuration",
            Self::Lower => "lower tree",
            Self::Identity => "identity",
        })
    }
}

/// One path of an overlay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Piece {
    /// What is there; of a template, the text that is rendered. A folder matters when it stays empty, or when its mode or
    /// owner is not the usual one.
    pub item: Item,
    /// Whether it is a template; its path has no suffix `.j2`.
    pub template: bool,
    /// Who brings it.
    pub origin: Origin,
    /// Its place on the disk, for messages.
    pub file: String,
}

impl Piece {
    /// The text of a template.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.item.bytes().filter(|_| self.template).and_then(|bytes| String::from_utf8(bytes.whole().into_owned()).ok())
    }
}

/// Paths relative to /etc and what the overlay has there.
pub type Overlay = BTreeMap<String, Piece>;

/// All overlays that a site uses.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Overlays {
    /// By name.
    pub named: BTreeMap<String, Overlay>,
    /// What none can be made of.
    pub problems: Vec<Problem>,
    /// What the administrator should know, in one line each.
    pub notes: Vec<String>,
}

/// Reads the overlays that the site names, each with the site's own files over ours. What is missing, cannot be read, or
/// is nothing that an overlay may hold is among the problems of the result.
#[must_use]
pub fn load(root: &Root, site: &Site) -> Overlays {
    /// How often all is read again because somebody was writing.
    const TRIES: usize = 5;
    let mut names: Vec<&str> = site.overlay_names().chain([MASTER, CLIENT]).collect();
    names.sort_unstable();
    names.dedup();
    let mut tries = 1;
    loop {
        let mut reader = Reader::new(root);
        let named = names.iter().map(|name| ((*name).to_owned(), read(&mut reader, name))).collect();
        match reader.written_meanwhile() {
            Some(_) if tries < TRIES => tries += 1,
            Some(file) => {
                let problem = Problem::new(file, "somebody is writing it").remedy("run again when it is whole");
                return Overlays { named, problems: vec![problem], notes: Vec::new() };
            }
            None => {
                let mut notes = reader.notes();
                notes.extend(strays::notes(root, site));
                return Overlays { named, problems: reader.problems, notes };
            }
        }
    }
}

/// One overlay, of both places.
fn read(reader: &mut Reader<'_>, name: &str) -> Overlay {
    let mut overlay = Overlay::new();
    let mut found = false;
    for (folder, origin) in [(paths::PACKAGE_OVERLAYS, Origin::Package), (paths::SITE_OVERLAYS, Origin::Site)] {
        let Some(pieces) = reader.read(&format!("{folder}/{name}"), origin) else { continue };
        found = true;
        for (path, piece) in pieces {
            shadow(&mut overlay, &path, piece.item.is_folder());
            overlay.insert(path, piece);
        }
    }
    if !found {
        let package = if name == MASTER { "cluster-master" } else { "cluster-overlays" };
        let remedy = format!("install {package}, or make {}/{name}", reader.root.display(paths::SITE_OVERLAYS));
        reader.problems.push(Problem::new(format!("overlay `{name}`"), "not found").remedy(remedy));
    }
    overlay
}

/// What the site has at a path takes the place of ours, folder or not.
fn shadow(overlay: &mut Overlay, path: &str, is_folder: bool) {
    if !is_folder {
        remove_below(overlay, path);
    }
    let mut above = split(path).0;
    while !above.is_empty() {
        if overlay.get(above).is_some_and(|piece| !piece.item.is_folder()) {
            overlay.remove(above);
        }
        above = split(above).0;
    }
}

/// Whether a sorted map has a path below `folder`.
pub(super) fn has_below<K: Borrow<str> + Ord, V>(paths: &BTreeMap<K, V>, folder: &str) -> bool {
    first_below(paths, folder).is_some()
}

/// The first path below `folder`, and what is there.
pub(super) fn first_below<'m, K: Borrow<str> + Ord, V>(paths: &'m BTreeMap<K, V>, folder: &str) -> Option<(&'m str, &'m V)> {
    let below = format!("{folder}/");
    let (path, value) = paths.range::<str, _>((Bound::Included(below.as_str()), Bound::Unbounded)).next()?;
    path.borrow().starts_with(&below).then_some((path.borrow(), value))
}

/// Takes all paths below `folder` out of a sorted map.
pub(super) fn remove_below<K: Borrow<str> + Ord, V>(paths: &mut BTreeMap<K, V>, folder: &str) {
    while let Some((path, _)) = first_below(paths, folder) {
        let path = path.to_owned();
        paths.remove(path.as_str());
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests' own files")]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};

    fn overlay(files: &[(&str, &str)]) -> Overlay {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(path, text).unwrap();
        }
        let root = Root::open(dir.path()).unwrap();
        let mut reader = Reader::new(&root);
        let overlay = read(&mut reader, "x");
        assert_eq!(reader.problems, []);
        overlay
    }

    const OURS: &str = "usr/share/voidclust/overlays/x/hosts.j2";

    #[test]
    fn the_site_shadows_single_files_of_ours_template_or_not() {
        let overlay = overlay(&[
            (OURS, "ours"),
            ("usr/share/voidclust/overlays/x/fstab", "ours"),
            ("etc/voidclust/overlays/x/hosts", "site"),
        ]);
        let hosts = &overlay["hosts"];
        assert_eq!((hosts.origin, hosts.template, &hosts.item.bytes().unwrap().whole()[..]), (Origin::Site, false, &b"site"[..]));
        assert_eq!(overlay["fstab"].origin, Origin::Package);
    }

    #[test]
    fn a_site_folder_takes_the_place_of_our_file_and_the_other_way_round() {
        let overlay = overlay(&[
            (OURS, "ours"),
            ("usr/share/voidclust/overlays/x/sv/a/run", "ours"),
            ("usr/share/voidclust/overlays/x/sv/a.d", "ours"),
            ("etc/voidclust/overlays/x/hosts/a", "site"),
            ("etc/voidclust/overlays/x/sv/a", "site"),
        ]);
        assert!(overlay["hosts"].item.is_folder());
        assert!(!overlay.contains_key("sv/a/run") && overlay.contains_key("hosts/a") && overlay.contains_key("sv/a.d"));
    }

    #[test]
    fn an_overlay_that_is_not_there_is_one_problem_among_all() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let problems: Vec<String> =
            load(&root, &crate::testing::example_site()).problems.iter().map(ToString::to_string).collect();
        assert!(problems[0].starts_with("overlay `client`: not found; install cluster-overlays, or make"), "{problems:?}");
        assert!(problems[1].contains("install cluster-master") && problems.len() == 2, "{problems:?}");
    }
}
