//! The last stage of every change of the lower tree: the running machine takes over what was written.

use std::collections::BTreeSet;

use super::target::{Runs, Target};
use crate::disk::generations;
use crate::disk::root::Root;
use crate::generation;
use crate::lay::Coming;
use crate::machine::overlay::{self, Laid};
use crate::machine::services;
use crate::machine::{Machine, reboot, roots, served};
use crate::paths;
use crate::tools::Tool;

/// Says that whoever serves the menus serves those that were written last. Only this stage makes one.
#[derive(Debug)]
pub struct Served(());

/// What the stage did.
#[derive(Debug, Default)]
pub struct Live {
    /// There when the menus are served.
    pub served: Option<Served>,
    /// What the administrator should know, in one line each.
    pub notes: Vec<String>,
    /// What could not be done; the next run does it.
    pub failures: Vec<String>,
}

/// On a master that runs from its overlay: the mounted overlay learns of the changed lower tree (it would go on showing
/// deleted files), each node is served what is its own, the new overlay is laid over /etc, and the services that read what changed are told. No step keeps the
/// others from being tried. Each thing done is said in a line.
#[must_use]
pub fn bring_up_to_date(target: &Target, say: &mut dyn FnMut(&str)) -> Live {
    match &target.runs {
        Runs::Nothing | Runs::Machine(_) => Live { served: Some(Served(())), ..Live::default() },
        Runs::Overlay(machine) => of_machine(machine, say),
        Runs::Outside => from_inside(say),
    }
}

fn of_machine(machine: &Machine, say: &mut dyn FnMut(&str)) -> Live {
    let mut live = Live::default();
    let failures = &mut live.failures;
    let mut tried = |result: anyhow::Result<()>| {
        let done = result.is_ok();
        failures.extend(result.err().map(|error| format!("{error:#}")));
        done
    };
    let served = tried(overlay::remount(machine)).then_some(Served(()));
    // Before the exports that name these folders are read.
    match served::is_impossible(machine) {
        None => _ = tried(serve(machine, say)),
        Some(why) => live.notes.push(why),
    }
    let threads = machine.etc(services::THREADS);
    let laid = match overlay::is_gone(machine, &Coming::new()) {
        Ok(false) => overlay::lay(machine),
        Ok(true) => {
            live.notes.push(overlay::GONE.to_owned());
            Laid::default()
        }
        Err(error) => Laid { failure: Some(error), ..Laid::default() },
    };
    laid.lines.iter().for_each(|line| say(line));
    tried(laid.failure.map_or(Ok(()), Err));
    let before = |_: &str| threads.clone();
    let decided = services::decide(machine, &laid.changed, &laid.missed, &before, &|path| machine.etc(path));
    let mut untold = BTreeSet::new();
    for telling in &decided {
        if !tried(telling.tell(machine, say)) {
            untold.extend(telling.service().map(ToOwned::to_owned));
        }
    }
    match overlay::missed(machine) {
        Ok(missed) => {
            tried(overlay::told(machine, missed.iter().filter(|service| !untold.contains(*service)).map(String::as_str)));
        }
        Err(error) => _ = tried(Err(error)),
    }
    match reboot::waiting(machine) {
        Ok(waiting) => live.notes.extend(reboot::note_for(&waiting)),
        Err(error) => live.failures.push(format!("{error:#}")),
    }
    live.served = served;
    live
}

/// Serves the roots, and to each node what is its own, and says how much of that is new.
///
/// # Errors
/// When something cannot be served; all else is, for a node may need no more.
pub fn serve(machine: &Machine, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let lower = Root::open(&machine.path(paths::LOWER))?;
    let mut generations = generations::load(&lower)?.made;
    let mut failures = Vec::new();
    let mut tried = |result: anyhow::Result<()>| {
        let done = result.is_ok();
        failures.extend(result.err().map(|error| format!("{error:#}")));
        done
    };
    generations.retain(|_, made| tried(generation::mount(&lower, made)));
    tried(roots::serve(machine, generations.into_keys()));
    let own = served::bring_up_to_date(machine).map(|done| {
        for (count, what) in [(done.changed, "new or changed"), (done.gone, "gone")] {
            if count > 0 {
                say(&format!("own folders of nodes: {count} {what}"));
            }
        }
    });
    tried(own);
    if failures.is_empty() { Ok(()) } else { anyhow::bail!(failures.join("\n")) }
}

/// In a chroot of the lower tree the machine's own helper does it, which sees the machine.
fn from_inside(say: &mut dyn FnMut(&str)) -> Live {
    // Its mounts are not those of a shell in a name space of its own: both are the first process's.
    let first = ["--target", "1", "--mount", "--root", "--wd"];
    let outside = Tool::new("nsenter").args(first).args(["voidclust", "hook", "live"]);
    let mut live = Live::default();
    match outside.called("voidclust hook live").lines(say) {
        Ok(()) => live.served = Some(Served(())),
        Err(error) => live.failures.push(format!("the running machine does not see the change yet: {error:#}")),
    }
    live
}
