//! What apply would do, without doing any of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::changes::{self, Action, Change};
use super::target::{Runs, Target};
use super::trees::{Plans, Trees};
use super::wanted::Wanted;
use crate::disk::archive;
use crate::disk::tree::Item;
use crate::image;
use crate::lay::WHITEOUT;
use crate::machine::services::{self, Telling};
use crate::machine::{Machine, overlay, reboot};
use crate::paths;
use crate::words::counted;

/// Everything that apply would do, as people and programs read it.
#[derive(Debug)]
pub struct Preview {
    /// Per file or archive member.
    pub changes: Vec<Change>,
    /// The commands by which the services of the running master are told.
    pub tell: Vec<String>,
    /// Kernels whose image is missing or out of date.
    pub images: Vec<String>,
    /// Kernels whose image of the master itself is.
    pub master_images: Vec<String>,
    /// What the administrator should know.
    pub notes: Vec<String>,
}

impl Preview {
    /// Works it out; changes nothing.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn of(target: &Target, wanted: &Wanted, trees: &Trees, plans: &Plans) -> Result<Self> {
        let root = &target.root;
        let mut changes = Vec::new();
        for plan in plans.all() {
            changes.extend(changes::list(root, &wanted.site, plan)?);
        }
        let mut notes = trees.notes.clone();
        let (images, master_images) = match image::Mkinitcpio::of(root)?.missing() {
            Some(missing) => {
                notes.push(missing.to_owned());
                (Vec::new(), Vec::new())
            }
            None => {
                let kernels = &wanted.facts.kernels;
                let is_written = |change: &Change| !matches!(change.action, Action::Edited | Action::Foreign);
                let coming = changes.iter().any(|change| change.path == paths::MASTER_INITCPIO && is_written(change));
                (image::stale(root, &trees.files, &wanted.site, kernels)?, image::master_stale(root, coming, kernels)?)
            }
        };
        let decided = match &target.runs {
            Runs::Overlay(machine) => tellings(target, machine, wanted, trees, &changes)?,
            _ => BTreeSet::new(),
        };
        let (mut tell, mut waiting) = (Vec::new(), Vec::new());
        for telling in decided {
            match telling {
                Telling::Reboot(path) => waiting.push(path),
                other => tell.push(other.to_string()),
            }
        }
        if !waiting.is_empty() {
            notes.push(reboot::note_for(&waiting));
        }
        Ok(Self { changes, tell, images, master_images, notes })
    }

    /// Whether the disk is not as the site wants it: apply would change something, or cannot, for somebody edited a file.
    #[must_use]
    pub fn differs(&self) -> bool {
        !(self.changes.is_empty() && self.images.is_empty() && self.master_images.is_empty() && self.tell.is_empty())
    }

    /// One line: how much of what.
    #[must_use]
    pub fn summary(&self) -> String {
        if !self.differs() {
            return "in sync".to_owned();
        }
        let of = |action: Action| self.changes.iter().filter(|change| change.action == action).count();
        let mut parts = vec![
            format!("{} to create", of(Action::Create)),
            format!("{} to replace", of(Action::Replace)),
            format!("{} to remove", of(Action::Remove)),
        ];
        if of(Action::Edited) > 0 {
            parts.push(format!("{} edited by hand", of(Action::Edited)));
        }
        if of(Action::Foreign) > 0 {
            parts.push(format!("{} in the way", of(Action::Foreign)));
        }
        parts.push(format!("{} to build", counted(self.images.len() + self.master_images.len(), "image")));
        parts.join(", ")
    }
}

/// What the last stage of apply would tell: the same question as it asks, of what would lie in /etc. What the administrator
/// has in the folder of this machine wins over all that we render, so it stays.
fn tellings(target: &Target, machine: &Machine, wanted: &Wanted, trees: &Trees, changes: &[Change]) -> Result<BTreeSet<Telling>> {
    let mac = wanted.site.master.mac.to_string();
    let is_its_own = |path: &str| paths::archive_owner(path) == Some(&mac);
    let mut changed = BTreeSet::new();
    let folders = overlay::own_folders(machine)?;
    for member in changes.iter().filter(|change| is_its_own(&change.path)).filter_map(|change| change.member.as_ref()) {
        if !is_decided(target, &folders, member)? {
            changed.insert(member.clone());
        }
    }
    let mut coming = BTreeMap::new();
    for (_, archive) in trees.files.0.iter().filter(|(path, _)| is_its_own(path)) {
        coming.extend(archive.bytes().map_or_else(|| Ok(BTreeMap::new()), |bytes| archive::read(bytes))?);
    }
    let after = |path: &str| Some(String::from_utf8_lossy(coming.get(path).and_then(Item::bytes)?).into_owned());
    Ok(services::decide(machine, &changed, &overlay::missed(machine)?, &|path| machine.etc(path), &after))
}

/// Whether one of the administrator's folders has this file, or removes it or a folder that it lies in.
fn is_decided(target: &Target, folders: &[String], member: &str) -> Result<bool> {
    for folder in folders {
        let mut above = folder.clone();
        for name in member.split('/') {
            if target.root.find(&format!("{above}/{WHITEOUT}{name}"))?.is_some() {
                return Ok(true);
            }
            above = format!("{above}/{name}");
        }
        if target.root.find(&above)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
