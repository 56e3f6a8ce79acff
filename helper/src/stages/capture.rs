//! What a node changed in its memory becomes files of an overlay of the site.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::live::{self, Live};
use super::target::Target;
use crate::disk::archive;
use crate::disk::tree::{Content, Item};
use crate::lay;
use crate::machine::ssh;
use crate::paths;
use crate::render::is_litter;
use crate::types::{OverlayName, shown};

/// The command that a node is asked by. Its own voidclust knows what was laid there, and what its lower tree has.
const ASKED: [&str; 3] = ["voidclust", "hook", "changed"];

/// What was found on a node.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Files, links and the folders that they are in, by their path below /etc.
    pub items: BTreeMap<String, Item>,
    /// What is left out, and why.
    pub left_out: Vec<String>,
}

/// Asks a node what was changed there; only in these files and folders, unless none is named.
///
/// # Errors
/// When it cannot be asked, or something that was named was not changed there.
pub fn ask(host: &str, wanted: &[String]) -> Result<Captured> {
    let answer = ssh::on(host, &ASKED).bytes().with_context(|| {
        format!("{host}: cannot be asked; ssh must let root in without a password, and its root must have this voidclust")
    })?;
    let changed = archive::read(&answer).with_context(|| format!("{host}: answered something else than an archive"))?;
    chosen(changed, wanted)
}

/// What of it can be in an overlay. It comes from another machine, so no path of it is trusted.
fn chosen(changed: BTreeMap<String, Item>, wanted: &[String]) -> Result<Captured> {
    let below = |path: &str| path.trim_start_matches("/etc/").trim_end_matches('/').to_owned();
    let wanted: Vec<String> = wanted.iter().map(|path| below(path)).collect();
    let is_in = |path: &str, folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if let Some(missing) = wanted.iter().find(|folder| !changed.keys().any(|path| is_in(path, folder))) {
        bail!("/etc/{}: was not changed there, or an overlay laid it; see --dry-run without a path", shown(missing));
    }
    let mut captured = Captured::default();
    let mut folders = BTreeMap::new();
    for (path, item) in changed {
        if item.is_folder() {
            folders.insert(path, item);
            continue;
        }
        if !wanted.is_empty() && !wanted.iter().any(|folder| is_in(&path, folder)) {
            continue;
        }
        match unfit(&path, &item) {
            Some(why) => captured.left_out.push(format!("{}: {why}", shown(&path))),
            None => drop(captured.items.insert(path, item)),
        }
    }
    let of_files = |folder: &String| captured.items.keys().any(|path| is_in(path, folder));
    let folders: BTreeMap<String, Item> = folders.into_iter().filter(|(folder, _)| of_files(folder)).collect();
    captured.items.extend(folders);
    Ok(captured)
}

/// Why something cannot be in an overlay as it is.
fn unfit(path: &str, item: &Item) -> Option<&'static str> {
    let mut names = path.split('/');
    if names.clone().any(|name| matches!(name, "" | "." | "..")) {
        return Some("is no path below /etc");
    }
    if !matches!(item.content, Content::File(_) | Content::Link(_)) {
        return Some("is neither a file nor a link");
    }
    if path.ends_with(".j2") {
        return Some("would be taken for a template");
    }
    if names.any(is_litter) {
        return Some("is what an editor left behind");
    }
    lay::unsound(path.rsplit('/').next().unwrap_or_default().as_bytes(), false).map(|(why, _)| why)
}

/// Whether only its owner may read it: in an overlay it is laid on every node that has that.
#[must_use]
pub fn is_private(item: &Item) -> bool {
    item.bytes().is_some_and(|bytes| item.mode & 0o077 == 0 || bytes.whole().starts_with(b"-----BEGIN "))
}

/// Writes it into an overlay of the site, and has the running machine see it.
///
/// # Errors
/// When another file of that name is there, another run is at work, or the disk refuses.
pub fn write(target: &Target, overlay: &OverlayName, captured: &Captured, say: &mut dyn FnMut(&str)) -> Result<Live> {
    let lock = target.lock()?;
    lock.bring(&format!("{}/{overlay}", paths::SITE_OVERLAYS), &captured.items)?;
    Ok(live::bring_up_to_date(target, say))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(paths: &[&str]) -> BTreeMap<String, Item> {
        let item = |path: &str| match path.strip_suffix('/') {
            Some(folder) => (folder.to_owned(), Item { content: Content::Folder, ..Item::file(*b"").with_mode(0o700) }),
            None => (path.to_owned(), Item::file(*b"x")),
        };
        paths.iter().map(|path| item(path)).collect()
    }

    #[test]
    fn what_a_node_says_leads_nowhere_else() {
        let all = chosen(changed(&["a", "../../shadow", "/abs", "b.j2", "c~", "x/../y", ".wh.gone"]), &[]).unwrap();
        assert_eq!(all.items.keys().collect::<Vec<_>>(), [".wh.gone", "a"]);
        assert_eq!(all.left_out.len(), 5, "{:?}", all.left_out);
    }

    #[test]
    fn what_is_named_is_taken_with_its_folders() {
        let found = changed(&["cron.d/", "cron.d/job", "cron.daily/", "cron.daily/x", "motd"]);
        let captured = chosen(found.clone(), &["/etc/cron.d/".to_owned()]).unwrap();
        assert_eq!(captured.items.keys().collect::<Vec<_>>(), ["cron.d", "cron.d/job"]);
        let error = chosen(found, &["cron".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("/etc/cron: was not changed there"), "{error}");
    }
}
