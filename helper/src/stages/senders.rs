//! The site's own scripts, which send a generation to other servers before any menu names it.

use anyhow::{Context, Result};

use super::target::Target;
use super::workflow::Watch;
use crate::disk::root::Root;
use crate::paths;
use crate::tools::Tool;
use crate::types::generation::Number;

/// The site's own scripts that send a generation to other servers, in the order of their names, and whether each can be run.
///
/// # Errors
/// When they cannot be looked at.
pub(super) fn all(root: &Root) -> Result<Vec<(String, bool)>> {
    let mut senders = Vec::new();
    for name in root.list(paths::PUBLISH_HOOKS)?.unwrap_or_default() {
        let path = format!("{}/{name}", paths::PUBLISH_HOOKS);
        let item = root.find(&path)?.filter(|_| !name.starts_with('.'));
        senders.extend(item.map(|item| (path, item.mode & 0o111 != 0)));
    }
    Ok(senders)
}

/// Runs these scripts with the number and the folder of a new generation.
///
/// # Errors
/// When one of them fails: then no menu shall name it.
pub(super) fn send(target: &Target, number: Number, watch: &mut dyn Watch) -> Result<()> {
    let root = &target.root;
    let tree = root.path().join(paths::generation_tree(number));
    for (path, can_run) in all(root)? {
        if !can_run {
            watch.said(&format!("{}: not run, since it is not executable; chmod +x it", root.display(&path)));
            continue;
        }
        watch.said(&format!("running {}", root.display(&path)));
        let script = Tool::new(root.path().join(&path)).arg(number.to_string()).arg(&tree);
        script.lines(|line| watch.said(line)).with_context(|| format!("{}: failed", root.display(&path)))?;
    }
    Ok(())
}
