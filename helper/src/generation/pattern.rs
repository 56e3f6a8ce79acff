//! Patterns of paths: `*` and `?` stay in a name, `**` stands for any folders between.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::store::{Kind, Tree};

/// What stands for any folders.
const FOLDERS: &str = "**";
/// As many links as the kernel follows.
const LINKS_MAX: usize = 40;

/// A pattern, as paths in a tree.
#[derive(Debug)]
pub(super) struct Pattern(Vec<String>);

impl Pattern {
    /// A path that may have wildcards; absolute or relative, both from the root of a tree.
    pub(super) fn new(text: &str) -> Self {
        Self(text.split('/').filter(|part| !part.is_empty() && *part != ".").map(ToOwned::to_owned).collect())
    }

    /// What a tree has of it, each by a path without a link. Links on the way are followed inside the tree, for what lies
    /// behind them is meant; one at the end is what is meant.
    pub(super) fn find(&self, tree: &Tree) -> Result<BTreeSet<PathBuf>> {
        let mut found = BTreeSet::new();
        step(tree, Path::new(""), &self.0, &mut found)?;
        Ok(found)
    }
}

fn step(tree: &Tree, at: &Path, parts: &[String], found: &mut BTreeSet<PathBuf>) -> Result<()> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    if part == FOLDERS && !rest.is_empty() {
        step(tree, at, rest, found)?;
        for name in tree.names(at)? {
            let inner = at.join(name);
            if tree.look(&inner)?.is_some_and(|entry| entry.kind == Kind::Folder) {
                step(tree, &inner, parts, found)?;
            }
        }
        return Ok(());
    }
    let names = if part.contains(['*', '?']) { matching(tree, at, part)? } else { vec![OsString::from(part)] };
    for name in names {
        let inner = at.join(name);
        let Some(entry) = tree.look(&inner)? else { continue };
        match (rest, entry.kind) {
            ([], _) => {
                found.insert(inner);
            }
            (_, Kind::Folder) => step(tree, &inner, rest, found)?,
            (_, Kind::Link) => {
                if let Some(real) = real_folder(tree, &inner)? {
                    step(tree, &real, rest, found)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn matching(tree: &Tree, folder: &Path, part: &str) -> Result<Vec<OsString>> {
    let mut names = tree.names(folder)?;
    names.retain(|name| matches(part.as_bytes(), name.as_bytes()));
    Ok(names)
}

/// Whether a name is as a part of a pattern says.
fn matches(part: &[u8], name: &[u8]) -> bool {
    match part.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|taken| matches(rest, &name[taken..])),
        Some((b'?', rest)) => !name.is_empty() && matches(rest, &name[1..]),
        Some((byte, rest)) => name.first() == Some(byte) && matches(rest, &name[1..]),
    }
}

/// The folder that a link leads to, as if the tree were `/`; `None` when it leads to none.
fn real_folder(tree: &Tree, link: &Path) -> Result<Option<PathBuf>> {
    let mut at = PathBuf::new();
    let mut links = 0;
    let mut parts: Vec<OsString> = reversed(link.as_os_str());
    while let Some(part) = parts.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let inner = at.join(&part);
        match tree.look(&inner)?.map(|entry| entry.kind) {
            Some(Kind::Folder) => at = inner,
            Some(Kind::Link) if links < LINKS_MAX => {
                links += 1;
                let target = tree.link(&inner)?;
                if target.as_bytes().first() == Some(&b'/') {
                    at = PathBuf::new();
                }
                parts.extend(reversed(&target));
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The parts of a path, the last one first.
fn reversed(path: &OsStr) -> Vec<OsString> {
    let parts = path.as_bytes().split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.rev().map(|part| OsStr::from_bytes(part).to_owned()).collect()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    #[test]
    fn names_match_as_in_a_shell() {
        for (part, name, yes) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", ".hidden", true),
            ("ssh_host_*_key*", "ssh_host_rsa_key.pub", true),
            ("ssh_host_*_key*", "ssh_host_key", false),
            ("?", "", false),
            ("a?c", "abc", true),
            ("*.key", "x.keys", false),
        ] {
            assert_eq!(matches(part.as_bytes(), name.as_bytes()), yes, "{part} {name}");
        }
    }

    #[test]
    fn a_tree_tells_what_it_has_of_a_pattern() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in ["srv/a/b", "data/deep", "etc"] {
            create_dir_all(at(folder)).unwrap();
        }
        for file in ["srv/1.key", "srv/a/2.key", "srv/a/b/3.key", "data/deep/4.key", "etc/k"] {
            write(at(file), "").unwrap();
        }
        symlink("../../data/deep", at("srv/a/out")).unwrap();
        symlink("/data", at("srv/data")).unwrap();
        symlink("../../../../etc", at("srv/up")).unwrap();
        symlink("loop", at("srv/loop")).unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let found = |pattern: &str| {
            let found = Pattern::new(pattern).find(&tree).unwrap();
            found.into_iter().map(|path| path.into_os_string().into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found("/srv/**/*.key"), ["srv/1.key", "srv/a/2.key", "srv/a/b/3.key"]);
        assert_eq!(found("/srv/*.key"), ["srv/1.key"]);
        assert_eq!(found("/srv/a/out/4.key"), ["data/deep/4.key"], "what lies behind a link is meant");
        assert_eq!(found("srv/data/*/4.key"), ["data/deep/4.key"]);
        assert_eq!(found("srv/up/k"), ["etc/k"], "nothing leads out of the tree");
        assert_eq!(found("srv/up"), ["srv/up"], "a link at the end is what is meant");
        assert_eq!(found("srv/loop/x"), [""; 0]);
        assert_eq!(found("etc/**"), ["etc/k"]);
        assert_eq!(found("none/*"), [""; 0]);
        assert_eq!(found("etc/k/x"), [""; 0]);
    }
}
