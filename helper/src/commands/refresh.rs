//! `voidclust refresh`: a running node, client or master, takes over what its overlays say now.

use anyhow::{Result, bail};

use super::Status;
use crate::cli::Global;
use crate::machine::services;
use crate::stages::session::Target;
use crate::words::counted;

/// Lays what changed over /etc, and says which services read it.
///
/// # Errors
/// When this is not a node that runs from its overlay, or a step fails.
pub fn run(global: &Global) -> Result<Status> {
    let target = Target::open(global)?;
    if !target.on_overlay {
        bail!("this machine does not run from an overlay, so there is nothing to lay over /etc; see voidclust(8)");
    }
    let mut lines = 0;
    let (restart, laid) = services::refresh(&target.root, &mut |line| {
        lines += 1;
        anstream::println!("{line}");
    });
    // Said, not done: only whoever uses this node knows whether it can spare the service now.
    for service in &restart {
        anstream::println!("restart needed: sv restart {service}");
    }
    services::told(&restart)?;
    laid?;
    anstream::println!("{}", if lines == 0 { "up to date".to_owned() } else { counted(lines, "change") });
    Ok(Status::Done)
}
