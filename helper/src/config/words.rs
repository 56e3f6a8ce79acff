//! What is wrong with a key or a value, in the words of somebody who writes a configuration.

use toml::de::DeValue;

use super::raw::{TABLES, table_name};
use crate::types::{nearest, shown};

/// What is wrong, and what would be right.
pub(super) type Words = (String, String);

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// A list.
    List,
    /// One text in quotes.
    Text,
    /// One, or a list of them.
    TextOrList,
}

impl Kind {
    /// From the Rust type of the key's value.
    pub(super) fn of(shape: &str) -> Self {
        match shape.replace(' ', "").as_str() {
            "Key<bool>" => Self::Flag,
            "Key<u16>" => Self::Number,
            "Key<Macs>" => Self::TextOrList,
            list if list.starts_with("List<") || list.contains("Vec<") => Self::List,
            _ => Self::Text,
        }
    }

    /// Whether it may be a list.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::List | Self::TextOrList)
    }
}

/// What a key takes, in whatever table it is; `None` when there is no such key.
pub(super) fn kind(key: &str) -> Option<Kind> {
    let (_, shape) = TABLES.iter().flat_map(|(_, keys)| keys.iter()).find(|(name, _)| *name == key)?;
    Some(Kind::of(shape))
}

/// What other programs call our keys and values.
const ALIASES: [(&str, &str); 14] = [
    ("ip", "address"),
    ("ipaddr", "address"),
    ("hwaddr", "mac"),
    ("macaddr", "mac"),
    ("hostname", "name"),
    ("router", "gateway"),
    ("nameserver", "dns"),
    ("nameservers", "dns"),
    ("nic", "interface"),
    ("append", "cmdline"),
    ("efi", "uefi"),
    ("pcbios", "bios"),
    ("legacy", "bios"),
    ("latest", "newest"),
];

/// The one of `known` that is meant by `wrong`.
pub(super) fn meant<'known>(wrong: &str, known: impl IntoIterator<Item = &'known str> + Clone) -> Option<&'known str> {
    let wrong = wrong.to_lowercase();
    let alias = ALIASES.iter().find(|(theirs, _)| *theirs == wrong).map(|(_, ours)| *ours);
    alias.and_then(|ours| known.clone().into_iter().find(|known| *known == ours)).or_else(|| nearest(&wrong, known))
}

/// `a, b or c`.
pub(super) fn either<'word>(words: impl IntoIterator<Item = &'word str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "none yet".to_owned(),
    }
}

/// Where a key may stand: `[client] or [[node]]`.
fn homes(key: &str) -> Option<String> {
    let homes: Vec<&str> =
        TABLES.iter().filter(|(_, keys)| keys.iter().any(|(name, _)| *name == key)).map(|(table, _)| *table).collect();
    (!homes.is_empty()).then(|| either(homes))
}

fn every_key() -> impl Iterator<Item = &'static str> + Clone {
    TABLES.iter().flat_map(|(_, keys)| keys.iter().map(|(key, _)| *key))
}

/// A key that its table does not have.
pub(super) fn unknown_key(key: &str, header: &str, keys: &'static [(&'static str, &'static str)]) -> Words {
    let own = || keys.iter().map(|(key, _)| *key);
    let remedy = if let Some(homes) = homes(key) {
        format!("it belongs under {homes}")
    } else if let Some(meant) = meant(key, own().collect::<Vec<_>>()) {
        format!("did you mean `{meant}`?")
    } else if let Some((meant, homes)) = meant(key, every_key()).and_then(|meant| Some((meant, homes(meant)?))) {
        format!("did you mean `{meant}`, under {homes}?")
    } else {
        format!("use one of: {}", own().collect::<Vec<_>>().join(", "))
    };
    (format!("unknown key `{}` in {header}", shown(key)), remedy)
}

/// A key that stands in no table, or a table that we do not have.
pub(super) fn unknown_table(name: &str, value: &DeValue<'_>) -> Words {
    let nested = value.is_table() || value.as_array().is_some_and(|list| list.iter().any(|item| item.get_ref().is_table()));
    let header = |table: &str| TABLES.iter().map(|(header, _)| *header).find(|header| table_name(header) == table);
    let table = meant(name, TABLES.map(|(header, _)| table_name(header))).and_then(header);
    let headers = || TABLES.map(|(header, _)| header).join(", ");
    let shown = shown(name);
    if nested {
        let remedy = table.map_or_else(|| format!("use one of: {}", headers()), |table| format!("did you mean {table}?"));
        return (format!("unknown table `{shown}`"), remedy);
    }
    let key = if homes(name).is_some() { Some(name) } else { meant(name, every_key()) };
    let remedy = match (key, key.and_then(homes)) {
        (Some(key), Some(homes)) if key == name => format!("put it under {homes}"),
        (Some(key), Some(homes)) => format!("did you mean `{key}`, under {homes}?"),
        _ => format!("put it under one of: {}", headers()),
    };
    (format!("the key `{shown}` stands in no table"), remedy)
}

/// A value as it is written.
fn written(value: &DeValue<'_>) -> String {
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

/// A value that its key does not take, from the message of serde or of a type of ours; `kind` is `None` when the value is one
/// of the list that is the key's.
pub(super) fn wrong_value(key: &str, value: &DeValue<'_>, kind: Option<Kind>, message: &str) -> Words {
    if let Some(rest) = message.strip_prefix("unknown variant `") {
        return wrong_choice(key, rest);
    }
    if message.starts_with("invalid value: ") {
        return out_of_bounds(key, &written(value));
    }
    if message.starts_with("invalid type: ") || message.starts_with("wanted ") {
        return wrong_kind(key, value, kind);
    }
    // Ours have the remedy behind the last semicolon.
    message.rsplit_once("; ").map_or_else(
        || (message.to_owned(), "see voidclust.conf(5)".to_owned()),
        |(what, remedy)| (what.to_owned(), remedy.to_owned()),
    )
}

/// The smallest and the largest number that a key takes. The timeout is PXELINUX's: 35996 tenths of a second (syslinux(1)).
pub(super) fn bounds(key: &str) -> (u16, u16) {
    match key {
        "threads" => (1, 1024),
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
        "threads" => "8 serves a few dozen nodes",
        "keep" => "2 leaves one image to fall back to",
        "timeout" => "the boot menu waits so many seconds",
        _ => "write one of these",
    };
    (what, remedy.to_owned())
}

/// The number that `text` begins with, or one that the key can have.
pub(super) fn number(key: &str, text: &str) -> u16 {
    let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| &text[..end]);
    let (least, most) = bounds(key);
    digits.parse().unwrap_or(8).clamp(least, most)
}

/// `bad`, expected one of `a`, `b`
fn wrong_choice(key: &str, rest: &str) -> Words {
    let mut ticked = rest.rsplit_once("`, expected ").map_or("", |(_, choices)| choices).split('`');
    let choices: Vec<&str> = std::iter::from_fn(|| ticked.nth(1)).collect();
    let wrong = rest.rsplit_once("`, expected ").map_or(rest, |(wrong, _)| wrong);
    let quoted: Vec<String> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
    let what = format!("`{key}` takes {}, not \"{}\"", either(quoted.iter().map(String::as_str)), shown(wrong));
    let remedy = meant(wrong, choices).map_or_else(|| "use one of them".to_owned(), |meant| format!("did you mean \"{meant}\"?"));
    (what, remedy)
}

/// A value of another kind than its key takes.
pub(super) fn wrong_kind(key: &str, value: &DeValue<'_>, kind: Option<Kind>) -> Words {
    let is = written(value);
    let Some(kind) = kind else {
        let remedy = quoted(value).map_or_else(|| "write texts in quotes".to_owned(), |quoted| format!("write {quoted}"));
        return (format!("`{key}` is a list of texts, and {is} is none"), remedy);
    };
    let text = match value {
        DeValue::String(text) => text.trim().to_lowercase(),
        other => written(other),
    };
    let (must, remedy) = match kind {
        Kind::Flag => (
            "true or false",
            flag(&text).map_or_else(|| format!("write {key} = true, or false"), |flag| format!("write {key} = {flag}")),
        ),
        Kind::Number => ("a whole number", format!("write {key} = {}", number(key, &text))),
        Kind::List => (
            "a list",
            quoted(value).map_or_else(|| format!("write {key} = [\"…\"]"), |quoted| format!("write {key} = [{quoted}]")),
        ),
        Kind::Text | Kind::TextOrList => {
            let first = value.as_array().and_then(|list| list.iter().next()).and_then(|first| quoted(first.get_ref()));
            let quoted = quoted(value).or(first).unwrap_or_else(|| "\"…\"".to_owned());
            ("one text in quotes", format!("write {key} = {quoted}"))
        }
    };
    (format!("`{key}` must be {must}, not {is}"), remedy)
}

/// What people write for true and false.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}
