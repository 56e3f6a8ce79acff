//! The overlay of the running machine: seeing what changed below it, and laying what differs over /etc.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};

use super::Machine;
use crate::disk::root::Root;
use crate::lay::{Coming, Foreseen, Run, spelled};
use crate::paths;
use crate::tools::Tool;

/// What laying did.
#[derive(Debug, Default)]
pub struct Laid {
    /// One line for each change.
    pub lines: Vec<String>,
    /// The paths below /etc that have changed.
    pub changed: BTreeSet<String>,
    /// Services that read what an earlier run changed, and that nobody has told.
    pub missed: BTreeSet<String>,
    /// What went wrong: something may have been left out, and the rest laid.
    pub failure: Option<anyhow::Error>,
}

/// Makes the overlay see what was changed in its lower tree: it would go on showing files that were replaced.
///
/// # Errors
/// When it cannot be remounted.
pub fn remount(machine: &Machine) -> Result<()> {
    // By its new interface to mounts, the kernel refuses to change an overlay's options, and libmount gives it them all.
    // void-runit does the same for its own remounts.
    let remount = Tool::new("mount").args(["-o", "remount"]).arg(machine.path(""));
    remount.env("LIBMOUNT_FORCE_MOUNT2", "always").output().map(|_| ())
}

/// Services that are still to be told, from earlier runs.
///
/// # Errors
/// When the record is there and cannot be read.
pub fn missed(machine: &Machine) -> Result<BTreeSet<String>> {
    Ok(BTreeSet::from_iter(machine.record(paths::UNTOLD)?))
}

/// What is said when [`is_gone`].
pub const GONE: &str = "no overlay of this machine is left; it keeps what it has until it reboots";

/// Whether something of this machine's overlays was laid and now none is left, or is `coming`, as after the removal of our
/// packages: the running machine still lives on what was laid.
///
/// # Errors
/// When that cannot be looked at.
pub fn is_gone(machine: &Machine, coming: &Coming<'_>) -> Result<bool> {
    let macs = machine.record(paths::OWN_MACS)?;
    if macs.is_empty() || machine.record(paths::WAS_LAID)?.is_empty() {
        return Ok(false);
    }
    let lower = Root::open(&machine.path(paths::LOWER))?;
    let mut overlays = lower.list(paths::NODES)?.unwrap_or_default();
    overlays.retain(|name| !coming.contains_key(name));
    overlays.extend(lower.list(paths::OVERLAYS)?.unwrap_or_default());
    let come = coming.iter().filter(|(_, archive)| archive.is_some()).map(|(name, _)| name);
    let mut left = overlays.iter().chain(come);
    Ok(!left.any(|name| macs.iter().any(|mac| spelled(name).starts_with(mac))))
}

/// What [`lay`] would do when these overlays have come; nothing is changed. `None` when it would not be called, for then
/// the machine [`is_gone`].
///
/// # Errors
/// When that cannot be looked at.
pub fn foresee(machine: &Machine, coming: &Coming<'_>) -> Result<Option<Foreseen>> {
    if is_gone(machine, coming)? {
        return Ok(None);
    }
    run(machine).foresee(None, &machine.path("etc"), &[], coming).map(Some)
}

/// Lays what has changed in this machine's overlays over its /etc; a client fetches them before.
#[must_use]
pub fn lay(machine: &Machine) -> Laid {
    let mut laid = Laid::default();
    match missed(machine) {
        Ok(missed) => laid.missed = missed,
        Err(error) => return Laid { failure: Some(error), ..laid },
    }
    match run(machine).lay(None, &machine.path("etc"), &[], true) {
        Ok(report) => {
            for change in &report.changes {
                laid.lines.push(String::from_utf8_lossy(&change.line()).into_owned());
                laid.changed.insert(change.path().to_string_lossy().into_owned());
            }
            laid.failure = (!report.warnings.is_empty()).then(|| anyhow!(report.warnings.join("\n")));
        }
        Err(error) => laid.failure = Some(error),
    }
    laid
}

/// Says that these services were told, or their user was: the next run does not count them as missed.
///
/// # Errors
/// When that cannot be recorded.
pub fn told<'name>(machine: &Machine, services: impl IntoIterator<Item = &'name str>) -> Result<()> {
    let mut services = services.into_iter().peekable();
    if services.peek().is_none() {
        return Ok(());
    }
    run(machine).told(services)
}

fn run(machine: &Machine) -> Run {
    Run::on(&machine.path(""))
}
