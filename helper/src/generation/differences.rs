//! What differs between two generations, or the shared root and one: packages, and files of /etc.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::private::find;
use super::store::{Entry, Kind, Tree};
use crate::disk::opened::read_whole;
use crate::disk::root::Root;
use crate::machine::packages;

/// A package that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub package: String,
    /// The version in the older tree, if it is there.
    pub from: Option<String>,
    /// The version in the newer tree, if it is there.
    pub to: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{} {from} → {to}", self.package),
            (None, Some(to)) => write!(f, "{} {to} added", self.package),
            (from, None) => write!(f, "{} {} removed", self.package, from.as_deref().unwrap_or_default()),
        }
    }
}

/// The packages that differ, by xbps' own database in both trees. Trees are paths in the root: "" is the root itself.
///
/// # Errors
/// When a database cannot be read.
pub fn differences(root: &Root, older: &str, newer: &str) -> Result<Vec<Difference>> {
    let (from, to) = (packages::installed(root, older)?, packages::installed(root, newer)?);
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let changed = names.into_iter().filter(|name| from.get(*name) != to.get(*name));
    let one = |name: &String| Difference { package: name.clone(), from: from.get(name).cloned(), to: to.get(name).cloned() };
    Ok(changed.map(one).collect())
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It is only in the newer tree.
    Added,
    /// It is only in the older tree.
    Removed,
    /// Its content, mode or owner is another.
    Changed,
}

impl fmt::Display for Became {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

/// What differs in /etc, but for what is private by the built-in list.
///
/// # Errors
/// When something cannot be read.
pub fn changed_in_etc(root: &Root, older: &str, newer: &str) -> Result<Vec<(String, Became)>> {
    let open = |tree: &str| Tree::open(&root.path().join(tree));
    let (older, newer) = (open(older)?, open(newer)?);
    let (from, to) = (etc(&older)?, etc(&newer)?);
    let paths: BTreeSet<&PathBuf> = from.keys().chain(to.keys()).collect();
    let mut changed = Vec::new();
    for path in paths {
        let became = match (from.get(path), to.get(path)) {
            (Some(_), None) => Became::Removed,
            (None, _) => Became::Added,
            (Some(from), Some(to)) if are_same(path, (&older, from), (&newer, to))? => continue,
            _ => Became::Changed,
        };
        changed.push((path.display().to_string(), became));
    }
    Ok(changed)
}

/// What is in /etc of a tree, without folders, which come and go with what is in them.
fn etc(tree: &Tree) -> Result<BTreeMap<PathBuf, Entry>> {
    let private = find(tree, &[])?;
    let mut found = BTreeMap::new();
    tree.walk_below(Path::new("etc"), &mut |path, entry| {
        let is_private = private.contains_key(path);
        if !is_private && entry.kind != Kind::Folder {
            found.insert(path.to_owned(), *entry);
        }
        !is_private
    })?;
    Ok(found)
}

fn are_same(path: &Path, (older, from): (&Tree, &Entry), (newer, to): (&Tree, &Entry)) -> Result<bool> {
    if (from.kind, from.rights, from.size) != (to.kind, to.rights, to.size) {
        return Ok(false);
    }
    let bytes =
        |tree: &Tree| read_whole(&mut tree.file(path)?, None).with_context(|| format!("{}: cannot read", tree.display(path)));
    match from.kind {
        Kind::File => Ok(bytes(older)? == bytes(newer)?),
        Kind::Link => Ok(older.link(path)? == newer.link(path)?),
        Kind::Folder | Kind::Other => Ok(true),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use super::*;

    fn write(root: &Root, path: &str, text: &str) {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn packages_and_files_that_differ_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let database = |packages: &[&str]| {
            let entry = |package: &&str| {
                let name = package.rsplit_once('-').unwrap().0;
                format!("\t<key>{name}</key>\n\t<dict>\n\t\t<key>pkgver</key>\n\t\t<string>{package}</string>\n\t</dict>\n")
            };
            format!("<dict>\n{}</dict>\n", packages.iter().map(entry).collect::<String>())
        };
        write(&root, "old/var/db/xbps/pkgdb-0.38.plist", &database(&["gone-1_1", "linux6.12-6.12.93_1", "x-y-2_1"]));
        write(&root, "var/db/xbps/pkgdb-0.38.plist", &database(&["linux6.12-6.12.94_1", "new-3_1", "x-y-2_1"]));
        let told: Vec<_> = differences(&root, "old", "").unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["gone 1_1 removed", "linux6.12 6.12.93_1 → 6.12.94_1", "new 3_1 added"]);
        for (path, text) in [
            ("old/etc/a", "1"),
            ("etc/a", "2"),
            ("old/etc/d/b", ""),
            ("etc/c", ""),
            ("old/etc/same", "x"),
            ("etc/same", "x"),
            ("old/etc/fstab", "generic"),
            ("etc/fstab", "own"),
        ] {
            write(&root, path, text);
        }
        let changed = changed_in_etc(&root, "old", "").unwrap();
        let told: Vec<_> = changed.iter().map(|(path, became)| format!("{path} {became}")).collect();
        assert_eq!(told, ["etc/a changed", "etc/c added", "etc/d/b removed"]);
    }
}
