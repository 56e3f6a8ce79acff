//! Reads the tables one by one, so that one mistake hides no other.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::judge::Spot;
use super::mounts::{RawExport, RawMount};
use super::raw::{Entry, Raw, Shape, Table, table_name};
use super::scratch::ScratchTable;
use super::source::Mistake;
use super::words::Kind;
use super::{notation, values, vars, words};
use crate::types::{OverlayName, shown};

/// Reads every table of the merged document; what is wrong goes to `mistakes` and is left out.
pub(super) fn read(document: DeTable<'_>, mistakes: &mut Vec<Mistake>) -> Raw {
    let mut raw = Raw::default();
    for (key, value) in document {
        match key.get_ref().as_ref() {
            "cluster" => raw.cluster = section(value, mistakes).0,
            "network" => raw.network = section(value, mistakes).0,
            "master" => raw.master = section(value, mistakes).0,
            "client" => raw.client = section(value, mistakes).0,
            "root" => raw.root = section(value, mistakes).0,
            "nfs" => raw.nfs = section(value, mistakes).0,
            "boot" => raw.boot = section(value, mistakes).0,
            "power" => raw.power = section(value, mistakes).0,
            "vars" => raw.vars = vars::read(value, mistakes),
            "profile" => read_profiles(key.span(), value.into_inner(), &mut raw, mistakes),
            "node" => match value.into_inner() {
                DeValue::Array(nodes) => raw.nodes = nodes.into_iter().map(|node| entry(node, mistakes)).collect(),
                DeValue::Table(nodes) => mistakes.push(single_nodes(key.span(), &nodes)),
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

/// `[node]` and `[node.x]`: one problem for all of them.
fn single_nodes(header: Range<usize>, nodes: &DeTable<'_>) -> Mistake {
    // `[node.vars]` belongs to a [[node]].
    let tables = |key: &str, value: &DeValue<'_>| {
        key != "vars" && value.is_table()
            || value.as_array().is_some_and(|list| list.iter().any(|item| item.get_ref().is_table()))
    };
    let named: Vec<&str> = nodes
        .iter()
        .filter(|(key, value)| tables(key.get_ref(), value.get_ref()))
        .map(|(key, _)| key.get_ref().as_ref())
        .collect();
    match named[..] {
        [name, ref others @ ..] if named.len() == nodes.len() => {
            let likewise = if others.is_empty() { String::new() } else { format!(", and so for {}", others.join(", ")) };
            let remedy = format!("write [[node]], and name = \"{}\" below it{likewise}", shown(name));
            Mistake::at(header, "`node` is a list, and its nodes have no names in the brackets").remedy(remedy)
        }
        _ => notation::one_bracket(header, &[]),
    }
}

fn read_profiles(header: Range<usize>, value: DeValue<'_>, raw: &mut Raw, mistakes: &mut Vec<Mistake>) {
    // What it was to be called, from a `name` that profiles have not.
    let called = |table: &DeTable<'_>| {
        let name = table
            .iter()
            .find(|(key, _)| key.get_ref() == "name")
            .and_then(|(_, value)| value.get_ref().as_str().map(ToOwned::to_owned));
        let name = name.filter(|name| name.parse::<OverlayName>().is_ok());
        name.map_or_else(
            || "write [profile.NAME], with a name of your own".to_owned(),
            |name| format!("write [profile.{name}], and leave out `name`"),
        )
    };
    let profiles = match value {
        DeValue::Table(profiles) => profiles,
        other => {
            raw.profiles_lost = true;
            let first = other.as_array().and_then(|list| list.first()).and_then(|first| first.get_ref().as_table());
            let mistake = match first {
                Some(first) => {
                    Mistake::at(header, "profiles are no list, each has its name in the brackets").remedy(called(first))
                }
                None => Mistake::at(header, "`profile` is not a table").remedy("write [profile.NAME]"),
            };
            return mistakes.push(mistake);
        }
    };
    let is_list = |value: &DeValue<'_>| {
        value.as_array().is_some_and(|list| list.iter().all(|item| item.get_ref().is_table()) && !list.is_empty())
    };
    if profiles.values().any(|value| !value.get_ref().is_table() && !is_list(value.get_ref())) {
        raw.profiles_lost = true;
        mistakes.push(Mistake::at(header, "this profile has no name").remedy(called(&profiles)));
    }
    for (key, value) in profiles {
        if is_list(value.get_ref()) {
            raw.profiles_lost = true;
            let remedy = format!("write [profile.{}], with single brackets", shown(key.get_ref()));
            mistakes.push(Mistake::at(key.span(), "a profile is one table, not a list").remedy(remedy));
        }
        if !value.get_ref().is_table() {
            continue;
        }
        let profile = section(value, mistakes).0;
        match key.get_ref().parse() {
            Ok(name) => raw.profiles.push((Spanned::new(key.span(), name), profile)),
            Err(wrong) => {
                raw.profiles_lost = true;
                let (what, remedy) = values::wrong_value(Spot::new("", "profile"), &DeValue::Boolean(false), &wrong);
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

/// What is wrong with a table of one type, if anything is.
type Judge = fn(Spanned<DeValue<'_>>) -> Option<Error>;

/// Reads one table. A mistake is reported and taken out, and the rest is read again: so all mistakes are found. The second
/// is false when something was taken out.
fn section<T: Table>(mut value: Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> (T, bool) {
    let before = mistakes.len();
    let mut is_readable = sort(T::SHAPE, &mut value, mistakes);
    while is_readable {
        match one::<T>(value.clone()) {
            Ok(table) => return (table, mistakes.len() == before),
            Err(error) => is_readable = take_out_mistake(T::SHAPE, &mut value, &error, |value| one::<T>(value).err(), mistakes),
        }
    }
    (T::default(), false)
}

fn one<T: Table>(value: Spanned<DeValue<'_>>) -> Result<T, Error> {
    T::deserialize(ValueDeserializer::from(value))
}

/// Takes out what can be told to be wrong without reading the whole. False when it is no table.
fn sort(shape: Shape, value: &mut Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> bool {
    let (span, header) = (value.span(), shape.header);
    let DeValue::Table(entries) = value.get_mut() else {
        // serde would take a list for the table's keys in the order of their declaration.
        let list = value.get_ref().as_array().is_some_and(|list| list.iter().any(|item| item.get_ref().is_table()));
        let remedy = if list { "with single brackets" } else { "and `key = value` below it" };
        let what = format!("this is not the table {header}");
        mistakes.push(Mistake::at(span, what).remedy(format!("write {header}, {remedy}")));
        return false;
    };
    sort_keys(shape, entries, mistakes);
    sort_small_tables(shape, entries, mistakes);
    sort_vars(shape, entries, mistakes);
    true
}

/// Reports a mistake and takes it out. False when that cannot be done.
fn take_out_mistake(
    shape: Shape,
    value: &mut Spanned<DeValue<'_>>,
    error: &Error,
    judge: Judge,
    mistakes: &mut Vec<Mistake>,
) -> bool {
    let span = error.span().unwrap_or_else(|| value.span());
    if sort_out(shape, value, &span, judge, mistakes) {
        return true;
    }
    let nothing = || (String::new(), Spanned::new(span.clone(), DeValue::Boolean(false)), false);
    let (key, wrong, element) = find(shape, value.get_ref(), &span).unwrap_or_else(nothing);
    let spot = Spot { header: shape.header, key: &key, element };
    mistakes.push(Mistake::of(wrong.span(), values::wrong_value(spot, wrong.get_ref(), error.message())));
    take_out(value.get_mut(), &span)
}

/// Takes out keys that the table does not have, and tables where none can be.
fn sort_keys(shape: Shape, entries: &mut DeTable<'_>, mistakes: &mut Vec<Mistake>) {
    let known = |name: &str| shape.keys.iter().any(|(key, _)| *key == name);
    let (header, inner) = (shape.header, shape.header.trim_matches(['[', ']']));
    let wrong: Vec<_> = entries
        .iter()
        .filter(|(key, value)| !known(key.get_ref()) || !kind(shape, key.get_ref()).takes(value.get_ref()))
        .map(|(key, _)| key.clone())
        .collect();
    for key in wrong {
        let Some(value) = entries.remove(&key) else { continue };
        let name = key.get_ref().as_ref();
        // Of a table in brackets, the header is its place.
        let in_brackets = !value.get_ref().is_str() && value.span().start <= key.span().start;
        let place = if in_brackets || !known(name) { key.span() } else { value.span() };
        let spot = Spot::new(header, name);
        let words = if !known(name) && in_brackets && table_name(header) == "node" {
            // `[node.x]` below a [[node]].
            let remedy = format!("write [[node]], and name = \"{}\" below it", shown(name));
            ("`node` is a list, and its nodes have no names in the brackets".to_owned(), remedy)
        } else if !known(name) {
            words::unknown_key(name, header, shape.keys)
        } else if in_brackets && kind(shape, name).is_tables() {
            (format!("`{name}` is a list of tables"), format!("write [[{inner}.{name}]], with two brackets"))
        } else {
            values::wrong_kind(spot, value.get_ref())
        };
        mistakes.push(Mistake::of(place, words));
    }
}

/// Takes out mounts, exports and scratches that have a mistake.
fn sort_small_tables(shape: Shape, entries: &mut DeTable<'_>, mistakes: &mut Vec<Mistake>) {
    let is_one = |key: &str, value: &DeValue<'_>| kind(shape, key) == Kind::Scratch && value.is_table();
    let ones: Vec<_> = entries.iter().filter(|(key, value)| is_one(key.get_ref(), value.get_ref())).collect();
    let wrong = ones.into_iter().filter(|(_, value)| !section::<ScratchTable>((*value).clone(), mistakes).1);
    for key in wrong.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
        entries.remove(&key);
    }
    for (key, value) in entries.iter_mut() {
        let whole = match kind(shape, key.get_ref()) {
            Kind::Mounts => whole::<RawMount>,
            Kind::Exports => whole::<RawExport>,
            _ => continue,
        };
        if let DeValue::Array(list) = value.get_mut() {
            let spot = Spot::new(shape.header, key.get_ref()).element();
            *list = list.iter().filter(|item| whole(spot, (*item).clone(), mistakes)).cloned().collect();
        }
    }
}

/// Takes out values for templates that have a mistake.
fn sort_vars(shape: Shape, entries: &mut DeTable<'_>, mistakes: &mut Vec<Mistake>) {
    for (key, value) in entries.iter_mut().filter(|(key, _)| kind(shape, key.get_ref()) == Kind::Vars) {
        if let DeValue::Table(table) = value.get_mut() {
            vars::sort(&format!("`{}`", key.get_ref()), table, mistakes);
        }
    }
}

/// Whether a mount or an export has no mistake.
fn whole<T: Table>(spot: Spot<'_>, item: Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> bool {
    if item.get_ref().is_table() {
        return section::<T>(item, mistakes).1;
    }
    mistakes.push(Mistake::of(item.span(), values::wrong_kind(spot, item.get_ref())));
    false
}

/// What a key of the table takes.
fn kind(shape: Shape, key: &str) -> Kind {
    shape.keys.iter().find(|(name, _)| *name == key).map_or(Kind::Text, |(_, rust_type)| Kind::of(rust_type))
}

/// The key whose value covers `span`, the value that is to blame with its place, and whether it is one of a list.
fn find<'text>(shape: Shape, table: &DeValue<'text>, span: &Range<usize>) -> Option<(String, Spanned<DeValue<'text>>, bool)> {
    let covers = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let (key, value) = table.as_table()?.iter().find(|(_, value)| covers(value.span()))?;
    let kind = kind(shape, key.get_ref());
    let list = value.get_ref().as_array().filter(|_| kind.is_list());
    let element = list.and_then(|list| list.iter().find(|element| covers(element.span())));
    Some((key.get_ref().to_string(), element.unwrap_or(value).clone(), element.is_some()))
}

/// An error in a list has the place of the whole list: finds the elements that are wrong, by reading each alone, and takes
/// them out. False when `span` is no list, or none of its elements is wrong by itself.
fn sort_out<'text>(
    shape: Shape,
    table: &mut Spanned<DeValue<'text>>,
    span: &Range<usize>,
    judge: Judge,
    mistakes: &mut Vec<Mistake>,
) -> bool {
    let DeValue::Table(entries) = table.get_mut() else { return false };
    let is_list = |key: &str, value: &DeValue<'_>| value.is_array() && kind(shape, key).is_list();
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
        let wrong = judge(Spanned::new(span.clone(), DeValue::Table(alone)));
        match wrong.filter(|error| error.span().as_ref() == Some(span)) {
            Some(error) => {
                let spot = Spot::new(shape.header, key.get_ref()).element();
                mistakes.push(Mistake::of(element.span(), values::wrong_value(spot, element.get_ref(), error.message())));
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
