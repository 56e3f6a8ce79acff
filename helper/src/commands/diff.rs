//! `voidclust diff`: what apply would change.

use anyhow::Result;
use serde_json::json;

use super::Status;
use super::screen::print_notes;
use crate::cli::Global;
use crate::print::say;
use crate::stages::changes::{Action, Change};
use crate::stages::preview::{Laying, Preview};
use crate::stages::target::Target;
use crate::stages::wanted;
use crate::types::Problem;
use crate::words::counted;

/// A new site has as many as nodes.
const IDENTITIES_SHOWN: usize = 10;

/// Prints the difference.
///
/// # Errors
/// When the configuration is wrong or something cannot be read.
pub fn run(global: &Global, json: bool) -> Result<Status> {
    let preview = match preview(global) {
        Err(error) if json => {
            say!("{:#}", report(None, &super::problems(&error)));
            return Ok(Status::Failed);
        }
        preview => preview?,
    };
    if json {
        say!("{:#}", report(Some(&preview), &[]));
    } else {
        preview.changes.iter().for_each(print_change);
        print_consequences(&preview);
    }
    Ok(if preview.differs() { Status::Differs } else { Status::Done })
}

fn preview(global: &Global) -> Result<Preview> {
    let target = Target::open(global)?;
    let wanted = wanted::read(&target, global.config.as_deref())?;
    Preview::of(&target, wanted, false)
}

/// The same members whether there are problems or not.
fn report(preview: Option<&Preview>, problems: &[Problem]) -> serde_json::Value {
    json!({
        "in_sync": preview.is_some_and(|preview| !preview.differs()),
        "problems": problems,
        "changes": preview.map_or(&[][..], |preview| &preview.changes),
        "lay": preview.map_or(&Laying::default(), |preview| &preview.lay),
        "tell": preview.map_or(&[][..], |preview| &preview.tell),
        "images": preview.map_or(&[][..], |preview| &preview.images),
        "master_images": preview.map_or(&[][..], |preview| &preview.master_images),
        "prune": preview.map_or(&[][..], |preview| &preview.prune),
        "identities": preview.map_or(&[][..], |preview| &preview.identities),
        "generation": preview.and_then(|preview| preview.generation),
        "prune_generations": preview.map_or(&[][..], |preview| &preview.prune_generations),
        "notes": preview.map_or(&[][..], |preview| &preview.notes),
    })
}

/// Prints the lines behind the diffs: what is laid here, services, images, notes, and what it all amounts to.
pub(super) fn print_consequences(preview: &Preview) {
    for path in &preview.lay.changed {
        say!("lay: changed {path}");
    }
    for path in &preview.lay.removed {
        say!("lay: removed {path}");
    }
    for what in &preview.lay.left_out {
        say!("lay: {what}");
    }
    for command in &preview.tell {
        say!("tell: {command}");
    }
    for kernel in &preview.images {
        say!("image: {kernel}");
    }
    for kernel in &preview.master_images {
        say!("image: {kernel}, the master's own");
    }
    for folder in &preview.prune {
        say!("prune: {folder}");
    }
    for name in preview.identities.iter().take(IDENTITIES_SHOWN) {
        say!("identity: {name}");
    }
    if preview.identities.len() > IDENTITIES_SHOWN {
        say!("identity: and {} more", counted(preview.identities.len() - IDENTITIES_SHOWN, "node"));
    }
    if let Some(number) = preview.generation {
        say!(
            "generation {number} would be made, and nodes boot it: what changes in the menus and exports then is not shown here"
        );
    }
    for number in &preview.prune_generations {
        say!("prune: generation {number}");
    }
    print_notes(&preview.notes);
    say!("{}", preview.summary());
}

fn print_change(change: &Change) {
    let bold = anstyle::Style::new().bold();
    let node = change.node.as_ref().map_or_else(String::new, |node| format!(" ({node})"));
    let what = match change.action {
        Action::Edited => format!("edited by hand, kept: {}", change.name()),
        Action::Left => format!("edited by hand, wanted no longer: {}", change.name()),
        Action::Foreign => format!("not ours, in the way: {}", change.name()),
        Action::Create | Action::Replace | Action::Remove => format!("diff {}{node}", change.name()),
    };
    say!("{bold}{what}{bold:#}");
    print_lines(&change.diff);
}

/// Prints a unified diff.
pub(super) fn print_lines(diff: &str) {
    use anstyle::{AnsiColor, Style};
    let bold = Style::new().bold();
    for line in diff.lines() {
        let style = match line.as_bytes() {
            [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => bold,
            [b'-', ..] => AnsiColor::Red.on_default(),
            [b'+', ..] => AnsiColor::Green.on_default(),
            [b'@', ..] => AnsiColor::Cyan.on_default(),
            _ => Style::new(),
        };
        say!("{style}{line}{style:#}");
    }
}
