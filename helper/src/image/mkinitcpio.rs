//! Runs mkinitcpio as the root sees it.

use std::fs::File;
use std::io::Write;

use anyhow::{Context, Result, anyhow, bail};
use rustix::fs::{Mode, OFlags};

use crate::disk::root::{Root, split};
use crate::machine::proc;
use crate::paths;
use crate::progress::Progress;
use crate::tools::Tool;
use crate::words::listed;

/// mkinitcpio insists on /proc and /dev; autodetect reads /sys and looks for a mount at `/`, which the root becomes by
/// being bound to itself. Mounted in a name space of our own, all are gone with the last process in it, however that ends.
const IN_ROOT: &str = r#"mount --rbind "$1" "$1" && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --rbind /sys "$1/sys" && exec chroot "$@""#;

/// So many errors are repeated in a message; a kernel without depmod run makes hundreds.
const ERRORS: usize = 8;

/// mkinitcpio, how to start it, and where its output goes.
#[derive(Debug)]
pub struct Mkinitcpio<'root> {
    root: &'root Root,
    /// How to start it, or what keeps it from being started here.
    tool: std::result::Result<Tool, String>,
    /// How it names the root.
    slash: String,
    /// [`paths::BUILD_LOG`], made by the first build of a run.
    log: Option<File>,
}

impl<'root> Mkinitcpio<'root> {
    /// The root's own, run inside of it.
    ///
    /// # Errors
    /// When the root cannot be looked at.
    pub fn of(root: &'root Root) -> Result<Self> {
        let program = format!("/{}", paths::MKINITCPIO_PROGRAM);
        let tool = if root.open_file(paths::MKINITCPIO_PROGRAM)?.is_none() {
            Err(format!("{}: not there; install mkinitcpio to build images", root.display(paths::MKINITCPIO_PROGRAM)))
        } else if root.is_slash() {
            let here = proc::is_mounted(root).then(|| Tool::new(program));
            here.ok_or_else(|| format!("{}; build images when this system runs", proc::NOT_MOUNTED))
        } else if proc::is_mounted(root) {
            Ok(Tool::new("chroot").arg(root.path()).arg(program))
        } else {
            Ok(Tool::new("unshare").args(["--mount", "sh", "-ec", IN_ROOT, "sh"]).arg(root.path()).arg(program))
        };
        Ok(Self { root, tool, slash: "/".to_owned(), log: None })
    }

    /// A double, run outside of the root. By a shell: a child that another test is starting may have the file open for writing
    /// for a moment yet, and then it cannot be run itself (ETXTBSY, execve(2)).
    #[cfg(test)]
    pub(super) fn double(root: &'root Root, program: &std::path::Path) -> Self {
        Self { root, tool: Ok(Tool::new("sh").arg(program).arg(root.path())), slash: root.display(""), log: None }
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
    pub(super) fn run(&mut self, arguments: &[&str], scratch: &str, progress: &mut dyn Progress) -> Result<Vec<String>> {
        let tool = match &self.tool {
            Ok(tool) => tool.clone().arg("-n").args(arguments.iter().copied()).env("TMPDIR", self.inside(scratch)),
            Err(missing) => bail!("{missing}"),
        };
        let name = format!("mkinitcpio {}", arguments.join(" "));
        let log = self.log()?;
        // Best effort from here on: on a full disk the image fails, and that is what has to be told.
        let _ = writeln!(log, "# {name}");
        let mut errors = Vec::new();
        let ran = tool.called(name).lines(|line| {
            let _ = writeln!(log, "{line}");
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
        match ran {
            Ok(()) => Ok(errors),
            Err(error) if errors.is_empty() => Err(error.context(format!(
                "mkinitcpio made no image (in another root it needs chroot(8), unshare(1) and the rights of root); all of its output is in {}",
                self.root.display(paths::BUILD_LOG)
            ))),
            // Whatever the last lines of its output are, this is why.
            Err(error) => {
                let ended = format!("{error}").lines().next().unwrap_or_default().to_owned();
                Err(anyhow!("mkinitcpio made no image: {ended}; it said:{}", self.told(&errors)))
            }
        }
    }

    /// Errors of it, a line each, and where all that it said can be read.
    pub(super) fn told(&self, errors: &[String]) -> String {
        format!("{}\nall of its output is in {}", listed(errors, ERRORS), self.root.display(paths::BUILD_LOG))
    }

    fn log(&mut self) -> Result<&mut File> {
        let log = match self.log.take() {
            Some(log) => log,
            None => {
                let (folder, name) = split(paths::BUILD_LOG);
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&self.root.folder(folder)?, name, flags, Mode::from_raw_mode(0o644));
                File::from(file.with_context(|| format!("{}: cannot write", self.root.display(paths::BUILD_LOG)))?)
            }
        };
        Ok(self.log.insert(log))
    }
}
