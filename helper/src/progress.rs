//! Tells a person what is being done that takes from seconds to minutes: images, generations.

use crate::print::say_err;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Whoever wants to know how such work gets on.
pub trait Progress {
    /// It begins, with this.
    fn begin(&mut self, what: &str);
    /// It has come to this step.
    fn step(&mut self, what: &str);
    /// Something to know about, the work goes on.
    fn warn(&mut self, what: &str);
    /// What must be known whoever asked for it.
    fn tell(&mut self, what: &str);
    /// It has ended well.
    fn done(&mut self, what: &str);
}

/// Plain lines on stderr: one at the beginning, one at the end, and all between only when asked for.
#[derive(Debug, Default)]
pub struct Lines {
    /// Whether steps and warnings are printed too.
    pub verbose: bool,
}

impl Progress for Lines {
    fn begin(&mut self, what: &str) {
        say_err!("{what}");
    }

    fn step(&mut self, what: &str) {
        if self.verbose {
            say_err!("  {what}");
        }
    }

    fn warn(&mut self, what: &str) {
        if self.verbose {
            say_err!("  {what}");
        }
    }

    fn tell(&mut self, what: &str) {
        say_err!("{what}");
    }

    fn done(&mut self, what: &str) {
        say_err!("{what}");
    }
}

/// A line on a terminal that moves, with the step that is under way; gone when the work is, however that ends.
#[derive(Debug)]
pub struct Spinner {
    bar: ProgressBar,
    what: String,
}

impl Default for Spinner {
    fn default() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }
}

impl Spinner {
    fn on(target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, what: String::new() }
    }
}

impl Progress for Spinner {
    fn begin(&mut self, what: &str) {
        what.clone_into(&mut self.what);
        self.bar.reset();
        self.bar.set_message(what.to_owned());
        if crate::parallel::is_possible() {
            self.bar.enable_steady_tick(Duration::from_millis(120));
        }
    }

    fn step(&mut self, what: &str) {
        self.bar.set_message(format!("{}: {what}", self.what));
    }

    fn warn(&mut self, _: &str) {}

    fn tell(&mut self, what: &str) {
        self.bar.println(what);
    }

    fn done(&mut self, what: &str) {
        self.bar.println(what);
        self.bar.finish_and_clear();
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::InMemoryTerm;

    fn spinner() -> (InMemoryTerm, Spinner) {
        let terminal = InMemoryTerm::new(6, 60);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        (terminal, Spinner::on(target))
    }

    #[test]
    fn the_spinner_shows_the_step_and_leaves_a_line_for_each_image() {
        let (terminal, mut spinner) = spinner();
        for image in ["client image", "master's own image"] {
            spinner.begin(&format!("building the {image}"));
            spinner.step("hook netroot");
            spinner.bar.tick();
            let shown = terminal.contents();
            assert!(shown.ends_with(&format!("building the {image}: hook netroot")), "{shown}");
            spinner.done(&format!("built the {image}"));
        }
        assert_eq!(terminal.contents(), "built the client image\nbuilt the master's own image");
    }

    #[test]
    fn what_fails_leaves_no_line_that_seems_to_go_on() {
        let (terminal, mut spinner) = spinner();
        spinner.begin("building the client image");
        spinner.bar.tick();
        assert!(terminal.contents().contains("client image"));
        drop(spinner);
        assert_eq!(terminal.contents(), "");
    }
}
