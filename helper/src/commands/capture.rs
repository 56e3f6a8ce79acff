//! `voidclust capture`: what a node changed in memory becomes files of an overlay.

use anyhow::{Result, bail};

use super::screen::print_notes;
use super::{Status, no_such_node};
use crate::cli::{Dry, Global};
use crate::disk::archive;
use crate::disk::tree::{Content, Item};
use crate::machine::{changed, ssh};
use crate::paths;
use crate::print::{self, say};
use crate::stages::capture::{self, is_private};
use crate::stages::edits;
use crate::stages::target::Target;
use crate::types::OverlayName;
use crate::words::counted;

/// Lists what was changed on a node, and takes it over unless it is only to be listed.
///
/// # Errors
/// When there is no such node, it cannot be asked, or the overlay cannot be written.
pub fn run(global: &Global, node: &str, wanted: &[String], overlay: &str, dry: Dry) -> Result<Status> {
    let overlay: OverlayName = overlay.parse().map_err(anyhow::Error::msg)?;
    let target = Target::open(global)?;
    let standing = edits::read(&target, global.config.as_deref())?;
    let site = standing.configured()?;
    let node = site.node(node).ok_or_else(|| no_such_node(site, node, &[]))?;
    let host = ssh::host(site, node);
    let captured = capture::ask(&host, wanted)?;
    for (path, item) in captured.items.iter().filter(|(_, item)| !item.is_folder()) {
        say!("{}", listed(path, item));
    }
    for line in &captured.left_out {
        say!("left out: {line}");
    }
    let files = captured.items.values().filter(|item| !item.is_folder()).count();
    if files == 0 {
        say!("nothing was changed on {} below /etc that is its own and no overlay's", node.name);
        return Ok(Status::Done);
    }
    if dry.dry_run {
        return Ok(Status::Differs);
    }
    let live = capture::write(&target, &overlay, &captured, &mut |line| say!("{line}"))?;
    print_notes(&live.notes);
    if !live.failures.is_empty() {
        bail!("written, but the running machine was not told:\n{}", live.failures.join("\n"));
    }
    if !site.overlay_names().any(|name| name == overlay.as_str()) {
        say!("note: no node has the overlay `{overlay}` yet; name it in `overlays` of a profile or node");
    }
    say!("{} in {}/{overlay}; now run: voidclust diff", counted(files, "file"), target.root.display(paths::SITE_OVERLAYS));
    Ok(Status::Done)
}

/// A line as ls(1) would have it.
fn listed(path: &str, item: &Item) -> String {
    let owner = format!("{}:{}", item.owner.uid, item.owner.gid);
    let private = if is_private(item) { "  private: every node of the overlay has it" } else { "" };
    match &item.content {
        Content::Link(to) => format!("     {owner:9} {path} -> {}", to.display()),
        _ => format!("{:04o} {owner:9} {path}{private}", item.mode),
    }
}

/// Prints what was changed on this node, as an archive.
///
/// # Errors
/// When this is no machine that runs from its overlay, or something cannot be read.
pub fn answer(target: &Target) -> Result<Status> {
    let Some(machine) = target.machine() else { bail!("{}: does not run here", target.root.display("")) };
    let changed = changed::in_memory(machine)?;
    let members: Vec<_> = changed.iter().map(|(path, item)| (path.as_str(), item)).collect();
    print::bytes(&archive::write(&members)?);
    Ok(Status::Done)
}
