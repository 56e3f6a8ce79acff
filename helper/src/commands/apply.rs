//! `voidclust apply`: files, then images, then the loaders' configurations, then services. Crash-only: each stage leaves
//! the old state or the new one, and the next run goes on where a killed one stopped.

use std::io::IsTerminal;

use anyhow::{Result, bail};

use super::Status;
use super::diff::Preview;
use crate::cli::Global;
use crate::disk::commit::{Lock, plan_for};
use crate::disk::manifest::Ours;
use crate::disk::plan::Plan;
use crate::image::{self, Build, Lines, Mkinitcpio, Progress, Spinner};
use crate::machine::services;
use crate::paths;
use crate::stages::changes::{self, Action, Change};
use crate::stages::session::{self, Target, Trees, Wanted};
use crate::tools::Tool;
use crate::words::counted;

/// Above this many changes the files are counted, not listed, unless `--verbose` is given.
const LISTED: usize = 40;

/// Applies, or with `dry_run` says what would be done.
///
/// # Errors
/// When the configuration is wrong, something stands in the way, or a stage failed.
pub fn run(global: &Global, dry_run: bool, force: bool) -> Result<Status> {
    let target = Target::open(global)?;
    let wanted = session::read_site(&target, global.config.as_deref())?;
    let trees = wanted.trees(&target.root)?;
    if dry_run {
        let plans = session::plans(&target.root, &trees, force)?;
        let preview = Preview::of(&target.root, &wanted, &trees, &plans)?;
        print_changes(&preview.changes, global.verbose);
        preview.print_consequences();
        anstream::println!("{}", preview.summary());
        return Ok(if preview.differs() { Status::Differs } else { Status::Done });
    }
    let (lock, now) = session::lock(&target, global.config.as_deref())?;
    if now == wanted {
        return apply(&target, &wanted, &trees, &lock, force, global.verbose);
    }
    let trees = now.trees(&target.root)?;
    apply(&target, &now, &trees, &lock, force, global.verbose)
}

/// Carries all stages out.
///
/// # Errors
/// When something stands in the way (then nothing was changed), or a stage failed.
pub fn apply(target: &Target, wanted: &Wanted, trees: &Trees, lock: &Lock<'_>, force: bool, verbose: bool) -> Result<Status> {
    let root = &target.root;
    let plans = session::plans(root, trees, force)?;
    // Both halves are looked at before the first is written: what is in the way of the second must stop the first.
    refuse_foreign(target, [&plans.files, &plans.boot])?;
    let changes = changes::summary(&wanted.site, &plans.files);
    lock.commit(&plans.files, &plans.ours)?;
    print_changes(&changes, verbose);

    let before = image::list(root)?;
    let images = build_images(target, wanted, lock, verbose)?;

    // With nothing else to name, the Plan made above still holds; to make it again would read ten thousand files again.
    let boot = if image::list(root)? == before && plans.are_done() {
        changes::summary(&wanted.site, &plans.boot)
    } else {
        switch_boot_tree(target, wanted, lock, force)?
    };
    print_changes(&boot, verbose);

    // The boot server of a running master sees the new configurations only now; until then it names the old images.
    bring_up_to_date(target)?;
    for image in image::prune(lock, root, &wanted.site, &wanted.facts.kernels)?.removed {
        anstream::println!("pruned {}", image.folder());
    }
    for note in trees.notes.iter().chain(&images.notes) {
        anstream::println!("note: {note}");
    }
    if !images.failures.is_empty() {
        bail!("{}\nremove the cause, then run again: voidclust apply", images.failures.join("\n"));
    }
    let (edited, written): (Vec<_>, Vec<_>) = changes.iter().chain(&boot).partition(|change| change.action == Action::Edited);
    if written.len() + images.built > 0 {
        anstream::println!("done: {}, {} built", counted(written.len(), "file"), counted(images.built, "image"));
    } else if edited.is_empty() {
        anstream::println!("in sync: nothing to do");
    } else {
        anstream::println!("in sync, but for {} edited by hand", counted(edited.len(), "file"));
    }
    Ok(Status::Done)
}

fn refuse_foreign(target: &Target, plans: [&Plan; 2]) -> Result<()> {
    let foreign: Vec<_> = plans.into_iter().flat_map(Plan::foreign).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let lines: String = foreign
        .iter()
        .take(LISTED)
        .map(|(path, what)| format!("{}: {what} is in the way\n", target.root.display(path)))
        .collect();
    bail!("{lines}nothing was changed; move what is in the way, or replace files with: voidclust apply --force")
}

/// What the stage of images did.
#[derive(Debug, Default)]
struct Images {
    built: usize,
    notes: Vec<String>,
    /// One message per image that could not be built, with what it means.
    failures: Vec<String>,
}

/// Builds what is missing or out of date. A failure stops no other image: each is whole or not there.
fn build_images(target: &Target, wanted: &Wanted, lock: &Lock<'_>, verbose: bool) -> Result<Images> {
    let root = &target.root;
    let mut images = Images::default();
    let mut mkinitcpio = Mkinitcpio::of(root)?;
    if let Some(missing) = mkinitcpio.missing() {
        images.notes.push(missing.to_owned());
        return Ok(images);
    }
    let mut progress = progress(verbose);
    for kernel in image::booted(&wanted.site, &wanted.facts.kernels) {
        // A kernel that is gone is booted from the image there is.
        if !wanted.facts.kernels.contains(&kernel) {
            continue;
        }
        match image::build(lock, root, &mut mkinitcpio, &kernel, false, progress.as_mut()) {
            Ok(Build::New(_)) => images.built += 1,
            Ok(Build::UpToDate(_)) => {}
            Err(error) => images.failures.push(format!("client image of {kernel}: {error:#}\nwhat clients boot stays as it was")),
        }
    }
    match image::master_rebuild(lock, root, &mut mkinitcpio, &wanted.facts.kernels, progress.as_mut()) {
        Ok(image::Master::Rebuilt(kernels)) => images.built += kernels.len(),
        Ok(image::Master::UpToDate) => {}
        Ok(image::Master::NotOurs(why)) => images.notes.push(why),
        Err(error) => images.failures.push(format!("the master's own image: {error:#}\nthe master boots as before")),
    }
    if wanted.facts.kernels.is_empty() {
        images.notes.push(format!("{}: no kernel here, so there is no image to build", root.display("boot")));
    }
    Ok(images)
}

/// A spinner on a terminal, plain lines elsewhere.
#[must_use]
pub fn progress(verbose: bool) -> Box<dyn Progress> {
    if std::io::stderr().is_terminal() && !verbose { Box::new(Spinner::default()) } else { Box::new(Lines { verbose }) }
}

/// Makes the loaders name the images that are there now.
///
/// # Errors
/// When something stands in the way, or the disk refuses.
pub fn switch_boot_tree(target: &Target, wanted: &Wanted, lock: &Lock<'_>, force: bool) -> Result<Vec<Change>> {
    let root = &target.root;
    let ours = Ours::load(root)?;
    let plan = plan_for(root, &wanted.boot_tree(root)?, &ours, paths::is_menu, force)?;
    lock.commit(&plan, &ours)?;
    Ok(changes::summary(&wanted.site, &plan))
}

/// On a master that runs from its overlay: the mounted overlay learns of the changed lower tree (it would go on showing
/// deleted files), the new overlay is laid over /etc, and the services that read what changed are told. No step keeps the
/// others from being tried; the next run tells the services that could not be told in this one.
///
/// # Errors
/// When a step fails; the files are in place all the same.
pub fn bring_up_to_date(target: &Target) -> Result<()> {
    if !target.on_overlay {
        if target.running {
            anstream::println!("note: this machine does not run from its overlay yet; reboot it to become the master");
        }
        return Ok(());
    }
    let say = &mut |line: &str| anstream::println!("{line}");
    // By its new interface to mounts, the kernel refuses to change an overlay's options, and libmount gives it them all.
    // void-runit does the same for its own remounts.
    let remount = Tool::new("mount").args(["-o", "remount", "/"]).env("LIBMOUNT_FORCE_MOUNT2", "always");
    let remounted = remount.output().map(|_| ());
    let (restart, laid) = services::refresh(&target.root, say);
    let told: Vec<Result<()>> = restart.iter().map(|service| services::tell(service, say)).collect();
    services::told(restart.iter().zip(&told).filter(|(_, told)| told.is_ok()).map(|(service, _)| service))?;
    let failures: Vec<String> =
        [remounted, laid].into_iter().chain(told).filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    if !failures.is_empty() {
        bail!("{}\nremove the cause, then run again: voidclust apply", failures.join("\n"));
    }
    Ok(())
}

/// Prints a line for each change, or how many there are.
pub fn print_changes(changes: &[Change], verbose: bool) {
    let quiet = changes.len() > LISTED && !verbose;
    for change in changes {
        let node = change.node.as_ref().map_or_else(String::new, |node| format!(" ({node})"));
        let (what, always) = match change.action {
            Action::Create => ("create", false),
            Action::Replace => ("replace", false),
            Action::Remove => ("remove", false),
            Action::Edited => ("edited by hand, new text beside it:", true),
            Action::Foreign => ("in the way:", true),
        };
        if always || !quiet {
            anstream::println!("{what} {}{node}", change.name());
        }
    }
    if quiet {
        anstream::println!("{} (list them with --verbose)", counted(changes.len(), "change"));
    }
}
