//! `voidclust hook`: what package scripts and kernel hooks call. The logic is here, where it is tested; the scripts only
//! call it. Nothing here prompts, and a site that is not configured yet is no failure.

use anyhow::Result;

use super::{Status, apply};
use crate::cli::{Global, Hook};
use crate::disk::commit::{Lock, plan_for};
use crate::disk::manifest::Ours;
use crate::disk::plan::Step;
use crate::disk::tree::Tree;
use crate::image::{self, Mkinitcpio};
use crate::machine::{packages, proc};
use crate::paths;
use crate::stages::changes::{self, Action};
use crate::stages::session::{self, Configured, Target, Wanted};
use crate::types::Problem;
use crate::words::counted;

/// Runs a hook.
///
/// # Errors
/// Only for real failures: a full disk, an image that cannot be built.
pub fn run(global: &Global, hook: &Hook) -> Result<Status> {
    let target = Target::open(global)?;
    match hook {
        Hook::PostInstall { package } => {
            let turn = packages::whose_turn(&target.root)?;
            let another = package.as_deref().zip(turn).is_some_and(|(package, turn)| package != turn);
            // A new master has its INSTALL.msg.
            if another || (turn.is_some() && matches!(session::read(&target, global.config.as_deref()), Ok(Configured::Not(_)))) {
                return Ok(Status::Done);
            }
            with_site(&target, global, |lock, wanted| post_install(&target, wanted, lock))
        }
        Hook::KernelInstall { version } => {
            with_site(&target, global, |lock, wanted| kernel_install(&target, wanted, lock, version))
        }
        // A package that is removed on the running overlay is back after the next boot, and needs what is on the disk.
        Hook::KernelRemove { version } if target.on_overlay => {
            only_in_memory(&format!("vkpurge rm {version}"));
            Ok(Status::Done)
        }
        Hook::Remove if target.on_overlay => {
            only_in_memory("xbps-remove cluster-master");
            Ok(Status::Done)
        }
        Hook::KernelRemove { version } => {
            with_site(&target, global, |lock, wanted| kernel_remove(&target, wanted, lock, version))
        }
        Hook::Remove => remove(&target),
    }
}

/// Runs `work` if there is a site to work for; else says in one line what is to do.
fn with_site(target: &Target, global: &Global, work: impl FnOnce(&Lock<'_>, &mut Wanted) -> Result<Status>) -> Result<Status> {
    let config = global.config.as_deref();
    let next = match session::read(target, config) {
        Ok(Configured::Yes(_)) => {
            let (lock, mut wanted) = session::lock(target, config)?;
            return work(&lock, &mut wanted);
        }
        Ok(Configured::Not(file)) => format!("edit {file}, then run: voidclust apply"),
        Ok(Configured::Wrong(problems)) => {
            let first = problems.first().map(Problem::headline).unwrap_or_default();
            format!("{first} ({} in all); mend it, then run: voidclust apply", counted(problems.len(), "problem"))
        }
        Err(error) => format!("{error:#}; then run: voidclust apply"),
    };
    anstream::println!("voidclust: {}", one_line(&next));
    Ok(Status::Done)
}

/// What was done to the packages of the running overlay, and not of the lower tree, is gone with the memory.
fn only_in_memory(command: &str) {
    let lower = paths::LOWER;
    anstream::println!("voidclust: only the running system's memory was changed; to keep it: xchroot {lower} {command}");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn post_install(target: &Target, wanted: &Wanted, lock: &Lock<'_>) -> Result<Status> {
    let trees = match wanted.trees(&target.root) {
        Ok(trees) => trees,
        Err(error) => {
            anstream::println!("voidclust: {}; then run: voidclust apply", one_line(&format!("{error:#}")));
            return Ok(Status::Done);
        }
    };
    if let Some(why) = nothing_runs_here(target) {
        // In a chroot without /proc mkinitcpio builds images that lack what it could not see.
        let status = render_only(target, wanted, &trees, lock)?;
        no_image_here(why);
        return Ok(status);
    }
    apply::apply(target, wanted, &trees, lock, false, false)
}

/// Why images cannot be built here, if they cannot.
fn nothing_runs_here(target: &Target) -> Option<&'static str> {
    (!proc::is_mounted(&target.root)).then_some("/proc or /dev is not mounted here")
}

fn no_image_here(why: &str) {
    anstream::println!("voidclust: {why}, so no image was built; run on the machine: voidclust apply");
}

fn render_only(target: &Target, wanted: &Wanted, trees: &session::Trees, lock: &Lock<'_>) -> Result<Status> {
    let plans = session::plans(&target.root, trees, false)?;
    lock.commit(&plans.files, &plans.ours)?;
    let mut edited = changes::summary(&wanted.site, &plans.files);
    edited.retain(|change| change.action == Action::Edited);
    apply::print_changes(&edited, false);
    Ok(Status::Done)
}

/// Builds the image of a new kernel: by apply if nodes boot it now, and else to have it when one is pinned to it. What nodes
/// boot is left to the package of ours that is in the same transaction, if there is one.
fn kernel_install(target: &Target, wanted: &Wanted, lock: &Lock<'_>, version: &str) -> Result<Status> {
    if target.on_overlay && !wanted.facts.kernels.iter().any(|kernel| kernel == version) {
        let series: Vec<&str> = version.split('.').take(2).collect();
        only_in_memory(&format!("xbps-install linux{}", series.join(".")));
        return Ok(Status::Done);
    }
    let root = &target.root;
    let mut mkinitcpio = Mkinitcpio::of(root)?;
    let spare = !image::booted(&wanted.site, &wanted.facts.kernels).contains(version);
    if !spare {
        return if packages::whose_turn(root)?.is_some() { Ok(Status::Done) } else { post_install(target, wanted, lock) };
    }
    if let Some(why) = nothing_runs_here(target) {
        no_image_here(why);
    } else if let Some(missing) = mkinitcpio.missing() {
        anstream::println!("note: {missing}");
    } else {
        image::build(lock, root, &mut mkinitcpio, version, false, apply::progress(false).as_mut())?;
        apply::switch_boot_tree(target, wanted, lock, false)?;
    }
    Ok(Status::Done)
}

/// A kernel is going: its images go too, unless a node is pinned to it. The loaders are switched first.
fn kernel_remove(target: &Target, wanted: &mut Wanted, lock: &Lock<'_>, version: &str) -> Result<Status> {
    wanted.facts.kernels.retain(|kernel| kernel != version);
    // Without another image the nodes go on with this one: better an old kernel than none.
    apply::switch_boot_tree(target, wanted, lock, false)?;
    if image::booted(&wanted.site, &wanted.facts.kernels).contains(version) {
        anstream::println!("voidclust: a node is pinned to kernel {version}: its image stays; it cannot be built again");
        return Ok(Status::Done);
    }
    for (image, why) in image::prune(lock, &target.root, &wanted.site, &wanted.facts.kernels)?.kept {
        anstream::println!("voidclust: keeping {}: {why}", image.folder());
    }
    Ok(Status::Done)
}

/// Takes away what we rendered and nobody edited.
fn remove(target: &Target) -> Result<Status> {
    let root = &target.root;
    let lock = Lock::take(root)?;
    let ours = Ours::load(root)?;
    // The loaders' configurations of images that nodes may boot at this moment go with the rest: without the master's
    // services nothing is served anyway.
    let plan = plan_for(root, &Tree::default(), &ours, |_| true, false)?;
    lock.commit(&plan, &ours)?;
    let left: Vec<&String> = plan.steps.iter().filter(|(_, step)| matches!(step, Step::Abandon)).map(|(path, _)| path).collect();
    for path in &left {
        anstream::println!("voidclust: edited by hand, and left: {}", root.display(path));
    }
    if left.is_empty() {
        lock.forget_state()?;
    }
    Ok(Status::Done)
}
