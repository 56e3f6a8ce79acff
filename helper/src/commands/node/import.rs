//! `voidclust node import`: the machines of a list that another program keeps.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli;
use crate::config::Texts;
use crate::edit::draft::Draft;
use crate::edit::import::{self, Format};
use crate::edit::{self, Refused};
use crate::paths;
use crate::print::say;
use crate::site::Site;
use crate::stages::edits::Standing;
use crate::stages::target::Target;
use crate::stages::wanted::Unready;
use crate::types::Mac;
use crate::words::{counted, listed};

/// How many lines are printed of what was not carried over.
const LISTED: usize = 40;

/// The texts with the machines of the list, and how many these are. What is not carried over is printed.
pub(super) fn read(
    target: &Target,
    standing: &Standing,
    file: &Path,
    format: Option<cli::Format>,
    hosts: Option<&Path>,
) -> Result<(Result<Texts, Refused>, usize)> {
    let name = file.display().to_string();
    let text = text_of(file)?;
    let Some(format) = format.map(ours).or_else(|| Format::of(&text)) else {
        bail!("{name}: cannot tell how this is written; say it with --format, or give a CSV a first line with name and mac");
    };
    let hosts = match hosts {
        Some(hosts) => text_of(hosts)?,
        None => target.root.read_text(paths::HOSTS)?.unwrap_or_default(),
    };
    let import = import::read(format, &name, &text, &hosts).map_err(Unready::Wrong)?;
    let (there, new): (Vec<_>, Vec<_>) = import
        .nodes
        .into_iter()
        .partition(|(name, draft)| standing.site.as_ref().is_some_and(|site| is_there(site, name, draft)));
    let known = |name: &str| standing.site.iter().flat_map(|site| site.profiles.keys()).any(|known| known.as_str() == name);
    let profiles: Vec<_> = import.profiles.into_iter().filter(|(name, _)| !known(name)).collect();
    if !import.left_out.is_empty() {
        say!("not carried over:{}", listed(&import.left_out, LISTED));
    }
    if !there.is_empty() {
        say!("listed already: {}", counted(there.len(), "node"));
    }
    let drafts: Vec<Draft> = new.into_iter().map(|(name, draft)| draft.named(&name)).collect();
    let after = edit::add(&edit::add_profiles(&standing.texts, &profiles), &drafts);
    Ok((after, drafts.len()))
}

fn text_of(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{}: cannot read", file.display()))
}

fn ours(format: cli::Format) -> Format {
    match format {
        cli::Format::Csv => Format::Csv,
        cli::Format::Ethers => Format::Ethers,
        cli::Format::Leases => Format::Leases,
        cli::Format::Warewulf => Format::Warewulf,
    }
}

/// Whether the site has a node of this name with one of these cards: then a list is read for the second time.
fn is_there(site: &Site, name: &str, draft: &Draft) -> bool {
    let cards = draft.set.iter().find(|(key, _)| *key == "mac").map_or("", |(_, cards)| cards.as_str());
    let has = |card: &str| card.parse::<Mac>().is_ok_and(|card| site.node(name).is_some_and(|node| node.macs.contains(&card)));
    cards.split(['"', ' ', ',', '[', ']']).any(has)
}
