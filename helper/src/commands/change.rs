//! A change of the configuration: shown, written, and how it is taken back.

use anyhow::{Result, bail};

use super::screen::print_notes;
use super::{Status, diff};
use crate::cli::{Dry, Global};
use crate::print::say;
use crate::stages::edits::Edit;
use crate::stages::target::Target;

/// Shows it, and writes it unless it is only to be shown; `next` is what is to be run then.
///
/// # Errors
/// When it cannot be written.
pub(super) fn finish(target: &Target, global: &Global, dry: Dry, edit: Edit, done: &str, next: &str) -> Result<Status> {
    if edit.is_empty() {
        say!("nothing to change");
        return Ok(Status::Done);
    }
    diff::print_lines(&edit.diff());
    if dry.dry_run {
        return Ok(Status::Differs);
    }
    if let Some(config) = &global.config {
        bail!("{}: only the configuration of a tree is changed; leave out --config, or add --dry-run", config.display());
    }
    let written = edit.write(target, &mut |line| say!("{line}"))?;
    print_notes(&written.live.notes);
    for command in &written.undo {
        say!("undo: {command}");
    }
    if !written.live.failures.is_empty() {
        bail!("{done}, but the running machine was not told:\n{}", written.live.failures.join("\n"));
    }
    say!("{done}; now run: {next}");
    Ok(Status::Done)
}
