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
    if dry_run {
        let preview = Preview::of(&target, wanted::read(&target, config)?, force)?;
        print_changes(&preview.changes, global.verbose);
        super::diff::print_consequences(&preview);
        return Ok(if preview.differs() { Status::Differs } else { Status::Done });
    }
    let (lock, mut wanted) = wanted::locked_and(&target, config, identities::foresee)?;
    let mut screen = Screen::new(global.verbose);
    identities::make(&mut wanted, &lock, &mut screen)?;
    let trees = if force { Trees::of(&wanted, &target.root)? } else { Trees::of_changed(&wanted, &target.root)? };
    let report = generations::apply(&target, wanted, trees, &lock, force, &mut screen)?;
    print_report(&report);
    report.is_done()?;
    Ok(Status::Done)
}
