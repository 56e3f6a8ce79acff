//! How the commands that change something speak.

use std::io::IsTerminal;

use crate::print::say;
use crate::progress::{Lines, Progress, Spinner};
use crate::stages::changes::{Action, Change};
use crate::stages::workflow::{Report, Watch};
use crate::words::counted;

/// Above this many changes the files are counted, not listed, unless `--verbose` is given.
const LISTED: usize = 40;

/// Prints what is done while it is done: a spinner on a terminal for what takes long, plain lines elsewhere.
pub(super) struct Screen {
    verbose: bool,
    /// Whether only those changes are told that somebody has to look at.
    terse: bool,
    progress: Box<dyn Progress>,
}

impl Screen {
    pub(super) fn new(verbose: bool) -> Self {
        let spins = std::io::stderr().is_terminal() && !verbose;
        Self { verbose, terse: false, progress: if spins { Box::new(Spinner::default()) } else { Box::new(Lines { verbose }) } }
    }

    pub(super) fn terse() -> Self {
        Self { terse: true, ..Self::new(false) }
    }
}

impl Watch for Screen {
    fn changed(&mut self, changes: &[Change]) {
        let is_told = |change: &&Change| !self.terse || change.action.is_edited();
        print_changes(&changes.iter().filter(is_told).cloned().collect::<Vec<_>>(), self.verbose);
    }

    fn said(&mut self, line: &str) {
        say!("{line}");
    }

    fn progress(&mut self) -> &mut dyn Progress {
        self.progress.as_mut()
    }
}

/// Prints a line for each change, or how many there are.
pub(super) fn print_changes(changes: &[Change], verbose: bool) {
    let quiet = changes.len() > LISTED && !verbose;
    for change in changes {
        let node = change.node.as_ref().map_or_else(String::new, |node| format!(" ({node})"));
        let (what, always) = match change.action {
            Action::Create => ("create", false),
            Action::Replace => ("replace", false),
            Action::Remove => ("remove", false),
            Action::Edited => ("edited by hand, new text beside it:", true),
            Action::Left => ("edited by hand, wanted no longer, and stays; remove it unless you need it:", true),
            Action::Foreign => ("in the way:", true),
        };
        if always || !quiet {
            say!("{what} {}{node}", change.name());
        }
    }
    if quiet {
        say!("{} (list them with --verbose)", counted(changes.len(), "change"));
    }
}

/// Prints notes, one a line.
pub(super) fn print_notes(notes: &[String]) {
    for note in notes {
        say!("note: {note}");
    }
}

/// Prints all notes of a run and, when nothing failed, one line that sums it up.
pub(super) fn print_report(report: &Report) {
    print_notes(&report.standing);
    print_done(report);
}

/// Prints the notes about what a run did, and the same line.
pub(super) fn print_done(report: &Report) {
    print_notes(&report.notes);
    if !report.failures.is_empty() {
        return;
    }
    let edited = report.changes.iter().filter(|change| change.action.is_edited()).count();
    let written = report.changes.len() - edited;
    if written + report.built > 0 {
        say!("done: {}, {} built", counted(written, "file"), counted(report.built, "image"));
    } else if edited == 0 {
        say!("in sync: nothing to do");
    } else {
        say!("in sync, but for {} edited by hand", counted(edited, "file"));
    }
}
