//! What the loaders of nodes read, for the images that are there.

use anyhow::Result;

use super::changes::{self, Change};
use super::target::Target;
use super::wanted::Wanted;
use crate::disk::commit::plan_for;
use crate::disk::lock::Lock;
use crate::disk::manifest::Ours;
use crate::disk::root::Root;
use crate::disk::tree::Tree;
use crate::image;
use crate::paths;
use crate::render::menus;

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
    lock.commit(&plan, &ours)?;
    Ok(changes::summary(&wanted.site, &plan))
}
