//! `voidclust diff`: what apply would change.

use anyhow::Result;
use serde_json::json;

use super::Status;
use crate::cli::Global;
use crate::disk::root::Root;
use crate::image::{self, Mkinitcpio};
use crate::machine::services;
use crate::stages::changes::{self, Action, Change};
use crate::stages::session::{self, Plans, Target, Trees, Wanted};
use crate::words::counted;

/// Everything that apply would do, as people and programs read it.
#[derive(Debug)]
pub struct Preview {
    /// Per file or archive member.
    pub changes: Vec<Change>,
    /// Services of the master to restart.
    pub services: Vec<String>,
    /// Kernels whose image is missing or out of date.
    pub images: Vec<String>,
    /// What the administrator should know.
    pub notes: Vec<String>,
}

impl Preview {
    /// Works it out; changes nothing.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn of(root: &Root, wanted: &Wanted, trees: &Trees, plans: &Plans) -> Result<Self> {
        let mut changes = changes::list(root, &wanted.site, &plans.files)?;
        changes.extend(changes::list(root, &wanted.site, &plans.boot)?);
        let mut notes = trees.notes.clone();
        let images = match Mkinitcpio::of(root)?.missing() {
            Some(missing) => {
                notes.push(missing.to_owned());
                Vec::new()
            }
            None => image::stale(root, &trees.files, &wanted.site, &wanted.facts.kernels)?,
        };
        let services = services::affected(&wanted.site, &changes).into_iter().collect();
        Ok(Self { changes, services, images, notes })
    }

    /// Whether the disk is not as the site wants it: apply would change something, or cannot, for somebody edited a file.
    #[must_use]
    pub fn differs(&self) -> bool {
        !self.changes.is_empty() || !self.images.is_empty()
    }

    /// One line: how much of what.
    #[must_use]
    pub fn summary(&self) -> String {
        if !self.differs() {
            return "in sync".to_owned();
        }
        let of = |action: Action| self.changes.iter().filter(|change| change.action == action).count();
        let mut parts = vec![
            format!("{} to create", of(Action::Create)),
            format!("{} to replace", of(Action::Replace)),
            format!("{} to remove", of(Action::Remove)),
        ];
        if of(Action::Edited) > 0 {
            parts.push(format!("{} edited by hand", of(Action::Edited)));
        }
        if of(Action::Foreign) > 0 {
            parts.push(format!("{} in the way", of(Action::Foreign)));
        }
        parts.push(format!("{} to build", counted(self.images.len(), "image")));
        parts.join(", ")
    }

    /// Prints the lines behind the diffs: services, images, notes.
    pub fn print_consequences(&self) {
        for service in &self.services {
            anstream::println!("restart: {service}");
        }
        for kernel in &self.images {
            anstream::println!("image: {kernel}");
        }
        for note in &self.notes {
            anstream::println!("note: {note}");
        }
    }
}

/// Prints the difference.
///
/// # Errors
/// When the configuration is wrong or something cannot be read.
pub fn run(global: &Global, json: bool) -> Result<Status> {
    let target = Target::open(global)?;
    let wanted = session::read_site(&target, global.config.as_deref())?;
    let trees = wanted.trees(&target.root)?;
    let plans = session::plans(&target.root, &trees, false)?;
    let preview = Preview::of(&target.root, &wanted, &trees, &plans)?;
    if json {
        let report = json!({
            "in_sync": !preview.differs(),
            "changes": preview.changes,
            "services": preview.services,
            "images": preview.images,
            "notes": preview.notes,
        });
        anstream::println!("{report:#}");
    } else {
        for change in &preview.changes {
            print_change(change);
        }
        preview.print_consequences();
        anstream::println!("{}", preview.summary());
    }
    Ok(if preview.differs() { Status::Differs } else { Status::Done })
}

fn print_change(change: &Change) {
    use anstyle::{AnsiColor, Style};
    let bold = Style::new().bold();
    let node = change.node.as_ref().map_or_else(String::new, |node| format!(" ({node})"));
    let what = match change.action {
        Action::Edited => format!("edited by hand, kept: {}", change.name()),
        Action::Foreign => format!("not ours, in the way: {}", change.name()),
        Action::Create | Action::Replace | Action::Remove => format!("diff {}{node}", change.name()),
    };
    anstream::println!("{bold}{what}{bold:#}");
    for line in change.diff.lines() {
        let style = match line.as_bytes() {
            [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => bold,
            [b'-', ..] => AnsiColor::Red.on_default(),
            [b'+', ..] => AnsiColor::Green.on_default(),
            [b'@', ..] => AnsiColor::Cyan.on_default(),
            _ => Style::new(),
        };
        anstream::println!("{style}{line}{style:#}");
    }
}
