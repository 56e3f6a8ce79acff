//! Reads the tables one by one, so that one mistake hides no other.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::raw::{Entry, Raw, Table};
use super::source::Mistake;
use super::words::Kind;
use super::{notation, words};

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
            "profile" => read_profiles(key.span(), value.into_inner(), &mut raw, mistakes),
            "node" => match value.into_inner() {
                DeValue::Array(nodes) => raw.nodes = nodes.into_iter().map(|node| entry(node, mistakes)).collect(),
                _ => mistakes.push(notation::one_bracket(key.span(), &[])),
            },
            name => {
                mistakes.push(Mistake::of(key.span(), words::unknown_table(name, value.get_ref())));
                // It may have been meant to be one.
                raw.profiles_lost = true;
            }
        }
    }
    raw
}

fn read_profiles(header: Range<usize>, value: DeValue<'_>, raw: &mut Raw, mistakes: &mut Vec<Mistake>) {
    let DeValue::Table(profiles) = value else {
        raw.profiles_lost = true;
        return mistakes.push(Mistake::at(header, "`profile` is not a table").remedy("write [profile.NAME]"));
    };
    let (named, bare): (Vec<_>, Vec<_>) = profiles.into_iter().partition(|(_, value)| value.get_ref().is_table());
    if !bare.is_empty() {
        raw.profiles_lost = true;
        mistakes.push(Mistake::at(header, "this profile has no name").remedy("write [profile.NAME]"));
    }
    for (key, value) in named {
        let profile = section(value, mistakes).0;
        match key.get_ref().parse() {
            Ok(name) => raw.profiles.push((Spanned::new(key.span(), name), profile)),
            Err(wrong) => {
                raw.profiles_lost = true;
                let (what, remedy) = words::wrong_value("profile", &DeValue::Boolean(false), None, &wrong);
                mistakes.push(Mistake::at(key.span(), format!("profile {what}")).remedy(remedy));
            }
        }
    }
}

fn entry(value: Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> Entry {
    let span = value.span();
    let (node, whole) = section(value, mistakes);
    Entry { span, node, whole }
}

/// Reads one table. A mistake is reported and taken out, and the rest is read again: so all mistakes are found. The second
/// is false when something was taken out.
fn section<T: Table>(mut value: Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> (T, bool) {
    let DeValue::Table(entries) = value.get_mut() else {
        // serde would take a list for the table's keys in the order of their declaration.
        let remedy = format!("write {}, and `key = value` below it", T::HEADER);
        mistakes.push(Mistake::at(value.span(), format!("this is not the table {}", T::HEADER)).remedy(remedy));
        return (T::default(), false);
    };
    let before = mistakes.len();
    let known = |name: &str| T::KEYS.iter().any(|(key, _)| *key == name);
    let unknown: Vec<_> = entries.keys().filter(|key| !known(key.get_ref())).cloned().collect();
    for key in unknown {
        mistakes.push(Mistake::of(key.span(), words::unknown_key(key.get_ref(), T::HEADER, T::KEYS)));
        entries.remove(&key);
    }
    // `[network.dhcp]`: no key takes a table.
    let tables: Vec<_> = entries.iter().filter(|(_, value)| value.get_ref().is_table()).map(|(key, _)| key.clone()).collect();
    for key in tables {
        if let Some(table) = entries.remove(&key) {
            let kind = kind::<T>(key.get_ref());
            mistakes.push(Mistake::of(key.span(), words::wrong_kind(key.get_ref(), table.get_ref(), Some(kind))));
        }
    }
    loop {
        match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(table) => return (table, mistakes.len() == before),
            Err(error) => {
                let span = error.span().unwrap_or_else(|| value.span());
                if sort_out::<T>(&mut value, &span, mistakes) {
                    continue;
                }
                let nothing = || (String::new(), Spanned::new(span.clone(), DeValue::Boolean(false)), None);
                let (key, wrong, kind) = find::<T>(value.get_ref(), &span).unwrap_or_else(nothing);
                mistakes.push(Mistake::of(wrong.span(), words::wrong_value(&key, wrong.get_ref(), kind, error.message())));
                if !take_out(value.get_mut(), &span) {
                    return (T::default(), false);
                }
            }
        }
    }
}

/// What a key of the table takes.
fn kind<T: Table>(key: &str) -> Kind {
    T::KEYS.iter().find(|(name, _)| *name == key).map_or(Kind::Text, |(_, shape)| Kind::of(shape))
}

/// The key whose value covers `span`, the value that is to blame with its place, and what it should have been: `None` when it
/// is one of a list.
fn find<'text, T: Table>(table: &DeValue<'text>, span: &Range<usize>) -> Option<(String, Spanned<DeValue<'text>>, Option<Kind>)> {
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let (key, value) = table.as_table()?.iter().find(|(_, value)| covers(value.span()))?;
    let kind = kind::<T>(key.get_ref());
    let list = value.get_ref().as_array().filter(|_| kind.is_list());
    let element = list.and_then(|list| list.iter().find(|element| covers(element.span())));
    Some((key.get_ref().to_string(), element.unwrap_or(value).clone(), element.map_or(Some(kind), |_| None)))
}

/// An error in a list has the place of the whole list: finds the elements that are wrong, by reading each alone, and takes
/// them out. False when `span` is no list, or none of its elements is wrong by itself.
fn sort_out<'text, T: Table>(table: &mut Spanned<DeValue<'text>>, span: &Range<usize>, mistakes: &mut Vec<Mistake>) -> bool {
    let DeValue::Table(entries) = table.get_mut() else { return false };
    let is_list = |key: &str, value: &DeValue<'_>| value.is_array() && kind::<T>(key).is_list();
    let found = entries.iter().find(|(key, value)| value.span() == *span && is_list(key.get_ref(), value.get_ref()));
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
            Some(error) => {
                mistakes.push(Mistake::of(
                    element.span(),
                    words::wrong_value(key.get_ref(), element.get_ref(), None, error.message()),
                ));
            }
            None => kept.push(element),
        }
    }
    if kept.is_empty() {
        entries.remove(&key);
    } else {
        entries.insert(key, with(kept));
    }
    mistakes.len() > before
}

/// Removes the innermost entry that covers `span`; false when there is none.
fn take_out(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
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
            // Of an empty list it would be said that it is empty, so the whole key is taken out.
            taken && !array.is_empty()
        }
        _ => false,
    }
}
