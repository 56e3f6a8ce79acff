//! Runs mkinitcpio as the root sees it.

use anyhow::{Context, Result, bail};

use super::progress::Progress;
use crate::disk::root::Root;
use crate::machine::proc;
use crate::tools::Tool;

const PROGRAM: &str = "usr/bin/mkinitcpio";

/// mkinitcpio insists on /proc and /dev; autodetect reads /sys and looks for a mount at `/`, which the root becomes by
/// being bound to itself. Mounted in a name space of our own, all are gone with the last process in it, however that ends.
const IN_ROOT: &str = r#"mount --rbind "$1" "$1" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --rbind /sys "$1/sys" && exec chroot "$@""#;

/// What keeps images from being built in this root, as a sentence that says what to do; `None` when nothing does.
///
/// # Errors
/// When the root cannot be looked at.
pub fn missing_tools(root: &Root) -> Result<Option<String>> {
    if root.open_file(PROGRAM)?.is_none() {
        return Ok(Some(format!("{}: not there; install mkinitcpio to build images", root.display(PROGRAM))));
    }
    if root.is_slash() && !proc::is_mounted(root) {
        return Ok(Some("/proc or /dev is not mounted here; build images when this system runs".to_owned()));
    }
    Ok(None)
}

/// What mkinitcpio said.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Lines that it marked as errors, although it may have ended with 0.
    pub(super) errors: Vec<String>,
}

/// mkinitcpio, and how to start it.
#[derive(Debug)]
pub(super) struct Mkinitcpio {
    tool: Tool,
    /// How it names the root.
    slash: String,
}

impl Mkinitcpio {
    /// The root's own, run inside of it.
    pub(super) fn of(root: &Root) -> Result<Self> {
        if let Some(why) = missing_tools(root)? {
            bail!(why);
        }
        let program = format!("/{PROGRAM}");
        let tool = if root.is_slash() {
            Tool::new(program)
        } else if proc::is_mounted(root) {
            Tool::new("chroot").arg(root.path()).arg(program)
        } else {
            Tool::new("unshare").args(["--mount", "sh", "-ec", IN_ROOT, "sh"]).arg(root.path()).arg(program)
        };
        Ok(Self { tool, slash: "/".to_owned() })
    }

    /// A double, run outside of the root.
    #[cfg(test)]
    pub(super) fn double(root: &Root, program: &std::path::Path) -> Self {
        Self { tool: Tool::new(program).arg(root.path()), slash: root.display("") }
    }

    /// What it has to call a path of the root.
    pub(super) fn inside(&self, relative: &str) -> String {
        format!("{}{relative}", self.slash)
    }

    /// Runs it, with its temporary files in `scratch`.
    pub(super) fn run(&self, arguments: &[&str], scratch: &str, progress: &mut dyn Progress) -> Result<Report> {
        let mut report = Report::default();
        let tool = self.tool.clone().arg("-n").args(arguments.iter().copied()).env("TMPDIR", self.inside(scratch));
        let tool = tool.called(format!("mkinitcpio {}", arguments.join(" ")));
        let run = tool.lines(|line| {
            if let Some(hook) = line.split_once("Running build hook: [").and_then(|(_, rest)| rest.split(']').next()) {
                progress.step(&format!("hook {hook}"));
            } else if line.starts_with("==> ERROR:") {
                report.errors.push(line.to_owned());
            } else if line.starts_with("==> WARNING:") {
                progress.warn(line);
            } else if let Some(step) = line.strip_prefix("==> ") {
                progress.step(step);
            }
        });
        run.with_context(|| match report.errors.as_slice() {
            [] => "mkinitcpio made no image (in another root it needs chroot(8), unshare(1) and the rights of root)".to_owned(),
            // Whatever the last lines of its output are, this is why.
            errors => format!("mkinitcpio made no image: {}", errors.join("; ")),
        })?;
        Ok(report)
    }
}
