//! What a key would say to another value: so that no message offers one that the next run refuses.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::mounts::{RawExport, RawMount};
use super::raw::{self, TABLES, Table, table_name};
use super::scratch::ScratchTable;
use super::values;
use super::words::{Kind, Words};

/// A key in its table, or one of the list that is its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'text> {
    pub(super) header: &'text str,
    pub(super) key: &'text str,
    pub(super) element: bool,
}

/// The keys of a table, by its header or only its name.
fn keys_of(header: &str) -> &'static [(&'static str, &'static str)] {
    match header {
        RawMount::HEADER => RawMount::KEYS,
        RawExport::HEADER => RawExport::KEYS,
        ScratchTable::HEADER => ScratchTable::KEYS,
        _ => TABLES.iter().find(|(known, _)| table_name(known) == table_name(header)).map_or(&[], |(_, keys)| keys),
    }
}

fn has(header: &str, key: &str) -> bool {
    keys_of(header).iter().any(|(known, _)| *known == key)
}

impl<'text> Spot<'text> {
    /// The key in the table with this header; where that has no such key, in the first that has it.
    pub(super) fn new(header: &'text str, key: &'text str) -> Self {
        let other = || TABLES.iter().map(|(header, _)| *header).find(|header| has(header, key));
        let header = if has(header, key) { header } else { other().unwrap_or(header) };
        Self { header, key, element: false }
    }

    /// One of its list.
    pub(super) fn element(self) -> Self {
        Self { element: true, ..self }
    }

    /// What the key takes; `None` when there is no such key.
    pub(super) fn kind(self) -> Option<Kind> {
        keys_of(self.header).iter().find(|(key, _)| *key == self.key).map(|(_, shape)| Kind::of(shape))
    }

    /// The message with which its table refuses a value; `None` when it takes it.
    pub(super) fn refusal(self, value: DeValue<'_>) -> Option<String> {
        fn read<T: Table>(key: &str, value: DeValue<'_>) -> Option<String> {
            let mut table = DeTable::new();
            table.insert(Spanned::new(0..0, Cow::from(key)), Spanned::new(0..0, value));
            let table = Spanned::new(0..0, DeValue::Table(table));
            T::deserialize(ValueDeserializer::from(table)).err().map(|error| error.message().to_owned())
        }
        let read = match table_name(self.header) {
            "cluster" => read::<raw::Cluster>,
            "network" => read::<raw::Network>,
            "master" => read::<raw::Master>,
            "client" => read::<raw::Client>,
            "root" => read::<raw::Root>,
            "nfs" => read::<raw::Nfs>,
            "boot" => read::<raw::Boot>,
            "power" => read::<raw::Power>,
            "profile" => read::<raw::Profile>,
            "node" => read::<raw::Node>,
            RawMount::HEADER => read::<RawMount>,
            RawExport::HEADER => read::<RawExport>,
            ScratchTable::HEADER => read::<ScratchTable>,
            _ => return None,
        };
        read(self.key, value)
    }

    /// The message with which a text is refused, as the value or as one of the list.
    pub(super) fn refusal_of(self, text: &str) -> Option<String> {
        let list = self.element || self.kind() == Some(Kind::List);
        self.refusal(if list { texts(&[text]) } else { DeValue::String(Cow::from(text)) })
    }

    /// The same in our words.
    pub(super) fn fault(self, text: &str) -> Option<Words> {
        let message = self.refusal_of(text)?;
        Some(values::wrong_value(self, &DeValue::String(Cow::from(text)), &message))
    }

    /// The texts that somebody put into one pair of quotes, if there are several and the key takes them as a list.
    pub(super) fn several(self, text: &str) -> Option<String> {
        if !(self.element || self.kind().is_some_and(Kind::is_list)) {
            return None;
        }
        let parts: Vec<&str> = text.split([',', ';', ' ', '\t', '\n']).filter(|part| !part.is_empty()).collect();
        if parts.len() > 1 { self.list(&parts) } else { None }
    }

    /// The texts in quotes with commas, if the key takes them as a list.
    pub(super) fn list(self, parts: &[&str]) -> Option<String> {
        let taken = self.refusal(texts(parts)).is_none();
        taken.then(|| parts.iter().map(|part| format!("\"{part}\"")).collect::<Vec<_>>().join(", "))
    }

    /// The one text that was meant by a list: words, the ends of a range, or options.
    pub(super) fn joined(self, parts: &[&str]) -> Option<String> {
        let ways = [" ", " - ", ","].map(|between| parts.join(between));
        ways.into_iter().chain(parts.first().map(ToString::to_string)).find(|text| self.refusal_of(text).is_none())
    }

    /// A line of fstab(5) or exports(5) as one of the tables that the key takes a list of, or an example of one.
    pub(super) fn small_table(self, line: &str) -> String {
        let mut fields = line.split_whitespace();
        let (header, example, set) = match self.kind() {
            Some(Kind::Exports) => {
                let path = fields.next().unwrap_or_default();
                let read_only = fields.any(|client| client.contains("(ro") || client.contains(",ro"));
                let flag = if read_only { ", read_only = true" } else { "" };
                (RawExport::HEADER, super::mounts::EXPORT, vec![("path", path.to_owned(), flag)])
            }
            _ => {
                let mut set: Vec<_> = ["device", "path", "type", "options"]
                    .into_iter()
                    .zip(fields)
                    .map(|(key, text)| (key, text.to_owned(), ""))
                    .collect();
                if let [(_, device, _)] = &set[..] {
                    let path = device.rsplit_once(':').map_or("/data", |(_, path)| path).to_owned();
                    set.push(("path", path, ""));
                }
                (RawMount::HEADER, super::mounts::MOUNT, set)
            }
        };
        if set.is_empty() || set.iter().any(|(key, text, _)| Spot::new(header, key).refusal_of(text).is_some()) {
            return example.to_owned();
        }
        let set: Vec<String> = set.iter().map(|(key, text, more)| format!("{key} = \"{text}\"{more}")).collect();
        format!("{{ {} }}", set.join(", "))
    }
}

/// A list of texts.
fn texts<'text>(texts: &[&'text str]) -> DeValue<'text> {
    DeValue::Array(texts.iter().map(|text| Spanned::new(0..0, DeValue::String(Cow::from(*text)))).collect())
}
