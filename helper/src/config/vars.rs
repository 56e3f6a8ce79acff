//! Values for templates: what they are called is the site's, so each is judged by itself.

use std::borrow::Cow;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::raw::VARS;
use super::source::Mistake;
use super::values::written;
use super::words::Words;
use crate::types::{Var, VarName, VarText, Vars};

/// Reads `[vars]`; what is wrong goes to `mistakes` and is left out.
pub(super) fn read(mut value: Spanned<DeValue<'_>>, mistakes: &mut Vec<Mistake>) -> Vars {
    let DeValue::Table(table) = value.get_mut() else {
        let what = format!("this is not the table {VARS}");
        let with = if value.get_ref().is_array() { " with single brackets" } else { "" };
        let remedy = format!("write {VARS}{with}, and `name = value` below it");
        mistakes.push(Mistake::at(value.span(), what).remedy(remedy));
        return Vars::new();
    };
    sort(VARS, table, mistakes);
    Vars::deserialize(ValueDeserializer::from(value)).unwrap_or_default()
}

/// Takes out what cannot be a value for templates. `place` is how messages call the table.
pub(super) fn sort(place: &str, table: &mut DeTable<'_>, mistakes: &mut Vec<Mistake>) {
    let wrong = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
        let name = key.get_ref().as_ref();
        if let Err(wrong) = name.parse::<VarName>() {
            return Some(Mistake::of(key.span(), in_words(&wrong)));
        }
        // Of a table in brackets, the header is its place.
        let in_brackets = value.get_ref().is_table() && value.span().start <= key.span().start;
        let whole = (if in_brackets { key.span() } else { value.span() }, value.get_ref(), false);
        let items = value.get_ref().as_array().into_iter().flat_map(|list| list.iter());
        let items = items.map(|item| (item.span(), item.get_ref(), true));
        let fault = |(span, value, in_list)| Some(Mistake::of(span, fault(place, name, value, in_list)?));
        [whole].into_iter().chain(items).find_map(fault)
    };
    let wrong: Vec<_> = table.iter().filter_map(|(key, value)| Some((key.clone(), wrong((key, value))?))).collect();
    for (key, mistake) in wrong {
        mistakes.push(mistake);
        table.remove(&key);
    }
}

/// What is wrong with one value, or one of a list.
fn fault(place: &str, name: &str, value: &DeValue<'_>, in_list: bool) -> Option<Words> {
    let is = written(value);
    let in_quotes = || if in_list { format!("write it in quotes: \"{is}\"") } else { format!("write {name} = \"{is}\"") };
    match value {
        DeValue::Array(_) | DeValue::Table(_) if in_list => Some((
            format!("`{name}` is a list, and takes no lists or tables in it"),
            "write one list of texts or numbers".to_owned(),
        )),
        DeValue::Table(_) => Some((
            format!("`{name}` is a table, and {place} takes none in it"),
            format!("write a line for each of its values: {name}_x = \"…\""),
        )),
        DeValue::Datetime(_) => Some((format!("`{name}` cannot be a date"), in_quotes())),
        DeValue::String(text) => text.parse::<VarText>().err().map(|wrong| in_words(&wrong)),
        DeValue::Integer(_) | DeValue::Float(_) => {
            let read = Var::deserialize(ValueDeserializer::from(Spanned::new(0..0, value.clone())));
            let kept = matches!(read, Ok(Var::Number(_))) || matches!(read, Ok(Var::Fraction(number)) if number.is_finite());
            (!kept).then(|| (format!("{is} is no number that can be kept"), in_quotes()))
        }
        DeValue::Boolean(_) | DeValue::Array(_) => None,
    }
}

/// A message of a type, with its remedy apart.
fn in_words(message: &str) -> Words {
    let (what, remedy) = message.rsplit_once("; ").unwrap_or((message, "see voidclust.conf(5)"));
    (what.to_owned(), remedy.to_owned())
}
