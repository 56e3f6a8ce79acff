//! The shape of the configuration as serde reads it: every key optional, every value with its place.

use std::fmt;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use super::mounts::{RawExport, RawMount};
use super::scratch::RawScratch;
use crate::site::{Drivers, Transfer};
use crate::types::generation::RootWish;
use crate::types::{
    AbsolutePath, Address, AddressRange, CommandLine, Compression, FileSystemType, HostName, HostNet, InterfaceName, Kernel, Mac,
    ModuleName, MountOptions, OverlayName, PowerCommand, PrivatePath, RemoteDevice, RootServer, Service, Vars,
};

/// All tables, each read on its own so that one mistake hides no other.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) cluster: Cluster,
    pub(super) network: Network,
    pub(super) master: Master,
    pub(super) client: Client,
    pub(super) root: Root,
    pub(super) nfs: Nfs,
    pub(super) boot: Boot,
    pub(super) power: Power,
    pub(super) vars: Vars,
    pub(super) profiles: Vec<(Spanned<OverlayName>, Profile)>,
    /// Whether a profile may be missing because its table could not be read.
    pub(super) profiles_lost: bool,
    pub(super) nodes: Vec<Entry>,
}

/// A `[[node]]` with its place; `whole` is false when a part of it was wrong and is left out.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) span: std::ops::Range<usize>,
    pub(super) node: Node,
    pub(super) whole: bool,
}

/// A table of the configuration.
pub(super) trait Table: Default + DeserializeOwned {
    /// As it is written: `[network]`.
    const HEADER: &'static str;
    /// Its keys, each with the Rust type of its value, as written below.
    const KEYS: &'static [(&'static str, &'static str)];
    /// Both.
    const SHAPE: Shape = Shape { header: Self::HEADER, keys: Self::KEYS };
}

/// What tells one table from another without the type of it: code that is there once for all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) header: &'static str,
    pub(super) keys: &'static [(&'static str, &'static str)],
}

/// Declares a table: all keys optional.
macro_rules! table {
    ($name:ident, $header:literal, { $($key:ident: $type:ty,)* }) => {
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $key: $type,)* }

        impl Table for $name {
            const HEADER: &'static str = $header;
            const KEYS: &'static [(&'static str, &'static str)] = &[$((stringify!($key), stringify!($type))),*];
        }
    };
}

pub(super) type Key<T> = Option<Spanned<T>>;
type List<T> = Vec<Spanned<T>>;

table!(Cluster, "[cluster]", { domain: Key<HostName>, });
table!(Network, "[network]", {
    interface: Key<InterfaceName>,
    address: Key<HostNet>,
    gateway: Key<Address>,
    dns: List<Address>,
    dhcp: Key<DhcpMode>,
    range: Key<AddressRange>,
});
table!(Master, "[master]", {
    name: Key<HostName>,
    mac: Key<MasterMac>,
    storage: Key<StorageMode>,
    modules: List<ModuleName>,
    overlays: List<OverlayName>,
    services: List<Service>,
});
table!(Client, "[client]", {
    cmdline: Key<CommandLine>,
    modules: List<ModuleName>,
    drivers: Key<Drivers>,
    compression: Key<Compression>,
    overlays: List<OverlayName>,
    services: List<Service>,
    kernel: Key<Kernel>,
    generation: Key<RootWish>,
    identity: Key<bool>,
    mounts: List<RawMount>,
});
table!(Root, "[root]", {
    keep: Key<u16>,
    private: List<PrivatePath>,
});
table!(Nfs, "[nfs]", {
    root_options: Key<MountOptions>,
    home_options: Key<MountOptions>,
    threads: Key<u16>,
    home: Key<HomePath>,
    root_server: Key<RootServer>,
    home_server: Key<RemoteDevice>,
    home_type: Key<FileSystemType>,
    root_squash_home: Key<bool>,
    exports: List<RawExport>,
});
table!(Boot, "[boot]", {
    firmware: Key<Vec<Firmware>>,
    keep: Key<u16>,
    timeout: Key<u16>,
    transfer: Key<Transfer>,
});
table!(Power, "[power]", { command: Key<PowerCommand>, });
table!(Profile, "[profile.NAME]", {
    overlays: List<OverlayName>,
    services: List<Service>,
    cmdline: Key<CommandLine>,
    modules: List<ModuleName>,
    kernel: Key<Kernel>,
    generation: Key<RootWish>,
    root_server: Key<RootServer>,
    mounts: List<RawMount>,
    scratch: Key<RawScratch>,
    vars: Vars,
});
table!(Node, "[[node]]", {
    name: Key<HostName>,
    mac: Key<Macs>,
    address: Key<Address>,
    profiles: List<OverlayName>,
    overlays: List<OverlayName>,
    services: List<Service>,
    cmdline: Key<CommandLine>,
    kernel: Key<Kernel>,
    generation: Key<RootWish>,
    root_server: Key<RootServer>,
    mounts: List<RawMount>,
    scratch: Key<RawScratch>,
    vars: Vars,
});

/// The table of values for templates, and in profiles and nodes the key: its own keys are the site's.
pub(super) const VARS: &str = "[vars]";

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DhcpMode {
    Proxy,
    Server,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StorageMode {
    Auto,
    Zfs,
    Plain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Firmware {
    Bios,
    Uefi,
}

/// A MAC, or "auto".
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) enum MasterMac {
    Auto,
    Given(Mac),
}

impl TryFrom<String> for MasterMac {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::Given) }
    }
}

/// A path, or "none".
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(super) enum HomePath {
    None,
    Path(AbsolutePath),
}

impl TryFrom<String> for HomePath {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text == "none" { Ok(Self::None) } else { text.parse().map(Self::Path) }
    }
}

/// One MAC, or a list of them, which alone have places of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Macs {
    One(Mac),
    Many(Vec<Spanned<Mac>>),
}

impl Macs {
    /// All of them with their places; `whole` is that of the value.
    pub(super) fn with_places(whole: &Spanned<Self>) -> Vec<Spanned<Mac>> {
        match whole.get_ref() {
            Self::One(mac) => vec![Spanned::new(whole.span(), *mac)],
            Self::Many(macs) => macs.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Macs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Macs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a MAC address or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Macs, E> {
                text.parse().map(Macs::One).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Macs, A::Error> {
                let mut macs = Vec::new();
                while let Some(mac) = seq.next_element()? {
                    macs.push(mac);
                }
                Ok(Macs::Many(macs))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Every table as it is written, with its keys, in the order of the documents.
pub(super) const TABLES: [(&str, &[(&str, &str)]); 11] = [
    (Cluster::HEADER, Cluster::KEYS),
    (Network::HEADER, Network::KEYS),
    (Master::HEADER, Master::KEYS),
    (Client::HEADER, Client::KEYS),
    (Root::HEADER, Root::KEYS),
    (Nfs::HEADER, Nfs::KEYS),
    (Boot::HEADER, Boot::KEYS),
    (Power::HEADER, Power::KEYS),
    (VARS, &[]),
    (Profile::HEADER, Profile::KEYS),
    (Node::HEADER, Node::KEYS),
];

/// The first word of a header: `node` of `[[node]]`.
pub(super) fn table_name(header: &str) -> &str {
    let inner = header.trim_matches(['[', ']', ' ']);
    inner.split('.').next().unwrap_or(inner).trim()
}

#[cfg(test)]
mod tests {
    use super::{TABLES, VARS};
    use std::collections::BTreeSet;

    fn names(keys: &[(&'static str, &str)]) -> BTreeSet<&'static str> {
        keys.iter().map(|(key, _)| *key).collect()
    }

    #[test]
    fn the_manual_page_has_every_key_in_its_table_and_no_other() {
        let page = include_str!("../../../docs/voidclust.conf.5");
        let keys = page.split("\n.Sh ").find(|section| section.starts_with("KEYS\n")).unwrap();
        let mut sections: Vec<&str> = keys.split("\n.Ss ").skip(1).collect();
        for (header, keys) in TABLES {
            let section = sections.remove(0);
            assert!(section.starts_with(header), "{header} comes next, not {section}");
            let named = section.lines().filter_map(|line| line.strip_prefix(".It Cm ")?.split(' ').next());
            assert_eq!(named.collect::<BTreeSet<_>>(), names(keys), "{header}");
        }
        assert!(sections.is_empty(), "{sections:?}");
    }

    #[test]
    fn the_shipped_file_shows_every_key_in_its_table_and_no_other() {
        let shipped = include_str!("../../voidclust.conf");
        let mut shown: Vec<(&str, BTreeSet<&str>)> = Vec::new();
        for line in shipped.lines().map(|line| line.trim_start_matches('#')) {
            match (line.starts_with('['), line.split_once(" = "), shown.last_mut()) {
                (true, _, _) => shown.push((line, BTreeSet::new())),
                // Keys of the site's own are examples.
                (false, Some(_), Some((VARS, _))) => {}
                (false, Some((key, _)), Some((_, keys))) if !key.contains(' ') => {
                    keys.insert(key);
                }
                _ => {}
            }
        }
        let wanted = TABLES.map(|(header, keys)| (header.replace("NAME", "compute"), names(keys)));
        assert_eq!(shown.into_iter().map(|(header, keys)| (header.to_owned(), keys)).collect::<Vec<_>>(), wanted);
    }
}
