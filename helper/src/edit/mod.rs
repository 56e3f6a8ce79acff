//! Changes of the configuration's own text: from texts to texts, and not a byte of what is not meant changes.
//!
//! The text is spliced at the places that the parser tells. Nothing of ours prints a configuration, so comments, order and
//! blank lines are the administrator's, whatever they are.

pub mod draft;
pub mod first;
pub mod import;
mod places;

use std::ops::Range;

use crate::config::{self, Outcome, Texts};
use crate::machine::facts::Facts;
use crate::site::{Node, Site};
use crate::types::Problem;

use draft::Draft;
use places::Place;

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The configuration would have these problems.
    Wrong(Vec<Problem>),
    /// It is written in a way that cannot be changed here.
    ByHand(Problem),
}

/// A part of a text, by its place, and what takes its place.
type Splice = (Range<usize>, String);

/// File and line in which a node begins, by its number in the order of the site.
#[must_use]
pub fn place_of(texts: &Texts, number: usize) -> Option<String> {
    places::of_nodes(texts).ok()?.get(number).map(Place::told)
}

/// The texts with nodes behind all others: in the file that has the last one, at its end.
///
/// # Errors
/// When the texts cannot be read.
pub fn add(texts: &Texts, drafts: &[Draft]) -> Result<Texts, Refused> {
    let last = places::of_nodes(texts)?.last().map_or(0, |place| place.file);
    let mut after = texts.clone();
    if let Some((_, text)) = after.get_mut(last) {
        for draft in drafts {
            separate(text);
            text.push_str(&draft.table());
        }
    }
    Ok(after)
}

/// The texts with profiles that are not there yet, at the end of the first file.
#[must_use]
pub fn add_profiles(texts: &Texts, profiles: &[(String, Draft)]) -> Texts {
    let mut after = texts.clone();
    if let Some((_, text)) = after.first_mut() {
        for (name, draft) in profiles {
            separate(text);
            text.push_str(&format!("[profile.{name}]\n{}", draft.lines()));
        }
    }
    after
}

/// Leaves one blank line at the end.
fn separate(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if !text.is_empty() && !text.ends_with("\n\n") {
        text.push('\n');
    }
}

/// The texts with what the drafts say of the nodes with these numbers, in the order of the site.
///
/// # Errors
/// When a node is not written in a table of its own.
pub fn set(texts: &Texts, drafts: &[(usize, Draft)]) -> Result<Texts, Refused> {
    spliced(texts, drafts.iter().map(|(number, draft)| (*number, Some(draft))))
}

/// The texts without these nodes. What stands above a node stays, as it may be about more than this one.
///
/// # Errors
/// The same.
pub fn remove(texts: &Texts, numbers: &[usize]) -> Result<Texts, Refused> {
    spliced(texts, numbers.iter().map(|number| (*number, None)))
}

/// The texts with each of these nodes changed as its draft says, or gone without one.
fn spliced<'draft>(texts: &Texts, changes: impl Iterator<Item = (usize, Option<&'draft Draft>)>) -> Result<Texts, Refused> {
    let places = places::of_nodes(texts)?;
    let mut of_files: Vec<Vec<Splice>> = vec![Vec::new(); texts.len()];
    for (number, draft) in changes {
        let Some(place) = places.get(number) else { continue };
        place.is_table()?;
        of_files[place.file].extend(draft.map_or_else(|| Ok(vec![place.whole()]), |draft| place.set(draft))?);
    }
    let mut after = texts.clone();
    for ((_, text), mut splices) in after.iter_mut().zip(of_files) {
        // From the end, so that the places before stay as they are.
        splices.sort_by_key(|(range, _)| std::cmp::Reverse((range.start, range.end)));
        let mut end = text.len();
        for (range, new) in splices {
            if range.end > end {
                return Err(Refused::ByHand(by_hand(texts, "two parts of this change are about the same place")));
            }
            end = range.start;
            text.replace_range(range, &new);
        }
    }
    Ok(after)
}

/// Judges changed texts as a whole. Whatever the change, all but the nodes that it was about is as before: a form of TOML
/// that we do not know must not cost anything else.
///
/// # Errors
/// When they are wrong, or say something else than was meant.
pub fn judged(after: &Texts, facts: &Facts, before: Option<&Site>, touched: &[usize]) -> Result<Site, Refused> {
    let site = match config::parse(after, facts) {
        Outcome::Site(site) => *site,
        Outcome::Wrong(problems) => return Err(Refused::Wrong(problems)),
        Outcome::NotConfigured => return Err(Refused::Wrong(vec![by_hand(after, "no key is set any more")])),
    };
    let Some(before) = before else { return Ok(site) };
    let but = |site: &Site, touched: &[usize]| -> Vec<Node> {
        let others = site.nodes.iter().enumerate().filter(|(number, _)| !touched.contains(number));
        others.map(|(_, node)| node.clone()).collect()
    };
    // Of nodes that were removed nothing is left that could be left out.
    let touched_after = if site.nodes.len() == before.nodes.len() { touched } else { &[] };
    let nodes_stay = but(&site, touched_after).starts_with(&but(before, touched));
    let profiles_stay = before.profiles.iter().all(|(name, profile)| site.profiles.get(name) == Some(profile));
    let rest_stays = Site { nodes: site.nodes.clone(), profiles: site.profiles.clone(), ..before.clone() } == site;
    if nodes_stay && profiles_stay && rest_stays {
        return Ok(site);
    }
    Err(Refused::ByHand(by_hand(after, "this change would change more than it is about")))
}

fn by_hand(texts: &Texts, what: &str) -> Problem {
    let file = texts.first().map_or("", |(name, _)| name.as_str());
    Problem::new(file, what).remedy("make it with an editor")
}

#[cfg(test)]
mod tests;
