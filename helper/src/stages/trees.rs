//! What ought to be on the disk, and what has to be done for it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::wanted::Wanted;
use crate::disk::commit::plan_for;
use crate::disk::manifest::Ours;
use crate::disk::plan::Plan;
use crate::disk::root::Root;
use crate::disk::tree::{Item, Tree};
use crate::image;
use crate::machine::facts;
use crate::paths;
use crate::render::initcpio;

/// The two halves of the Tree. Menus name images, so they are switched last, when those are in place.
#[derive(Debug)]
pub struct Trees {
    /// Everything but the menus.
    pub files: Tree,
    /// The menus of the loaders.
    pub menus: Tree,
    /// What cannot be made here: whatever stands there stays.
    pub unmade: BTreeSet<String>,
    /// What the administrator should know, in one line each.
    pub notes: Vec<String>,
}

impl Trees {
    /// Computes the Tree.
    ///
    /// # Errors
    /// Every mistake in the overlays.
    pub fn of(wanted: &Wanted, root: &Root) -> Result<Self> {
        let mut files = wanted.archives()?;
        files.extend(initcpio::tree(&wanted.site)?);
        let loaders = image::loaders(root, &wanted.site)?;
        files.extend(loaders.tree);
        let mut unmade = loaders.unmade;
        if wanted.facts.interfaces.is_some() {
            files.insert(paths::REMEMBERED, Item::file(facts::remember(&wanted.site).into_bytes()));
        } else {
            // Only the machine itself can tell.
            unmade.insert(paths::REMEMBERED.to_owned());
        }
        let notes = wanted.notes.iter().cloned().chain(loaders.notes).collect();
        Ok(Self { files, menus: super::menus::tree(wanted, root)?, unmade, notes })
    }
}

/// What has to be done on the disk.
#[derive(Debug)]
pub struct Plans {
    /// What earlier runs wrote.
    pub ours: Ours,
    /// For everything but the menus; `None` when only those are meant.
    pub files: Option<Plan>,
    /// For the menus of the loaders.
    pub menus: Plan,
}

impl Plans {
    /// Compares both halves with the disk.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn of(root: &Root, trees: &Trees, force: bool) -> Result<Self> {
        let Self { ours, menus, .. } = Self::of_menus(root, &trees.menus, force)?;
        let is_file = |path: &str| !paths::is_menu(path) && !trees.unmade.contains(path);
        let files = Some(plan_for(root, &trees.files, &ours, is_file, force)?);
        Ok(Self { ours, files, menus })
    }

    /// Compares menus with the disk, and leaves the other half alone.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn of_menus(root: &Root, menus: &Tree, force: bool) -> Result<Self> {
        let ours = Ours::load(root).context("cannot tell our files from others")?;
        let menus = plan_for(root, menus, &ours, paths::is_menu, force)?;
        Ok(Self { ours, files: None, menus })
    }

    /// Those there are.
    pub fn all(&self) -> impl Iterator<Item = &Plan> {
        self.files.iter().chain([&self.menus])
    }

    /// Whether none changes anything, not even the record of what is ours.
    #[must_use]
    pub fn are_done(&self) -> bool {
        let recorded = |plan: &Plan| self.ours.pending.is_none() && plan.manifest == self.ours.written;
        self.all().all(|plan| recorded(plan) && plan.changes().next().is_none())
    }
}
