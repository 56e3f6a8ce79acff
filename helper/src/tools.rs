//! The only module that starts programs: argument vectors, no shell, stdin closed, errors that name the program.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// How many lines of a failed program's output its error repeats.
const TAIL: usize = 12;

/// A program and its arguments.
#[derive(Debug, Clone)]
pub struct Tool {
    program: OsString,
    arguments: Vec<OsString>,
    folder: Option<OsString>,
    environment: Vec<(String, OsString)>,
    name: Option<String>,
    fine: Vec<i32>,
}

impl Tool {
    /// A program, looked up on PATH unless it is a path.
    #[must_use]
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            folder: None,
            environment: Vec::new(),
            name: None,
            fine: Vec::new(),
        }
    }

    /// What messages call it, when the command itself would hide what is meant: a script around a program, for one.
    #[must_use]
    pub fn called(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<OsString>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Takes this status for success, too.
    #[must_use]
    pub fn or_status(mut self, status: i32) -> Self {
        self.fine.push(status);
        self
    }

    /// The command as a person would type it, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let words = std::iter::once(&self.program).chain(&self.arguments);
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[allow(clippy::disallowed_methods, reason = "the funnel that the lint protects")]
    fn expression(&self) -> duct::Expression {
        let mut expression = duct::cmd(&self.program, &self.arguments).stdin_null();
        if let Some(folder) = &self.folder {
            expression = expression.dir(folder);
        }
        for (name, value) in &self.environment {
            expression = expression.env(name, value);
        }
        expression
    }

    /// Without duct, which would be a part of lay-overlays for nothing.
    #[allow(clippy::disallowed_methods, reason = "the funnel that the lint protects")]
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn not_started(&self) -> String {
        format!("cannot start `{}`; is it installed?", self.program.to_string_lossy())
    }

    /// Becomes it: with the terminal of this process, which ends here unless that fails.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "the funnel that the lint protects")]
    pub fn replace(&self) -> anyhow::Error {
        let error = self.command().stdin(Stdio::inherit()).exec();
        anyhow::Error::new(error).context(self.not_started())
    }

    /// Runs it and returns what it printed, stdout and stderr as they came. One pipe, read here: to catch the two apart takes
    /// a thread for each, and ends in a panic where none can be made.
    ///
    /// # Errors
    /// When it cannot be started, or ends with a status other than 0.
    pub fn output(&self) -> Result<String> {
        String::from_utf8(self.bytes()?).with_context(|| format!("`{}` printed something that is not UTF-8", self.shown()))
    }

    /// As [`Self::output`], for what is no text.
    ///
    /// # Errors
    /// When it cannot be started, or ends with a status other than 0.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let output = self.command().output().with_context(|| self.not_started())?;
        if !self.is_fine(output.status) {
            let lines: Vec<String> = String::from_utf8_lossy(&output.stderr).lines().map(ToOwned::to_owned).collect();
            bail!("`{}` failed ({}){}", self.shown(), output.status, tail(&lines));
        }
        Ok(output.stdout)
    }

    fn is_fine(&self, status: ExitStatus) -> bool {
        status.success() || status.code().is_some_and(|code| self.fine.contains(&code))
    }

    /// Runs it and hands every line it prints, stdout and stderr as they come, to `line`. One that is printed many times in
    /// a row is told once in the error.
    ///
    /// # Errors
    /// When it cannot be started, or ends with a status other than 0: with the tail of its output.
    pub fn lines(&self, mut line: impl FnMut(&str)) -> Result<()> {
        let reader = self.expression().stderr_to_stdout().unchecked().reader().with_context(|| self.not_started())?;
        let mut last = Vec::new();
        let mut lines = BufReader::new(&reader).split(b'\n');
        while let Some(bytes) = lines.next().transpose().with_context(|| format!("`{}`: cannot read its output", self.shown()))? {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            line(&text);
            if last.last() == Some(&text) {
                continue;
            }
            if last.len() == TAIL {
                last.remove(0);
            }
            last.push(text);
        }
        let status = reader.try_wait().ok().flatten().map(|output| output.status);
        match status {
            Some(status) if self.is_fine(status) => Ok(()),
            Some(status) => bail!("`{}` failed ({status}){}", self.shown(), tail(&last)),
            None => bail!("`{}` closed its output but did not end{}", self.shown(), tail(&last)),
        }
    }
}

fn tail(lines: &[String]) -> String {
    let from = lines.len().saturating_sub(TAIL);
    lines[from..].iter().map(|line| format!("\n  {line}")).collect()
}

/// Whether a program of this name is on PATH.
#[must_use]
pub fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_executable(&folder.join(OsStr::new(program))))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_named_with_its_status_and_its_last_words() {
        let error = Tool::new("sh").args(["-c", "echo gone wrong >&2; exit 3"]).output().unwrap_err().to_string();
        assert!(error.contains("exit 3") && error.contains("gone wrong") && error.contains("exit status: 3"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = format!("{:#}", Tool::new("voidclust-no-such-tool").output().unwrap_err());
        assert!(error.contains("voidclust-no-such-tool") && error.contains("installed"), "{error}");
    }

    #[test]
    fn lines_come_from_both_streams_and_the_error_keeps_the_tail() {
        let mut seen = Vec::new();
        Tool::new("sh").args(["-c", "echo one; echo two >&2"]).lines(|line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two"]);
        let error = Tool::new("sh").args(["-c", "seq 100; exit 1"]).lines(|_| ()).unwrap_err().to_string();
        assert!(error.contains("\n  100") && error.contains("\n  89") && !error.contains("\n  88"), "{error}");
    }

    #[test]
    fn a_status_may_be_fine_and_what_is_said_again_hides_nothing() {
        let tool = |fine| Tool::new("sh").args(["-c", "echo why; for i in $(seq 50); do echo .; done; exit 24"]).or_status(fine);
        tool(24).lines(|_| ()).unwrap();
        tool(24).output().unwrap();
        let error = tool(23).lines(|_| ()).unwrap_err().to_string();
        assert!(error.ends_with("\n  why\n  ."), "{error}");
    }

    #[test]
    fn stdin_is_closed_so_nothing_can_prompt() {
        assert_eq!(Tool::new("cat").output().unwrap(), "");
    }
}
