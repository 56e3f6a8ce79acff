//! Reads the folders of overlays from the disk: the whole of each file, or a word about it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Stat};

use crate::disk::opened::{Stamp, link_in, look_in, names_in, open_in, read_whole};
use crate::disk::root::{Root, split};
use crate::disk::tree::{Content, Item, Owner};
use crate::render::names::{is_litter, unsound};
use crate::render::overlay::{Origin, Overlay, Piece};
use crate::types::Problem;
use crate::words::some;

/// The largest file of an overlay, in bytes: every node holds its /etc in memory.
pub const FILE_MAX: u64 = 64 << 20;

/// The most that all overlays hold together, in bytes: so much is in memory here, several times.
pub const TOTAL_MAX: u64 = 256 << 20;

/// For how long after its last change a file counts as being written, in nanoseconds.
const SETTLED: i128 = 50_000_000;

/// Reads folders, and collects what is to be said of them all.
#[derive(Debug)]
pub(super) struct Reader<'root> {
    pub(super) root: &'root Root,
    /// What no overlay can be made of.
    pub(super) problems: Vec<Problem>,
    /// The bytes of all files so far.
    total: u64,
    /// What editors and the like left behind.
    litter: Vec<String>,
    /// By extended attribute: the files that have it.
    attributes: BTreeMap<String, Vec<String>>,
    /// Files that were written a moment ago.
    fresh: Vec<(String, Stamp)>,
    begun: i128,
}

/// Nanoseconds since 1970.
fn now() -> i128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
}

impl<'root> Reader<'root> {
    pub(super) fn new(root: &'root Root) -> Self {
        let (problems, litter, fresh) = (Vec::new(), Vec::new(), Vec::new());
        Self { root, problems, total: 0, litter, attributes: BTreeMap::new(), fresh, begun: now() }
    }

    /// Reads the overlay in `folder`; `None` when there is none.
    pub(super) fn read(&mut self, folder: &str, origin: Origin) -> Option<Overlay> {
        let mut pieces = Overlay::new();
        match self.root.find(folder) {
            Ok(None) => return None,
            Ok(Some(item)) if item.is_folder() => match self.root.existing_folder(folder) {
                Ok(Some(open)) => self.walk(open.as_fd(), folder, "", origin, &mut pieces),
                Ok(None) => return None,
                Err(error) => self.problems.push(format!("{error:#}").into()),
            },
            Ok(Some(_)) => self.problem(&self.root.display(folder), "an overlay is a folder", "put one there"),
            Err(error) => self.problems.push(format!("{error:#}").into()),
        }
        Some(pieces)
    }

    fn problem(&mut self, file: &str, what: impl Into<String>, remedy: &str) {
        self.problems.push(Problem::new(file, what).remedy(remedy));
    }

    /// `below` is the part of the path that an overlay has, `folder` what is before it.
    fn walk(&mut self, open: BorrowedFd<'_>, folder: &str, below: &str, origin: Origin, pieces: &mut Overlay) {
        let here = if below.is_empty() { folder.to_owned() } else { format!("{folder}/{below}") };
        let names = match names_in(open) {
            Ok(names) => names,
            Err(error) => return self.problems.push(Problem::new(self.root.display(&here), format!("cannot list: {error}"))),
        };
        for name in names {
            let file = self.root.display(&format!("{here}/{}", name.to_string_lossy()));
            let Some(name) = name.to_str() else {
                self.problem(&file, "the name is not UTF-8", "rename it");
                continue;
            };
            if name.chars().any(char::is_control) {
                self.problem(&file.escape_debug().to_string(), "the name holds a control character", "rename it");
                continue;
            }
            if is_litter(name) {
                self.litter.push(file);
                continue;
            }
            let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            match self.piece(open, &here, name, &file, origin) {
                Ok((item, inside)) => {
                    if let Some(inside) = inside {
                        self.walk(inside.as_fd(), folder, &path, origin, pieces);
                    }
                    self.keep(path, Piece { item, template: false, origin, file }, pieces);
                }
                Err(Some(problem)) => self.problems.push(problem),
                Err(None) => {}
            }
        }
    }

    /// Puts a piece among the others, a template under the name that it renders to.
    fn keep(&mut self, mut path: String, mut piece: Piece, pieces: &mut Overlay) {
        let file = piece.file.clone();
        if let (Some(target), Content::File(bytes)) = (path.strip_suffix(".j2"), &piece.item.content)
            && !split(target).1.is_empty()
        {
            if std::str::from_utf8(&bytes.whole()).is_err() {
                return self.problem(&file, "a template must be UTF-8 text", "drop the suffix .j2 to copy it as it is");
            }
            piece.template = true;
            path.truncate(target.len());
        }
        if !piece.item.is_folder()
            && let Some((what, remedy)) = unsound(split(&path).1, false)
        {
            return self.problem(&file, what, remedy);
        }
        if let Some(other) = pieces.insert(path, piece) {
            self.problem(&file, format!("{} would become the same file", other.file), "remove one of them");
        }
    }

    /// What is called `name` in an open folder, and the folder to go on in. `Err(None)`: it was said already.
    fn piece(
        &mut self,
        open: BorrowedFd<'_>,
        here: &str,
        name: &str,
        file: &str,
        origin: Origin,
    ) -> Result<(Item, Option<File>), Option<Problem>> {
        let failed = |error: std::io::Error| Problem::new(file, format!("cannot read: {error}"));
        let wrong = |what: &str, remedy: &str| Err(Some(Problem::new(file, what).remedy(remedy)));
        let Some(stat) = look_in(open, name).map_err(failed)? else { return wrong("vanished while it was read", "run again") };
        let mut inside = None;
        let content = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                self.weigh(file, &stat)?;
                let mut opened = open_in(open, name).map_err(failed)?;
                self.look_at_attributes(&opened, file)?;
                let bytes = read_whole(&mut opened, Some(&stat)).map_err(failed)?;
                self.note_fresh(format!("{here}/{name}"), &stat, origin);
                Content::File(bytes.into())
            }
            FileType::Symlink => Content::Link(link_in(open, name).map_err(failed)?),
            FileType::Directory => {
                if let Some((what, remedy)) = unsound(name, true) {
                    return wrong(what, remedy);
                }
                let opened = open_in(open, name).map_err(failed)?;
                self.look_at_attributes(&opened, file)?;
                inside = Some(opened);
                Content::Folder
            }
            _ => return wrong("an overlay holds files, folders and links, no device, socket or pipe", "remove it"),
        };
        let owner = Owner { uid: stat.st_uid, gid: stat.st_gid };
        let (mode, owner) = rights(stat.st_mode & 0o7777, owner, origin);
        Ok((Item { content, mode, owner }, inside))
    }

    /// Refuses what is too large before it is in memory.
    fn weigh(&mut self, file: &str, stat: &Stat) -> Result<(), Option<Problem>> {
        const REMEDY: &str = "every node holds its /etc in memory, so put large files into the shared root or the home";
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        let mib = |bytes: u64| bytes >> 20;
        if size > FILE_MAX {
            let what = format!("a file of {} MiB, and one of an overlay has {} at most", mib(size), mib(FILE_MAX));
            return Err(Some(Problem::new(file, what).remedy(REMEDY)));
        }
        let before = self.total;
        self.total = before.saturating_add(size);
        if self.total <= TOTAL_MAX {
            return Ok(());
        }
        // Said once, of the file that is too much.
        let what = format!("with it the overlays hold more than {} MiB", mib(TOTAL_MAX));
        Err((before <= TOTAL_MAX).then(|| Problem::new(file, what).remedy(REMEDY)))
    }

    /// Refuses what gives rights that no archive carries; other attributes are told of.
    fn look_at_attributes(&mut self, opened: &File, file: &str) -> Result<(), Option<Problem>> {
        // File systems without attributes have no list of them.
        let size = rustix::fs::flistxattr_query(opened).unwrap_or(0);
        if size == 0 {
            return Ok(());
        }
        let mut names = vec![0; size];
        let size = rustix::fs::flistxattr(opened, &mut names[..]).unwrap_or(0);
        for name in names[..size].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let name = String::from_utf8_lossy(name).into_owned();
            let (what, tool) = match name.as_str() {
                "security.capability" => ("capabilities", "setcap -r"),
                "system.posix_acl_access" | "system.posix_acl_default" => ("an access control list", "setfacl -b"),
                _ => {
                    self.attributes.entry(name).or_default().push(file.to_owned());
                    continue;
                }
            };
            let problem = Problem::new(file, format!("has {what}, which nodes would not get"));
            return Err(Some(problem.remedy(format!("run `{tool} {file}`; owner and mode are kept"))));
        }
        Ok(())
    }

    /// The site's files only: those of packages have been written when the package was installed.
    fn note_fresh(&mut self, path: String, stat: &Stat, origin: Origin) {
        let stamp = Stamp::of(stat);
        if origin == Origin::Site && stamp.changed + SETTLED > self.begun {
            self.fresh.push((path, stamp));
        }
    }

    /// A file that was written on after it was read. Who writes does not do it all the time, so that a file may look quiet
    /// for as long as it is read; one that has just been written is looked at again a moment later.
    pub(super) fn written_meanwhile(&self) -> Option<String> {
        let youngest = self.fresh.iter().map(|(_, stamp)| stamp.changed).max()?;
        let left = (youngest + SETTLED - now()).clamp(0, SETTLED);
        std::thread::sleep(Duration::from_nanos(left.try_into().unwrap_or(0)));
        let same =
            |path: &str, seen: &Stamp| self.root.look(path).is_ok_and(|stat| stat.is_some_and(|stat| Stamp::of(&stat) == *seen));
        let written = self.fresh.iter().find(|(path, seen)| !same(path, seen));
        written.map(|(path, _)| self.root.display(path))
    }

    /// What the administrator should know of all that was read.
    pub(super) fn notes(&self) -> Vec<String> {
        let several = |files: &[String]| some(files, 3, ", ");
        let mut notes = Vec::new();
        if !self.litter.is_empty() {
            notes.push(format!(
                "{}: left out, for editors and git leave such files behind; remove or rename them",
                several(&self.litter)
            ));
        }
        notes.extend(
            self.attributes
                .iter()
                .map(|(name, files)| format!("{}: the extended attribute {name} does not get to the nodes", several(files))),
        );
        notes
    }
}

/// Mode and owner on the nodes. The site's files keep theirs. A package's are root's whoever built or unpacked it, and
/// what is another's gives nobody root's rights.
fn rights(mode: u32, owner: Owner, origin: Origin) -> (u32, Owner) {
    match origin {
        Origin::Site => (mode, owner),
        _ if owner == Owner::ROOT => (mode, owner),
        _ => (mode & 0o1777, Owner::ROOT),
    }
}

#[cfg(test)]
mod tests;
