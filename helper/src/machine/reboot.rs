//! What waits for the next boot of the running machine: kept in memory, so that the boot itself forgets it.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;

use anyhow::{Context, Result};

use super::Machine;
use crate::paths;

/// What waits, by its path below /etc.
///
/// # Errors
/// When the record is there and cannot be read.
pub fn waiting(machine: &Machine) -> Result<BTreeSet<String>> {
    Ok(BTreeSet::from_iter(machine.record(paths::WAITING)?))
}

/// Records what waits from now on.
///
/// # Errors
/// When that cannot be written.
pub fn wait_for<'path>(machine: &Machine, paths: impl Iterator<Item = &'path str>) -> Result<()> {
    let known = waiting(machine)?;
    let new: String = paths.filter(|path| !known.contains(*path)).map(|path| format!("{path}\n")).collect();
    if new.is_empty() {
        return Ok(());
    }
    let path = machine.path(&paths::record(paths::WAITING));
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let written = file.and_then(|mut file| file.write_all(new.as_bytes()));
    written.with_context(|| format!("{}: cannot record what waits for the next boot", path.display()))
}

/// What to tell about these files, if any waits.
#[must_use]
pub fn note_for(waiting: &BTreeSet<String>) -> Option<String> {
    let files: Vec<&str> = waiting.iter().map(String::as_str).collect();
    (!files.is_empty()).then(|| format!("reboot the master for: {} (in place, and read at boot only)", files.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    #[test]
    fn what_waits_is_told_until_the_next_boot() {
        let (dir, machine) = machine(&[(paths::MOUNTS, ""), ("run/voidclust/macs", "")]);
        let note = |machine: &Machine| note_for(&waiting(machine).unwrap());
        assert_eq!(note(&machine), None);
        wait_for(&machine, ["rc.local"].into_iter()).unwrap();
        wait_for(&machine, ["hostname", "rc.local"].into_iter()).unwrap();
        let told = note(&machine).unwrap();
        assert!(told.starts_with("reboot the master for: hostname, rc.local ("), "{told}");
        std::fs::File::create(dir.path().join(paths::record(paths::WAITING))).unwrap();
        assert_eq!(note(&machine), None);
    }
}
