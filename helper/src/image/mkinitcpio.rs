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

/// mkinitcpio, and how to start it.
#[derive(Debug)]
pub struct Mkinitcpio {
    /// How to start it, or what keeps it from being started here.
    tool: std::result::Result<Tool, String>,
    /// How it names the root.
    slash: String,
}

impl Mkinitcpio {
    /// The root's own, run inside of it.
    ///
    /// # Errors
    /// When the root cannot be looked at.
    pub fn of(root: &Root) -> Result<Self> {
        let program = format!("/{PROGRAM}");
        let tool = if root.open_file(PROGRAM)?.is_none() {
            Err(format!("{}: not there; install mkinitcpio to build images", root.display(PROGRAM)))
        } else if root.is_slash() {
            let here = proc::is_mounted(root).then(|| Tool::new(program));
            here.ok_or_else(|| "/proc or /dev is not mounted here; build images when this system runs".to_owned())
        } else if proc::is_mounted(root) {
            Ok(Tool::new("chroot").arg(root.path()).arg(program))
        } else {
            Ok(Tool::new("unshare").args(["--mount", "sh", "-ec", IN_ROOT, "sh"]).arg(root.path()).arg(program))
        };
        Ok(Self { tool, slash: "/".to_owned() })
    }

    /// A double, run outside of the root.
    #[cfg(test)]
    pub(super) fn double(root: &Root, program: &std::path::Path) -> Self {
        Self { tool: Ok(Tool::new(program).arg(root.path())), slash: root.display("") }
    }

    /// What keeps images from being built in this root, as a sentence that says what to do; `None` when nothing does.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        self.tool.as_ref().err().map(String::as_str)
    }

    /// What it has to call a path of the root.
    pub(super) fn inside(&self, relative: &str) -> String {
        format!("{}{relative}", self.slash)
    }

    /// Runs it, with its temporary files in `scratch`. Returned are the lines that it marked as errors, although it ended
    /// with 0.
    pub(super) fn run(&self, arguments: &[&str], scratch: &str, progress: &mut dyn Progress) -> Result<Vec<String>> {
        let tool = match &self.tool {
            Ok(tool) => tool.clone().arg("-n").args(arguments.iter().copied()).env("TMPDIR", self.inside(scratch)),
            Err(missing) => bail!("{missing}"),
        };
        let name = format!("mkinitcpio {}", arguments.join(" "));
        let mut errors = Vec::new();
        let ran = tool.called(name).lines(|line| {
            if let Some(hook) = line.split_once("Running build hook: [").and_then(|(_, rest)| rest.split(']').next()) {
                progress.step(&format!("hook {hook}"));
            } else if line.starts_with("==> ERROR:") {
                errors.push(line.to_owned());
            } else if line.starts_with("==> WARNING:") {
                progress.warn(line);
            } else if let Some(step) = line.strip_prefix("==> ") {
                progress.step(step);
            }
        });
        ran.with_context(|| match errors.as_slice() {
            [] => "mkinitcpio made no image (in another root it needs chroot(8), unshare(1) and the rights of root)".to_owned(),
            // Whatever the last lines of its output are, this is why.
            errors => format!("mkinitcpio made no image: {}", errors.join("; ")),
        })?;
        Ok(errors)
    }
}
