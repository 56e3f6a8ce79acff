//! Reads the folders of overlays from the disk: the whole of each file, or a word about it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Stat};

use crate::disk::root::{Root, Stamp, link_in, look_in, names_in, open_in, read_whole, split};
use crate::disk::tree::{Content, Item, Owner};
use crate::render::names::{is_litter, unsound};
use crate::render::overlay::{Origin, Overlay, Piece, WHITEOUT};
use crate::types::Problem;

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
            if std::str::from_utf8(bytes).is_err() {
                return self.problem(&file, "a template must be UTF-8 text", "drop the suffix .j2 to copy it as it is");
            }
            piece.template = true;
            path.truncate(target.len());
        }
        if !piece.item.is_folder()
            && let Some((what, remedy)) = unsound(split(&path).1)
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
            FileType::Directory if name.starts_with(WHITEOUT) => {
                return wrong("what removes NAME is a file .wh.NAME, not a folder", "put an empty file there");
            }
            FileType::Directory => {
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
        fn several(files: &[String]) -> String {
            const NAMED: usize = 3;
            let named = files.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            if files.len() > NAMED { format!("{named} and {} more", files.len() - NAMED) } else { named }
        }
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
#[allow(clippy::disallowed_methods, reason = "the tests' own files")]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    /// A root with files in the overlay `x` of the site.
    struct Place {
        dir: tempfile::TempDir,
        root: Root,
    }

    impl Place {
        fn with(files: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            create_dir_all(dir.path().join(FOLDER)).unwrap();
            let root = Root::open(dir.path()).unwrap();
            let place = Self { dir, root };
            for file in files {
                create_dir_all(place.at(file).parent().unwrap()).unwrap();
                write(place.at(file), "1").unwrap();
            }
            place
        }

        fn at(&self, file: &str) -> PathBuf {
            self.dir.path().join(FOLDER).join(file)
        }

        fn read(&self) -> (Overlay, Reader<'_>) {
            let mut reader = Reader::new(&self.root);
            let overlay = reader.read(FOLDER, Origin::Site).unwrap();
            (overlay, reader)
        }

        /// The one problem there is.
        fn problem(&self) -> String {
            let (_, reader) = self.read();
            assert_eq!(reader.problems.len(), 1, "{:?}", reader.problems);
            reader.problems[0].to_string()
        }
    }

    const FOLDER: &str = "etc/voidclust/overlays/x";

    #[test]
    fn what_no_overlay_may_hold_is_named_all_of_it_at_once() {
        let place = Place::with(&["a", "a.j2", "b"]);
        let fifo = FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, place.at("pipe"), fifo, rustix::fs::Mode::from_raw_mode(0o600), 0).unwrap();
        write(place.at("t.j2"), b"\xff").unwrap();
        let problems: Vec<String> = place.read().1.problems.iter().map(ToString::to_string).collect();
        let expected = ["x/a.j2: ", "x/pipe: an overlay holds files", "x/t.j2: a template must be UTF-8"];
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().zip(expected).all(|(problem, expected)| problem.contains(expected)), "{problems:?}");
        assert!(problems[0].contains("same file; remove one"), "{problems:?}");
    }

    #[test]
    fn an_overlay_is_a_folder_and_no_link_to_one() {
        let place = Place::with(&[]);
        symlink("/etc", place.dir.path().join("etc/voidclust/overlays/l")).unwrap();
        let mut reader = Reader::new(&place.root);
        reader.read("etc/voidclust/overlays/l", Origin::Site);
        assert!(reader.problems[0].to_string().contains("an overlay is a folder"));
        assert!(reader.read("etc/voidclust/overlays/none", Origin::Site).is_none());
    }

    #[test]
    fn names_that_no_node_would_lay_are_refused_templates_without_their_suffix() {
        for name in [".wh.", ".wh..", ".wh...", ".wh..wh..opq", ".wh..wh.a", ".wh.dir/a"] {
            for suffix in ["", ".j2"] {
                let problem = Place::with(&[&format!("sub/{name}{suffix}")]).problem();
                assert!(problem.contains("x/sub/.wh."), "{name}{suffix}: {problem}");
            }
        }
        for name in ["..j2", "...j2"] {
            assert!(Place::with(&[name]).problem().contains(&format!("x/{name}: without .j2")), "{name}");
        }
        for name in [".wh.a", ".wh.a.j2", ".wh....", ".wh.d.wh", ".j2", "....j2", ".who/a", "a.wh./b"] {
            assert_eq!(Place::with(&[name]).read().1.problems, [], "{name}");
        }
    }

    #[test]
    fn links_stay_links_of_any_bytes_and_are_not_followed() {
        use std::os::unix::ffi::OsStrExt;
        let place = Place::with(&["a"]);
        let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe/x");
        symlink("/etc", place.at("out")).unwrap();
        symlink(odd, place.at("odd")).unwrap();
        let (overlay, _) = place.read();
        assert_eq!(overlay["out"].item.content, Content::Link("/etc".into()));
        assert_eq!(overlay["odd"].item.content, Content::Link(odd.to_owned()));
        assert_eq!(overlay.len(), 3);
    }

    #[test]
    fn litter_is_left_out_and_told() {
        let place = Place::with(&["job", "job~", "d/.job.swp", ".git/HEAD", ".git/config", "d/job.orig", "e/.gitkeep"]);
        let (overlay, reader) = place.read();
        assert_eq!(overlay.keys().collect::<Vec<_>>(), ["d", "e", "job"]);
        let notes = reader.notes();
        assert!(notes.len() == 1 && notes[0].contains("x/.git, ") && notes[0].contains(" and 2 more: left out"), "{notes:?}");
    }

    #[test]
    fn the_sites_files_keep_mode_and_owner_a_packages_are_roots() {
        let place = Place::with(&["key"]);
        std::fs::set_permissions(place.at("key"), PermissionsExt::from_mode(0o6755)).unwrap();
        let stat = place.root.look(&format!("{FOLDER}/key")).unwrap().unwrap();
        let owner = Owner { uid: stat.st_uid, gid: stat.st_gid };
        let (overlay, _) = place.read();
        assert_eq!((overlay["key"].item.mode, overlay["key"].item.owner), (0o6755, owner));
        let munge = Owner { uid: 998, gid: 997 };
        assert_eq!(rights(0o6755, munge, Origin::Site), (0o6755, munge));
        assert_eq!(rights(0o6755, Owner::ROOT, Origin::Package), (0o6755, Owner::ROOT));
        assert_eq!(rights(0o6755, munge, Origin::Package), (0o755, Owner::ROOT), "no program of another's gets root's rights");
    }

    #[test]
    fn large_files_are_refused_by_name_before_they_are_in_memory() {
        let place = Place::with(&["a", "large"]);
        let size = |file: &str, size: u64| File::create(place.at(file)).unwrap().set_len(size).unwrap();
        // Sparse: no disk is that large.
        size("large", 1 << 42);
        let problem = place.problem();
        assert!(problem.contains("x/large: a file of 4194304 MiB, and one of an overlay has 64 at most; "), "{problem}");
        size("large", 1);
        for number in 0..=TOTAL_MAX / FILE_MAX {
            size(&format!("part{number}"), FILE_MAX);
        }
        assert!(place.problem().contains("x/part3: with it the overlays hold more than 256 MiB"));
    }

    #[test]
    fn rights_that_no_archive_carries_are_refused_and_other_attributes_told() {
        let place = Place::with(&["tool", "noted"]);
        let set = |file: &str, name: &str, value: &[u8]| {
            rustix::fs::setxattr(place.at(file), name, value, rustix::fs::XattrFlags::empty())
        };
        if set("noted", "user.comment", b"x").is_err() {
            return println!("skip: rights_that_no_archive_carries: no attributes on this file system");
        }
        let notes = place.read().1.notes();
        assert!(notes.len() == 1 && notes[0].contains("x/noted: the extended attribute user.comment"), "{notes:?}");
        // CAP_NET_RAW, as capability.h lays it out in version 2; and an ACL as acl(5) does, of version 2: u::rw-,u:0:r--,g::r--,m::r--,o::r--.
        let entry = |tag: u16, perm: u16, id: u32| [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat();
        let acl = [
            vec![2, 0, 0, 0],
            entry(1, 6, u32::MAX),
            entry(2, 4, 0),
            entry(4, 4, u32::MAX),
            entry(16, 4, u32::MAX),
            entry(32, 4, u32::MAX),
        ];
        let capability = [[1, 0, 0, 2], [0, 0x20, 0, 0], [0; 4], [0; 4], [0; 4]].concat();
        for (name, value, what) in [
            ("system.posix_acl_access", acl.concat(), "x/tool: has an access control list"),
            ("security.capability", capability, "x/tool: has capabilities"),
        ] {
            write(place.at("tool"), "1").unwrap();
            match set("tool", name, &value) {
                Ok(()) => assert!(place.problem().contains(what), "{}", place.problem()),
                Err(error) => println!("skip: {name}: {error}"),
            }
            std::fs::remove_file(place.at("tool")).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_written_a_moment_later_is_noticed() {
        let place = Place::with(&["quiet", "log"]);
        let (_, reader) = place.read();
        assert_eq!(reader.written_meanwhile(), None);
        write(place.at("log"), "12").unwrap();
        assert!(reader.written_meanwhile().unwrap().ends_with("x/log"));
    }
}
