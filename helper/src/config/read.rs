//! Reads the tables one by one, so that one mistake hides no other.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::raw::{Entry, Profile, Raw, TABLES};
use super::source::Mistake;
use crate::types::OverlayName;

/// Reads every table of the merged document; what is wrong goes to `mistakes` and is left out.
pub(super) fn read(document: DeTable<'_>, mistakes: &mut Vec<Mistake>) -> Raw {
    let mut raw = Raw::default();
    for (key, value) in document {
        match key.get_ref().as_ref() {
            "cluster" => raw.cluster = section(value, mistakes).0,
            "network" => raw.network = section(value, mistakes).0,
            "master" => raw.master = section(value, mistakes).0,
            "client" => raw.client = section(value, mistakes).0,
            "nfs" => raw.nfs = section(value, mistakes).0,
            "boot" => raw.boot = section(value, mistakes).0,
            "profile" => match value.into_inner() {
                DeValue::Table(profiles) => raw.profiles = read_profiles(profiles, mistakes),
                _ => mistakes.push(Mistake::at(key.span(), "`profile` is not a table").remedy("write [profile.NAME]")),
            },
            "node" => match value.into_inner() {
                DeValue::Array(nodes) => raw.nodes = nodes.into_iter().map(|node| entry(node, mistakes)).collect(),
                _ => mistakes.push(Mistake::at(key.span(), "`node` is not a list").remedy("write [[node]], with two brackets")),
            },
            name => {
                let text = format!("unknown table or key `{name}`");
                mistakes.push(Mistake::at(key.span(), text).remedy(format!("use one of {}", TABLES.join(", "))));
            }
        }
    }
    raw
}

fn read_profiles(profiles: DeTable<'_>, mistakes: &mut Vec<Mistake>) -> Vec<(Spanned<OverlayName>, Profile)> {
    let mut read = Vec::new();
    for (key, value) in profiles {
        let profile = section(value, mistakes).0;
        match key.get_ref().parse() {
            Ok(name) => read.push((Spanned::new(key.span(), name), profile)),
            Err(wrong) => mistakes.push(Mistake::at(key.span(), format!("profile {wrong}"))),
        }
    }
    read
}

fn entry(value: Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> Entry {
    let span = value.span();
    let (node, whole) = section(value, mistakes);
    Entry { span, node, whole }
}

/// Reads one table. A mistake is reported and taken out, and the rest is read again: so all mistakes are found.
fn section<T: DeserializeOwned + Default>(mut value: Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> (T, bool) {
    if value.get_ref().as_table().is_none() {
        // serde would take a list for the table's keys in the order of their declaration.
        mistakes.push(Mistake::at(value.span(), "this is not a table").remedy("write [NAME], and `key = value` below it"));
        return (T::default(), false);
    }
    let mut whole = true;
    loop {
        match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(table) => return (table, whole),
            Err(error) => {
                whole = false;
                let span = error.span().unwrap_or_else(|| value.span());
                if sort_out::<T>(&mut value, &span, mistakes) {
                    continue;
                }
                mistakes.push(Mistake::at(span.clone(), plain(error.message())));
                if !take_out(value.get_mut(), &span) {
                    return (T::default(), false);
                }
            }
        }
    }
}

/// serde's message in the words of somebody who writes a configuration.
fn plain(message: &str) -> String {
    [
        ("unknown field", "unknown key"),
        ("expected a sequence", "expected a list"),
        ("expected a boolean", "expected true or false"),
        ("expected u16", "expected a whole number from 0 to 65535"),
    ]
    .into_iter()
    .fold(message.to_owned(), |message, (theirs, ours)| message.replace(theirs, ours))
}

/// An error in a list has the place of the whole list: finds the elements that are wrong, by reading each alone, and takes
/// them out. False when `span` is no list, or none of its elements is wrong by itself.
fn sort_out<'text, T: DeserializeOwned>(
    table: &mut Spanned<DeValue<'text>>,
    span: &std::ops::Range<usize>,
    mistakes: &mut Vec<Mistake>,
) -> bool {
    let DeValue::Table(entries) = table.get_mut() else { return false };
    let found = entries.iter().find(|(_, value)| value.span() == *span && value.get_ref().is_array());
    let Some((key, DeValue::Array(elements))) = found.map(|(key, value)| (key.clone(), value.get_ref().clone())) else {
        return false;
    };
    let with =
        |elements: Vec<Spanned<DeValue<'text>>>| Spanned::new(span.clone(), DeValue::Array(elements.into_iter().collect()));
    let (mut kept, before) = (Vec::new(), mistakes.len());
    for element in elements {
        let mut alone = entries.clone();
        alone.insert(key.clone(), with(vec![element.clone()]));
        let read = T::deserialize(ValueDeserializer::from(Spanned::new(span.clone(), DeValue::Table(alone))));
        match read.err().filter(|error| error.span().as_ref() == Some(span)) {
            Some(error) => mistakes.push(Mistake::at(element.span(), plain(error.message()))),
            None => kept.push(element),
        }
    }
    entries.insert(key, with(kept));
    mistakes.len() > before
}

/// Removes the innermost entry that covers `span`; false when there is none.
fn take_out(value: &mut DeValue<'_>, span: &std::ops::Range<usize>) -> bool {
    let covers = |outer: std::ops::Range<usize>| outer.start <= span.start && span.end <= outer.end;
    match value {
        DeValue::Table(table) => {
            let found = table.iter().find(|(key, value)| covers(key.span()) || covers(value.span()));
            let Some(key) = found.map(|(key, _)| key.clone()) else { return false };
            let inner = !covers(key.span()) && table.get_mut(&key).is_some_and(|value| take_out(value.get_mut(), span));
            inner || table.remove(&key).is_some()
        }
        DeValue::Array(array) => {
            let kept: Vec<_> = array.iter().filter(|element| !covers(element.span())).cloned().collect();
            let taken = kept.len() < array.len();
            *array = kept.into_iter().collect();
            taken
        }
        _ => false,
    }
}
