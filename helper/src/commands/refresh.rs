//! `voidclust refresh`: a running node, client or master, takes over what its overlays say now.

use anyhow::{Result, bail};

use super::{Status, counted};
use crate::cli::Global;
use crate::services;
use crate::session::Target;

/// Lays what changed over /etc, and restarts the services that read it.
///
/// # Errors
/// When this is not a node that runs from its overlay, or a step fails.
pub fn run(global: &Global) -> Result<Status> {
    let target = Target::open(global)?;
    if !target.on_overlay {
        bail!("this machine does not run from an overlay, so there is nothing to lay over /etc; see voidclust(8)");
    }
    let mut lines = 0;
    services::refresh(&target.root, &mut |line| {
        lines += 1;
        anstream::println!("{line}");
    })?;
    anstream::println!("{}", if lines == 0 { "up to date".to_owned() } else { counted(lines, "change") });
    Ok(Status::Done)
}
