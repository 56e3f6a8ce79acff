//! The overlay of the running machine: seeing what changed below it, and laying what differs over /etc.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};

use super::Machine;
use crate::disk::root::Root;
use crate::lay::{Run, spelled};
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
    Ok(machine.text(&paths::record(paths::UNTOLD))?.unwrap_or_default().lines().map(ToOwned::to_owned).collect())
}

/// Whether something of this machine's overlays was laid and now none is left, as after the removal of our packages: the
/// running machine still lives on what was laid.
///
/// # Errors
/// When that cannot be looked at.
pub fn is_gone(machine: &Machine) -> Result<bool> {
    let macs = own_macs(machine)?;
    if macs.is_empty() || machine.text(&paths::record(paths::WAS_LAID))?.unwrap_or_default().is_empty() {
        return Ok(false);
    }
    let overlays = Root::open(&machine.path(paths::LOWER))?.list(paths::OVERLAYS)?.unwrap_or_default();
    Ok(!overlays.iter().any(|name| macs.iter().any(|mac| spelled(name).starts_with(mac))))
}

/// The addresses that the machine went by when its overlays were laid.
fn own_macs(machine: &Machine) -> Result<Vec<String>> {
    let macs = machine.text(&paths::record(paths::OWN_MACS))?.unwrap_or_default();
    Ok(macs.lines().filter(|mac| !mac.is_empty()).map(ToOwned::to_owned).collect())
}

/// The administrator's folders of this machine, below the lower tree: what lies there wins over every archive.
///
/// # Errors
/// When that cannot be looked at.
pub fn own_folders(machine: &Machine) -> Result<Vec<String>> {
    let macs = own_macs(machine)?;
    let overlays = Root::open(&machine.path(paths::LOWER))?.list(paths::OVERLAYS)?.unwrap_or_default();
    let own = overlays.iter().filter(|name| macs.contains(&spelled(name)));
    Ok(own.map(|name| format!("{}/{name}", paths::OVERLAYS)).collect())
}

/// Lays what has changed in this machine's overlays over its /etc.
#[must_use]
pub fn lay(machine: &Machine) -> Laid {
    let mut laid = Laid::default();
    match missed(machine) {
        Ok(missed) => laid.missed = missed,
        Err(error) => return Laid { failure: Some(error), ..laid },
    }
    // The lower tree's own folder: through the overlay, files that were replaced below it look stale or deleted.
    let overlays = machine.path(paths::LOWER).join(paths::OVERLAYS);
    match run(machine).lay(&overlays, &machine.path("etc"), &[], true) {
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
