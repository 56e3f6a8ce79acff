//! What ought to be on the disk, and what has to be done for it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use anyhow::{Context, Result};

use super::wanted::Wanted;
use crate::disk::commit::plan_for;
use crate::disk::manifest::Ours;
use crate::disk::opened::look_in;
use crate::disk::plan::Plan;
use crate::disk::root::{Root, split};
use crate::disk::stamps::{Made, MadeOf, Stamps};
use crate::disk::tree::{Item, Tree};
use crate::image;
use crate::machine::facts;
use crate::parallel;
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
    /// What is not made again.
    pub standing: Vec<Made>,
    /// By what it was seen to stand.
    pub stamps: Stamps,
    /// Of what that is made which is here for all machines.
    pub made_of: MadeOf,
    /// What the administrator should know, in one line each.
    pub notes: Vec<String>,
}

impl Trees {
    /// Computes the Tree.
    ///
    /// # Errors
    /// Every mistake in the overlays.
    pub fn of(wanted: &Wanted, root: &Root) -> Result<Self> {
        Self::without(Vec::new(), Stamps::default(), made_of(wanted, root)?, wanted, root)
    }

    /// The same, without the archives or menus that stand as they were made of the same.
    ///
    /// # Errors
    /// The same.
    pub fn of_changed(wanted: &Wanted, root: &Root) -> Result<Self> {
        let (stamps, mut made_of) = (Stamps::load(root)?, made_of(wanted, root)?);
        let mut standing = Vec::new();
        for made in Made::ALL {
            let paths: Vec<&String> = stamps.files.keys().filter(|path| made.has(path)).collect();
            let is_same = made_of.of(made).is_some() && made_of.of(made) == stamps.made_of.of(made);
            if is_same && all_stand(root, &stamps, &paths)? {
                standing.push(made);
                made_of = made_of.with(made, None);
            }
        }
        Self::without(standing, stamps, made_of, wanted, root)
    }

    fn without(standing: Vec<Made>, stamps: Stamps, made_of: MadeOf, wanted: &Wanted, root: &Root) -> Result<Self> {
        let is_made = |made| !standing.contains(&made);
        let mut files = if is_made(Made::Archives) { wanted.archives()? } else { Tree::default() };
        files.extend(initcpio::tree(&wanted.site)?);
        let loaders = image::loaders(root, &wanted.site)?;
        files.extend(loaders.tree);
        let menus = if is_made(Made::Menus) { super::menus::tree(wanted, root)? } else { Tree::default() };
        let mut unmade = loaders.unmade;
        if wanted.facts.interfaces.is_some() {
            files.insert(paths::REMEMBERED, Item::file(facts::remember(&wanted.site).into_bytes()));
        } else {
            // Only the machine itself can tell.
            unmade.insert(paths::REMEMBERED.to_owned());
        }
        let notes = wanted.notes.iter().cloned().chain(loaders.notes).collect();
        Ok(Self { files, menus, unmade, standing, stamps, made_of, notes })
    }

    /// Whether it is made here what stands at this path, or that nothing does.
    fn makes(&self, path: &str) -> bool {
        !self.unmade.contains(path) && !self.standing.iter().any(|made| made.has(path))
    }
}

/// Of what the archives and the menus are made.
pub(super) fn made_of(wanted: &Wanted, root: &Root) -> Result<MadeOf> {
    let Some(digest) = wanted.digest() else { return Ok(MadeOf::default()) };
    let mut hasher = DefaultHasher::new();
    let images = image::kept(root, &wanted.site, &wanted.facts.kernels)?;
    (digest, images.iter().map(image::Image::name).collect::<Vec<_>>()).hash(&mut hasher);
    Ok(MadeOf::default().with(Made::Archives, Some(digest)).with(Made::Menus, Some(hasher.finish())))
}

/// Whether all look as the stamps say.
fn all_stand(root: &Root, stamps: &Stamps, paths: &[&String]) -> Result<bool> {
    let shares = parallel::shares(paths, parallel::FEW, |share| each_stands(root, stamps, share));
    shares.into_iter().try_fold(true, |all, stand| Ok(all && stand?))
}

fn each_stands(root: &Root, stamps: &Stamps, paths: &[&String]) -> Result<bool> {
    let mut folder: Option<(&str, OwnedFd)> = None;
    for path in paths {
        let (above, name) = split(path);
        // In their order, so that each folder is opened once.
        if folder.as_ref().is_none_or(|(open, _)| *open != above) {
            folder = root.existing_folder(above)?.map(|fd| (above, fd));
        }
        let Some((_, fd)) = &folder else { return Ok(false) };
        let stat = look_in(fd.as_fd(), name).with_context(|| format!("{}: cannot look at it", root.display(path)))?;
        if !stat.is_some_and(|stat| stamps.know(path, &stat)) {
            return Ok(false);
        }
    }
    Ok(true)
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
        let ours = Ours::load_knowing(root, trees.stamps.clone())?;
        let is_file = |path: &str| !paths::is_menu(path) && trees.makes(path);
        let is_menu = |path: &str| paths::is_menu(path) && trees.makes(path);
        let files = || plan_for(root, &trees.files, &ours, is_file, force);
        let (files, menus) = parallel::both(files, || plan_for(root, &trees.menus, &ours, is_menu, force));
        let (of_files, of_menus) = (trees.made_of.with(Made::Menus, None), trees.made_of.with(Made::Archives, None));
        let (files, menus) = (Plan { made_of: of_files, ..files? }, Plan { made_of: of_menus, ..menus? });
        Ok(Self { ours, files: Some(files), menus })
    }

    /// Compares menus with the disk, and leaves the other half alone.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn of_menus(root: &Root, menus: &Tree, force: bool) -> Result<Self> {
        let ours = Ours::load(root)?;
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
        if written != ours.written || ours.pending.is_some() {
            // Of what is not a menu it knows what was before.
            let all = &mut Arc::make_mut(&mut menus.manifest).files;
            all.retain(|path, _| paths::is_menu(path));
            let files = written.files.iter().filter(|(path, _)| !paths::is_menu(path));
            all.extend(files.map(|(path, fingerprint)| (path.clone(), fingerprint.clone())));
        }
        Ok((menus, Ours { written, pending: None, stamps: ours.stamps.reload(root)? }))
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
