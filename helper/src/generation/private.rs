//! What is the master's alone and in no generation, and what stands there instead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::pattern::Pattern;
use super::store::Tree;
use crate::disk::root::Root;
use crate::paths;

/// What a generation has where the shared root has something private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// Nothing.
    Nothing,
    /// The folders without what is in them: programs look for theirs.
    Folders,
    /// A file that fits every node.
    Text(&'static str),
}

/// Something private.
#[derive(Debug)]
pub struct Private {
    /// The paths, `*`, `?` and `**` as in a shell.
    pub paths: &'static str,
    /// What replaces it.
    pub instead: Instead,
    /// Why it is not for all nodes.
    pub reason: &'static str,
}

const fn gone(paths: &'static str, reason: &'static str) -> Private {
    Private { paths, instead: Instead::Nothing, reason }
}

const fn emptied(paths: &'static str, reason: &'static str) -> Private {
    Private { paths, instead: Instead::Folders, reason }
}

const IDENTITY: &str = "tells one machine from another";
const KEYS: &str = "lets others in, or in elsewhere";
const DISKS: &str = "is about the master's disks";
const OURS: &str = "is for the master, which renders from it";
const KERNEL: &str = "is the kernel's, on each node its own";
const SERVED: &str = "is served to nodes in a way of its own";
const LIVE: &str = "is about what ran on the master";
const LEASES: &str = "is about the addresses of the master's cards";
const HISTORY: &str = "tells what the administrator did";

/// The built-in list. What the site adds is removed without a replacement.
pub const TABLE: &[Private] = &[
    Private {
        paths: "etc/fstab",
        instead: Instead::Text(
            "# A node mounts its root by what its boot loader says. More for this one is in its overlay.\n# See fstab(5).\n",
        ),
        reason: DISKS,
    },
    gone("etc/crypttab", DISKS),
    gone("etc/zfs/zpool.cache", DISKS),
    gone("etc/hostid", IDENTITY),
    // Not an empty one: `dbus-uuidgen --ensure` fails on it, and makes one where there is none.
    gone("etc/machine-id", IDENTITY),
    gone("var/lib/dbus/machine-id", IDENTITY),
    gone("etc/ssh/ssh_host_*_key*", IDENTITY),
    gone("var/lib/random-seed", IDENTITY),
    gone("var/lib/seedrng", IDENTITY),
    gone("etc/wireguard/*", KEYS),
    gone("etc/wpa_supplicant/*.conf", KEYS),
    gone("etc/NetworkManager/system-connections/*", KEYS),
    gone("var/lib/iwd/*", KEYS),
    gone("root/.ssh/id_*", KEYS),
    gone("root/.gnupg", KEYS),
    gone("root/.netrc", KEYS),
    gone("root/.git-credentials", KEYS),
    gone("root/.*_history", HISTORY),
    gone("root/.lesshst", HISTORY),
    gone("root/.viminfo", HISTORY),
    gone("etc/voidclust*", OURS),
    gone("etc/overlays", OURS),
    gone(paths::STATE, OURS),
    // The master's own image may hold the keys of its disks, and what nodes boot is copied from here to where it is served.
    gone("boot/*", SERVED),
    gone("srv/tftp/*", SERVED),
    gone("swapfile", DISKS),
    gone("swap.img", DISKS),
    gone("lost+found", DISKS),
    emptied("var/log", LIVE),
    emptied("var/cache", LIVE),
    emptied("var/tmp", LIVE),
    gone("tmp/*", LIVE),
    emptied("var/lib/nfs", LIVE),
    emptied("var/lib/dhcpcd", LEASES),
    emptied("var/lib/dhclient", LEASES),
    emptied("var/lib/dhcp", LEASES),
    gone("var/lib/misc/dnsmasq.leases", LEASES),
    gone("dev/*", KERNEL),
    gone("proc/*", KERNEL),
    gone("run/*", KERNEL),
    gone("sys/*", KERNEL),
];

/// Something of the shared root that no generation gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Where it is.
    pub path: String,
    /// Why it is left out.
    pub reason: String,
}

/// What of a root is private: by the built-in list, and by the site's.
///
/// # Errors
/// When the root cannot be looked through.
pub fn private_in(root: &Root, site: &[String]) -> Result<Vec<Left>> {
    let found = find(&Tree::open(root.path())?, site)?;
    let left = found.into_iter().map(|(path, (_, reason))| Left { path: path.display().to_string(), reason });
    Ok(left.collect())
}

/// What is private in a tree, with what replaces it and why.
pub(super) type Found = BTreeMap<PathBuf, (Instead, String)>;

/// Looks for it.
pub(super) fn find(tree: &Tree, site: &[String]) -> Result<Found> {
    let mut found = Found::new();
    let built_in = TABLE.iter().map(|private| (private.paths, private.instead, private.reason));
    let listed = site
        .iter()
        .map(|paths| (paths.as_str(), Instead::Nothing, "is private, or below a mount of all clients, by the configuration"));
    for (paths, instead, reason) in listed.chain(built_in) {
        for path in Pattern::new(paths).find(tree)? {
            found.entry(path).or_insert_with(|| (instead, reason.to_owned()));
        }
    }
    for path in swap_files(tree)? {
        found.insert(path, (Instead::Nothing, DISKS.to_owned()));
    }
    Ok(found)
}

/// The files that fstab swaps to.
fn swap_files(tree: &Tree) -> Result<Vec<PathBuf>> {
    let fstab = Path::new(paths::FSTAB);
    if tree.look(fstab)?.is_none_or(|entry| entry.kind != super::store::Kind::File) {
        return Ok(Vec::new());
    }
    let text = std::io::read_to_string(tree.file(fstab)?).unwrap_or_default();
    let fields = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let files = fields.filter(|fields| fields.get(2) == Some(&"swap") && !fields[0].starts_with("/dev/"));
    let mut found = Vec::new();
    for fields in files.filter(|fields| fields[0].starts_with('/')) {
        found.extend(Pattern::new(fields[0]).find(tree)?);
    }
    Ok(found)
}

/// Takes what is private out of a copy of the root, and puts in what replaces it.
pub(super) fn generalise(copy: &Tree, site: &[String]) -> Result<()> {
    for (path, (instead, _)) in find(copy, site)? {
        match instead {
            Instead::Folders => copy.empty(&path)?,
            Instead::Nothing | Instead::Text(_) => copy.delete(&path)?,
        }
    }
    for private in TABLE {
        let Instead::Text(text) = private.instead else { continue };
        let path = Path::new(private.paths);
        if copy.look(path.parent().unwrap_or(Path::new("")))?.is_some() {
            copy.put(path, text.as_bytes(), 0o644)?;
        }
    }
    Ok(())
}
