//! What ought to be on the disk, and what has to be done for it.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use anyhow::{Context, Result};

use super::wanted::Wanted;
use crate::disk::commit::plan_for;
use crate::disk::manifest::Ours;
use crate::disk::opened::look_in;
use crate::disk::plan::Plan;
use crate::disk::root::{Root, split};
use crate::disk::stamps::Stamps;
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
    /// What is not made here: whatever stands there stays.
    pub unmade: BTreeSet<String>,
    /// What the archives were made of.
    pub made_of: Option<u64>,
    /// What the administrator should know, in one line each.
    pub notes: Vec<String>,
}

impl Trees {
    /// Computes the Tree.
    ///
    /// # Errors
    /// Every mistake in the overlays.
    pub fn of(wanted: &Wanted, root: &Root) -> Result<Self> {
        Self::with(wanted.archives()?, wanted, root)
    }

    /// The same, without the archives when they stand as they were made of the same.
    ///
    /// # Errors
    /// The same.
    pub fn of_changed(wanted: &Wanted, root: &Root) -> Result<Self> {
        match standing(wanted, root)? {
            Some(standing) => {
                let mut trees = Self::with(Tree::default(), wanted, root)?;
                trees.unmade.extend(standing);
                Ok(trees)
            }
            None => Self::of(wanted, root),
        }
    }

    fn with(archives: Tree, wanted: &Wanted, root: &Root) -> Result<Self> {
        let mut files = archives;
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
        Ok(Self { files, menus: super::menus::tree(wanted, root)?, unmade, made_of: wanted.digest(), notes })
    }
}

/// The archives that there are, when all look as they did when they were made of what is wanted now.
fn standing(wanted: &Wanted, root: &Root) -> Result<Option<Vec<String>>> {
    let stamps = Stamps::load(root)?;
    let Some(folder) = root.existing_folder(paths::NODES)?.filter(|_| stamps.made_of.is_some()) else { return Ok(None) };
    if stamps.made_of != wanted.digest() {
        return Ok(None);
    }
    let mut standing = Vec::new();
    for path in stamps.files.keys().filter(|path| paths::archive_owner(path).is_some()) {
        let stat =
            look_in(folder.as_fd(), split(path).1).with_context(|| format!("{}: cannot look at it", root.display(path)))?;
        if !stat.is_some_and(|stat| stamps.know(path, &stat)) {
            return Ok(None);
        }
        standing.push(path.clone());
    }
    Ok(Some(standing))
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
        let files = Plan { made_of: trees.made_of, ..plan_for(root, &trees.files, &ours, is_file, force)? };
        Ok(Self { ours, files: Some(files), menus })
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

    /// The menus' half, and what is ours, once the other one was carried out.
    ///
    /// # Errors
    /// When the stamps cannot be read.
    pub fn after_files(self, root: &Root) -> Result<(Plan, Ours)> {
        let Self { ours, files, mut menus } = self;
        let Some(Plan { manifest: written, .. }) = files else { return Ok((menus, ours)) };
        // Of what is not a menu it knows what was before.
        menus.manifest.files.retain(|path, _| paths::is_menu(path));
        let files = written.files.iter().filter(|(path, _)| !paths::is_menu(path));
        menus.manifest.files.extend(files.map(|(path, fingerprint)| (path.clone(), fingerprint.clone())));
        Ok((menus, Ours { written, pending: None, stamps: Stamps::load(root)? }))
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
