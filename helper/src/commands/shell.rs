//! `voidclust shell`: a root shell, or one command, in the tree that a reboot finds; afterwards the machine that runs from
//! it is brought up to date.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Status;
use super::screen::{Screen, print_notes};
use crate::cli::Global;
use crate::disk::generations;
use crate::generation;
use crate::machine::snapshot::Storage;
use crate::paths;
use crate::print::say;
use crate::stages::images::Which;
use crate::stages::live;
use crate::stages::target::{Runs, Target};
use crate::stages::wanted::{self, Unready};
use crate::stages::workflow::{self, Report, Work};
use crate::tools::Tool;
use crate::words::counted;

/// Outlives the command, whatever ends it: what people break off with reaches all that is in the foreground, and a terminal
/// that is gone must not keep the machine from being told. `$1` is this program, `$2` its option for the tree `$3`, `$4` the
/// configuration, `$5` the script for the name space, and behind it are the root and the command.
const SESSION: &str = r#"
program=$1 option=$2 tree=$3 config=$4 inside=$5
shift 5
trap : INT QUIT TERM
trap 'exec >/dev/null 2>&1' HUP
unshare --mount --propagation slave sh -c "$inside" sh "$@"
status=$?
"$program" "$option" "$tree" ${config:+--config "$config"} hook shell-ended || [ "$status" -ne 0 ] || status=1
exit "$status"
"#;

/// All that is mounted here is gone with the last process in the name space. Of /run only its own file system: below it the
/// machine has the lower tree itself, by which programs in here would take themselves to be outside. A root that is the
/// machine's own has everything.
const INSIDE: &str = r#"
set -e
trap : INT QUIT TERM HUP
root=$1
shift
resolv=$root/etc/resolv.conf made=
if [ "$root" != / ]; then
	mount --rbind "$root" "$root"
	mount --bind /run "$root/run"
	for fs in dev proc sys; do
		mount --rbind "/$fs" "$root/$fs"
	done
	if [ -e /etc/resolv.conf ] && [ ! -L "$resolv" ]; then
		[ -e "$resolv" ] || { : >"$resolv" && made=yes; }
		mount --bind /etc/resolv.conf "$resolv"
	fi
fi
if [ "$#" -eq 0 ]; then
	set -- "${SHELL:-/bin/sh}" -i
	[ -x "$root$1" ] || set -- /bin/sh -i
fi
status=0
chroot "$root" "$@" || status=$?
if [ -n "$made" ]; then
	umount "$resolv" && { [ -s "$resolv" ] || rm -f "$resolv"; }
fi
exit "$status"
"#;

/// Becomes the shell; returns only when that cannot begin.
///
/// # Errors
/// On a client, inside of such a shell, and when the snapshot or the shell fails.
pub fn run(global: &Global, no_snapshot: bool, command: &[OsString]) -> Result<Status> {
    let target = Target::open(global)?;
    target.is_no_client()?;
    let root = target.root.path();
    match &target.runs {
        Runs::Outside => bail!("this is a chroot of the tree already; run the command as it is"),
        Runs::Machine(_) => {
            say!("voidclust: this machine does not run from an overlay: the tree is its own root, {}", root.display());
        }
        Runs::Overlay(_) | Runs::Nothing => {}
    }
    if let (false, Some(storage)) = (no_snapshot, target.machine().and_then(Storage::of)) {
        let made = storage.snapshot().context("no snapshot of the root; mend that, or go on without: --no-snapshot")?;
        say!("voidclust: snapshot {}; the way back to it: voidclust rollback --head", made.name);
        print_notes(&made.failures);
    }
    if command.is_empty() {
        say!("voidclust: a shell in {}; leave it with: exit", root.display());
    }
    let program = std::env::current_exe().context("cannot find out what this program is called")?;
    let (option, tree) = global.machine.as_deref().map_or(("--root", global.root.as_path()), |machine| ("--machine", machine));
    let config = global.config.as_deref().map(std::path::absolute).transpose().context("--config: not a path")?;
    let session = Tool::new("sh").args(["-c", SESSION, "sh"]).arg(program).arg(option).arg(tree);
    let session = session.arg(config.as_deref().unwrap_or(Path::new(""))).arg(INSIDE).arg(root).args(command);
    Err(session.replace())
}

/// After the shell: the running machine sees the tree, images that the hooks in there did not build are built, and a line
/// says so. What is rendered is left to `apply`: an edit of the configuration may be half done.
///
/// # Errors
/// When the machine cannot be told, or an image cannot be built.
pub fn ended(target: &Target, global: &Global) -> Result<Status> {
    let (mut failures, mut built) = (Vec::new(), None);
    match rebuilt(target, global) {
        Ok(report) => built = report,
        Err(error) if matches!(error.downcast_ref(), Some(Unready::NotConfigured(_))) => {}
        Err(error) => failures.push(format!("{error:#}")),
    }
    let (notes, what) = if let Some(report) = built {
        failures.extend(report.failures);
        (report.notes, format!("{} built", counted(report.built, "image")))
    } else {
        // Whatever keeps images from being built, the machine has to see its tree.
        let live = live::bring_up_to_date(target, &mut |line| say!("{line}"));
        failures.extend(live.failures);
        (live.notes, "no image looked at, for nothing is applied here".to_owned())
    };
    print_notes(&notes);
    if !failures.is_empty() {
        bail!("{}\nremove the cause, then run: voidclust apply", failures.join("\n"));
    }
    let seen = if matches!(target.runs, Runs::Overlay(_)) { "the running machine sees what was changed; " } else { "" };
    say!("voidclust: {seen}{what}");
    if let Some(line) = unpublished(target)? {
        say!("voidclust: {line}");
    }
    Ok(Status::Done)
}

/// How far the nodes are behind; `None` when none was ever given a generation.
fn unpublished(target: &Target) -> Result<Option<String>> {
    let generations = generations::load(&target.root)?;
    let Some(newest) = generations.newest() else { return Ok(None) };
    let packages = generation::differences(&target.root, &paths::generation_tree(newest.number), "")?;
    let differs = match packages.len() {
        0 => String::new(),
        count => format!(", from which the live tree differs by {}", counted(count, "package")),
    };
    Ok(Some(format!("nodes have generation {}{differs}; they get what was changed by: voidclust publish", newest.number)))
}

/// Builds what is missing, and names it in the menus; `None` where nothing was applied, or all was taken away.
fn rebuilt(target: &Target, global: &Global) -> Result<Option<Report>> {
    if target.root.find(paths::MANIFEST)?.is_none() {
        return Ok(None);
    }
    let (lock, wanted) = wanted::locked(target, global.config.as_deref())?;
    let work = Work { files: None, images: Which::Booted, menus: true, prune: false, force: false };
    workflow::run(target, &wanted, &lock, &work, &mut Screen::terse()).map(Some)
}
