//! `voidclust node`: what is configured for nodes, and changes of it without an editor.

mod discover;
mod import;
mod keys;
mod list;

pub(in crate::commands) use list::of_profile;

use anyhow::{Result, bail};

use super::change::finish;
use super::screen::print_notes;
use super::{Status, no_such_node};
use crate::cli::{Dry, Global, Node};
use crate::edit;
use crate::paths;
use crate::print::say;
use crate::site::Site;
use crate::stages::edits::{self, Edit};
use crate::stages::target::Target;
use crate::stages::{identities, live};
use crate::types::series;
use crate::words::{counted, some};

/// Of many names so many are told.
const SHOWN: usize = 5;

/// Runs a command about nodes.
///
/// # Errors
/// When there is no such node, the configuration would be wrong, or it cannot be written.
pub fn run(global: &Global, command: &Node) -> Result<Status> {
    let target = Target::open(global)?;
    let standing = edits::read(&target, global.config.as_deref())?;
    let change = |edit: Edit, dry: &Dry, done: &str| finish(&target, global, *dry, edit, done, "voidclust apply");
    match command {
        Node::List { profile, names, json } => list::list(standing.configured()?, profile.as_deref(), *names, *json),
        Node::Show { node, json } => {
            let site = standing.configured()?;
            let number = number_of(site, node).ok_or_else(|| no_such_node(site, node, &[]))?;
            list::show(site, number, edit::place_of(&standing.texts, number), *json)
        }
        Node::Add { names, keys, dry } => {
            let names = named(names)?;
            if keys.mac.is_empty() {
                bail!("a node is known by its network cards; name them with --mac");
            }
            let drafts = keys::drafts(keys, names.len())?;
            let drafts: Vec<_> = drafts.into_iter().zip(&names).map(|(draft, name)| draft.named(name)).collect();
            let edit = standing.changed(edit::add(&standing.texts, &drafts), &[])?;
            change(edit, dry, &format!("{} added", counted(names.len(), "node")))
        }
        Node::Set { nodes, name, keys, unset, dry } => {
            let numbers = numbers_of(standing.configured()?, nodes)?;
            let mut drafts = keys::drafts(keys, numbers.len())?;
            let mut left = Vec::new();
            if let Some(name) = name {
                let names = keys::for_each("--name", &named(name)?, numbers.len())?;
                left = left_with_the_name(&target, standing.configured()?, &numbers, &names);
                drafts = drafts.into_iter().zip(&names).map(|(draft, name)| draft.named(name)).collect();
            }
            keys::unset(&mut drafts, unset)?;
            let drafts: Vec<_> = numbers.iter().copied().zip(drafts).collect();
            let edit = standing.changed(edit::set(&standing.texts, &drafts), &numbers)?;
            print_notes(&left);
            change(edit, dry, &format!("{} changed", counted(numbers.len(), "node")))
        }
        Node::Import { file, format, hosts, dry } => {
            let (after, count) = import::read(&target, &standing, file, *format, hosts.as_deref())?;
            change(standing.changed(after, &[])?, dry, &format!("{} added", counted(count, "node")))
        }
        Node::Discover(order) => discover::run(global, &target, &standing, order),
        Node::ForgetKeys { names, dry_run } => {
            let names: Vec<String> = names.iter().map(|name| named(name)).collect::<Result<Vec<_>>>()?.concat();
            if *dry_run { would_forget(&target, &names) } else { forget(&target, &names) }
        }
        Node::Remove { nodes, dry } => {
            let numbers = numbers_of(standing.configured()?, nodes)?;
            let edit = standing.changed(edit::remove(&standing.texts, &numbers), &numbers)?;
            change(edit, dry, &format!("{} removed", counted(numbers.len(), "node")))
        }
    }
}

fn named(text: &str) -> Result<Vec<String>> {
    series::names(text).map_err(anyhow::Error::msg)
}

/// The place of a node in the order of the site.
fn number_of(site: &Site, text: &str) -> Option<usize> {
    let node = site.node(text)?;
    site.nodes.iter().position(|other| std::ptr::eq(other, node))
}

/// Those of all nodes that are named, in the order in which they are, each once.
pub(in crate::commands) fn numbers_of(site: &Site, texts: &[String]) -> Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for text in texts {
        for name in named(text)? {
            let number = number_of(site, &name).ok_or_else(|| no_such_node(site, &name, &[]))?;
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
    }
    Ok(numbers)
}

/// What is of a node's name, and so not of the node when that gets another one.
fn left_with_the_name(target: &Target, site: &Site, numbers: &[usize], names: &[String]) -> Vec<String> {
    let nodes = numbers.iter().map(|number| &site.nodes[*number]);
    let renamed = || nodes.clone().zip(names).filter(|(node, name)| node.name.as_str() != name.as_str());
    let mut notes = Vec::new();
    let known = renamed().filter(|(node, _)| site.identity_of(node).is_some());
    let (old, new): (Vec<String>, Vec<String>) = known.map(|(node, name)| (node.name.to_string(), name.clone())).unzip();
    if !old.is_empty() {
        notes.push(format!(
            "host keys and ids are of a name: {} will have others; to keep those of {}, rename what is called so in {} before apply",
            some(&new, SHOWN, ", "),
            some(&old, SHOWN, ", "),
            target.root.display(paths::IDENTITIES)
        ));
    }
    for (node, name) in renamed() {
        if let Some(number) = site.generations.published.nodes.get(node.name.as_str()) {
            notes.push(format!(
                "generation {number} was published to {} by its name; {name} boots it after: voidclust rollback {number} --only {name}",
                node.name
            ));
        }
    }
    notes
}

/// Lists what would be removed.
fn would_forget(target: &Target, names: &[String]) -> Result<Status> {
    identities::would_be_forgotten(&target.root, names)?.iter().for_each(|file| say!("remove {file}"));
    say!("would forget the host keys and ids of {}", counted(names.len(), "node"));
    Ok(Status::Differs)
}

/// Removes what was made to be the own of these machines.
fn forget(target: &Target, names: &[String]) -> Result<Status> {
    let lock = target.lock()?;
    identities::forget(&lock, names)?;
    let live = live::bring_up_to_date(target, &mut |line| say!("{line}"));
    print_notes(&live.notes);
    if !live.failures.is_empty() {
        bail!("forgotten, but the running machine was not told:\n{}", live.failures.join("\n"));
    }
    say!("forgot the host keys and ids of {}; now run: voidclust apply", counted(names.len(), "node"));
    Ok(Status::Done)
}
