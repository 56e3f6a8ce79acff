//! What the master serves to single machines: for each a tmpfs of its own with what this machine lays, mounted below the NFSv4
//! root where it is exported to the machine's addresses and nobody else's. The only module that changes these.
//!
//! Of its own, because the handle of a file leads to any file of the same file system: who may mount one folder could read
//! all. (`subtree_check` would refuse that, but from Linux 6.13 on nothing of a tmpfs can be read then.)
//!
//! A folder has all of its content or none: `own` is made aside and takes its place by a rename. Whoever reads the old one at
//! that moment fails, and begins again.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, FlockOperation, RenameFlags};
use rustix::mount::{MountFlags, UnmountFlags};

use super::{Machine, fetched};
use crate::disk::root::Root;
use crate::lay;
use crate::paths;
use crate::tools::Tool;
use crate::words::listed;

/// In a folder that is served, what it was made from: the same makes nothing new.
const MADE_FROM: &str = ".from";
/// Where the next content of a folder is made.
const NEXT: &str = "next";

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// How many folders have a new content.
    pub changed: usize,
    /// How many are gone.
    pub gone: usize,
}

/// Something of a machine: its name in a folder of the lower tree, and where it is.
#[derive(Debug)]
struct Source {
    name: String,
    path: PathBuf,
    /// Whether voidclust rendered it: then it was never written to since.
    is_ours: bool,
}

/// Why nothing is served, on a machine that has not booted as a master of this version yet; `None` when something can be.
#[must_use]
pub fn is_impossible(machine: &Machine) -> Option<String> {
    let root = Path::new("/").join(paths::NFS_ROOT);
    let is_there = machine.mounts().at(&root).is_some();
    (!is_there).then(|| format!("{} is not mounted, so no node gets what is its own; reboot the master", root.display()))
}

/// Brings what is served up to date with the lower tree.
///
/// # Errors
/// When something cannot be served: in one error for all folders. The others are.
pub fn bring_up_to_date(machine: &Machine) -> Result<Served> {
    let folder = machine.path(paths::NFS_NODES);
    let context = || format!("{}: cannot make or lock this folder", folder.display());
    std::fs::create_dir_all(&folder).with_context(context)?;
    // One run at a time; it ends with the process.
    rustix::fs::flock(&File::open(&folder).with_context(context)?, FlockOperation::LockExclusive).with_context(context)?;
    let wanted = wanted(machine)?;
    // Asked once: with ten thousand nodes the table has as many lines.
    let mounts = machine.mounts_now()?;
    let points: HashSet<&Path> = mounts.all().map(|mount| mount.point.as_path()).collect();
    let is_mounted = |name: &str| points.contains(Path::new("/").join(paths::nfs_node(name)).as_path());
    let (mut served, mut failures) = (Served::default(), Vec::new());
    for name in Root::open(&folder)?.list("")?.unwrap_or_default().into_iter().filter(|name| !wanted.contains_key(name)) {
        match no_more(machine, &folder.join(&name), is_mounted(&name)) {
            Ok(()) => served.gone += 1,
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    // A listed machine takes what all others have only when there is no folder for it. So these are all there before
    // anything else, and the default comes last, and only when nothing went wrong.
    let (default, nodes): (Vec<_>, Vec<_>) = wanted.iter().partition(|(name, _)| *name == paths::DEFAULT_NODE);
    for (name, _) in &nodes {
        let point = folder.join(name);
        std::fs::create_dir_all(&point).with_context(|| format!("{}: cannot make this folder", point.display()))?;
    }
    if let Some(why) = is_too_much(machine, wanted.values().flatten())? {
        bail!("not every node gets what is its own: {why}");
    }
    for (name, sources) in nodes.into_iter().chain(default) {
        if name == paths::DEFAULT_NODE && !failures.is_empty() {
            continue;
        }
        match serve(machine, &folder.join(name), is_mounted(name), sources) {
            Ok(changed) => served.changed += usize::from(changed),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    if failures.is_empty() { Ok(served) } else { bail!("not every node gets what is its own:{}", listed(&failures, 10)) }
}

/// Whom something is rendered for, and what each of them lays. This machine lays its own from
/// the lower tree.
fn wanted(machine: &Machine) -> Result<BTreeMap<String, Vec<Source>>> {
    let own = machine.record(paths::OWN_MACS)?;
    let lower = machine.path(paths::LOWER);
    let root = Root::open(&lower)?;
    let mut wanted: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    let mut known = HashSet::new();
    for folder in paths::LAID {
        for name in root.list(folder)?.unwrap_or_default() {
            let Some(owner) = lay::owner(name.as_bytes()).filter(|owner| !own.contains(owner)) else { continue };
            let path = format!("{folder}/{name}");
            let is_ours = paths::archive_owner(&path).is_some();
            // As a node that finds both would have it.
            if known.insert(name.clone()) {
                wanted.entry(owner).or_default().push(Source { name, path: lower.join(path), is_ours });
            }
        }
    }
    wanted.retain(|_, sources| sources.iter().any(|source| source.is_ours));
    Ok(wanted)
}

/// Why all of this is too much for the memory of this machine. Each node has a copy, also of what many have alike.
fn is_too_much<'a>(machine: &Machine, sources: impl Iterator<Item = &'a Source>) -> Result<Option<String>> {
    let told = machine.text(paths::MEMORY)?.unwrap_or_default();
    let total = told.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let wanted: u64 = sources.filter_map(|source| source.path.metadata().ok()).map(|stat| stat.len()).sum();
    Ok(total.map(|total| total << 10).filter(|total| wanted > total / 2).map(|total| {
        format!(
            "what the nodes lay takes {} MiB, more than half of the memory, {} MiB; lay less on each",
            wanted >> 20,
            total >> 20
        )
    }))
}

/// Gives a folder the content that these make; whether it had another.
fn serve(machine: &Machine, folder: &Path, is_mounted: bool, sources: &[Source]) -> Result<bool> {
    if !is_mounted {
        mount(machine, folder)?;
    }
    let mut from = String::new();
    for source in sources {
        note(&source.path, &source.name, source.is_ours, &mut from)?;
    }
    let (own, next) = (folder.join(paths::OWN), folder.join(NEXT));
    if std::fs::read(own.join(MADE_FROM)).is_ok_and(|before| before == from.as_bytes()) {
        return Ok(false);
    }
    // What a killed run left.
    remove(&next)?;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&next)
        .with_context(|| format!("{}: cannot make this folder", next.display()))?;
    for source in sources {
        copy(&source.path, &next.join(&source.name))?;
    }
    write(&next.join(MADE_FROM), &from)?;
    if fetched::is_fetched(&own)? {
        write(&folder.join(fetched::HAD), &fetched::note(&own)?)?;
    }
    let flags = if own.exists() { RenameFlags::EXCHANGE } else { RenameFlags::empty() };
    rustix::fs::renameat_with(CWD, &next, CWD, &own, flags).with_context(|| format!("{}: cannot replace", own.display()))?;
    remove(&next)?;
    Ok(true)
}

/// Mounts the tmpfs of a machine.
fn mount(machine: &Machine, folder: &Path) -> Result<()> {
    let cannot = || format!("{}: cannot mount a tmpfs", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    if machine.is_slash() {
        // Without a process for each: forty seconds of them for ten thousand nodes.
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount("node", folder, "tmpfs", flags, Some(c"mode=0700")).with_context(cannot)
    } else {
        Tool::new("mount").args(["-t", "tmpfs", "-o", "mode=0700", "node"]).arg(folder).output().map(drop)
    }
}

/// Takes the folder of a machine away. Whoever has it open keeps it until he lets go.
fn no_more(machine: &Machine, folder: &Path, is_mounted: bool) -> Result<()> {
    if is_mounted && machine.is_slash() {
        let unmounted = rustix::mount::unmount(folder, UnmountFlags::DETACH);
        unmounted.with_context(|| format!("{}: cannot unmount", folder.display()))?;
    } else if is_mounted {
        Tool::new("umount").arg("-l").arg(folder).output()?;
    }
    remove(folder)
}

/// What tells one state of a file or folder from another, a line for each thing that it holds. What we rendered is never
/// written to, but gets more links as nodes come; of all else the time counts that nobody can set.
fn note(path: &Path, name: &str, is_ours: bool, lines: &mut String) -> Result<()> {
    let cannot = || format!("{}: cannot read", path.display());
    let stat = path.symlink_metadata().with_context(cannot)?;
    let time = if is_ours { (stat.mtime(), stat.mtime_nsec()) } else { (stat.ctime(), stat.ctime_nsec()) };
    let _ = writeln!(lines, "{name:?} {} {} {} {time:?}", stat.dev(), stat.ino(), stat.len());
    if stat.is_symlink() && !name.contains('/') {
        // A machine may share what is another's: it is followed, once.
        return path.canonicalize().map_or(Ok(()), |leads| note(&leads, name, false, lines));
    }
    if stat.is_dir() {
        let mut names: Vec<_> = path.read_dir().and_then(Iterator::collect).with_context(cannot)?;
        names.sort_by_key(std::fs::DirEntry::file_name);
        for entry in names {
            note(&entry.path(), &format!("{name}/{}", String::from_utf8_lossy(entry.file_name().as_bytes())), is_ours, lines)?;
        }
    }
    Ok(())
}

/// Copies what a name stands for.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let how = match from.metadata() {
        Ok(stat) if stat.is_file() => {
            let copied = std::fs::copy(from, to);
            return copied.map(drop).with_context(|| format!("{}: cannot copy it to {}", from.display(), to.display()));
        }
        // Whatever else it is, its node says what is wrong with it.
        Ok(_) => "-aHT",
        Err(_) => "-aPT",
    };
    Tool::new("cp").arg(how).arg(from).arg(to).output().map(drop)
}

#[allow(clippy::disallowed_methods, reason = "the funnel that the lint protects: a tmpfs that nobody else writes to")]
fn write(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("{}: cannot write", file.display()))
}

#[allow(clippy::disallowed_methods, reason = "the funnel that the lint protects: a tmpfs that nobody else writes to")]
fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{}: cannot remove", folder.display()))
        }
        _ => Ok(()),
    }
}
