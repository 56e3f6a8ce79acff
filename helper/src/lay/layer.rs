//! What one source brings, and how sources are put together: plain data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::names;

/// Owner, permissions and extended attributes, as numbers and bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The permission bits, `0o7777` at most.
    pub(super) mode: u32,
    pub(super) xattrs: Xattrs,
}

/// Extended attributes by name.
pub(super) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

impl Meta {
    /// Of a folder that is there for what it holds. Archives leave out the folders that files lie in, and programs make
    /// them so: nothing is said about a folder that is there already.
    pub(super) fn usual() -> Self {
        Self { mode: 0o755, ..Self::default() }
    }
}

/// What stands at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) meta: Meta,
}

/// The three kinds of things that /etc is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File(Vec<u8>),
    Link(PathBuf),
}

impl Entry {
    pub(super) fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }

    fn usual_folder() -> Self {
        Self { kind: Kind::Folder, meta: Meta::usual() }
    }
}

/// What stands at which path. Sorted by parts, so a folder is right before all that it holds. A `.wh.NAME` is an entry of
/// that name.
pub(super) type Layer = BTreeMap<PathBuf, Entry>;

/// The paths below a folder.
fn below(layer: &Layer, folder: &Path) -> Vec<PathBuf> {
    let from = layer.range(folder.to_owned()..).map(|(path, _)| path);
    from.skip_while(|path| *path == folder).take_while(|path| path.starts_with(folder)).cloned().collect()
}

fn remove(layer: &mut Layer, path: &Path) {
    for path in below(layer, path) {
        layer.remove(&path);
    }
    layer.remove(path);
}

/// Puts an entry of a source where it stands, with the folders above it. The last of one name wins, as tar has it.
///
/// # Errors
/// When its name cannot be laid, or another entry of the same source is in its way.
pub(super) fn put(layer: &mut Layer, path: PathBuf, entry: Entry) -> Result<()> {
    let name = path.file_name().unwrap_or_default();
    if let Some((why, _)) = names::unsound(std::os::unix::ffi::OsStrExt::as_bytes(name), entry.is_folder()) {
        bail!("{}: {why}", shown(&path));
    }
    for above in path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        match layer.get(above) {
            None => {
                let name = above.file_name().unwrap_or_default();
                if let Some((why, _)) = names::unsound(std::os::unix::ffi::OsStrExt::as_bytes(name), true) {
                    bail!("{}: {why}", shown(above));
                }
                layer.insert(above.to_owned(), Entry::usual_folder());
            }
            Some(there) if there.is_folder() => {}
            Some(_) => bail!("{}: lies in {}, which is no folder in it", shown(&path), shown(above)),
        }
    }
    if layer.get(&path).is_some_and(|there| there.is_folder() != entry.is_folder()) {
        bail!("{}: it has this twice, once as a folder", shown(&path));
    }
    layer.insert(path, entry);
    Ok(())
}

/// Lays `layer` over `all`; what it has wins. A `.wh.NAME` removes NAME here, and stays in order to remove it from /etc.
pub(super) fn merge(all: &mut Layer, layer: Layer) {
    for gone in layer.keys().filter_map(|path| names::hidden_by(path)) {
        remove(all, &gone);
    }
    for (path, entry) in layer {
        let folder_there = all.get(&path).is_some_and(Entry::is_folder);
        if entry.is_folder() && folder_there && entry.meta == Meta::usual() {
            continue;
        }
        if !(entry.is_folder() && folder_there) {
            remove(all, &path);
        }
        all.insert(path, entry);
    }
}

/// A path for messages, on one line.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .flat_map(|char| if char.is_control() { char.escape_debug().collect() } else { vec![char] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(entries: &[(&str, &str)]) -> Layer {
        let mut layer = Layer::new();
        for (path, text) in entries {
            let kind = if text.is_empty() { Kind::Folder } else { Kind::File(text.as_bytes().to_vec()) };
            put(&mut layer, path.into(), Entry { kind, meta: Meta::usual() }).unwrap();
        }
        layer
    }

    fn merged(layers: &[&[(&str, &str)]]) -> Vec<String> {
        let mut all = Layer::new();
        for entries in layers {
            merge(&mut all, layer(entries));
        }
        all.keys().map(|path| shown(path)).collect()
    }

    #[test]
    fn the_later_one_wins_folder_or_not() {
        assert_eq!(merged(&[&[("a/b", "1"), ("a/c", "1"), ("a.d", "1")], &[("a", "2")]]), ["a", "a.d"]);
        assert_eq!(merged(&[&[("a", "1")], &[("a/b", "2")]]), ["a", "a/b"]);
        assert_eq!(merged(&[&[("a/b", "1"), ("a/c/d", "1")], &[("a/.wh.c", "2")]]), ["a", "a/.wh.c", "a/b"]);
        assert_eq!(merged(&[&[(".wh.a", "1")], &[("a", "2")]]), [".wh.a", "a"]);
    }

    #[test]
    fn a_folder_that_says_nothing_does_not_undo_one_that_does() {
        let mut all = Layer::new();
        let meant = Entry { kind: Kind::Folder, meta: Meta { mode: 0o700, ..Meta::usual() } };
        put(&mut all, "ssh".into(), meant.clone()).unwrap();
        merge(&mut all, layer(&[("ssh/key", "1")]));
        assert_eq!(all[Path::new("ssh")], meant);
    }

    #[test]
    fn nothing_lies_below_what_is_no_folder() {
        let mut all = layer(&[("a", "1")]);
        let file = Entry { kind: Kind::File(Vec::new()), meta: Meta::usual() };
        assert!(put(&mut all, "a/b".into(), file.clone()).unwrap_err().to_string().contains("lies in a, which is no folder"));
        assert!(put(&mut layer(&[("a/b", "1")]), "a".into(), file.clone()).unwrap_err().to_string().contains("twice"));
        assert!(put(&mut all, ".wh.d/x".into(), file).unwrap_err().to_string().contains(".wh.d: what removes NAME is a file"));
    }
}
