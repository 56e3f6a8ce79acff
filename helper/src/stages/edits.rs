//! Changes of the configuration's own text: read, changed by somebody, judged as a whole, and only then written.

use std::path::Path;

use anyhow::{Result, bail};

use super::live::{self, Live};
use super::target::{Runs, Target};
use super::unified::unified;
use super::wanted::{self, Unready};
use crate::config::{self, Outcome, Texts};
use crate::edit::{self, Refused};
use crate::machine::facts::Facts;
use crate::site::Site;
use crate::types::Problem;

/// The configuration as it stands.
#[derive(Debug)]
pub struct Standing {
    /// Its texts.
    pub texts: Texts,
    /// What they amount to; `None` while no key is set.
    pub site: Option<Site>,
    facts: Facts,
}

/// A change that was judged.
#[derive(Debug)]
pub struct Edit {
    before: Texts,
    after: Texts,
    /// What the configuration amounts to with it.
    pub site: Site,
}

/// What became of a change.
#[derive(Debug)]
pub struct Written {
    /// The commands that take it back.
    pub undo: Vec<String>,
    /// What the running machine made of it.
    pub live: Live,
}

/// Reads the configuration, for somebody who will change it.
///
/// # Errors
/// [`Unready`] when it has mistakes; others when it cannot be read, or this machine is a client.
pub fn read(target: &Target, config: Option<&Path>) -> Result<Standing> {
    let (texts, facts) = (wanted::texts(target, config)?, wanted::facts(target)?);
    let site = match config::parse(&texts, &facts) {
        Outcome::NotConfigured => None,
        Outcome::Wrong(problems) => return Err(Unready::Wrong(problems).into()),
        Outcome::Site(site) => Some(*site),
    };
    Ok(Standing { texts, site, facts })
}

impl Standing {
    /// The site that there is.
    ///
    /// # Errors
    /// [`Unready`] while no key is set.
    pub fn configured(&self) -> Result<&Site> {
        let file = || self.texts.first().map(|(name, _)| name.clone()).unwrap_or_default();
        self.site.as_ref().ok_or_else(|| Unready::NotConfigured(file()).into())
    }

    /// Judges a change, which is about the nodes with these numbers and no other.
    ///
    /// # Errors
    /// Everything that would be wrong with it.
    pub fn changed(&self, after: Result<Texts, Refused>, touched: &[usize]) -> Result<Edit> {
        let judged = after.and_then(|after| {
            let site = edit::judged(&after, &self.facts, self.site.as_ref(), touched)?;
            Ok((after, site))
        });
        let told = |problems: &[Problem]| problems.iter().map(|problem| format!("{problem}\n")).collect::<String>();
        match judged {
            Ok((after, site)) => Ok(Edit { before: self.texts.clone(), after, site }),
            Err(Refused::Wrong(problems)) => {
                bail!("with this change the configuration would be wrong:\n{}nothing was written", told(&problems))
            }
            Err(Refused::ByHand(problem)) => bail!("{}nothing was written", told(&[problem])),
        }
    }
}

impl Edit {
    /// Each file that changes: its name, and its text before and after.
    fn files(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let pairs = self.before.iter().zip(&self.after).filter(|(before, after)| before != after);
        pairs.map(|((name, before), (_, after))| (name.as_str(), before.as_str(), after.as_str()))
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files().next().is_none()
    }

    /// The change as a unified diff.
    #[must_use]
    pub fn diff(&self) -> String {
        self.files().map(|(name, before, after)| unified(before, after, name, name)).collect()
    }

    /// Writes it, and has the running machine see it. Each file is the old or the new one, whatever kills the run, and the
    /// texts before are kept.
    ///
    /// # Errors
    /// When another run is at work, a file was changed meanwhile, or the disk refuses.
    pub fn write(self, target: &Target, say: &mut dyn FnMut(&str)) -> Result<Written> {
        let root = &target.root;
        let lock = target.lock()?;
        let top = root.display("");
        let mut undo = Vec::new();
        for (name, before, after) in self.files() {
            let Some(path) = name.strip_prefix(&top) else { bail!("{name}: is not of {top}; change it with an editor") };
            let copy = lock.edit(path, before, after.to_owned())?;
            undo.push(match &target.runs {
                Runs::Overlay(_) => format!("voidclust shell -- cp /{copy} /{path}"),
                _ => format!("cp {} {name}", root.display(&copy)),
            });
        }
        Ok(Written { undo, live: live::bring_up_to_date(target, say) })
    }
}
