//! Tells a person what a build is doing, which takes from seconds to minutes.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// Whoever wants to know how a build gets on.
pub trait Progress {
    /// A build begins.
    fn begin(&mut self, what: &str);
    /// It has come to this step.
    fn step(&mut self, what: &str);
    /// Something to know about, the build goes on.
    fn warn(&mut self, what: &str);
    /// It has ended well.
    fn done(&mut self, what: &str);
}

/// Says nothing.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str) {}
    fn step(&mut self, _: &str) {}
    fn warn(&mut self, _: &str) {}
    fn done(&mut self, _: &str) {}
}

/// Plain lines on stderr: one at the beginning, one at the end, and all between only when asked for.
#[derive(Debug, Default)]
pub struct Lines {
    /// Whether steps and warnings are printed too.
    pub verbose: bool,
}

impl Progress for Lines {
    fn begin(&mut self, what: &str) {
        eprintln!("building the {what}");
    }

    fn step(&mut self, what: &str) {
        if self.verbose {
            eprintln!("  {what}");
        }
    }

    fn warn(&mut self, what: &str) {
        if self.verbose {
            eprintln!("  {what}");
        }
    }

    fn done(&mut self, what: &str) {
        eprintln!("built the {what}");
    }
}

/// A line on a terminal that moves, with the step that is under way.
#[derive(Debug, Default)]
pub struct Spinner {
    bar: Option<ProgressBar>,
    what: String,
}

impl Progress for Spinner {
    fn begin(&mut self, what: &str) {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        bar.set_message(what.to_owned());
        what.clone_into(&mut self.what);
        self.bar = Some(bar);
    }

    fn step(&mut self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {what}", self.what));
        }
    }

    fn warn(&mut self, _: &str) {}

    fn done(&mut self, what: &str) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        eprintln!("built the {what}");
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
