//! `voidclust hook`: what package scripts and kernel hooks call. The decisions are here and in the stages, where they are
//! tested; the scripts only call. Nothing here prompts, and a site that is not configured yet is no failure.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::Status;
use super::screen::{Screen, print_done, print_notes, print_report};
use crate::cli::{Global, Hook};
use crate::disk::lock::Lock;
use crate::machine::{packages, proc, served};
use crate::paths;
use crate::print::{say, say_err};
use crate::stages::generations;
use crate::stages::images::Which;
use crate::stages::live;
use crate::stages::target::{Runs, Target};
use crate::stages::trees::Trees;
use crate::stages::wanted::{self, Unready, Wanted};
use crate::stages::workflow::{self, Work};
use crate::types::Problem;
use crate::types::generation::{Generation, Number, Storage};
use crate::words::counted;

/// Runs a hook.
///
/// # Errors
/// Only for real failures: a full disk, an image that cannot be built.
pub fn run(global: &Global, hook: &Hook) -> Result<Status> {
    let target = Target::open(global)?;
    match hook {
        Hook::PostInstall { package } => post_install(&target, global, package.as_deref()),
        Hook::KernelInstall { version } => {
            with_site(&target, global, |lock, wanted| kernel_install(&target, wanted, lock, version))
        }
        // A package that is removed on the running overlay is back after the next boot, and needs what is on the disk.
        Hook::KernelRemove { version } if target.is_in_memory => {
            only_in_memory(&format!("vkpurge rm {version}"));
            Ok(Status::Done)
        }
        Hook::Remove if target.is_in_memory => {
            only_in_memory("xbps-remove cluster-master");
            Ok(Status::Done)
        }
        Hook::KernelRemove { version } => {
            with_site(&target, global, |lock, wanted| kernel_remove(&target, wanted, lock, version))
        }
        Hook::Changed => super::capture::answer(&target),
        Hook::Live => live(&target),
        Hook::Serve => serve(&target, global),
        Hook::ShellEnded => super::shell::ended(&target, global),
        Hook::Remove => remove(&target),
    }
}

/// Runs `work` if there is a site to work for; else says in one line what is to do.
fn with_site(target: &Target, global: &Global, work: impl FnOnce(&Lock<'_>, &mut Wanted) -> Result<()>) -> Result<Status> {
    let config = global.config.as_deref();
    match wanted::read(target, config) {
        Ok(known) => {
            let (lock, mut wanted) = wanted::lock(target, config, known)?;
            work(&lock, &mut wanted)?;
        }
        Err(error) => say_what_is_to_do(&error),
    }
    Ok(Status::Done)
}

/// What keeps us from working, and is for the administrator to mend, in one line.
fn say_what_is_to_do(error: &anyhow::Error) {
    let next = match error.downcast_ref() {
        Some(Unready::NotConfigured(file)) => format!("edit {file}, then run: voidclust apply"),
        Some(Unready::Wrong(problems)) => {
            let first = problems.first().map(Problem::headline).unwrap_or_default();
            format!("{first} ({} in all); mend it, then run: voidclust apply", counted(problems.len(), "problem"))
        }
        None => format!("{error:#}; then run: voidclust apply"),
    };
    say!("voidclust: {}", next.split_whitespace().collect::<Vec<_>>().join(" "));
}

/// What was done to the packages of the running overlay, and not of the lower tree, is gone with the memory.
fn only_in_memory(command: &str) {
    say!("voidclust: only the running system's memory was changed; to keep it: voidclust shell -- {command}");
}

/// One package of a transaction does the work of all.
fn post_install(target: &Target, global: &Global, package: Option<&str>) -> Result<Status> {
    let turn = packages::whose_turn(&target.root)?;
    if package.zip(turn).is_some_and(|(package, turn)| package != turn) {
        return Ok(Status::Done);
    }
    if turn.is_some()
        && let Err(error) = wanted::read(target, global.config.as_deref())
        && matches!(error.downcast_ref(), Some(Unready::NotConfigured(_)))
    {
        // A new master has its INSTALL.msg.
        return Ok(Status::Done);
    }
    with_site(target, global, |lock, wanted| apply(target, wanted, lock, None))
}

/// Builds the image of a new kernel: by apply if nodes boot it now, and else to have it when one is pinned to it. What nodes
/// boot is left to the package of ours that is in the same transaction, if there is one.
fn kernel_install(target: &Target, wanted: &Wanted, lock: &Lock<'_>, version: &str) -> Result<()> {
    if target.is_in_memory && !wanted.facts.kernels.iter().any(|kernel| kernel == version) {
        let series: Vec<&str> = version.split('.').take(2).collect();
        only_in_memory(&format!("xbps-install linux{}", series.join(".")));
        return Ok(());
    }
    if wanted.site.booted_kernels(&wanted.facts.kernels).contains(version) {
        return match packages::whose_turn(&target.root)? {
            Some(_) => Ok(()),
            None => apply(target, wanted, lock, Some(version)),
        };
    }
    if !proc::is_mounted(&target.root) {
        no_image_here();
        return Ok(());
    }
    let work = Work { files: None, images: Which::Spare(version.to_owned()), menus: true, prune: false, force: false };
    let report = workflow::run(target, wanted, lock, &work, &mut Screen::new(false))?;
    print_done(&report);
    report.is_done()
}

/// All that follows from the configuration. For a new kernel, overlays that are wrong keep no image from being built.
fn apply(target: &Target, wanted: &Wanted, lock: &Lock<'_>, new_kernel: Option<&str>) -> Result<()> {
    let trees = Trees::of(wanted, &target.root);
    if let Err(error) = &trees {
        say_what_is_to_do(error);
        if new_kernel.is_none() {
            return Ok(());
        }
    }
    let trees = trees.as_ref().ok();
    if !proc::is_mounted(&target.root) {
        // mkinitcpio would build images that lack what it could not see.
        let work = Work { files: trees, images: Which::Present, menus: false, prune: false, force: false };
        let report = workflow::run(target, wanted, lock, &work, &mut Screen::terse())?;
        print_notes(&report.notes);
        no_image_here();
        return report.is_done();
    }
    let images = new_kernel.map_or(Which::Booted, |version| Which::New(version.to_owned()));
    let work = Work { files: trees, images, menus: true, prune: true, force: false };
    let report = workflow::run(target, wanted, lock, &work, &mut Screen::new(false))?;
    // What is so whatever kernel there is, is told by apply and check, and by an upgrade of ours, which may be the reason.
    let print = if new_kernel.is_some() { print_done } else { print_report };
    print(&report);
    report.is_done()
}

fn no_image_here() {
    let why = proc::NOT_MOUNTED;
    say!("voidclust: {why}, so no image was built; run on the machine: voidclust apply");
}

/// A kernel is going: its images go too, unless a node is pinned to it. The menus are switched first.
fn kernel_remove(target: &Target, wanted: &mut Wanted, lock: &Lock<'_>, version: &str) -> Result<()> {
    wanted.facts.kernels.retain(|kernel| kernel != version);
    let work = Work { files: None, images: Which::Present, menus: true, prune: true, force: false };
    let report = workflow::run(target, wanted, lock, &work, &mut Screen::terse())?;
    print_notes(&report.notes);
    if wanted.site.booted_kernels(&wanted.facts.kernels).contains(version) {
        say!("voidclust: a node is pinned to kernel {version}: its image stays; it cannot be built again");
    }
    for (image, why) in report.pruned.kept.iter().filter(|(image, _)| image.kernel == version) {
        say!("voidclust: keeping {}: {why}", image.folder());
    }
    report.is_done()
}

/// The running machine takes over what somebody wrote who sees its lower tree only.
fn live(target: &Target) -> Result<Status> {
    let live = live::bring_up_to_date(target, &mut |line| say!("{line}"));
    print_notes(&live.notes);
    if !live.failures.is_empty() {
        anyhow::bail!("{}", live.failures.join("\n"));
    }
    Ok(Status::Done)
}

/// Nodes are served their roots, and each what is its own. A master that boots without a generation makes the first: nobody
/// has booted anything else of it yet.
fn serve(target: &Target, global: &Global) -> Result<Status> {
    target.is_no_client()?;
    let Runs::Overlay(machine) = &target.runs else {
        anyhow::bail!("this machine does not run from its overlay, so it serves nothing; reboot it to become the master");
    };
    if let Some(why) = served::is_impossible(machine) {
        anyhow::bail!(why);
    }
    let first = first_generation(target, global);
    live::serve(machine, &mut |line| say!("{line}"))?;
    first.context("no generation was made, and nodes boot the live tree")?;
    Ok(Status::Done)
}

fn first_generation(target: &Target, global: &Global) -> Result<()> {
    let wanted = match wanted::read(target, global.config.as_deref()) {
        Err(error) if matches!(error.downcast_ref(), Some(Unready::NotConfigured(_))) => return Ok(()),
        wanted => wanted?,
    };
    if !generations::is_first_due(target, &wanted.site) {
        return Ok(());
    }
    let (lock, wanted) = wanted::lock(target, global.config.as_deref(), wanted)?;
    let report = generations::first(target, wanted, &lock, false, &mut Screen::terse())?;
    print_notes(&report.notes);
    report.is_done()
}

/// How generations are removed when voidclust is gone: they are an administrator's work of months, and never go unasked.
fn by_hand(target: &Target, made: &BTreeMap<Number, Generation>) -> Option<(String, usize)> {
    let folder = target.root.display(paths::GENERATIONS);
    let command = match &made.values().next_back()?.storage {
        Storage::Copy => format!("rm -r {folder}"),
        Storage::Btrfs => format!("btrfs subvolume delete {folder}/[0-9]*/; rm -r {folder}"),
        Storage::Zfs(set) => {
            format!("zfs destroy -r {}; rm -r {folder}", set.rsplit_once('/').map_or(set.as_str(), |(all, _)| all))
        }
    };
    Some((command, made.len()))
}

/// Takes away what we rendered and nobody edited.
fn remove(target: &Target) -> Result<Status> {
    let (left, live) = workflow::take_away(target, &mut Screen::terse())?;
    for path in left {
        say!("voidclust: edited by hand, and left: {}", target.root.display(&path));
    }
    let made = crate::disk::generations::load(&target.root)?.made;
    if let Some((command, count)) = by_hand(target, &made) {
        say!(
            "voidclust: {} left, which nodes may still run from; with all of them off, remove them: {command}",
            counted(count, "generation")
        );
    }
    print_notes(&live.notes);
    for failure in live.failures {
        say_err!("voidclust: {failure}");
    }
    Ok(Status::Done)
}
