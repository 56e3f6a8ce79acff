//! How the files that we wrote looked when they were as the manifest says. One that still looks so is not read again, as
//! git(1) does it with its index.
//!
//! What counts is what nobody can set: each change of a file gives it the time of that moment, and a copy is another inode.
//! Only a change within the same tick of the clock could go unseen, so what changed last when the stamps were written is
//! read. While files are changed there are none, and lost stamps mean no more than that all is read. Some of them would mean
//! more: that the other files are ours no longer. So they are all there by their digest, or none is believed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use anyhow::Result;
use rustix::fs::Stat;

use crate::disk::opened::Stamp;
use crate::disk::root::Root;
use crate::paths;

/// The content of /var/lib/voidclust/stamps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamps {
    /// By path. The manifest is one of them: all others are about what it says.
    pub files: Arc<BTreeMap<String, u64>>,
    /// What they were made of.
    pub made_of: MadeOf,
    /// When they were written, in nanoseconds since 1970.
    noted: i128,
    /// The stamp of the file that they are from.
    own: Option<u64>,
}

/// What the file begins with; then comes the digest of all that follows.
const HEAD: &str = "# How files looked that voidclust wrote. Kept by voidclust(8); may be removed.\n";

/// What is made for each of all machines, and not made again of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// Their archives.
    Archives,
    /// The menus of their loaders.
    Menus,
}

impl Made {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::Archives, Self::Menus];

    /// Whether the file at this path is one of them.
    #[must_use]
    pub fn has(self, path: &str) -> bool {
        match self {
            Self::Archives => paths::archive_owner(path).is_some(),
            Self::Menus => paths::is_menu(path),
        }
    }

    /// Stands for them where others have a path.
    const fn key(self) -> &'static str {
        match self {
            Self::Archives => "",
            Self::Menus => "/",
        }
    }
}

/// Of what they are made, where that is known: two digests that are the same stand for the same files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MadeOf([Option<u64>; 2]);

impl MadeOf {
    /// Of what these are made.
    #[must_use]
    pub const fn of(self, made: Made) -> Option<u64> {
        self.0[made as usize]
    }

    /// The same, but for these.
    #[must_use]
    pub const fn with(mut self, made: Made, digest: Option<u64>) -> Self {
        self.0[made as usize] = digest;
        self
    }
}

impl Stamps {
    /// Those that are to be written.
    #[must_use]
    pub fn new(files: BTreeMap<String, u64>, made_of: MadeOf) -> Self {
        Self { files: files.into(), made_of, ..Self::default() }
    }

    /// Reads them; there are none when they are about another manifest, or a killed run is to be finished.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn load(root: &Root) -> Result<Self> {
        let (Some(text), Some(own)) = (root.read_text(paths::STAMPS)?, root.look(paths::STAMPS)?) else {
            return Ok(Self::default());
        };
        let Some(text) = whole(&text) else { return Ok(Self::default()) };
        let mut files: BTreeMap<String, u64> = text.lines().filter_map(entry).collect();
        let manifest = files.remove(paths::MANIFEST);
        let is_other = manifest.is_none() || manifest != root.look(paths::MANIFEST)?.as_ref().map(stamp);
        if is_other || root.look(paths::PENDING)?.is_some() {
            return Ok(Self::default());
        }
        let made_of = MadeOf(Made::ALL.map(|made| files.remove(made.key())));
        Ok(Self { files: files.into(), made_of, noted: Stamp::of(&own).changed, own: Some(stamp(&own)) })
    }

    /// These, unless others were written since.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn reload(self, root: &Root) -> Result<Self> {
        // Our runs change nothing that they are about while they are there.
        let is_there = self.own.is_some() && self.own == root.look(paths::STAMPS)?.as_ref().map(stamp);
        if is_there { Ok(self) } else { Self::load(root) }
    }

    /// The text of the file, about a manifest that looks like this.
    #[must_use]
    pub fn text(&self, manifest: &Stat) -> String {
        let mut text = String::new();
        let made_of = Made::ALL.into_iter().filter_map(|made| Some((made.key(), self.made_of.of(made)?)));
        let files = self.files.iter().map(|(path, stamp)| (path.as_str(), *stamp));
        // What has a name of two lines is read each time.
        for (path, stamp) in made_of.chain([(paths::MANIFEST, stamp(manifest))]).chain(files) {
            _ = writeln!(text, "{stamp:016x} {path}");
        }
        format!("{HEAD}{:016x}\n{text}", digest(&text))
    }

    /// Whether what is at `path` is as the manifest says, by how it looks.
    #[must_use]
    pub fn know(&self, path: &str, stat: &Stat) -> bool {
        self.files.get(path) == Some(&stamp(stat)) && last_changed(stat) < self.noted
    }
}

/// When it may have been changed last. Some file systems count in whole seconds, or in two.
fn last_changed(stat: &Stat) -> i128 {
    const SECOND: i128 = 1_000_000_000;
    let changed = Stamp::of(stat).changed;
    if changed % SECOND == 0 { changed + 2 * SECOND } else { changed }
}

/// What stands behind the digest; `None` of a text that is torn.
fn whole(text: &str) -> Option<&str> {
    let (expected, text) = text.strip_prefix(HEAD)?.split_once('\n')?;
    (u64::from_str_radix(expected, 16) == Ok(digest(text))).then_some(text)
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn entry(line: &str) -> Option<(String, u64)> {
    let (stamp, path) = line.split_once(' ')?;
    Some((path.to_owned(), u64::from_str_radix(stamp, 16).ok()?))
}

/// What tells the look of a file from all others.
#[must_use]
pub fn stamp(stat: &Stat) -> u64 {
    let mut hasher = DefaultHasher::new();
    (stat.st_dev, stat.st_ino, stat.st_mode, Stamp::of(stat)).hash(&mut hasher);
    hasher.finish()
}
