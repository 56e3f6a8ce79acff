//! Overlays as they are on the disk: folders that mirror /etc, ours and the site's, read into plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::disk::root::{Found, Root, split};
use crate::paths;
use crate::site::Site;
use crate::types::OverlayName;

/// The overlay that every client gets first.
pub const CLIENT: &str = "client";
/// The overlay that the master gets first.
pub const MASTER: &str = "master";
/// Begins the name of a file that removes another: `.wh.NAME` takes NAME away (OCI image-spec, layers, whiteouts).
pub const WHITEOUT: &str = ".wh.";

/// Who brings a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A package of ours.
    Package,
    /// The site's own folder.
    Site,
    /// The `services` of the configuration.
    Configuration,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Package => "package",
            Self::Site => "site",
            Self::Configuration => "configuration",
        })
    }
}

/// What an overlay has at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A template, without its suffix `.j2` in the path.
    Template(String),
    /// A file that is copied.
    Bytes(Arc<[u8]>),
    /// A symbolic link.
    Link(String),
    /// A folder; it matters when it stays empty or has a mode of its own.
    Folder,
}

/// One path of an overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What is there.
    pub content: Content,
    /// The permission bits.
    pub mode: u32,
    /// Who brings it.
    pub origin: Origin,
    /// Its place on the disk, for messages.
    pub file: String,
}

/// Paths relative to /etc and what the overlay has there.
pub type Overlay = BTreeMap<String, Piece>;

/// All overlays that a site uses, by name.
pub type Overlays = BTreeMap<String, Overlay>;

/// Reads the overlays that the site names, each with the site's own files over ours.
///
/// # Errors
/// When one is missing or cannot be read, or holds what no overlay may hold.
pub fn load(root: &Root, site: &Site) -> Result<Overlays> {
    let mut names: Vec<&str> = vec![MASTER, CLIENT];
    let lists = [&site.master.overlays, &site.client.overlays].into_iter();
    let lists =
        lists.chain(site.profiles.values().map(|profile| &profile.overlays)).chain(site.nodes.iter().map(|node| &node.overlays));
    names.extend(lists.flatten().map(OverlayName::as_str));
    let mut overlays = Overlays::new();
    for name in names {
        if !overlays.contains_key(name) {
            overlays.insert(name.to_owned(), load_one(root, name)?);
        }
    }
    Ok(overlays)
}

fn load_one(root: &Root, name: &str) -> Result<Overlay> {
    let mut overlay = Overlay::new();
    let mut found = false;
    for (folder, origin) in [(paths::PACKAGE_OVERLAYS, Origin::Package), (paths::SITE_OVERLAYS, Origin::Site)] {
        let folder = format!("{folder}/{name}");
        let mut pieces = Overlay::new();
        match root.find(&folder)? {
            None => continue,
            Some(Found::Folder(_)) => walk(root, &folder, "", origin, &mut pieces)?,
            Some(_) => bail!("{}: an overlay is a folder; put one there", root.display(&folder)),
        }
        found = true;
        for (path, piece) in pieces {
            shadow(&mut overlay, &path, &piece.content);
            overlay.insert(path, piece);
        }
    }
    if !found {
        let package = if name == MASTER { "cluster-master" } else { "cluster-overlays" };
        bail!("overlay `{name}`: not found; install {package}, or make {}/{name}", root.display(paths::SITE_OVERLAYS));
    }
    Ok(overlay)
}

/// What the site has at a path takes the place of ours, folder or not.
fn shadow(overlay: &mut Overlay, path: &str, content: &Content) {
    if *content != Content::Folder {
        let below = format!("{path}/");
        overlay.retain(|known, _| !known.starts_with(&below));
    }
    let mut above = split(path).0;
    while !above.is_empty() {
        if overlay.get(above).is_some_and(|piece| piece.content != Content::Folder) {
            overlay.remove(above);
        }
        above = split(above).0;
    }
}

fn walk(root: &Root, folder: &str, below: &str, origin: Origin, pieces: &mut Overlay) -> Result<()> {
    let here = if below.is_empty() { folder.to_owned() } else { format!("{folder}/{below}") };
    for name in root.list(&here)?.unwrap_or_default() {
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let file = root.display(&format!("{folder}/{path}"));
        if name.chars().any(char::is_control) {
            bail!("{}: the name holds a control character; rename it", file.escape_debug());
        }
        let (path, content, mode) = match root.find(&format!("{folder}/{path}"))? {
            Some(Found::Folder(_)) if name.starts_with(WHITEOUT) => {
                bail!("{file}: what removes NAME is a file {WHITEOUT}NAME, not a folder; put an empty file there")
            }
            Some(Found::Folder(mode)) => {
                walk(root, folder, &path, origin, pieces)?;
                (path, Content::Folder, mode)
            }
            Some(Found::Link(target)) => (path, Content::Link(target), 0o777),
            Some(Found::File { bytes, mode }) => match path.strip_suffix(".j2") {
                Some(target) if !split(target).1.is_empty() => match String::from_utf8(bytes) {
                    Ok(text) => (target.to_owned(), Content::Template(text), mode),
                    Err(_) => bail!("{file}: a template must be UTF-8 text; drop the suffix .j2 to copy it as it is"),
                },
                _ => (path, Content::Bytes(bytes.into()), mode),
            },
            Some(Found::Other) => {
                bail!("{file}: an overlay holds files, folders and links, no device, socket or pipe; remove it")
            }
            None => bail!("{file}: vanished while it was read; run again"),
        };
        if content != Content::Folder
            && let Some(why) = unsound(split(&path).1)
        {
            bail!("{file}: {why}");
        }
        if let Some(other) = pieces.insert(path, Piece { content, mode, origin, file: file.clone() }) {
            bail!("{file}: {} would become the same file; remove one of them", other.file);
        }
    }
    Ok(())
}

/// Why nothing of this name can be laid over /etc: a node refuses the whole archive that holds one such name (lay-overlays,
/// `sound_tree`), and comes up as nobody.
fn unsound(name: &str) -> Option<&'static str> {
    match name.strip_prefix(WHITEOUT).unwrap_or(name) {
        "" | "." | ".." if name.starts_with(WHITEOUT) => Some("names nothing to remove; remove it, or write .wh.NAME"),
        // A template's, without its suffix.
        "." | ".." => Some("without .j2 this is not the name of a file; rename it"),
        // The opaque marker of container layers, .wh..wh..opq, for one.
        gone if gone.len() < name.len() && gone.starts_with(WHITEOUT) => {
            Some("nodes know no such mark; remove it, and name what is to go, each with an empty file .wh.NAME")
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the tests' own files")]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    fn root_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(path, text).unwrap();
        }
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    const OURS: &str = "usr/share/voidclust/overlays/x/hosts.j2";

    #[test]
    fn the_site_shadows_single_files_of_ours_template_or_not() {
        let (_dir, root) = root_with(&[
            (OURS, "ours"),
            ("usr/share/voidclust/overlays/x/fstab", "ours"),
            ("etc/voidclust/overlays/x/hosts", "site"),
        ]);
        let overlay = load_one(&root, "x").unwrap();
        assert_eq!((overlay["hosts"].origin, &overlay["hosts"].content), (Origin::Site, &Content::Bytes((*b"site").into())));
        assert_eq!(overlay["fstab"].origin, Origin::Package);
    }

    #[test]
    fn a_site_folder_takes_the_place_of_our_file_and_the_other_way_round() {
        let (_dir, root) = root_with(&[
            (OURS, "ours"),
            ("usr/share/voidclust/overlays/x/sv/a/run", "ours"),
            ("etc/voidclust/overlays/x/hosts/a", "site"),
            ("etc/voidclust/overlays/x/sv/a", "site"),
        ]);
        let overlay = load_one(&root, "x").unwrap();
        assert_eq!(overlay["hosts"].content, Content::Folder);
        assert!(!overlay.contains_key("sv/a/run") && overlay.contains_key("hosts/a"));
    }

    #[test]
    fn what_no_overlay_may_hold_is_named() {
        let (dir, root) = root_with(&[("etc/voidclust/overlays/x/a", "1"), ("etc/voidclust/overlays/x/a.j2", "1")]);
        assert!(load_one(&root, "x").unwrap_err().to_string().contains("same file"));
        assert!(load_one(&root, "none").unwrap_err().to_string().contains("install cluster-overlays"));
        let pipes = dir.path().join("etc/voidclust/overlays/p");
        create_dir_all(&pipes).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            pipes.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(load_one(&root, "p").unwrap_err().to_string().contains("p/pipe: an overlay holds files"));
        symlink("/etc", dir.path().join("etc/voidclust/overlays/l")).unwrap();
        assert!(load_one(&root, "l").unwrap_err().to_string().contains("an overlay is a folder"));
    }

    #[test]
    fn names_that_no_node_would_lay_are_refused_templates_without_their_suffix() {
        for name in [".wh.", ".wh..", ".wh...", ".wh..wh..opq", ".wh..wh.a", ".wh.dir/a"] {
            for suffix in ["", ".j2"] {
                let (_dir, root) = root_with(&[(&format!("etc/voidclust/overlays/x/sub/{name}{suffix}"), "1")]);
                assert!(load_one(&root, "x").unwrap_err().to_string().contains("x/sub/.wh."), "{name}{suffix}");
            }
        }
        for name in ["..j2", "...j2"] {
            let (_dir, root) = root_with(&[(&format!("etc/voidclust/overlays/x/{name}"), "1")]);
            assert!(load_one(&root, "x").unwrap_err().to_string().contains(&format!("x/{name}: without .j2")), "{name}");
        }
        for name in [".wh.a", ".wh.a.j2", ".wh....", ".wh.d.wh", ".j2", "....j2", ".who/a", "a.wh./b"] {
            let (_dir, root) = root_with(&[(&format!("etc/voidclust/overlays/x/{name}"), "1")]);
            load_one(&root, "x").unwrap();
        }
    }

    #[test]
    fn links_stay_links_and_are_not_followed() {
        let (dir, root) = root_with(&[("etc/voidclust/overlays/x/a", "1")]);
        symlink("/etc", dir.path().join("etc/voidclust/overlays/x/out")).unwrap();
        let overlay = load_one(&root, "x").unwrap();
        assert_eq!(overlay["out"].content, Content::Link("/etc".into()));
        assert_eq!(overlay.len(), 2);
    }
}
