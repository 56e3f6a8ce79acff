//! Which archives and folders are laid, and in which order.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::fs::{FileType, Mode, OFlags};

use super::dry::Coming;
use super::layer::Layer;
use super::session::Session;
use super::{archive, folder, node};

/// The name for machines that have nothing of their own.
pub(super) const DEFAULT: &str = "default";

/// How often a master looks for its card, and what it waits between: ten seconds.
const LOOKS: u32 = 41;
const PAUSE: Duration = Duration::from_millis(250);

/// What is found of a machine in the folder of overlays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Its name in the folder of overlays.
    pub(super) name: Vec<u8>,
    pub(super) path: PathBuf,
    /// A folder belongs to a MAC alone; archives have a name of their own behind it.
    bare: bool,
}

/// The sources of these names, MACs or [`DEFAULT`]: for each the archives `NAME.*` in name order, then for each the folder
/// NAME. Of what has one name in several folders, the first is meant. What is `coming` counts as there, in the first.
///
/// # Errors
/// When a folder cannot be listed, or there is none.
pub(super) fn find(overlays: &[PathBuf], coming: &Coming<'_>, names: &[String]) -> Result<Vec<Source>> {
    let mut entries = BTreeMap::new();
    let mut missing = 0;
    for folder in overlays {
        let cannot = || format!("cannot list {}", folder.display());
        match folder.read_dir() {
            Err(error) if error.kind() == ErrorKind::NotFound && missing + 1 < overlays.len() => missing += 1,
            found => {
                for entry in found.with_context(cannot)? {
                    entries.entry(entry.with_context(cannot)?.file_name()).or_insert(Some(folder));
                }
            }
        }
    }
    for (name, archive) in coming {
        // What goes from the first folder may be in another.
        match (archive, overlays.first()) {
            (Some(_), Some(first)) => _ = entries.insert(name.into(), Some(first)),
            (None, first) if entries.get(OsStr::new(name)).copied().flatten() == first => _ = entries.insert(name.into(), None),
            _ => {}
        }
    }
    let mut archives = Vec::new();
    let mut folders = Vec::new();
    for wanted in names {
        for (entry, folder) in entries.iter().filter_map(|(entry, folder)| Some((entry, (*folder)?))) {
            let name = entry.as_bytes();
            if owner(name).is_none_or(|owner| owner != node::spelled(wanted)) {
                continue;
            }
            let source = Source { name: name.to_vec(), path: folder.join(entry), bare: !name.contains(&b'.') };
            if source.bare { folders.push(source) } else { archives.push(source) }
        }
    }
    archives.extend(folders);
    Ok(archives)
}

/// The folders of overlays, for messages.
pub(super) fn named(overlays: &[PathBuf]) -> String {
    overlays.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" and ")
}

impl Session<'_> {
    /// The MACs of this machine, at boot those of the cards it has by then. A master waits for the card it is known by: one by
    /// USB may show up after udev has settled. A client is known by the card it booted from.
    pub(super) fn macs(&mut self, known: Vec<String>, overlays: &[PathBuf]) -> Vec<String> {
        if !known.is_empty() {
            return known;
        }
        let mounts = self.mounts.as_deref().unwrap_or_default();
        let may_wait = !self.refresh && node::over_network(mounts, &self.run.point) == Some(false);
        let mut looks = if may_wait { LOOKS } else { 1 };
        loop {
            looks -= 1;
            let (macs, unknown) = node::macs(&self.run.cmdline, &self.run.sys);
            if looks == 0 || !self.is_missed(overlays, &macs) {
                unknown.iter().for_each(|what| self.warn(what));
                let recorded = self.records.set_macs(&macs);
                self.tried(recorded);
                return macs;
            }
            if looks == LOOKS - 1 {
                self.log("no card has an overlay: looking for the master's for ten seconds");
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether there are overlays, but none for these.
    fn is_missed(&self, overlays: &[PathBuf], macs: &[String]) -> bool {
        let has = |names: &[String]| find(overlays, self.coming, names).map(|found| !found.is_empty());
        matches!((has(macs), has(&[DEFAULT.to_owned()])), (Ok(false), Ok(true)))
    }

    /// Those of this machine, or what all have that have nothing of their own.
    ///
    /// # Errors
    /// When they cannot be listed, or there ought to be some.
    pub(super) fn sources(&mut self, overlays: &[PathBuf], macs: &[String], whom: &str) -> Result<Vec<Source>> {
        let own = find(overlays, self.coming, macs)?;
        if !own.is_empty() {
            return Ok(own);
        }
        let default = find(overlays, self.coming, &[DEFAULT.to_owned()])?;
        match self.mounts.as_deref().map(|mounts| node::over_network(mounts, &self.run.point)) {
            Some(Some(true)) if default.is_empty() => {
                bail!("no overlay in {} is for {whom}, nor is there a default", named(overlays))
            }
            // Not booted from this lower tree: somebody lays by hand.
            Some(Some(true) | None) => {}
            // A machine that is no part of a cluster yet.
            _ if default.is_empty() => self.log("no overlay for this machine"),
            _ => bail!(
                "no overlay in {} is for {whom}, and the default is for clients, whose root comes over the network; if this is the \
                 master, set `mac` under [master] to the address of its card, or reboot it once that is there",
                named(overlays)
            ),
        }
        Ok(default)
    }
}

/// Whose a name in the folder of overlays is: the MAC that it begins with, however that is spelled there, or [`DEFAULT`].
/// `None` for what is no machine's: the copies that editors and voidclust put beside a file are not meant.
#[must_use]
pub fn owner(name: &[u8]) -> Option<String> {
    if name.ends_with(b"~") || name.ends_with(b".new-voidclust") {
        return None;
    }
    match std::str::from_utf8(name.split(|byte| *byte == b'.').next()?).ok()? {
        "" => None,
        DEFAULT => Some(DEFAULT.to_owned()),
        other => Some(node::spelled(other)).filter(|spelled| spelled != DEFAULT),
    }
}

/// Reads all of a source. A link that leads to one is followed: several machines may share it.
///
/// # Errors
/// When it is neither an archive nor a folder, or cannot be laid whole.
pub(super) fn load(source: &Source, coming: &Coming<'_>, notes: &mut Vec<String>) -> Result<Layer> {
    if let Some(Some(archive)) = std::str::from_utf8(&source.name).ok().and_then(|name| coming.get(name)) {
        return archive::load(&source.path, &archive.whole(), notes);
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = match rustix::fs::open(&source.path, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT) if source.path.is_symlink() => {
            bail!("it is a dangling link; remove it, or mend what it leads to")
        }
        Err(error) => return Err(error).context("it cannot be opened"),
    };
    match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
        FileType::Directory if source.bare => folder::load(&fd),
        FileType::Directory => bail!("it is a folder; name it by the MAC alone, without what is behind it"),
        FileType::RegularFile if source.bare => {
            bail!("it is a file; put a folder there, or name it {}.NAME.tar", shown(&source.name))
        }
        FileType::RegularFile => archive::load(&source.path, &folder::content(&File::from(fd))?, notes),
        _ => bail!("it is no file, but a pipe, socket or device; remove it"),
    }
}

fn shown(name: &[u8]) -> String {
    super::layer::shown(Path::new(OsStr::from_bytes(name)))
}
