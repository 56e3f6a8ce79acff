//! What looks private and is not listed: a hint for the administrator, not a rule.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::private::find;
use super::store::{Entry, Kind, Tree};
use crate::disk::root::Root;

/// Where the administrator puts what is the master's alone.
const FOLDERS: [&str; 2] = ["etc", "root"];
/// More files are not looked at: this runs in every check.
const FILES_MAX: usize = 20_000;
/// Where xbps lists the files of each package.
const PACKAGES: &str = "var/db/xbps";

/// The files of /etc and /root that look private and would be in a generation: private keys, and what root alone may read
/// and no package owns.
///
/// # Errors
/// When the root cannot be looked through.
pub fn suspects(root: &Root, site: &[String]) -> Result<Vec<String>> {
    let tree = Tree::open(root.path())?;
    let private = find(&tree, site)?;
    let mut files: Vec<(PathBuf, Entry)> = Vec::new();
    for folder in FOLDERS {
        tree.walk_below(Path::new(folder), &mut |path, entry| {
            let is_private = private.contains_key(path);
            if !is_private && entry.kind == Kind::File && entry.size > 0 && files.len() < FILES_MAX {
                files.push((path.to_owned(), *entry));
            }
            !is_private
        })?;
    }
    let is_closed = |entry: &Entry| entry.rights.0 & 0o077 == 0;
    // Only those who have to be asked for are looked up in what the packages own.
    let asked: BTreeSet<&Path> = files.iter().filter(|(_, entry)| is_closed(entry)).map(|(path, _)| path.as_path()).collect();
    let owned = if asked.is_empty() { None } else { owned(root)? };
    let is_strange = |path: &Path| {
        let text = path.to_string_lossy();
        // Of a file with passwords the tools keep the one before, with a `-` behind its name.
        owned.as_ref().is_some_and(|owned| !owned.contains(&*text) && !owned.contains(text.trim_end_matches('-')))
    };
    let mut suspects = Vec::new();
    for (path, entry) in &files {
        if (is_closed(entry) && is_strange(path)) || is_key(&tree, path) {
            suspects.push(path.display().to_string());
        }
    }
    Ok(suspects)
}

/// Whether a file begins as a private key does.
fn is_key(tree: &Tree, path: &Path) -> bool {
    let mut begin = Vec::new();
    // What cannot be read now is told by whoever needs it.
    let read = tree.file(path).is_ok_and(|file| file.take(100).read_to_end(&mut begin).is_ok());
    let text = String::from_utf8_lossy(&begin);
    let line = text.lines().next().unwrap_or_default();
    read && line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY")
}

/// The files of /etc and /root that packages own; `None` where no package is known.
fn owned(root: &Root) -> Result<Option<BTreeSet<String>>> {
    let names = root.list(PACKAGES)?.unwrap_or_default();
    let mut owned = None;
    for name in names.iter().filter(|name| name.starts_with('.') && name.ends_with("-files.plist")) {
        let owned = owned.get_or_insert_with(BTreeSet::new);
        let text = root.read_text(&format!("{PACKAGES}/{name}"))?.unwrap_or_default();
        let strings = text.lines().filter_map(|line| line.trim().strip_prefix("<string>/")?.strip_suffix("</string>"));
        owned.extend(strings.filter(|path| FOLDERS.iter().any(|folder| path.starts_with(folder))).map(ToOwned::to_owned));
    }
    Ok(owned)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test's own files")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
            ("etc/ssh/ssh_host_rsa_key", key, 0o600),
            ("etc/cert.pem", "-----BEGIN CERTIFICATE-----\n", 0o644),
            ("etc/shadow", "x", 0o600),
            ("etc/shadow-", "x", 0o600),
            ("etc/.pwd.lock", "", 0o600),
            ("etc/vpn/password", "x", 0o600),
            ("etc/site/secret", "x", 0o600),
            ("root/notes", "x", 0o644),
            ("usr/key", key, 0o600),
        ] {
            write(path, text, mode);
        }
        let root = Root::open(dir.path()).unwrap();
        let told = || suspects(&root, &["/etc/site".to_owned()]).unwrap();
        assert_eq!(told(), ["etc/ssl/own.pem"], "without packages nobody knows whose a file is");
        write("var/db/xbps/.base-files-files.plist", "<array>\n\t<string>/etc/shadow</string>\n</array>\n", 0o644);
        assert_eq!(told(), ["etc/ssl/own.pem", "etc/vpn/password"]);
    }
}
