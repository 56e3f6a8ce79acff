//! `lay-overlays`: what stage 1 calls to lay the overlays of this machine over /etc. A program of its own, for every node
//! reads it over the network at every boot.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use voidclust::lay::{Coming, Run};

const USAGE: &str = "\
usage: lay-overlays [--refresh | --dry-run] [--from DIR] TARGET_ETC [MAC...]
       lay-overlays --fetch SERVER:/PATH
       lay-overlays --told SERVICE...
";

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let first = words.first().and_then(|word| word.to_str());
    let status = match first {
        Some("--told") => told(&words[1..]),
        Some("--fetch") => fetch(&words[1..]),
        Some("--refresh") => {
            words.remove(0);
            lay(&words, Mode::Refresh)
        }
        Some("--dry-run") => {
            words.remove(0);
            lay(&words, Mode::DryRefresh)
        }
        Some(word) if word.starts_with("--") && word != "--from" => usage(),
        _ => lay(&words, Mode::Boot),
    };
    ExitCode::from(status)
}

fn usage() -> u8 {
    say(USAGE);
    2
}

/// On standard error; when that is closed, there is nobody to be told.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The machine that this runs on, or in tests another.
fn run() -> Run {
    let mut run = Run::on(Path::new("/"));
    for (name, place) in [
        ("VOIDCLUST_RUN", &mut run.dir),
        ("VOIDCLUST_LOWER", &mut run.lower),
        ("VOIDCLUST_SYS", &mut run.sys),
        ("VOIDCLUST_CMDLINE", &mut run.cmdline),
        ("VOIDCLUST_MOUNTINFO", &mut run.mountinfo),
    ] {
        if let Some(elsewhere) = std::env::var_os(name) {
            *place = PathBuf::from(elsewhere);
        }
    }
    run.point.clone_from(&run.lower);
    run
}

fn text(words: &[OsString]) -> impl Iterator<Item = String> {
    words.iter().map(|word| word.to_string_lossy().into_owned())
}

fn told(services: &[OsString]) -> u8 {
    let services: Vec<String> = text(services).collect();
    match run().told(services.iter().map(String::as_str)) {
        Ok(()) => 0,
        Err(error) => {
            say(&format!("lay-overlays: {error:#}\n"));
            1
        }
    }
}

fn fetch(words: &[OsString]) -> u8 {
    let [from] = words else { return usage() };
    match run().fetch(&from.to_string_lossy()) {
        Ok(()) => 0,
        Err(error) => {
            say(&format!("lay-overlays: {error:#}\n"));
            1
        }
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Boot,
    Refresh,
    /// Says what a refresh would do.
    DryRefresh,
}

fn lay(words: &[OsString], mode: Mode) -> u8 {
    let (overlays, words) = match words {
        [from, dir, rest @ ..] if from == "--from" => (Some(Path::new(dir)), rest),
        words => (None, words),
    };
    let [etc, macs @ ..] = words else { return usage() };
    if !is_folder(etc) {
        return usage();
    }
    let macs: Vec<String> = text(macs).collect();
    // An older core-service names the folder of overlays first: that must not be laid over.
    if macs.iter().any(|mac| mac.contains('/')) {
        return usage();
    }
    let etc = Path::new(etc);
    let report = match mode {
        Mode::Boot => run().lay(overlays, etc, &macs, false),
        Mode::Refresh => run().lay(overlays, etc, &macs, true),
        Mode::DryRefresh => run().foresee(overlays, etc, &macs, &Coming::new()).map(|foreseen| foreseen.report),
    };
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            say(&format!("lay-overlays: {error:#}\n"));
            return 1;
        }
    };
    for warning in &report.warnings {
        say(&format!("lay-overlays: {warning}\n"));
    }
    let restart = report.restart.iter().map(|service| format!("restart {service}").into_bytes());
    let lines: Vec<u8> = report
        .changes
        .iter()
        .map(voidclust::lay::Change::line)
        .chain(restart)
        .flat_map(|line| [line, b"\n".to_vec()].concat())
        .collect();
    let printed = std::io::stdout().write_all(&lines);
    if let Err(error) = &printed {
        say(&format!("lay-overlays: cannot print what was done: {error}\n"));
    }
    u8::from(printed.is_err() || !report.warnings.is_empty())
}

fn is_folder(path: &OsStr) -> bool {
    Path::new(path).is_dir()
}
