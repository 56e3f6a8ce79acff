//! A Plan as people read it: per file what changes, archives opened, as unified diffs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Serialize;

use super::unified::unified;
use crate::disk::archive;
use crate::disk::plan::{Plan, Step};
use crate::disk::root::Root;
use crate::disk::tree::{Content, Item};
use crate::paths;
use crate::site::Site;

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Create,
    /// Its content or mode changes.
    Replace,
    /// It goes.
    Remove,
    /// Somebody edited it: it stays, the new text is put beside it.
    Edited,
    /// Somebody edited it, and it is wanted no longer: it stays, and whoever reads it goes on with it.
    Left,
    /// It is not ours: nothing is done unless forced.
    Foreign,
}

impl Action {
    /// What a step comes to; `None` of what stays as it should be.
    const fn of(step: &Step) -> Option<Self> {
        Some(match step {
            Step::Keep => return None,
            Step::Create(_) => Self::Create,
            Step::Replace(_) => Self::Replace,
            Step::Remove => Self::Remove,
            Step::LeaveEdited => Self::Edited,
            Step::Abandon => Self::Left,
            Step::Foreign(_) => Self::Foreign,
        })
    }

    /// Whether apply does something to the file itself.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Create | Self::Replace | Self::Remove)
    }

    /// Whether the file is kept as somebody edited it.
    #[must_use]
    pub const fn is_edited(self) -> bool {
        matches!(self, Self::Edited | Self::Left)
    }
}

/// One file of the Plan, or one member of an archive.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// The path under the root.
    pub path: String,
    /// The path inside the archive, for a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The node that an archive is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What happens.
    pub action: Action,
    /// The unified diff; empty for what is not text.
    pub diff: String,
}

impl Change {
    /// The name that messages use: `path` or `path:member`.
    #[must_use]
    pub fn name(&self) -> String {
        self.member.as_ref().map_or_else(|| self.path.clone(), |member| format!("{}:{member}", self.path))
    }
}

/// What one of two sides has.
type Side = Option<Item>;

/// Lists what a Plan changes, in path order.
///
/// # Errors
/// When the old content cannot be read.
pub fn list(root: &Root, site: &Site, plan: &Plan) -> Result<Vec<Change>> {
    let owners = owners(site);
    let mut changes = Vec::new();
    let mut told = BTreeMap::new();
    for (path, step) in &plan.steps {
        let Some(action) = Action::of(step) else { continue };
        let new = if let Step::Create(item) | Step::Replace(item) = step { Some(item) } else { None };
        if !action.is_done() {
            changes.push(Change { path: path.clone(), member: None, node: None, action, diff: String::new() });
            continue;
        }
        let old = if action == Action::Create { None } else { root.find(path).context("cannot compare")? };
        let Some(name) = paths::archive_owner(path) else {
            let old = old.filter(|old| matches!(old.content, Content::File(_) | Content::Link(_)));
            changes.push(change(path, None, None, &old, &new.cloned(), false));
            continue;
        };
        let node = Some(owners.get(name).cloned().unwrap_or_else(|| name.to_owned()));
        // Nodes share archives: what is in one is told once.
        let told = told.entry((fingerprint(old.as_ref()), fingerprint(new))).or_insert_with(|| path.clone());
        if told != path {
            let diff = format!("as {told}\n");
            changes.push(Change { path: path.clone(), member: None, node, action, diff });
            continue;
        }
        let (old, new) = (opened(old.as_ref()), opened(new));
        let before = changes.len();
        for member in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let is_shut = [&old, &new].into_iter().any(|members| is_shut(members, member));
            let (old, new) = (old.get(member).cloned(), new.get(member).cloned());
            if old != new {
                changes.push(change(path, Some(member), node.clone(), &old, &new, is_shut));
            }
        }
        if changes.len() == before {
            // Same members, other bytes: the archive itself was damaged, or its mode changed.
            changes.push(Change { path: path.clone(), member: None, node, action, diff: String::new() });
        }
    }
    Ok(changes)
}

fn fingerprint(item: Option<&Item>) -> Option<String> {
    item.map(Item::fingerprint)
}

/// Lists what a Plan changes by path only, without a look into the files.
#[must_use]
pub fn summary(site: &Site, plan: &Plan) -> Vec<Change> {
    // Most runs find nothing to do.
    if plan.steps.values().all(|step| matches!(step, Step::Keep)) {
        return Vec::new();
    }
    let owners = owners(site);
    let told = plan.steps.iter().filter_map(|(path, step)| {
        let action = Action::of(step)?;
        let node = paths::archive_owner(path).map(|name| owners.get(name).cloned().unwrap_or_else(|| name.to_owned()));
        Some(Change { path: path.clone(), member: None, node, action, diff: String::new() })
    });
    told.collect()
}

/// Which machine an archive is for, by the beginning of its name.
fn owners(site: &Site) -> BTreeMap<String, String> {
    let nodes = site.nodes.iter().flat_map(|node| node.macs.iter().map(|mac| (mac.to_string(), node.name.to_string())));
    nodes.chain([(site.master.mac.to_string(), site.master.name.to_string())]).collect()
}

/// The members of an archive. What cannot be read is damaged, and will be replaced whole: every member is new.
fn opened(archive: Option<&Item>) -> BTreeMap<String, Item> {
    archive.and_then(Item::bytes).and_then(|bytes| archive::read(&bytes.whole()).ok()).unwrap_or_default()
}

/// Whether not everybody may enter a folder in which the member is.
fn is_shut(members: &BTreeMap<String, Item>, member: &str) -> bool {
    let folders = member.match_indices('/').filter_map(|(end, _)| members.get(&member[..end]));
    folders.filter(|item| item.is_folder()).any(|folder| folder.mode & 0o001 == 0)
}

fn change(path: &str, member: Option<&String>, node: Option<String>, old: &Side, new: &Side, is_shut: bool) -> Change {
    let action = match (old, new) {
        (None, _) => Action::Create,
        (_, None) => Action::Remove,
        _ => Action::Replace,
    };
    let name = member.map_or_else(|| path.to_owned(), |member| format!("{path}:{member}"));
    let is_hidden = |item: &Item| is_shut && matches!(item.content, Content::File(_));
    let diff = if is_rewritten(old, new) && [old, new].into_iter().flatten().any(is_hidden) {
        secret(&name)
    } else {
        diff(&name, member.is_some(), old, new)
    };
    Change { path: path.to_owned(), member: member.cloned(), node, action, diff }
}

fn secret(name: &str) -> String {
    format!("Secret files a/{name} and b/{name} differ\n")
}

/// Whether more than mode and owner changes of a file.
fn is_rewritten(old: &Side, new: &Side) -> bool {
    old.as_ref().map(|item| &item.content) != new.as_ref().map(|item| &item.content)
}

fn diff(name: &str, member: bool, old: &Side, new: &Side) -> String {
    if is_rewritten(old, new) && [old, new].into_iter().flatten().any(is_secret) {
        return secret(name);
    }
    let (Some(before), Some(after)) = (text(old), text(new)) else {
        return format!("Binary files a/{name} and b/{name} differ\n");
    };
    let header = |side: &Side, prefix: &str| if side.is_some() { format!("{prefix}/{name}") } else { "/dev/null".to_owned() };
    let mut out = String::new();
    if let (Some(old), Some(new)) = (old, new) {
        if old.mode != new.mode {
            out.push_str(&format!("old mode {:04o}\nnew mode {:04o}\n", old.mode, new.mode));
        }
        if old.owner != new.owner && member {
            out.push_str(&format!("old owner {}\nnew owner {}\n", old.owner, new.owner));
        }
    }
    out.push_str(&unified(&before, &after, &header(old, "a"), &header(new, "b")));
    if out.is_empty() {
        // An empty file, or a folder, comes or goes: the names alone tell it.
        out = format!("--- {}\n+++ {}\n", header(old, "a"), header(new, "b"));
    }
    out
}

/// Whether nobody may read it but those whom it is for: its content then is in no diff, which ends in mails and logs.
fn is_secret(item: &Item) -> bool {
    let Content::File(bytes) = &item.content else { return false };
    let has_key = |bytes: &[u8]| bytes.windows(16).any(|window| window == b"PRIVATE KEY-----");
    item.mode & 0o007 == 0 || has_key(&bytes.whole())
}

/// What a diff shows; of what is not text, and of what nobody reads any more, nothing.
fn text(side: &Side) -> Option<String> {
    const LARGE: usize = 1 << 20;
    match side.as_ref().map(|item| &item.content) {
        None | Some(Content::Folder | Content::Other) => Some(String::new()),
        Some(Content::Link(target)) => Some(format!("-> {}\n", target.display())),
        Some(Content::File(bytes)) if bytes.len() > LARGE => None,
        Some(Content::File(bytes)) => String::from_utf8(bytes.whole().into_owned()).ok().filter(|text| !text.contains('\0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::tree::Owner;

    fn file(text: &str, mode: u32) -> Side {
        Some(Item::file(text).with_mode(mode))
    }

    #[test]
    fn a_changed_line_is_a_unified_diff() {
        assert_eq!(
            diff("etc/a", false, &file("1\n2\n", 0o644), &file("1\n3\n", 0o644)),
            "--- a/etc/a\n+++ b/etc/a\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n"
        );
    }

    #[test]
    fn modes_owners_links_empty_files_and_bytes_are_told() {
        let diff = |name: &str, old: &Side, new: &Side| diff(name, true, old, new);
        assert_eq!(diff("a", &file("x\n", 0o644), &file("x\n", 0o600)), "old mode 0644\nnew mode 0600\n");
        let munge = Some(Item { owner: Owner { uid: 998, gid: 997 }, ..Item::file("x\n") });
        assert_eq!(diff("a", &file("x\n", 0o644), &munge), "old owner 0:0\nnew owner 998:997\n");
        assert_eq!(diff("a", &None, &file("", 0o644)), "--- /dev/null\n+++ b/a\n");
        assert!(diff("a", &None, &Some(Item::link("/etc/sv/x"))).contains("+-> /etc/sv/x"));
        assert_eq!(diff("a", &file("\0", 0o644), &None), "Binary files a/a and b/a differ\n");
    }

    #[test]
    fn of_what_others_may_not_read_a_diff_says_only_that_it_differs() {
        let secret = "Secret files a/a and b/a differ\n";
        for mode in [0o600, 0o400, 0o640] {
            assert_eq!(diff("a", true, &file("old\n", mode), &file("new\n", mode)), secret);
            assert_eq!(diff("a", true, &None, &file("new\n", mode)), secret);
            assert_eq!(diff("a", true, &file("old\n", mode), &file("new\n", 0o644)), secret, "what it was is one, too");
        }
        let key = file("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n", 0o644);
        assert_eq!(diff("a", true, &key, &None), secret);
    }

    #[test]
    fn what_is_too_large_to_read_is_told_as_bytes() {
        assert!(diff("a", false, &None, &file(&"line\n".repeat(1 << 20), 0o644)).starts_with("Binary files"));
    }
}
