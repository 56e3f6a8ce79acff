//! What somebody says of a node: keys with their values in TOML.

use crate::types::generation::Number;
use crate::types::{quoted, whole_number};

/// Keys to set and to take away. It is not checked: the text that it goes into is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Keys with their values as TOML, in the order in which they are written.
    pub set: Vec<(&'static str, String)>,
    /// Values for templates, as TOML.
    pub vars: Vec<(String, String)>,
    /// Keys to remove.
    pub unset: Vec<String>,
}

impl Draft {
    /// Sets a key to a text.
    pub fn text(&mut self, key: &'static str, text: &str) {
        self.set.push((key, quoted(text)));
    }

    /// Sets a key to a list of texts; of one alone, when `or_one`, to that text.
    pub fn list(&mut self, key: &'static str, texts: &[String], or_one: bool) {
        match texts {
            [] => {}
            [one] if or_one => self.text(key, one),
            _ => self.set.push((key, list(texts.iter().map(|text| quoted(text))))),
        }
    }

    /// Sets the generation: a number or a word.
    pub fn generation(&mut self, text: &str) {
        let number = whole_number::<Number>(text).map(|number| number.to_string());
        self.set.push(("generation", number.unwrap_or_else(|| quoted(text))));
    }

    /// Sets a value for templates: a number, true and false to themselves, all else to the text.
    pub fn var(&mut self, name: &str, value: &str) {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let whole = |text: &str| whole_number::<i64>(text).is_some();
        let unsigned = value.strip_prefix('-').unwrap_or(value);
        let number = unsigned.split_once('.').map_or_else(|| whole(unsigned), |(before, behind)| whole(before) && digits(behind));
        let plain = number || matches!(value, "true" | "false");
        // The later word counts.
        self.vars.retain(|(known, _)| known != name);
        self.vars.push((name.to_owned(), if plain { value.to_owned() } else { quoted(value) }));
    }

    /// Sets a key to a text, before all others.
    pub fn first(&mut self, key: &'static str, text: &str) {
        self.set.insert(0, (key, quoted(text)));
    }

    /// The same with a name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.first("name", name);
        self
    }

    /// The keys, a line each.
    #[must_use]
    pub fn lines(&self) -> String {
        let vars = (!self.vars.is_empty()).then(|| format!("vars = {}\n", inline(&self.vars)));
        self.set.iter().map(|(key, value)| format!("{key} = {value}\n")).chain(vars).collect()
    }

    /// A table of a node.
    #[must_use]
    pub fn table(&self) -> String {
        format!("[[node]]\n{}", self.lines())
    }
}

/// Values as a list of TOML.
fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

/// Keys and values as a table of TOML in one line.
pub(super) fn inline(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{} = {value}", name(key))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A key of TOML: in quotes unless it needs none.
pub(super) fn name(key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { key.to_owned() } else { quoted(key) }
}
