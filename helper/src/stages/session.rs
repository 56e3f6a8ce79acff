//! What every command begins with: which tree to work on, and what the site wants of it.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::Global;
use crate::config::{self, Outcome};
use crate::disk::commit::{Lock, plan_for};
use crate::disk::manifest::Ours;
use crate::disk::plan::Plan;
use crate::disk::root::{Found, Root};
use crate::disk::tree::{Item, Tree};
use crate::image;
use crate::machine::facts::{self, Facts};
use crate::paths;
use crate::render::compose::Composer;
use crate::render::initcpio;
use crate::render::menus;
use crate::render::overlay::{self, Overlays};
use crate::site::Site;
use crate::types::Problem;
use crate::words::counted;

/// The tree that a run works on.
#[derive(Debug)]
pub struct Target {
    /// The tree: `/`, the lower tree of a running master, or `--root`.
    pub root: Root,
    /// Whether it is the running machine's own.
    pub running: bool,
    /// Whether the machine runs from an overlay, so that `/` itself is in memory.
    pub on_overlay: bool,
}

impl Target {
    /// Chooses the tree. On a master that runs from its overlay changes of `/` would be lost: the lower tree is meant.
    ///
    /// # Errors
    /// When the folder cannot be opened.
    pub fn open(global: &Global) -> Result<Self> {
        let root = Root::open(&global.root)?;
        if !root.is_slash() {
            return Ok(Self { root, running: false, on_overlay: false });
        }
        if facts::is_mountpoint(Path::new(paths::LOWER)) {
            return Ok(Self { root: Root::open(Path::new(paths::LOWER))?, running: true, on_overlay: true });
        }
        // A chroot sees `/` too, but not as the first process does; without /proc nothing is known to run here.
        let running = same_folder(Path::new("/proc/1/root"), Path::new("/"));
        Ok(Self { root, running, on_overlay: false })
    }

    /// Refuses to go on when the administrator edited in memory what we read from the lower tree. Only what lies in the
    /// upper tree was edited there: of everything else the overlay may still show an old text of the lower tree. Whoever
    /// edits the lower file afterwards has said what is meant.
    fn edited_in_memory(&self) -> Result<()> {
        if !self.on_overlay || !Path::new(paths::UPPER).exists() {
            return Ok(());
        }
        let upper = Root::open(Path::new(paths::UPPER))?;
        let mut files = vec![paths::CONFIG.to_owned()];
        for folder in [paths::CONFIG_DROPINS, paths::SITE_OVERLAYS] {
            files_below(&upper, folder, &mut files)?;
        }
        for file in files {
            let Some(edited) = upper.find(&file)? else { continue };
            let below = self.root.find(&file)?;
            let lower = self.root.display(&file);
            let (what, keep) = match (&edited, &below) {
                // How an overlay marks what was removed: a device.
                (Found::Other, None) => continue,
                (Found::File { bytes: here, .. }, Some(Found::File { bytes: there, .. })) if here == there => continue,
                _ if below.as_ref() == Some(&edited) => continue,
                (_, Some(_)) if self.root.changed(&file)? > upper.changed(&file)? => continue,
                (Found::Other, Some(_)) => ("removed", format!("rm -r {lower}")),
                _ => ("changed", format!("cp -a /{file} {lower}")),
            };
            bail!("/{file}: was {what} in memory, and differs from {lower}, which alone survives a reboot; keep it with: {keep}");
        }
        Ok(())
    }
}

fn files_below(root: &Root, folder: &str, files: &mut Vec<String>) -> Result<()> {
    for name in root.list(folder)?.unwrap_or_default() {
        let path = format!("{folder}/{name}");
        match root.find(&path)? {
            Some(Found::Folder(_)) => files_below(root, &path, files)?,
            _ => files.push(path),
        }
    }
    Ok(())
}

fn same_folder(left: &Path, right: &Path) -> bool {
    match (left.metadata(), right.metadata()) {
        (Ok(left), Ok(right)) => left.dev() == right.dev() && left.ino() == right.ino(),
        _ => false,
    }
}

/// The configuration, or why there is none.
#[derive(Debug)]
pub enum Configured {
    /// No key is set; the names of the files that were read.
    Not(String),
    /// Every problem.
    Wrong(Vec<Problem>),
    /// It is right.
    Yes(Box<Wanted>),
}

/// A site, its overlays and the machine's facts: everything that the Tree is a function of.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The checked configuration.
    pub site: Site,
    /// What the machine told.
    pub facts: Facts,
    /// The overlays that the site uses.
    pub overlays: Overlays,
}

/// Reads the configuration and what it names.
///
/// # Errors
/// When a file cannot be read.
pub fn read(target: &Target, config: Option<&Path>) -> Result<Configured> {
    target.edited_in_memory()?;
    let texts = config::load(&target.root, config)?;
    let imaged = image::kernels(&target.root)?;
    let facts = Facts { imaged, ..Facts::gather(&target.root, target.running)? };
    Ok(match config::parse(&texts, &facts) {
        Outcome::NotConfigured => Configured::Not(texts.first().map(|(name, _)| name.clone()).unwrap_or_default()),
        Outcome::Wrong(problems) => Configured::Wrong(problems),
        Outcome::Site(site) => {
            let overlays = overlay::load(&target.root, &site)?;
            Configured::Yes(Box::new(Wanted { site: *site, facts, overlays }))
        }
    })
}

/// Reads the configuration for a command that needs one.
///
/// # Errors
/// When it is not there, not edited yet, or wrong: with every problem.
pub fn read_site(target: &Target, config: Option<&Path>) -> Result<Wanted> {
    match read(target, config)? {
        Configured::Yes(wanted) => Ok(*wanted),
        Configured::Not(file) => bail!("{file}: not configured yet; set at least `address` under [network] and one [[node]]"),
        Configured::Wrong(problems) => {
            let text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
            bail!("{text}{} in the configuration; nothing was changed", counted(problems.len(), "problem"))
        }
    }
}

/// Takes the lock and reads again: what another run wrote, or an editor, between the first reading and the lock must not
/// be put back to what it was. Whoever finds a mistake in the first reading leaves no lock behind.
///
/// # Errors
/// When another run holds the lock, or the configuration has become wrong.
pub fn lock<'root>(target: &'root Target, config: Option<&Path>) -> Result<(Lock<'root>, Wanted)> {
    let lock = Lock::take(&target.root)?;
    let wanted = read_site(target, config)?;
    Ok((lock, wanted))
}

/// The two halves of the Tree. Loader configurations name images, so they are switched last, when those are in place.
#[derive(Debug)]
pub struct Trees {
    /// Everything but the loaders' configurations.
    pub files: Tree,
    /// The loaders' configurations.
    pub boot: Tree,
    /// What cannot be made here: whatever stands there stays.
    pub unmade: BTreeSet<String>,
    /// What the administrator should know, in one line each.
    pub notes: Vec<String>,
}

impl Wanted {
    /// Computes the Tree.
    ///
    /// # Errors
    /// Every mistake in the overlays.
    pub fn trees(&self, root: &Root) -> Result<Trees> {
        let composer = Composer::new(&self.site, &self.overlays);
        let archives = composer.archives();
        let mut files = archives.map_err(|complaints| {
            let text: String = complaints.iter().map(|complaint| format!("{complaint}\n")).collect();
            anyhow::anyhow!("{text}{} in the overlays; nothing was changed", counted(complaints.len(), "problem"))
        })?;
        files.extend(initcpio::tree(&self.site)?);
        let loaders = image::loaders(root, &self.site)?;
        files.extend(loaders.tree);
        let mut unmade = loaders.unmade;
        if self.facts.interfaces.is_some() {
            files.insert(paths::REMEMBERED, Item::file(facts::remember(&self.site).into_bytes()));
        } else {
            // Only the machine itself can tell.
            unmade.insert(paths::REMEMBERED.to_owned());
        }
        let mut notes = loaders.notes;
        notes.extend(self.facts.apart.iter().map(|folder| {
            format!("/{folder}: a file system of its own, which clients do not see; they have what is below its mount point")
        }));
        notes.extend(image::without_modules(root, &self.site)?);
        Ok(Trees { files, boot: self.boot_tree(root)?, unmade, notes })
    }

    /// The loaders' configurations for the images that are there now.
    ///
    /// # Errors
    /// When the images cannot be read.
    pub fn boot_tree(&self, root: &Root) -> Result<Tree> {
        menus::tree(&self.site, &image::kept(root, &self.site, &self.facts.kernels)?)
    }
}

/// The Plans of both halves.
#[derive(Debug)]
pub struct Plans {
    /// What earlier runs wrote.
    pub ours: Ours,
    /// Everything but the loaders' configurations.
    pub files: Plan,
    /// The loaders' configurations.
    pub boot: Plan,
}

impl Plans {
    /// Whether neither half changes anything, not even the record of what is ours.
    #[must_use]
    pub fn are_done(&self) -> bool {
        let recorded = |plan: &Plan| self.ours.pending.is_none() && plan.manifest == self.ours.written;
        [&self.files, &self.boot].into_iter().all(|plan| recorded(plan) && plan.changes().next().is_none())
    }
}

/// Compares both halves with the disk.
///
/// # Errors
/// When something cannot be read.
pub fn plans(root: &Root, trees: &Trees, force: bool) -> Result<Plans> {
    let ours = Ours::load(root).context("cannot tell our files from others")?;
    let files = plan_for(root, &trees.files, &ours, |path| !paths::is_menu(path) && !trees.unmade.contains(path), force)?;
    let boot = plan_for(root, &trees.boot, &ours, paths::is_menu, force)?;
    Ok(Plans { ours, files, boot })
}
