//! What looks private and is not listed: a hint for the administrator, not a rule.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use anyhow::Result;

use super::private::find;
use super::store::{Kind, Tree, is_btrfs};
use crate::disk::root::Root;
use crate::paths;

/// Where administrators and services put what is the master's alone.
const FOLDERS: [&str; 6] = ["etc", "root", "opt", "srv", "usr/local", "var/lib"];
/// Where any file may be a key; elsewhere one that is called so.
const READ: [&str; 2] = ["etc", "root"];
/// What programs want closed, though nothing in it is secret.
const BY_CUSTOM: [&str; 3] = ["root/.ssh", "root/.ssh/authorized_keys", "root/.ssh/known_hosts"];
/// More is not looked at: this runs in every check.
const MAX: usize = 100_000;

/// What looks private, and is not listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suspects {
    /// Where it is. Of a folder that is closed itself nothing that is in it.
    pub paths: Vec<String>,
    /// There was too much to look at all of it.
    pub is_cut: bool,
}

/// What looks private and would be in a generation: private keys, and what others may not read and no package owns.
///
/// # Errors
/// When the root cannot be looked through.
pub fn suspects(root: &Root, site: &[String]) -> Result<Suspects> {
    let tree = Tree::open(root.path())?;
    let private = find(&tree, site)?;
    let mut owned = Owned { root, paths: None };
    let mut suspects = Suspects::default();
    let mut failed = Ok(());
    let mut seen = 0;
    for folder in FOLDERS {
        tree.walk_below(Path::new(folder), &mut |path, entry| {
            seen += 1;
            suspects.is_cut |= seen > MAX;
            if suspects.is_cut || private.contains_key(path) || failed.is_err() {
                return false;
            }
            let has_something = entry.kind == Kind::Folder || (entry.kind == Kind::File && entry.size > 0);
            let is_closed = entry.rights.0 & 0o007 == 0;
            let is_asked = has_something && is_closed && !BY_CUSTOM.iter().any(|open| path == Path::new(open));
            let is_strange = if is_asked { owned.lack(path) } else { Ok(false) };
            match is_strange {
                Err(error) => failed = Err(error),
                Ok(false) if entry.kind != Kind::File || !is_key(&tree, path) => return true,
                Ok(_) => suspects.paths.push(path.display().to_string()),
            }
            false
        })?;
    }
    failed.map(|()| suspects)
}

/// Subvolumes of btrfs that belong to the root, in the folders where there may be some: a snapshot has no more of them than
/// their names.
///
/// # Errors
/// When these folders cannot be looked through.
pub fn subvolumes(root: &Root, site: &[String]) -> Result<Vec<String>> {
    let (tree, mut found) = (Tree::open(root.path())?, Vec::new());
    if !is_btrfs(root.path())? {
        return Ok(found);
    }
    let private = find(&tree, site)?;
    for folder in ["", "usr", "var"].iter().chain(&FOLDERS) {
        for (name, entry) in tree.entries(Path::new(folder))? {
            let path = Path::new(folder).join(name);
            let place = format!("/{}", path.display());
            let is_elsewhere = private.contains_key(&path)
                || paths::OWN_MOUNTS.contains(&place.as_str())
                || site.iter().any(|private| private.strip_suffix("/*") == Some(&place));
            if !is_elsewhere && tree.is_subvolume(&path, &entry) {
                found.push(place);
            }
        }
    }
    Ok(found)
}

/// The files and folders that packages own, read when the first is asked for.
struct Owned<'a> {
    root: &'a Root,
    paths: Option<BTreeSet<String>>,
}

impl Owned<'_> {
    /// Whether no package owns this; never where no package is known.
    fn lack(&mut self, path: &Path) -> Result<bool> {
        let owned = match &mut self.paths {
            Some(owned) => owned,
            none => none.insert(owned(self.root)?),
        };
        let text = path.to_string_lossy();
        // Of a file with passwords the tools keep the one before, with a `-` behind its name.
        Ok(!owned.is_empty() && !owned.contains(&*text) && !owned.contains(text.trim_end_matches('-')))
    }
}

/// Whether a private key is in a file, be it behind a comment or a certificate.
fn is_key(tree: &Tree, path: &Path) -> bool {
    /// So much is read of each file.
    const BEGIN: u64 = 8192;
    let is_called_so = path.extension().is_some_and(|end| end == "key" || end == "pem");
    if !is_called_so && !READ.iter().any(|folder| path.starts_with(folder)) {
        return false;
    }
    let mut begin = Vec::new();
    // What cannot be read now is told by whoever needs it.
    let read = tree.file(path).is_ok_and(|file| file.take(BEGIN).read_to_end(&mut begin).is_ok());
    let text = String::from_utf8_lossy(&begin);
    read && text.lines().any(|line| line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----"))
}

fn owned(root: &Root) -> Result<BTreeSet<String>> {
    let names = root.list(paths::XBPS)?.unwrap_or_default();
    let mut owned = BTreeSet::new();
    for name in names.iter().filter(|name| name.starts_with('.') && name.ends_with("-files.plist")) {
        let text = root.read_text(&format!("{}/{name}", paths::XBPS))?.unwrap_or_default();
        let strings = text.lines().filter_map(|line| line.trim().strip_prefix("<string>/")?.strip_suffix("</string>"));
        owned.extend(strings.filter(|path| FOLDERS.iter().any(|folder| path.starts_with(folder))).map(ToOwned::to_owned));
    }
    Ok(owned)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test's own files")]
pub(super) mod tests {
    use super::*;
    use crate::generation::scene::Scene;
    use crate::tools::Tool;
    use std::os::unix::fs::PermissionsExt;

    /// On btrfs: what is in those is in no snapshot.
    pub(in crate::generation) fn sees_subvolumes(scene: &Scene) {
        for path in ["opt", "var/lib/vm", "boot/x"] {
            std::fs::create_dir_all(scene.at_path(path).parent().unwrap()).unwrap();
            Tool::new("btrfs").args(["subvolume", "create"]).arg(scene.at_path(path)).output().unwrap();
        }
        let seen = |site: [&str; 2]| subvolumes(&scene.root, &site.map(ToOwned::to_owned)).unwrap();
        assert_eq!(seen(["/x"; 2]), ["/opt", "/var/lib/vm"]);
        assert_eq!(seen(["/opt/*", "/var/lib/vm"]), [""; 0]);
    }

    #[test]
    fn keys_and_closed_files_of_nobody_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str, mode: u32| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
        for (path, text, mode) in [
            ("etc/ssl/own.pem", key, 0o644),
            ("etc/ssl/both.txt", &format!("# ours\n-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n{key}"), 0o644),
            ("etc/ssh/ssh_host_rsa_key", key, 0o600),
            ("etc/cert.pem", "-----BEGIN CERTIFICATE-----\n", 0o644),
            ("etc/shadow", "x", 0o600),
            ("etc/shadow-", "x", 0o600),
            ("etc/.pwd.lock", "", 0o600),
            ("etc/vpn/password", "x", 0o640),
            ("etc/site/secret", "x", 0o600),
            ("opt/service/tls.key", key, 0o644),
            ("opt/service/text", key, 0o644),
            ("root/.ssh/authorized_keys", "ssh-ed25519 x", 0o600),
            ("root/.ssh/other", key, 0o600),
            ("root/notes", "x", 0o644),
            ("srv/data/table", "x", 0o600),
            ("usr/key", key, 0o600),
            ("var/lib/db/one", "x", 0o600),
            ("var/lib/db/two", "x", 0o600),
            ("var/lib/service/open", "x", 0o644),
        ] {
            write(path, text, mode);
        }
        let close = |path: &str| std::fs::set_permissions(dir.path().join(path), std::fs::Permissions::from_mode(0o750)).unwrap();
        close("root/.ssh");
        close("var/lib/db");
        close("var/lib/service");
        let root = Root::open(dir.path()).unwrap();
        let told = || suspects(&root, &["/etc/site".to_owned()]).unwrap();
        let keys = ["etc/ssl/both.txt", "etc/ssl/own.pem", "opt/service/tls.key", "root/.ssh/other"];
        let sorted = |mut paths: Vec<String>| {
            paths.sort();
            paths
        };
        assert_eq!(sorted(told().paths), keys, "without packages nobody knows whose a file is");
        let list = "<array>\n\t<string>/etc/shadow</string>\n\t<string>/var/lib/service</string>\n</array>\n";
        write("var/db/xbps/.base-files-files.plist", list, 0o644);
        let more = ["etc/vpn/password", "srv/data/table", "var/lib/db"];
        let mut all = [&keys[..], &more].concat();
        all.sort_unstable();
        assert!(!told().is_cut && sorted(told().paths) == all, "{:?}", told());
    }
}
