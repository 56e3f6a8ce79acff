//! From the text of /etc/voidclust.conf and its drop-ins to a checked [`Site`].

mod inherited;
mod judge;
mod known;
mod limits;
mod master;
mod mounts;
mod network;
mod nfs;
mod nodes;
mod notation;
mod options;
mod raw;
mod read;
mod resolve;
mod roots;
mod scratch;
mod source;
mod spelling;
mod twice;
mod values;
mod vars;
mod words;

use anyhow::Result;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use source::{Mistake, Sources};

use crate::disk::root::Root;
use crate::machine::facts::Facts;
use crate::paths;
use crate::site::Site;
use crate::types::Problem;

/// What the configuration amounts to.
#[derive(Debug)]
pub enum Outcome {
    /// No key is set: the file is as the package ships it.
    NotConfigured,
    /// It is right.
    Site(Box<Site>),
    /// It is not: every problem, in the order of the files.
    Wrong(Vec<Problem>),
}

/// The configuration's texts, in the order in which they are read: name for messages, and text.
pub type Texts = Vec<(String, String)>;

/// Reads the configuration and its drop-ins. `config` is another file than the root's, for `--config`; then there are no
/// drop-ins.
///
/// # Errors
/// When a file cannot be read, or the configuration is not there.
pub fn load(root: &Root, config: Option<&std::path::Path>) -> Result<Texts> {
    use anyhow::Context;
    if let Some(path) = config {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}: cannot read", path.display()))?;
        return Ok(vec![(path.display().to_string(), text)]);
    }
    let remedy = "install the package voidclust, or name the file with --config";
    let text = root.read_text(paths::CONFIG)?;
    let text = text.with_context(|| format!("{}: not found; {remedy}", root.display(paths::CONFIG)))?;
    let mut texts = vec![(root.display(paths::CONFIG), text)];
    for name in root.list(paths::CONFIG_DROPINS)?.unwrap_or_default() {
        let path = format!("{}/{name}", paths::CONFIG_DROPINS);
        if is_drop_in(&name) {
            let text = root.read_text(&path)?;
            texts.push((root.display(&path), text.with_context(|| format!("{}: is a dangling link", root.display(&path)))?));
        }
    }
    Ok(texts)
}

/// The keys of a node.
#[must_use]
pub fn node_keys() -> Vec<&'static str> {
    <raw::Node as raw::Table>::KEYS.iter().map(|(key, _)| *key).collect()
}

/// Whether a file of the folder of drop-ins is read, by its name.
#[must_use]
pub fn is_drop_in(name: &str) -> bool {
    name.ends_with(".conf") && !name.starts_with('.')
}

/// Parses, merges and checks: a pure function of the texts and the facts of the machine.
#[must_use]
pub fn parse(texts: &Texts, facts: &Facts) -> Outcome {
    Parsed::of(texts).check(facts)
}

/// What the texts say, before it is checked against the facts.
#[derive(Debug)]
pub struct Parsed {
    sources: Sources,
    mistakes: Vec<Mistake>,
    /// `None` when no key is set, or a text cannot be read whole: that would only yield more complaints about what it seems to
    /// lack.
    raw: Option<raw::Raw>,
}

impl Parsed {
    /// Parses and merges: a pure function of the texts.
    #[must_use]
    pub fn of(texts: &Texts) -> Self {
        let mut sources = Sources::default();
        let mut mistakes = Vec::new();
        let mut document = DeTable::new();
        for (name, text) in texts {
            let base = sources.add(name.clone(), text.clone());
            let (table, errors) = DeTable::parse_recoverable(text);
            let errors = errors.iter().map(|error| (error.span().map_or(0, |span| span.start), error.message().to_owned()));
            mistakes.extend(notation::mistakes(text, base, errors.collect()));
            let table = table.into_inner();
            // Those of the first file are where they are.
            merge(&mut document, if base == 0 { table } else { moved(table, base) }, true);
        }
        let is_whole = mistakes.is_empty() && !is_empty(&document);
        let raw = is_whole.then(|| read::read(document, &mut mistakes));
        Self { sources, mistakes, raw }
    }

    /// Checks it against the facts.
    #[must_use]
    pub fn check(self, facts: &Facts) -> Outcome {
        let Self { sources, mut mistakes, raw } = self;
        match raw.map(|raw| resolve::resolve(raw, facts, &mut mistakes)) {
            Some(Some(site)) => return Outcome::Site(Box::new(site)),
            None if mistakes.is_empty() => return Outcome::NotConfigured,
            _ => {}
        }
        mistakes.sort_by_key(|mistake| mistake.span.as_ref().map(|span| (span.start, span.end)));
        mistakes.dedup();
        Outcome::Wrong(mistakes.iter().map(|mistake| sources.explain(mistake)).collect())
    }
}

/// Whether no key is set: headers of tables may stand there.
fn is_empty(table: &DeTable<'_>) -> bool {
    table.values().all(|value| value.get_ref().as_table().is_some_and(is_empty))
}

/// The table with all its spans moved by `base`, so that they point into [`Sources`].
fn moved(table: DeTable<'_>, base: usize) -> DeTable<'_> {
    let entries = table.into_iter().map(|(key, value)| {
        let span = key.span();
        (Spanned::new(span.start + base..span.end + base, key.into_inner()), moved_value(value, base))
    });
    entries.collect()
}

fn moved_value(value: Spanned<DeValue<'_>>, base: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let inner = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved(table, base)),
        DeValue::Array(array) => DeValue::Array(array.into_iter().map(|item| moved_value(item, base)).collect()),
        scalar => scalar,
    };
    Spanned::new(span.start + base..span.end + base, inner)
}

/// Lays `over` on `table`: tables merge, the list of nodes grows, anything else is replaced.
fn merge<'text>(table: &mut DeTable<'text>, over: DeTable<'text>, top: bool) {
    for (key, value) in over {
        let grows = top && key.get_ref() == "node";
        // A `[node]` is a mistake that nodes of a later file must not hide.
        if grows && value.get_ref().is_array() && table.get(&key).is_some_and(|there| !there.get_ref().is_array()) {
            continue;
        }
        let span = value.span();
        // Taken out and put in again: the map would keep the old key, and messages would name the wrong file.
        let merged = match (table.remove(&key).map(Spanned::into_inner), value.into_inner()) {
            (Some(DeValue::Table(mut there)), DeValue::Table(over)) => {
                merge(&mut there, over, false);
                DeValue::Table(there)
            }
            // A mistake that a later file must not hide.
            (Some(there), over) if grows && !(there.is_array() && over.is_array()) => {
                if over.is_array() {
                    there
                } else {
                    over
                }
            }
            (Some(DeValue::Array(mut there)), DeValue::Array(over)) if grows => {
                over.into_iter().for_each(|node| there.push(node));
                DeValue::Array(there)
            }
            (_, value) => value,
        };
        table.insert(key, Spanned::new(span, merged));
    }
}
