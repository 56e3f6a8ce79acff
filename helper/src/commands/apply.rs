//! `voidclust apply`: everything that follows from the configuration.

use anyhow::Result;

use super::Status;
use super::screen::{Screen, print_changes, print_report};
use crate::cli::Global;
use crate::stages::preview::Preview;
use crate::stages::target::Target;
use crate::stages::trees::Trees;
use crate::stages::wanted;
use crate::stages::{generations, identities};

/// Applies, or with `dry_run` says what would be done.
///
/// # Errors
/// When the configuration is wrong, something stands in the way, or a stage failed.
pub fn run(global: &Global, dry_run: bool, force: bool) -> Result<Status> {
    let target = Target::open(global)?;
    let config = global.config.as_deref();
    let wanted = wanted::read(&target, config)?;
    if dry_run {
        let preview = Preview::of(&target, wanted, force)?;
        print_changes(&preview.changes, global.verbose);
        super::diff::print_consequences(&preview);
        return Ok(if preview.differs() { Status::Differs } else { Status::Done });
    }
    // What is made for nodes changes what is rendered for them: then mistakes are looked for, and nothing is kept.
    let early = if identities::due(&wanted.site).is_empty() {
        Some(Trees::of(&wanted, &target.root)?)
    } else {
        wanted.check()?;
        None
    };
    let (lock, mut wanted, is_as_before) = wanted::lock(&target, config, wanted)?;
    let mut screen = Screen::new(global.verbose);
    identities::make(&mut wanted, &lock, &mut screen)?;
    let trees = match early.filter(|_| is_as_before) {
        Some(trees) => trees,
        None => Trees::of(&wanted, &target.root)?,
    };
    let report = generations::apply(&target, wanted, trees, &lock, force, &mut screen)?;
    print_report(&report);
    report.is_done()?;
    Ok(Status::Done)
}
