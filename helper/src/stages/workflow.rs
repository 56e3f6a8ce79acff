//! The stages of every change of a tree, in their order. No command writes by another way, so none forgets the last one.
//!
//! Crash-only: each stage leaves the old state or the new one, and the next run goes on where a killed one stopped.

use anyhow::{Result, bail};

use super::changes::{self, Change};
use super::images::{self, Images, Which};
use super::live::{self, Live};
use super::menus;
use super::target::{Runs, Target};
use super::trees::{Plans, Trees};
use super::wanted::Wanted;
use crate::disk::commit::plan_for;
use crate::disk::lock::Lock;
use crate::disk::manifest::Ours;
use crate::disk::plan::{Plan, Step};
use crate::disk::tree::Tree;
use crate::image::{self, Image, Pruned};
use crate::progress::Progress;

/// What a run is to do. What it does not name is left as it is.
#[derive(Debug)]
pub struct Work<'trees> {
    /// Write these files.
    pub files: Option<&'trees Trees>,
    /// Build these images.
    pub images: Which,
    /// Make the menus name the images that are there then.
    pub menus: bool,
    /// Remove images that are not needed any more.
    pub prune: bool,
    /// Replace files that were edited by hand or are not ours.
    pub force: bool,
}

impl<'trees> Work<'trees> {
    /// Everything that follows from the configuration.
    #[must_use]
    pub fn everything(trees: &'trees Trees) -> Self {
        Self { files: Some(trees), images: Which::Booted, menus: true, prune: true, force: false }
    }
}

/// Hears at once what is done; a report would come only after the minutes that images take.
pub trait Watch {
    /// These files were written.
    fn changed(&mut self, changes: &[Change]);
    /// One thing was done, in a line.
    fn said(&mut self, line: &str);
    /// An image or a generation is being made.
    fn progress(&mut self) -> &mut dyn Progress;
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// The files that were written, or would have been, had nobody edited them.
    pub changes: Vec<Change>,
    /// How many images were made.
    pub built: usize,
    /// Those that were good as they are.
    pub fresh: Vec<Image>,
    /// What became of those that are not needed.
    pub pruned: Pruned,
    /// What the administrator should know of the site and the machine, whatever this run did, in one line each.
    pub standing: Vec<String>,
    /// What he should know of what this run did, or could not do, in one line each.
    pub notes: Vec<String>,
    /// What went wrong, in one message each.
    pub failures: Vec<String>,
}

impl Report {
    /// What went wrong, as one error.
    ///
    /// # Errors
    /// When anything did.
    pub fn is_done(&self) -> Result<()> {
        if self.failures.is_empty() {
            return Ok(());
        }
        bail!("{}\nremove the cause, then run again: voidclust apply", self.failures.join("\n"))
    }

    fn failed(&mut self, error: &anyhow::Error) {
        self.failures.push(format!("{error:#}"));
    }
}

/// Carries the stages out. Once something may have changed, no failure keeps the running machine from being told.
///
/// # Errors
/// When something stands in the way or cannot be read: then nothing was changed. All else is in the report.
pub fn run(target: &Target, wanted: &Wanted, lock: &Lock<'_>, work: &Work<'_>, watch: &mut dyn Watch) -> Result<Report> {
    let plans = match work.files {
        Some(trees) => Plans::of(&target.root, trees, work.force)?,
        None => Plans::of_menus(&target.root, &menus::tree(wanted, &target.root)?, work.force)?,
    };
    // Both halves are looked at before the first is written: what is in the way of the second must stop the first.
    refuse_foreign(target, plans.files.iter().chain(work.menus.then_some(&plans.menus)))?;
    let standing = work.files.map_or(&wanted.notes, |trees| &trees.notes).clone();
    let mut report = Report { standing, ..Report::default() };
    if let Err(error) = write(target, wanted, lock, work, plans, watch, &mut report) {
        report.failed(&error);
    }
    let live = live::bring_up_to_date(target, &mut |line| watch.said(line));
    report.notes.extend(live.notes);
    if matches!(target.runs, Runs::Machine(_)) && work.files.is_some() {
        report.standing.push("this machine does not run from its overlay yet; reboot it to become the master".to_owned());
    }
    report.failures.extend(live.failures);
    if let (true, Some(served)) = (work.prune, &live.served) {
        match images::prune(target, wanted, lock, served) {
            Ok(pruned) => {
                pruned.removed.iter().for_each(|image| watch.said(&format!("pruned {}", image.folder())));
                report.pruned = pruned;
            }
            Err(error) => report.failed(&error),
        }
    }
    Ok(report)
}

/// Everything but what concerns the running machine.
fn write(
    target: &Target,
    wanted: &Wanted,
    lock: &Lock<'_>,
    work: &Work<'_>,
    plans: Plans,
    watch: &mut dyn Watch,
    report: &mut Report,
) -> Result<()> {
    let root = &target.root;
    if let Some(files) = &plans.files {
        lock.commit(files, &plans.ours)?;
        report.changes = changes::summary(&wanted.site, files);
        watch.changed(&report.changes);
    }
    let before = image::list(root)?;
    let Images { built, fresh, notes, failures } = images::build(target, wanted, lock, &work.images, watch.progress())?;
    report.notes.extend(notes);
    report.failures.extend(failures);
    (report.built, report.fresh) = (built, fresh);
    if work.menus {
        // With nothing else to name, the Plan made above still holds; to make it again would look at ten thousand files again.
        let switched = if report.built == 0 && image::list(root)? == before {
            let is_done = plans.are_done();
            let (menus, ours) = plans.after_files(root)?;
            if is_done {
                lock.note(&ours.stamps, Vec::new(), &menus)?;
            } else {
                lock.commit(&menus, &ours)?;
            }
            changes::summary(&wanted.site, &menus)
        } else {
            // Another is made now, and for ten thousand nodes it takes much memory.
            drop(plans);
            menus::switch(target, wanted, lock, work.force)?
        };
        watch.changed(&switched);
        report.changes.extend(switched);
        menus::note_lines(target, wanted, lock)?;
    }
    Ok(())
}

fn refuse_foreign<'plan>(target: &Target, plans: impl Iterator<Item = &'plan Plan>) -> Result<()> {
    let foreign: Vec<_> = plans.flat_map(Plan::foreign).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let line = |(path, what): &(&String, &str)| format!("{}: {what} is in the way\n", target.root.display(path));
    let lines: String = foreign.iter().take(40).map(line).collect();
    bail!("{lines}nothing was changed; move what is in the way, or replace files with: voidclust apply --force")
}

/// Takes away what we rendered and nobody edited, and the state with it; returns what was edited, and stays, and what the
/// running machine makes of it.
///
/// # Errors
/// When another run holds the lock, or the disk refuses.
pub fn take_away(target: &Target, watch: &mut dyn Watch) -> Result<(Vec<String>, Live)> {
    let root = &target.root;
    let lock = target.lock()?;
    let ours = Ours::load(root)?;
    // The menus of images that nodes may boot at this moment go with the rest: without the master's services nothing is
    // served anyway.
    let plan = plan_for(root, &Tree::default(), &ours, |_| true, false)?;
    let left: Vec<String> =
        plan.steps.iter().filter(|(_, step)| matches!(step, Step::Abandon)).map(|(path, _)| path.clone()).collect();
    lock.commit(&plan, &ours)?;
    if left.is_empty() {
        lock.forget_state()?;
    }
    Ok((left, live::bring_up_to_date(target, &mut |line| watch.said(line))))
}
