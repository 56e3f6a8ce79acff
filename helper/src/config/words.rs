//! What is wrong with a key or a value, in the words of somebody who writes a configuration.

use toml::de::DeValue;

use super::raw::{Node, Profile, TABLES, Table, VARS, table_name};
use crate::types::{HostName, nearest, shown};

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
    /// A number, or a word in quotes.
    Generation,
    /// One text in quotes.
    Text,
    /// One, or a list of them.
    TextOrList,
    /// A list of small tables: mounts.
    Mounts,
    /// The same of exports.
    Exports,
    /// One text in quotes, or a small table.
    Scratch,
    /// A table with keys of the site's own.
    Vars,
}

impl Kind {
    /// From the Rust type of the key's value.
    pub(super) fn of(shape: &str) -> Self {
        match shape {
            "Key<bool>" => Self::Flag,
            "Key<u16>" => Self::Number,
            "Key<Macs>" => Self::TextOrList,
            "Key<RootWish>" => Self::Generation,
            "List<RawMount>" => Self::Mounts,
            "List<RawExport>" => Self::Exports,
            "Key<RawScratch>" => Self::Scratch,
            "Vars" => Self::Vars,
            list if list.starts_with("List<") || list.contains("Vec<") => Self::List,
            _ => Self::Text,
        }
    }

    /// Whether it may be a list of texts.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::List | Self::TextOrList)
    }

    /// Whether it may be, or must be, a table.
    pub(super) fn takes(self, value: &DeValue<'_>) -> bool {
        match self {
            Self::Vars => value.is_table(),
            Self::Scratch => true,
            _ => !value.is_table(),
        }
    }

    /// Whether it is a list of tables.
    pub(super) fn is_tables(self) -> bool {
        matches!(self, Self::Mounts | Self::Exports)
    }
}

/// What other programs call our keys and values.
const ALIASES: [(&str, &str); 36] = [
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
    ("ext4", "plain"),
    ("xfs", "plain"),
    ("btrfs", "plain"),
    ("false", "off"),
    ("no", "off"),
    ("none", "off"),
    ("mountpoint", "path"),
    ("target", "path"),
    ("dir", "path"),
    ("fstype", "type"),
    ("server", "device"),
    ("source", "device"),
    ("opts", "options"),
    ("ro", "read_only"),
    ("rw", "read_only"),
    ("no_root_squash", "root_squash"),
    ("drivers", "modules"),
    ("hosts", "node"),
    ("host", "node"),
    ("client", "node"),
    ("iface", "interface"),
    ("fqdn", "name"),
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
    let remedy = if matches!(key, "netmask" | "prefix" | "subnet" | "mask") && header == "[network]" {
        "write it behind the master's `address`: 172.23.199.225/24".to_owned()
    } else if key == table_name(VARS) {
        format!("write {VARS} for all machines, or put it under {}", homes(key).unwrap_or_default())
    } else if let Some(homes) = homes(key) {
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

/// What a table was to be that is called as the site calls a machine or a profile, by its keys.
fn named_table(name: &str, value: &DeValue<'_>) -> Option<String> {
    name.parse::<HostName>().ok()?;
    let table = value.as_table().or_else(|| value.as_array()?.iter().find_map(|item| item.get_ref().as_table()))?;
    let has = |wanted: &str| table.iter().any(|(key, _)| key.get_ref() == wanted);
    let is_of = |keys: &[(&str, &str)]| table.iter().all(|(key, _)| keys.iter().any(|(name, _)| key.get_ref() == *name));
    if has("mac") && is_of(Node::KEYS) {
        let below = if has("name") { String::new() } else { format!(", and name = \"{name}\" below it") };
        return Some(format!("write [[node]]{below}"));
    }
    (value.is_table() && !table.is_empty() && is_of(Profile::KEYS)).then(|| format!("write [profile.{name}]"))
}

/// A key that stands in no table, or a table that we do not have.
pub(super) fn unknown_table(name: &str, value: &DeValue<'_>) -> Words {
    let nested = value.is_table() || value.as_array().is_some_and(|list| list.iter().any(|item| item.get_ref().is_table()));
    let header = |table: &str| TABLES.iter().map(|(header, _)| *header).find(|header| table_name(header) == table);
    let table = meant(name, TABLES.map(|(header, _)| table_name(header))).and_then(header);
    let headers = || TABLES.map(|(header, _)| header).join(", ");
    let shown = shown(name);
    if nested
        && table.is_none()
        && let Some(homes) = homes(name)
    {
        return (format!("`{shown}` is a key, not a table of its own"), format!("put it under {homes}"));
    }
    if nested {
        let one = name.contains(|c: char| c == '-' || c.is_ascii_digit()) && table == Some(Node::HEADER);
        let named = || if table.is_none() || one { named_table(name, value) } else { None };
        let remedy = named().or_else(|| table.map(|table| format!("did you mean {table}?")));
        return (format!("unknown table `{shown}`"), remedy.unwrap_or_else(|| format!("use one of: {}", headers())));
    }
    let key = if homes(name).is_some() { Some(name) } else { meant(name, every_key()) };
    let remedy = match (key, key.and_then(homes)) {
        (Some(key), Some(homes)) if key == name => format!("put it under {homes}"),
        (Some(key), Some(homes)) => format!("did you mean `{key}`, under {homes}?"),
        _ => format!("put it under one of: {}", headers()),
    };
    (format!("the key `{shown}` stands in no table"), remedy)
}
