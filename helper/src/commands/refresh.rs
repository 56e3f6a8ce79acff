//! `voidclust refresh`: a running node, client or master, takes over what its overlays say now.

use anyhow::{Result, bail};

use super::Status;
use crate::cli::Global;
use crate::machine::services::{self, Telling};
use crate::machine::{overlay, reboot};
use crate::print::say;
use crate::stages::target::{Runs, Target};
use crate::words::counted;

/// Lays what changed over /etc, and says how to tell the services that read it.
///
/// # Errors
/// When this is not a node that runs from its overlay, or a step fails.
pub fn run(global: &Global) -> Result<Status> {
    let target = Target::open(global)?;
    let Runs::Overlay(machine) = &target.runs else {
        bail!("this machine does not run from an overlay, so there is nothing to lay over /etc; see voidclust(8)");
    };
    let threads = machine.etc(services::THREADS);
    let laid = overlay::lay(machine);
    for line in &laid.lines {
        say!("{line}");
    }
    let before = |_: &str| threads.clone();
    let mut needed = services::decide(machine, &laid.changed, &laid.missed, &before, &|path| machine.etc(path));
    needed.extend(reboot::waiting(machine)?.into_iter().map(Telling::Reboot));
    // Said, not done: only whoever uses this node knows whether it can spare the service now.
    for telling in needed {
        say!("needed: {telling}");
    }
    let missed = overlay::missed(machine)?;
    overlay::told(machine, missed.iter().map(String::as_str))?;
    laid.failure.map_or(Ok(()), Err)?;
    say!("{}", if laid.lines.is_empty() { "up to date".to_owned() } else { counted(laid.lines.len(), "change") });
    Ok(Status::Done)
}
