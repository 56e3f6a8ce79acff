//! What the master serves to single machines: for each a folder with what this machine lays, in a tmpfs that nothing else
//! is on, bound below the NFSv4 root where it is exported to the machine's addresses and nobody else's. The only module that
//! changes that tmpfs.
//!
//! A folder has all of its content or none: `own` is made aside and takes its place by a rename. Whoever reads the old one at
//! that moment fails, and begins again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, FlockOperation, RenameFlags};

use super::Machine;
use super::binds::Binds;
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
    let mut binds = Binds::of(machine)?;
    let folder = machine.path(paths::SERVED);
    make(&folder)?;
    if !binds.is_point(paths::SERVED) {
        Tool::new("mount").args(["-t", "tmpfs", "-o", "mode=0700,nosuid,nodev", "nodes"]).arg(&folder).output()?;
    }
    // One run at a time; it ends with the process.
    let context = || format!("{}: cannot lock", folder.display());
    rustix::fs::flock(&File::open(&folder).with_context(context)?, FlockOperation::LockExclusive).with_context(context)?;
    let wanted = wanted(machine)?;
    let (mut served, mut failures) = (Served::default(), Vec::new());
    for name in names_in(&folder)?.into_iter().filter(|name| !wanted.contains_key(name)) {
        match binds.unbind(&paths::nfs_node(&name)).and_then(|()| remove(&folder.join(name))) {
            Ok(()) => served.gone += 1,
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    // A listed machine takes what all others have only when there is no folder for it. So these are all there before
    // anything else, and the default comes last, and only when nothing went wrong.
    let (default, nodes): (Vec<_>, Vec<_>) = wanted.iter().partition(|(name, _)| *name == paths::DEFAULT_NODE);
    for (name, _) in &nodes {
        let point = machine.path(&paths::nfs_node(name));
        std::fs::create_dir_all(&point).with_context(|| format!("{}: cannot make this folder", point.display()))?;
    }
    let mut copies = HashMap::new();
    for (name, sources) in nodes.into_iter().chain(default) {
        if name == paths::DEFAULT_NODE && !failures.is_empty() {
            continue;
        }
        match serve(&folder.join(name), sources, &mut copies) {
            Ok(changed) => served.changed += usize::from(changed),
            Err(error) => failures.push(format!("{error:#}")),
        }
        let bound = binds.bind(&format!("{}/{name}", paths::SERVED), &paths::nfs_node(name));
        failures.extend(bound.err().map(|error| format!("{error:#}")));
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

/// Gives a folder the content that these make; whether it had another.
fn serve(folder: &Path, sources: &[Source], copies: &mut HashMap<(u64, u64), PathBuf>) -> Result<bool> {
    let mut from = String::new();
    for source in sources {
        note(&source.path, &source.name, source.is_ours, &mut from)?;
    }
    let (own, next) = (folder.join(paths::OWN), folder.join(NEXT));
    if std::fs::read(own.join(MADE_FROM)).is_ok_and(|before| before == from.as_bytes()) {
        return Ok(false);
    }
    make(folder)?;
    // What a killed run left.
    remove(&next)?;
    make(&next)?;
    for source in sources {
        if let Some(file) = copy(&source.path, &next.join(&source.name), copies)? {
            copies.insert(file, own.join(&source.name));
        }
    }
    write(&next.join(MADE_FROM), &from)?;
    let flags = if own.exists() { RenameFlags::EXCHANGE } else { RenameFlags::empty() };
    rustix::fs::renameat_with(CWD, &next, CWD, &own, flags).with_context(|| format!("{}: cannot replace", own.display()))?;
    remove(&next)?;
    Ok(true)
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

/// Copies what a name stands for. What many machines have alike is one file here, too: a link to the copy of an earlier one,
/// or the first of them, whose source is returned.
fn copy(from: &Path, to: &Path, copies: &HashMap<(u64, u64), PathBuf>) -> Result<Option<(u64, u64)>> {
    let context = || format!("{}: cannot copy it to {}", from.display(), to.display());
    match from.metadata() {
        Ok(stat) if stat.is_file() => {
            let file = (stat.dev(), stat.ino());
            if copies.get(&file).is_some_and(|copy| std::fs::hard_link(copy, to).is_ok()) {
                return Ok(None);
            }
            std::fs::copy(from, to).with_context(context)?;
            Ok((stat.nlink() > 1).then_some(file))
        }
        // Whatever else it is, its node says what is wrong with it.
        Ok(_) => Tool::new("cp").arg("-aHT").arg(from).arg(to).output().map(|_| None),
        Err(_) => Tool::new("cp").arg("-aPT").arg(from).arg(to).output().map(|_| None),
    }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    Ok(Root::open(folder)?.list("")?.unwrap_or_default())
}

/// Makes a folder that only root may enter.
fn make(folder: &Path) -> Result<()> {
    let made = std::fs::create_dir_all(folder);
    let made = made.and_then(|()| std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)));
    made.with_context(|| format!("{}: cannot make this folder", folder.display()))
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
