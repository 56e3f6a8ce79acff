//! What apply would do, without doing any of it.

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;

use super::changes::{self, Action, Change};
use super::target::{Runs, Target};
use super::trees::{Plans, Trees};
use super::wanted::Wanted;
use super::{generations, identities};
use crate::disk::plan::Step;
use crate::image;
use crate::lay::{self, Coming};
use crate::machine::services::{self, Telling};
use crate::machine::{Machine, overlay, reboot};
use crate::paths;
use crate::types::generation::Number;
use crate::words::counted;

/// Why nothing is said of the machine itself.
const OUTSIDE: &str = "this is a chroot of the lower tree: what apply lays over /etc of the running machine, and tells its services, only \
    diff outside of it says";

/// Everything that apply would do, as people and programs read it.
#[derive(Debug)]
pub struct Preview {
    /// Per file or archive member.
    pub changes: Vec<Change>,
    /// What would be laid over /etc of the running machine.
    pub lay: Laying,
    /// The commands by which the services of the running master are told.
    pub tell: Vec<String>,
    /// Kernels whose image is missing or out of date.
    pub images: Vec<String>,
    /// Kernels whose image of the master itself is.
    pub master_images: Vec<String>,
    /// The folders of images that are not needed any more.
    pub prune: Vec<String>,
    /// The nodes whose host keys and ids would be made: what depends on these is not among the changes.
    pub identities: Vec<String>,
    /// The generation that would be made, because there is none yet.
    pub generation: Option<Number>,
    /// Generations that would be removed, because nobody needs them any more.
    pub prune_generations: Vec<Number>,
    /// What the administrator should know.
    pub notes: Vec<String>,
}

impl Preview {
    /// Works it out; changes nothing. With `force` files that were edited would be replaced.
    ///
    /// # Errors
    /// When the overlays are wrong, or something cannot be read.
    pub fn of(target: &Target, mut wanted: Wanted, force: bool) -> Result<Self> {
        let prune_generations = generations::forget_superfluous(target, &mut wanted)?;
        let generation = generations::is_first_due(target, &wanted.site).then(|| wanted.site.generations.next());
        let trees = Trees::of(&wanted, &target.root)?;
        let plans = Plans::of(&target.root, &trees, force)?;
        let preview = Self::of_plans(target, &wanted, &trees, &plans)?;
        let identities = identities::due(&wanted.site);
        Ok(Self { identities, generation, prune_generations, ..preview })
    }

    fn of_plans(target: &Target, wanted: &Wanted, trees: &Trees, plans: &Plans) -> Result<Self> {
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
                let coming = changes.iter().any(|change| change.path == paths::MASTER_INITCPIO && change.action.is_done());
                (image::stale(root, &trees.files, &wanted.site, kernels)?, image::master_stale(root, coming, kernels)?)
            }
        };
        // Menus of ours that apply writes name no image that goes.
        let stays = |path: &str| {
            !matches!(plans.menus.steps.get(path), Some(Step::Create(_) | Step::Replace(_) | Step::Keep | Step::Remove))
        };
        let prune = image::prunable(root, &wanted.site, &wanted.facts.kernels, (&images, &trees.files), stays)?;
        let (lay, decided) = match &target.runs {
            Runs::Overlay(machine) => foresee(machine, plans, &mut notes)?,
            Runs::Outside => {
                notes.push(OUTSIDE.to_owned());
                Default::default()
            }
            Runs::Nothing | Runs::Machine(_) => Default::default(),
        };
        let (mut tell, mut waiting) = (Vec::new(), wanted.waiting.clone());
        for telling in decided {
            match telling {
                Telling::Reboot(path) => _ = waiting.insert(path),
                other => tell.push(other.to_string()),
            }
        }
        notes.extend(reboot::note_for(&waiting));
        let prune = prune.iter().map(image::Image::folder).collect();
        let (identities, generation, prune_generations) = (Vec::new(), None, Vec::new());
        Ok(Self { changes, lay, tell, images, master_images, prune, identities, generation, prune_generations, notes })
    }

    /// Whether the disk is not as the site wants it: apply would change something, or cannot, for somebody edited a file.
    #[must_use]
    pub fn differs(&self) -> bool {
        !(self.changes.is_empty()
            && self.images.is_empty()
            && self.master_images.is_empty()
            && self.prune.is_empty()
            && self.identities.is_empty()
            && self.generation.is_none()
            && self.prune_generations.is_empty()
            && self.lay.is_empty()
            && self.tell.is_empty())
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
        let edited = self.changes.iter().filter(|change| change.action.is_edited()).count();
        if edited > 0 {
            parts.push(format!("{edited} edited by hand"));
        }
        if of(Action::Foreign) > 0 {
            parts.push(format!("{} in the way", of(Action::Foreign)));
        }
        if self.lay.count() > 0 {
            parts.push(format!("{} to lay over /etc here", self.lay.count()));
        }
        parts.push(format!("{} to build", counted(self.images.len() + self.master_images.len(), "image")));
        if !self.prune.is_empty() {
            parts.push(format!("{} to prune", counted(self.prune.len(), "image")));
        }
        if !self.identities.is_empty() {
            parts.push(format!("the identity of {} to make", counted(self.identities.len(), "node")));
        }
        if self.generation.is_some() {
            parts.push("the first generation to make".to_owned());
        }
        if !self.prune_generations.is_empty() {
            parts.push(format!("{} to remove", counted(self.prune_generations.len(), "generation")));
        }
        parts.join(", ")
    }
}

/// What the last stage of apply would do on the running machine.
#[derive(Debug, Default, Serialize)]
pub struct Laying {
    /// What would be laid over its /etc, new or other than now, by its path there; also what is there again as in the shared
    /// root.
    pub changed: BTreeSet<String>,
    /// What would be removed from there.
    pub removed: BTreeSet<String>,
    /// What would be left out, and why: apply would fail over it.
    pub left_out: Vec<String>,
}

impl Laying {
    /// How many files and folders would be other than they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.changed.len() + self.removed.len()
    }

    fn is_empty(&self) -> bool {
        self.count() == 0 && self.left_out.is_empty()
    }
}

/// Asks the same questions as the last stage of apply, of what it would find.
fn foresee(machine: &Machine, plans: &Plans, notes: &mut Vec<String>) -> Result<(Laying, BTreeSet<Telling>)> {
    let mut coming = Coming::new();
    for (path, step) in plans.files.iter().flat_map(|plan| &plan.steps) {
        let archive = match step {
            Step::Create(item) | Step::Replace(item) => item.bytes(),
            Step::Remove => None,
            _ => continue,
        };
        if let Some((paths::NODES, name)) = path.rsplit_once('/') {
            coming.insert(name.to_owned(), archive);
        }
    }
    let mut laying = Laying::default();
    let Some(foreseen) = overlay::foresee(machine, &coming)? else {
        notes.push(overlay::GONE.to_owned());
        return Ok((laying, BTreeSet::new()));
    };
    for change in &foreseen.report.changes {
        let path = change.path().to_string_lossy().into_owned();
        // What comes last of a path is what is there in the end.
        let (now, before) = match change {
            lay::Change::Removed(_) => (&mut laying.removed, &mut laying.changed),
            lay::Change::Changed(_) => (&mut laying.changed, &mut laying.removed),
        };
        before.remove(&path);
        now.insert(path);
    }
    laying.left_out.clone_from(&foreseen.report.warnings);
    let paths = laying.changed.union(&laying.removed).cloned().collect();
    let (before, after) = (|path: &str| machine.etc(path), |path: &str| foreseen.text(path));
    let decided = services::decide(machine, &paths, &overlay::missed(machine)?, &before, &after);
    Ok((laying, decided))
}
