//! A dry run: what a refresh would do, by the same decisions, with nothing done. What would be done is pretended, for what
//! comes later in the run depends on it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use rustix::fs::{FileType, Stat};

use super::layer::{Entry, Kind};
use super::records::Records;
use super::session::Session;
use super::target::{ASIDE, Target};
use super::{Report, Run};
use crate::disk::tree::Bytes;

/// What the (first) folder of overlays is going to hold, by name, where it holds something else now: an archive, or nothing.
pub type Coming<'archive> = BTreeMap<String, Option<&'archive Bytes>>;

/// What a refresh would do.
#[derive(Debug)]
pub struct Foreseen {
    /// What it would report.
    pub report: Report,
    etc: Target,
}

pub(super) fn foresee(run: &Run, overlays: Option<&Path>, etc: &Path, macs: &[String], coming: &Coming<'_>) -> Result<Foreseen> {
    let mut etc = Target::open(etc)?;
    etc.dry = Some(Pretended::default());
    let mut session = Session::new(run, Records::unchanged(&run.dir), true, coming, etc);
    session.carry_out(&overlays.map_or_else(|| run.overlays(), |folder| vec![folder.to_owned()]), macs);
    Ok(Foreseen { report: session.report, etc: session.etc })
}

impl Foreseen {
    /// What a file of /etc would hold; `None` when it would not be there, or cannot be read.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        let bytes = match self.etc.find(Path::new(path)).ok()??.there {
            There::Pretended(Entry { kind: Kind::File(bytes), .. }) => bytes,
            There::OnDisk(_) => std::fs::read(self.etc.path().join(path)).ok()?,
            There::Pretended(_) | There::Nothing => return None,
        };
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What stands somewhere.
#[derive(Debug)]
pub(super) enum There {
    Nothing,
    OnDisk(Stat),
    /// What a dry run would have put there. The open folder of its place is not the one that it would be in.
    Pretended(Entry),
}

impl There {
    pub(super) fn is(&self, kind: FileType) -> bool {
        kind == match self {
            Self::Nothing => return false,
            Self::OnDisk(stat) => FileType::from_raw_mode(stat.st_mode),
            Self::Pretended(Entry { kind: Kind::Folder, .. }) => FileType::Directory,
            Self::Pretended(Entry { kind: Kind::File(_), .. }) => FileType::RegularFile,
            Self::Pretended(Entry { kind: Kind::Link(_), .. }) => FileType::Symlink,
        }
    }
}

/// What would stand at which path without links, or that nothing would. Below it, too, nothing of the disk is left.
#[derive(Debug, Clone, Default)]
pub(super) struct Pretended(Rc<RefCell<Vec<Would>>>);

type Would = (PathBuf, Option<Entry>);

impl Pretended {
    pub(super) fn set(&self, real: &Path, entry: Option<&Entry>) {
        let mut all = self.0.borrow_mut();
        all.retain(|(path, _)| !path.starts_with(real));
        all.push((real.to_owned(), entry.cloned()));
    }

    /// `None`: what is on the disk.
    pub(super) fn at(&self, real: &Path) -> Option<Option<Entry>> {
        let all = self.0.borrow();
        match all.iter().find(|(path, _)| path == real) {
            Some((_, entry)) => Some(entry.clone()),
            None => all.iter().any(|(path, _)| real.starts_with(path)).then_some(None),
        }
    }

    /// The path without links of the folder that would be at `path`; `None` when there would be none in the tree.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(super) fn folder(&self, etc: &Target, path: &Path) -> Result<Option<PathBuf>> {
        let Some(name) = path.file_name() else { return Ok(Some(PathBuf::new())) };
        let Some(above) = self.folder(etc, path.parent().unwrap_or(Path::new("")))? else { return Ok(None) };
        let real = above.join(name);
        match self.at(&real) {
            None => Ok(etc.folder(&real)?.map(|(_, real)| real)),
            Some(Some(Entry { kind: Kind::Folder, .. })) => Ok(Some(real)),
            Some(Some(Entry { kind: Kind::Link(target), .. })) => {
                let leads = etc.path().join(above).join(target).canonicalize().ok();
                match leads.as_deref().and_then(|leads| leads.strip_prefix(etc.path()).ok()) {
                    Some(leads) => self.folder(etc, leads),
                    None => Ok(None),
                }
            }
            Some(_) => Ok(None),
        }
    }

    /// Whether a folder would hold anything, with these names in it on the disk.
    pub(super) fn holds(&self, real: &Path, names: &[Vec<u8>]) -> bool {
        let stays = |name: &Vec<u8>| self.at(&real.join(OsStr::from_bytes(name))).is_none() && name != ASIDE.as_bytes();
        let comes = |(path, entry): &Would| path.parent() == Some(real) && entry.is_some();
        names.iter().any(stays) || self.0.borrow().iter().any(comes)
    }
}
