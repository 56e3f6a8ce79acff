//! `voidclust publish` and `voidclust rollback`: which generation nodes boot.

use anyhow::{Result, bail};

use super::Status;
use super::generation::print_differences;
use super::screen::{Screen, print_notes, print_report};
use crate::cli::Global;
use crate::generation;
use crate::machine::snapshot::Storage;
use crate::paths;
use crate::print::say;
use crate::stages::generations::{self, Next, Publication};
use crate::stages::target::Target;
use crate::stages::wanted::{self, Wanted};
use crate::stages::whom;
use crate::stages::workflow::Report;
use crate::types::generation::Number;
use crate::words::bytes;

/// Publishes the live tree.
///
/// # Errors
/// When the configuration is wrong, a name is not known, or the generation cannot be made or served.
pub fn run(global: &Global, only: &[String], text: &str) -> Result<Status> {
    if text.chars().any(char::is_control) {
        bail!("--message: has signs that are no text; write one line");
    }
    let target = Target::open(global)?;
    let (lock, wanted) = wanted::locked(&target, global.config.as_deref())?;
    let whom = whom::of(&wanted.site, only)?;
    let order = Publication { whom: &whom, text, force: false };
    let report = generations::publish(&target, wanted, &lock, &order, &mut Screen::terse())?;
    drop(lock);
    ended(&target, global, &report)
}

/// Lets nodes boot a generation that is there.
///
/// # Errors
/// When a name or the number is not known, or the generation cannot be served.
pub fn roll_back(global: &Global, number: Option<Number>, only: &[String]) -> Result<Status> {
    let target = Target::open(global)?;
    let (lock, wanted) = wanted::locked(&target, global.config.as_deref())?;
    let whom = whom::of(&wanted.site, only)?;
    let report = generations::roll_back(&target, wanted, &lock, number, &whom, &mut Screen::terse())?;
    drop(lock);
    ended(&target, global, &report)
}

fn ended(target: &Target, global: &Global, report: &Report) -> Result<Status> {
    print_report(report);
    report.is_done()?;
    let now = wanted::read(target, global.config.as_deref())?;
    if let Some(machine) = target.machine() {
        whom::behind(target, &now.site, machine)?.iter().for_each(|line| say!("{line}"));
    }
    Ok(Status::Done)
}

/// Says what publish would leave out, what would change, and what it would take.
///
/// # Errors
/// When something cannot be read.
pub fn preview(global: &Global, only: &[String]) -> Result<Status> {
    let target = Target::open(global)?;
    let wanted = wanted::read(&target, global.config.as_deref())?;
    let whom = whom::of(&wanted.site, only)?;
    let site = &wanted.site;
    let (number, takes) = match generations::next(&target, site, &whom)? {
        Next::Tried(number) => {
            say!("generation {number}, which only some boot, would be published for all");
            return Ok(Status::Differs);
        }
        Next::Same(number) => {
            private(&target, &wanted)?;
            say!("nothing changed since generation {number}, and no other one would be made");
            return Ok(if whom::boot_all(site, &whom, number) { Status::Done } else { Status::Differs });
        }
        Next::New { number, takes } => (number, takes),
    };
    private(&target, &wanted)?;
    if let Some(takes) = takes {
        say!("it would take {}", bytes(takes));
    }
    let Some(newest) = site.generations.newest() else {
        say!("this would be generation {number}, the first");
        return Ok(Status::Differs);
    };
    let tree = paths::generation_tree(newest.number);
    let packages = generation::differences(&target.root, &tree, "")?;
    let etc = generation::changed_in_etc(&target.root, &tree, "")?;
    let changed = print_differences(&packages, &etc);
    say!("this would be generation {number}; since {} differ: {changed}", newest.number);
    Ok(Status::Differs)
}

fn private(target: &Target, wanted: &Wanted) -> Result<()> {
    let site = wanted.site.private();
    for left in generation::private_in(&target.root, &site)? {
        say!("left out: /{} ({})", left.path, left.reason);
    }
    print_notes(&whom::told_to_all(target, &wanted.site)?);
    Ok(())
}

/// Says how each snapshot of the live tree is brought back.
///
/// # Errors
/// When there are none, or the storage cannot be asked.
pub fn back_to_snapshots(global: &Global) -> Result<Status> {
    let target = Target::open(global)?;
    let Some(storage) = target.machine().and_then(Storage::of) else {
        bail!("the live tree lies on a file system without snapshots; go back with a generation: voidclust rollback");
    };
    let ways = storage.ways_back()?;
    if ways.is_empty() {
        bail!("there is no snapshot of the live tree; voidclust shell takes one before it begins");
    }
    for way in ways {
        say!("{}\n  here: {}\n  from another system, with the nodes off: {}", way.name, way.here, way.elsewhere);
    }
    Ok(Status::Done)
}
