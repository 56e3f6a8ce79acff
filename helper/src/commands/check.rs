//! `voidclust check`: the configuration and the overlays, without a look at what is rendered.

use anyhow::Result;
use serde_json::json;

use super::Status;
use super::screen::print_notes;
use crate::cli::Global;
use crate::machine::reboot;
use crate::print::{say, say_err};
use crate::render::notes as rendered;
use crate::stages::identities;
use crate::stages::target::Target;
use crate::stages::wanted::{self, Unready, Wanted};
use crate::stages::whom;
use crate::types::listed;
use crate::words::counted;

/// Checks, and prints what is wrong or a line that says how large the site is.
///
/// # Errors
/// When something could not be checked at all.
pub fn run(global: &Global, json: bool) -> Result<Status> {
    match sound(global) {
        Ok(wanted) if json => {
            say!(
                "{:#}",
                json!({ "ok": true, "problems": [], "notes": notes(&wanted), "private": rendered::private(&wanted.site) })
            );
            Ok(Status::Done)
        }
        Ok(wanted) => {
            print_notes(&notes(&wanted));
            if let Some(line) = rendered::private(&wanted.site) {
                say!("private: {line}");
            }
            let (nodes, profiles) = (counted(wanted.site.nodes.len(), "node"), counted(wanted.site.profiles.len(), "profile"));
            say!("ok: master {}, {nodes}, {profiles}", wanted.site.master.name);
            Ok(Status::Done)
        }
        Err(error) if !json && !error.is::<Unready>() => Err(error),
        Err(error) => {
            let problems = super::problems(&error);
            if json {
                say!("{:#}", json!({ "ok": false, "problems": problems, "notes": [], "private": null }));
            } else {
                for line in listed(&problems) {
                    say_err!("{line}");
                }
                say_err!("{}", counted(problems.len(), "problem"));
            }
            Ok(Status::Failed)
        }
    }
}

fn notes(wanted: &Wanted) -> Vec<String> {
    let due = identities::due(&wanted.site).len();
    let due = (due > 0).then(|| {
        let nodes = counted(due, "node");
        format!("the identity of {nodes} is not made yet, or not all of it; run: voidclust apply")
    });
    let readers = rendered::readers(&wanted.site);
    wanted.notes.iter().cloned().chain(due).chain(readers).chain(reboot::note_for(&wanted.waiting)).collect()
}

fn sound(global: &Global) -> Result<Wanted> {
    let target = Target::open(global)?;
    let mut wanted = wanted::read(&target, global.config.as_deref())?;
    wanted.check()?;
    wanted.notes.extend(whom::told_to_all(&target, &wanted.site)?);
    Ok(wanted)
}
