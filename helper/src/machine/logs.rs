//! Logs as a whole: what was put aside when a file had grown comes before what is written now.

use std::cmp::Reverse;

use anyhow::{Context, Result};

use super::Machine;
use crate::paths;

/// What svlogd writes to. What it has put aside lies beside it, as `@TIME.s`, or `.u` while a program works on it.
const CURRENT: &str = "current";

/// A log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Log {
    /// What it says.
    pub(super) text: String,
    /// How many files of it were put aside.
    pub(super) older: usize,
}

/// The log of the machine's boot server, and where it is: of several the first that there is.
///
/// # Errors
/// When it is there and cannot be read.
pub(super) fn of_boot_server(machine: &Machine) -> Result<Option<(&'static str, Log)>> {
    for path in paths::BOOT_SERVER_LOGS {
        if let Some(log) = whole(machine, path)? {
            return Ok(Some((path, log)));
        }
    }
    Ok(None)
}

/// What the machine's boot server told its log; `None` when it has none.
///
/// # Errors
/// When it is there and cannot be read.
pub fn boot_server(machine: &Machine) -> Result<Option<String>> {
    Ok(of_boot_server(machine)?.map(|(_, log)| log.text))
}

/// How large each file of the boot server's log is: while all are as they were, it has told nothing new.
///
/// # Errors
/// When its folder is there and cannot be read.
pub fn boot_server_sizes(machine: &Machine) -> Result<Vec<(String, u64)>> {
    for path in paths::BOOT_SERVER_LOGS {
        let files = put_aside(machine, path)?.into_iter().chain([path.to_owned()]);
        let size = |path: String| machine.path(&path).metadata().ok().map(|meta| (path, meta.len()));
        let sizes: Vec<(String, u64)> = files.filter_map(size).collect();
        if !sizes.is_empty() {
            return Ok(sizes);
        }
    }
    Ok(Vec::new())
}

/// A log; `None` when it is not there.
///
/// # Errors
/// When it is there and cannot be read.
pub(super) fn whole(machine: &Machine, path: &str) -> Result<Option<Log>> {
    // Before the others: what is put aside meanwhile is then there twice, and not missing. For a moment there is no new file.
    let now = machine.text(path)?;
    let (mut text, mut older) = (String::new(), 0);
    for path in put_aside(machine, path)? {
        // One may have been removed, because there were too many.
        if let Some(part) = machine.text(&path)? {
            text.push_str(&part);
            older += 1;
        }
    }
    let is_there = now.is_some() || older > 0;
    Ok(is_there.then(|| Log { text: text + &now.unwrap_or_default(), older }))
}

/// The files of a log that are no longer written to, the oldest first. What is compressed is none of them.
fn put_aside(machine: &Machine, path: &str) -> Result<Vec<String>> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let cannot = || format!("{}: cannot list", machine.path(folder).display());
    let mut found = Vec::new();
    let entries = match machine.path(folder).read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(cannot)?,
    };
    for entry in entries {
        let name = entry.with_context(cannot)?.file_name().to_string_lossy().into_owned();
        let by_svlogd = file == CURRENT && name.starts_with('@') && (name.ends_with(".s") || name.ends_with(".u"));
        let age = name.strip_prefix(file).and_then(|rest| rest.strip_prefix('.')?.parse::<u32>().ok());
        if by_svlogd || age.is_some() {
            found.push((Reverse(age), name));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name)| format!("{folder}/{name}")).collect())
}

/// What was written to a log after this line of it: all of it when it begins anew, or when there was no line.
#[must_use]
pub fn since<'log>(log: &'log str, line: Option<&str>) -> &'log str {
    line.filter(|line| !line.is_empty()).and_then(|line| log.rsplit_once(line)).map_or(log, |(_, new)| new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn read(path: &str, files: &[(&str, &str)]) -> Option<(String, usize)> {
        let (_dir, machine) = machine(&[&[(paths::MOUNTS, "")], files].concat());
        whole(&machine, path).unwrap().map(|log| (log.text, log.older))
    }

    #[test]
    fn what_was_put_aside_comes_first_oldest_before_newer() {
        let svlogd = [
            ("log/current", "d"),
            ("log/@400000006a1b2c3d00000001.s", "b"),
            ("log/@400000006a1b2c3d00000002.u", "c"),
            ("log/@400000006a1b2c3c00000009.s", "a"),
            ("log/config", "s1000"),
            ("log/lock", "x"),
        ];
        assert_eq!(read("log/current", &svlogd), Some(("abcd".to_owned(), 3)));
        let by_number = [("log/messages", "d"), ("log/messages.1", "c"), ("log/messages.10", "a"), ("log/messages.2", "b")];
        let other = [("log/messages.1.gz", "x"), ("log/messages.old", "x"), ("log/messages2", "x"), ("log/@4.s", "x")];
        assert_eq!(read("log/messages", &[&by_number[..], &other].concat()), Some(("abcd".to_owned(), 3)));
        assert_eq!(read("log/current", &[("log/@4.s", "a")]), Some(("a".to_owned(), 1)), "it is just being put aside");
        assert_eq!(read("log/current", &[("log/config", "a")]), None);
        assert_eq!(read("other/current", &[("log/current", "a")]), None);
    }

    #[test]
    fn a_log_that_was_put_aside_has_other_sizes_although_it_has_as_many_bytes() {
        let sizes = |files: &[(&str, &str)]| {
            let (_dir, machine) = machine(&[&[(paths::MOUNTS, "")], files].concat());
            boot_server_sizes(&machine).unwrap()
        };
        let (now, aside) =
            (paths::BOOT_SERVER_LOGS[0], format!("{}/@4.s", paths::BOOT_SERVER_LOGS[0].rsplit_once('/').unwrap().0));
        assert_eq!(sizes(&[(now, "ab")]), [(now.to_owned(), 2)]);
        assert_eq!(sizes(&[(&aside, "ab"), (now, "")]), [(aside.clone(), 2), (now.to_owned(), 0)]);
        assert!(sizes(&[("proc/x", "")]).is_empty());
    }

    #[test]
    fn what_is_new_stands_behind_the_last_line_that_was_there() {
        assert_eq!(since("a\nb\nc\n", Some("b")), "\nc\n");
        assert_eq!(since("c\n", Some("b")), "c\n");
        assert_eq!(since("c\n", None), "c\n");
        assert_eq!(since("a\n\nc\n", Some("")), "a\n\nc\n", "an empty line tells nothing");
    }
}
