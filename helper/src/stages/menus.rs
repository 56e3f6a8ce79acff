//! What the loaders of nodes read, for the images that are there.

use anyhow::Result;
use md5::{Digest, Md5};

use super::changes::{self, Change};
use super::target::Target;
use super::trees::made_of;
use super::wanted::Wanted;
use crate::disk::commit::plan_for;
use crate::disk::lines;
use crate::disk::lock::Lock;
use crate::disk::manifest::Ours;
use crate::disk::plan::Plan;
use crate::disk::root::Root;
use crate::disk::stamps::Made;
use crate::disk::tree::{Tree, hex};
use crate::image;
use crate::machine::clock;
use crate::paths;
use crate::render::menus;
use crate::site::{self, Node};

/// The menus for the images that are there now.
///
/// # Errors
/// When the images cannot be read.
pub fn tree(wanted: &Wanted, root: &Root) -> Result<Tree> {
    let (site, installed) = (&wanted.site, &wanted.facts.kernels);
    menus::tree(site, &image::kept(root, site, installed)?, installed)
}

/// Makes the menus name the images that are there now.
///
/// # Errors
/// When something stands in the way, or the disk refuses.
pub fn switch(target: &Target, wanted: &Wanted, lock: &Lock<'_>, force: bool) -> Result<Vec<Change>> {
    let root = &target.root;
    let ours = Ours::load(root)?;
    let plan = plan_for(root, &tree(wanted, root)?, &ours, paths::is_menu, force)?;
    let plan = Plan { made_of: made_of(wanted, root)?.with(Made::Archives, None), ..plan };
    lock.commit(&plan, &ours)?;
    Ok(changes::summary(&wanted.site, &plan))
}

/// Notes since when the menus have the command line of each node, but for its root: what is known otherwise.
///
/// # Errors
/// When the clock or the disk refuses.
pub fn note_lines(target: &Target, wanted: &Wanted, lock: &Lock<'_>) -> Result<()> {
    let before = lines::load(&target.root)?;
    let digest = |node: &Node| hex(&Md5::digest(wanted.site.command_line(Some(node), site::Root::Head)));
    let nodes = wanted.site.nodes.iter().filter_map(|node| Some((*node.macs.first()?, digest(node))));
    let noted = lines::noted(before.as_ref(), nodes, clock::now()?);
    if before.as_ref() == Some(&noted) { Ok(()) } else { lock.note_lines(&noted) }
}
