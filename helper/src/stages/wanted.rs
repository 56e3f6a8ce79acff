//! What the site wants: the configuration, its overlays, and what the machine and the root tell.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;

use super::target::Target;
use super::{identities, notes};
use crate::config::{self, Outcome, Parsed, Texts};
use crate::disk::generations;
use crate::disk::lock::Lock;
use crate::disk::root::{Root, split};
use crate::disk::stamps::stamp;
use crate::disk::tree::Tree;
use crate::image;
use crate::machine::facts::Facts;
use crate::machine::reboot;
use crate::parallel;
use crate::paths;
use crate::render::compose::Composer;
use crate::render::known_hosts;
use crate::render::notes::notes as rendered_notes;
use crate::render::overlay::{self, Overlays};
use crate::site::Site;
use crate::types::generation::{Generation, Number, Published};
use crate::types::{Problem, listed};
use crate::words::counted;

/// A site, its overlays and the machine's facts: everything that the Tree is a function of.
#[derive(Debug)]
pub struct Wanted {
    /// What the configuration was read from: names and texts.
    texts: Texts,
    /// The checked configuration.
    pub site: Arc<Site>,
    /// What the machine told.
    pub facts: Facts,
    /// The overlays that the site uses.
    pub overlays: Overlays,
    /// What the administrator should know whatever is done, in one line each.
    pub notes: Vec<String>,
    /// Those of them that follow from the site and its overlays.
    rendered_notes: Vec<String>,
    /// Files of /etc that wait for the next boot of the machine.
    pub waiting: BTreeSet<String>,
    /// What rendering the overlays came to.
    tried: Tried,
}

/// What is known of overlays without rendering them.
#[derive(Debug, Default)]
enum Tried {
    /// Nothing.
    #[default]
    Never,
    /// Nothing is wrong with them.
    Sound,
    /// These are the archives.
    Archives(Tree),
}

/// Why there is nothing to work by.
#[derive(Debug)]
pub enum Unready {
    /// No key is set in this file.
    NotConfigured(String),
    /// Every mistake, of the configuration or else of the overlays.
    Wrong(Vec<Problem>),
}

impl Unready {
    /// The same as a list.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        match self {
            Self::NotConfigured(file) => {
                let remedy = "run voidclust init, or set at least `address` under [network] and one [[node]]";
                vec![Problem::new(file, "not configured yet").remedy(remedy)]
            }
            Self::Wrong(problems) => problems.clone(),
        }
    }
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = self.problems();
        for line in listed(&problems) {
            writeln!(f, "{line}")?;
        }
        write!(f, "{}; nothing was changed", counted(problems.len(), "problem"))
    }
}

impl std::error::Error for Unready {}

/// Reads the configuration and what it names.
///
/// # Errors
/// [`Unready`] when it is not edited yet, or something is wrong with it or its overlays; others when a file cannot be read,
/// or this machine is a client.
pub fn read(target: &Target, config: Option<&Path>) -> Result<Wanted> {
    read_knowing(target, config, None)
}

/// The texts of the configuration.
///
/// # Errors
/// When a file cannot be read or was edited in memory only, or this machine is a client.
pub fn texts(target: &Target, config: Option<&Path>) -> Result<Texts> {
    target.is_no_client()?;
    let root = &target.root;
    if config.is_none() {
        let is_read = |path: &str| path == paths::CONFIG || config::is_drop_in(split(path).1);
        target.is_not_edited_in_memory([paths::CONFIG, paths::CONFIG_DROPINS], is_read)?;
    }
    config::load(root, config)
}

/// What they are checked against.
///
/// # Errors
/// When something cannot be read.
pub fn facts(target: &Target) -> Result<Facts> {
    Facts::gather(&target.root, target.machine(), image::kernels(&target.root)?)
}

/// Reads. Texts and facts that are the same as in an earlier reading make the same site: for ten thousand nodes, to parse them
/// again or to keep both would take more memory than all else.
fn read_knowing(target: &Target, config: Option<&Path>, known: Option<Wanted>) -> Result<Wanted> {
    let root = &target.root;
    let texts = texts(target, config)?;
    let known = known.filter(|known| known.texts == texts);
    let parse = || known.is_none().then(|| Parsed::of(&texts));
    let (facts, parsed) = parallel::both(|| facts(target), parse);
    let facts = facts?;
    let (facts, site, before) = match known.filter(|known| known.facts == facts) {
        Some(Wanted { facts, site, overlays, rendered_notes, tried, .. }) => {
            (facts, site, Some((overlays, rendered_notes, tried)))
        }
        None => match parsed.unwrap_or_else(|| Parsed::of(&texts)).check(&facts) {
            Outcome::NotConfigured => {
                return Err(Unready::NotConfigured(texts.into_iter().next().map(|(name, _)| name).unwrap_or_default()).into());
            }
            Outcome::Wrong(problems) => return Err(Unready::Wrong(problems).into()),
            Outcome::Site(site) => (facts, site.into(), None),
        },
    };
    let used: Vec<String> = site
        .overlay_names()
        .chain([overlay::MASTER, overlay::CLIENT])
        .map(|name| format!("{}/{name}", paths::SITE_OVERLAYS))
        .collect();
    target.is_not_edited_in_memory(used.iter().map(String::as_str), |_| true)?;
    let elsewhere = target.is_elsewhere(used.iter().map(String::as_str));
    if !elsewhere.is_empty() {
        return Err(Unready::Wrong(elsewhere).into());
    }
    let mut overlays = overlay::load(root, &site);
    known_hosts::add(&mut overlays, &site);
    let mut notes = notes::of(target, &site, &facts)?;
    notes.extend(overlays.notes.iter().cloned());
    notes.extend(identities::without_keys(&site));
    notes.extend(image::without_modules(root, &site)?);
    // The same site with the same overlays: for ten thousand nodes, what follows takes its time.
    let same = before.filter(|(before, ..)| *before == overlays);
    let (rendered_notes, tried) = match same {
        Some((_, rendered_notes, tried)) => (rendered_notes, tried),
        None => (rendered_notes(&site, &Composer::new(&site, &overlays)), Tried::Never),
    };
    notes.extend(rendered_notes.iter().cloned());
    let waiting = target.machine().map(reboot::waiting).transpose()?.unwrap_or_default();
    Ok(Wanted { texts, site, facts, overlays, notes, rendered_notes, waiting, tried })
}

/// Takes the lock and reads again what is `known` of a first reading: what another run wrote, or an editor, between that and
/// the lock must not be put back to what it was.
///
/// # Errors
/// When another run holds the lock, or the configuration has become wrong.
pub fn lock<'target>(target: &'target Target, config: Option<&Path>, known: Wanted) -> Result<(Lock<'target>, Wanted)> {
    let lock = target.lock()?;
    let wanted = read_knowing(target, config, Some(known))?;
    Ok((lock, wanted))
}

/// Takes the lock and reads. Where no run was before, all is read and checked without the lock first: whoever finds a mistake
/// leaves none behind.
///
/// # Errors
/// Those of [`read`], [`lock`] and [`Wanted::check`].
pub fn locked<'target>(target: &'target Target, config: Option<&Path>) -> Result<(Lock<'target>, Wanted)> {
    locked_and(target, config, |_| Ok(()))
}

/// The same, with what is read made `ready`, which changes nothing on the disk.
///
/// # Errors
/// Those, and those of `ready`.
pub fn locked_and<'target>(
    target: &'target Target,
    config: Option<&Path>,
    ready: fn(&mut Wanted) -> Result<()>,
) -> Result<(Lock<'target>, Wanted)> {
    let (lock, mut wanted) = match target.lock_again()? {
        Some(lock) => (lock, read(target, config)?),
        None => {
            let mut known = read(target, config)?;
            ready(&mut known)?;
            known.check()?;
            lock(target, config, known)?
        }
    };
    ready(&mut wanted)?;
    Ok((lock, wanted))
}

impl Wanted {
    /// Learns of the generations that there are now.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn read_generations(&mut self, root: &Root) -> Result<()> {
        self.facts.generations = generations::load(root)?;
        self.site_to_change().generations = self.facts.generations.clone();
        Ok(())
    }

    /// Goes on as if there were no such generation, and returns it.
    pub fn without_generation(&mut self, number: Number) -> Option<Generation> {
        self.site_to_change().generations.made.remove(&number)
    }

    /// Goes on as if this were published.
    pub fn publish(&mut self, published: &Published) {
        self.facts.generations.published.clone_from(published);
        self.site_to_change().generations.published.clone_from(published);
    }

    /// What tells it from all else that is rendered: of the same, this very program makes the same archives. `None` when the
    /// program cannot be told from others.
    #[must_use]
    pub fn digest(&self) -> Option<u64> {
        let program = rustix::fs::stat(std::env::current_exe().ok()?).ok()?;
        let mut hasher = DefaultHasher::new();
        // Who makes the Site another one than the texts and facts do, changes its generations.
        (stamp(&program), &self.texts, &self.facts, &self.site.generations, &self.overlays).hash(&mut hasher);
        Some(hasher.finish())
    }

    /// The site, to be another one: what was rendered is not of that.
    pub(super) fn site_to_change(&mut self) -> &mut Site {
        self.tried = Tried::Never;
        Arc::make_mut(&mut self.site)
    }

    /// The archives of all machines, rendered unless they are known.
    ///
    /// # Errors
    /// [`Unready`] with every mistake in the overlays.
    pub fn archives(&self) -> Result<Tree> {
        if let Tried::Archives(archives) = &self.tried {
            return Ok(archives.clone());
        }
        Composer::new(&self.site, &self.overlays).archives().map_err(|wrong| Unready::Wrong(wrong).into())
    }

    /// Renders every overlay, in memory, and keeps the archives.
    ///
    /// # Errors
    /// The same.
    pub fn render(&mut self) -> Result<()> {
        self.tried = Tried::Archives(self.archives()?);
        Ok(())
    }

    /// Renders every overlay, and keeps nothing.
    ///
    /// # Errors
    /// The same.
    pub fn check(&mut self) -> Result<()> {
        if let Tried::Never = self.tried {
            let wrong = Composer::new(&self.site, &self.overlays).check();
            if !wrong.is_empty() {
                return Err(Unready::Wrong(wrong).into());
            }
            self.tried = Tried::Sound;
        }
        Ok(())
    }
}
