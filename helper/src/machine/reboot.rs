//! What waits for the next boot of the running machine. Laying records it before it changes a file, in memory, so that the
//! boot itself forgets it.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Machine;
use crate::paths;

/// What waits, by its path below /etc.
///
/// # Errors
/// When the record is there and cannot be read.
pub fn waiting(machine: &Machine) -> Result<BTreeSet<String>> {
    Ok(BTreeSet::from_iter(machine.record(paths::WAITING)?))
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
    fn what_waits_is_told() {
        let record = paths::record(paths::WAITING);
        let note = |text: &str| note_for(&waiting(&machine(&[(paths::MOUNTS, ""), (&record, text)]).1).unwrap());
        assert_eq!(note(""), None);
        let told = note("rc.local\nhostname\n").unwrap();
        assert!(told.starts_with("reboot the master for: hostname, rc.local ("), "{told}");
    }
}
