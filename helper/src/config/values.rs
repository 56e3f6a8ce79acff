//! What is wrong with a value, and what would be right: a remedy is one that the next run takes.

use toml::de::DeValue;

use super::judge::Spot;
use super::words::{Kind, Words, either, meant};
use crate::site::THREADS;
use crate::types::shown;

/// A value as it is written.
pub(super) fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", shown(text)),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A scalar in quotes; `None` for what has none.
fn quoted(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Array(_) | DeValue::Table(_) => None,
        DeValue::String(_) => Some(written(value)),
        _ => Some(format!("\"{}\"", written(value))),
    }
}

/// A value that its key does not take, from the message of serde or of a type of ours.
pub(super) fn wrong_value(spot: Spot<'_>, value: &DeValue<'_>, message: &str) -> Words {
    let text = value.as_str().unwrap_or_default();
    if let Some(several) = spot.several(text) {
        let remedy = if spot.element { format!("write {several}") } else { format!("write {} = [{several}]", spot.key) };
        return (format!("{} are several values in one pair of quotes", written(value)), remedy);
    }
    if value.as_str() == Some("") && !spot.element && !message.starts_with("unknown variant") {
        return (format!("`{}` is empty", spot.key), "write a value, or remove the line".to_owned());
    }
    if spot.key == "address" && matches!(text, "dhcp" | "auto" | "none") && spot.header == "[[node]]" {
        return (format!("`{text}` is not an IPv4 address"), "remove the line: a node without `address` asks DHCP".to_owned());
    }
    if message.starts_with("unknown variant `") {
        return wrong_choice(spot, &written(value), message);
    }
    if message.starts_with("invalid value: ") {
        return out_of_bounds(spot.key, &written(value));
    }
    if message.starts_with("invalid type: ") || message.starts_with("wanted ") {
        return wrong_kind(spot, value);
    }
    parts(message)
}

/// A message of ours has the remedy behind the last semicolon.
fn parts(message: &str) -> Words {
    message.rsplit_once("; ").map_or_else(
        || (message.to_owned(), "see voidclust.conf(5)".to_owned()),
        |(what, remedy)| (what.to_owned(), remedy.to_owned()),
    )
}

/// The smallest and the largest number that a key takes. The timeout is PXELINUX's: 35996 tenths of a second (syslinux(1)).
pub(super) fn bounds(key: &str) -> (u16, u16) {
    match key {
        "threads" => (1, THREADS.1),
        "keep" => (1, u16::MAX),
        "timeout" => (0, 3599),
        _ => (0, u16::MAX),
    }
}

/// A number that its key cannot have.
pub(super) fn out_of_bounds(key: &str, number: &str) -> Words {
    let (least, most) = bounds(key);
    let what = if most == u16::MAX && (number.starts_with('-') || number == "0") {
        format!("`{key}` must be at least {least}")
    } else {
        format!("`{key}` must be between {least} and {most}")
    };
    let remedy = match key {
        "threads" => return (what, format!("{} serve a hundred nodes", THREADS.0)),
        "keep" => "2 leaves one to fall back to",
        "timeout" => "the boot menu waits so many seconds",
        _ => "write one of these",
    };
    (what, remedy.to_owned())
}

/// The number that `text` begins with, or one that the key can have.
pub(super) fn number(key: &str, text: &str) -> u16 {
    let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| &text[..end]);
    let (least, most) = bounds(key);
    let usual = if key == "threads" { THREADS.0 } else { 2 };
    digits.parse().unwrap_or(usual).clamp(least, most)
}

/// A word that is none of the key's, from serde's "unknown variant `bad`, expected one of `a`, `b`".
fn wrong_choice(spot: Spot<'_>, is: &str, message: &str) -> Words {
    let mut ticked = message.rsplit_once("`, expected ").map_or("", |(_, choices)| choices).split('`');
    let choices: Vec<&str> = std::iter::from_fn(|| ticked.nth(1)).collect();
    let quoted: Vec<String> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
    let what = format!("`{}` takes {}, not {is}", spot.key, either(quoted.iter().map(String::as_str)));
    let first = quoted.first().cloned().unwrap_or_default();
    let remedy = match meant(is.trim_matches('"'), choices) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None if spot.element => format!("write for example {} = [{}]", spot.key, quoted.join(", ")),
        None => format!("write for example {} = {first}", spot.key),
    };
    (what, remedy)
}

/// A value of another kind than its key takes.
pub(super) fn wrong_kind(spot: Spot<'_>, value: &DeValue<'_>) -> Words {
    let (key, is) = (spot.key, written(value));
    let Some(kind) = spot.kind() else { return (format!("`{key}` cannot be {is}"), "see voidclust.conf(5)".to_owned()) };
    let text = match value {
        DeValue::String(text) => text.trim().to_owned(),
        DeValue::Table(_) | DeValue::Array(_) => String::new(),
        other => written(other),
    };
    let refusal = quoted(value).and_then(|_| spot.refusal_of(&text));
    if let Some(message) = refusal.as_ref().filter(|message| message.starts_with("unknown variant `")) {
        let spot = if kind == Kind::List { spot.element() } else { spot };
        return wrong_choice(spot, &is, message);
    }
    // What stands in quotes may be wrong, too; then that is told at once.
    let or_refused = |remedy: String| match &refusal {
        Some(message) if kind != Kind::Flag && kind != Kind::Number => parts(message).1,
        _ => remedy,
    };
    if kind.is_tables() {
        let what = if kind == Kind::Mounts { "mount" } else { "export" };
        return match (value, spot.element) {
            (DeValue::Array(list), true) if list.len() == 1 => {
                (format!("a list is no {what}"), "write one pair of brackets around { … }".to_owned())
            }
            (_, true) => (format!("{is} is no {what}"), format!("write {}", spot.small_table(&text))),
            (DeValue::Table(_), false) => {
                (format!("`{key}` is a list of tables, not one"), format!("write {key} = [{}]", inline(value)))
            }
            (_, false) => {
                (format!("`{key}` is a list of tables, not {is}"), format!("write {key} = [{}]", spot.small_table(&text)))
            }
        };
    }
    let inner = |value: &DeValue<'_>| {
        value
            .as_array()
            .map(|list| list.iter().filter_map(|item| item.get_ref().as_str().map(ToOwned::to_owned)).collect::<Vec<_>>())
    };
    if spot.element {
        let items = inner(value)
            .filter(|items| !items.is_empty())
            .map(|items| items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", "));
        let remedy =
            quoted(value).or(items).map_or_else(|| "write texts in quotes".to_owned(), |quoted| format!("write {quoted}"));
        return (format!("`{key}` is a list of texts, and {is} is none"), or_refused(remedy));
    }
    let (must, remedy) = match kind {
        Kind::Generation => {
            ("\"newest\", \"head\" or the number of a generation", or_refused(format!("write {key} = \"newest\"")))
        }
        Kind::Vars => ("a table", format!("write {key} = {{ NAME = {} }}", quoted(value).unwrap_or_else(|| "\"…\"".to_owned()))),
        Kind::Flag => (
            "true or false",
            flag(&text).map_or_else(|| format!("write {key} = true, or false"), |flag| format!("write {key} = {flag}")),
        ),
        Kind::Number => ("a whole number", format!("write {key} = {}", number(key, &text))),
        Kind::List => {
            // `{ sshd = true }`
            let keys = || {
                let keys: Vec<&str> = value.as_table()?.keys().map(|key| key.get_ref().as_ref()).collect();
                spot.list(&keys)
            };
            let several = spot.several(&text).or_else(|| quoted(value)).or_else(keys);
            let remedy = several.map_or_else(|| format!("write {key} = [\"…\"]"), |quoted| format!("write {key} = [{quoted}]"));
            ("a list", if spot.several(&text).is_some() { remedy } else { or_refused(remedy) })
        }
        _ => {
            let items = inner(value).unwrap_or_default();
            // Of a choice that takes none of the list, the words are told.
            if let Some(message) = spot.refusal_of("").filter(|message| message.starts_with("unknown variant `"))
                && !items.iter().any(|item| spot.refusal_of(item).is_none())
            {
                return wrong_choice(spot, &is, &message);
            }
            let joined = spot.joined(&items.iter().map(String::as_str).collect::<Vec<_>>());
            let quoted = quoted(value).or(joined.map(|text| format!("\"{text}\""))).unwrap_or_else(|| "\"…\"".to_owned());
            ("one text in quotes", or_refused(format!("write {key} = {quoted}")))
        }
    };
    (format!("`{key}` must be {must}, not {is}"), remedy)
}

/// A value as somebody would write it on one line.
fn inline(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Table(table) => {
            let set: Vec<String> =
                table.iter().map(|(key, value)| format!("{} = {}", key.get_ref(), inline(value.get_ref()))).collect();
            format!("{{ {} }}", set.join(", "))
        }
        DeValue::Array(list) => format!("[{}]", list.iter().map(|item| inline(item.get_ref())).collect::<Vec<_>>().join(", ")),
        other => written(other),
    }
}

/// What people write for true and false.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}
