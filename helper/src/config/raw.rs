//! The shape of the configuration as serde reads it: every key optional, every value with its place.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use crate::site::Drivers;
use crate::types::{
    AbsolutePath, Address, AddressRange, CommandLine, FileSystemType, HostName, HostNet, InterfaceName, Kernel, Mac, ModuleName,
    MountOptions, OverlayName, RemoteDevice, RootServer, Service,
};

/// All tables, each read on its own so that one mistake hides no other.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) cluster: Cluster,
    pub(super) network: Network,
    pub(super) master: Master,
    pub(super) client: Client,
    pub(super) nfs: Nfs,
    pub(super) boot: Boot,
    pub(super) profiles: Vec<(Spanned<OverlayName>, Profile)>,
    pub(super) nodes: Vec<Entry>,
}

/// A `[[node]]` with its place; `whole` is false when a part of it was wrong and is left out.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) span: std::ops::Range<usize>,
    pub(super) node: Node,
    pub(super) whole: bool,
}

/// Declares a table: all keys optional, unknown keys refused.
macro_rules! table {
    ($(#[doc = $doc:literal])* $name:ident, $expecting:literal, { $($key:ident: $type:ty,)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default, deny_unknown_fields, expecting = $expecting)]
        pub(super) struct $name { $(pub(super) $key: $type,)* }

        impl $name {
            /// The keys, for the tests that compare them with the documents.
            #[cfg(test)]
            pub(super) const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
        }
    };
}

type Key<T> = Option<Spanned<T>>;
type List<T> = Vec<Spanned<T>>;

table!(Cluster, "the table [cluster]", { domain: Key<HostName>, });
table!(Network, "the table [network]", {
    interface: Key<InterfaceName>,
    address: Key<HostNet>,
    gateway: Key<Address>,
    dns: List<Address>,
    dhcp: Key<DhcpMode>,
    range: Key<AddressRange>,
});
table!(Master, "the table [master]", {
    name: Key<HostName>,
    mac: Key<MasterMac>,
    storage: Key<StorageMode>,
    modules: List<ModuleName>,
    overlays: List<OverlayName>,
    services: List<Service>,
});
table!(Client, "the table [client]", {
    cmdline: Key<CommandLine>,
    modules: List<ModuleName>,
    drivers: Key<Drivers>,
    overlays: List<OverlayName>,
    services: List<Service>,
    kernel: Key<Kernel>,
});
table!(Nfs, "the table [nfs]", {
    root_options: Key<MountOptions>,
    home_options: Key<MountOptions>,
    threads: Key<u16>,
    home: Key<HomePath>,
    root_server: Key<RootServer>,
    home_server: Key<RemoteDevice>,
    home_type: Key<FileSystemType>,
    root_squash_home: Key<bool>,
});
table!(Boot, "the table [boot]", {
    firmware: Key<Vec<Firmware>>,
    keep: Key<u16>,
    timeout: Key<u16>,
});
table!(Profile, "a table such as [profile.compute]", {
    overlays: List<OverlayName>,
    services: List<Service>,
    cmdline: Key<CommandLine>,
    modules: List<ModuleName>,
    kernel: Key<Kernel>,
});
table!(Node, "a [[node]] table", {
    name: Key<HostName>,
    mac: Key<Macs>,
    address: Key<Address>,
    profiles: List<OverlayName>,
    overlays: List<OverlayName>,
    services: List<Service>,
    cmdline: Key<CommandLine>,
    kernel: Key<Kernel>,
});

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

/// One MAC, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Macs(pub(super) Vec<Mac>);

impl<'de> Deserialize<'de> for Macs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Macs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a MAC address or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Macs, E> {
                text.parse().map(|mac| Macs(vec![mac])).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Macs, A::Error> {
                let mut macs = Vec::new();
                while let Some(mac) = seq.next_element()? {
                    macs.push(mac);
                }
                Ok(Macs(macs))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The top-level keys, in the order of the documents.
pub(super) const TABLES: [&str; 8] = ["cluster", "network", "master", "client", "nfs", "boot", "profile", "node"];

#[cfg(test)]
mod tests {
    use super::{Boot, Client, Cluster, Master, Network, Nfs, Node, Profile, TABLES};
    use std::collections::BTreeSet;

    /// Every table as it is written, with its keys.
    fn tables() -> [(&'static str, &'static [&'static str]); TABLES.len()] {
        let tables = [
            ("[cluster]", Cluster::KEYS),
            ("[network]", Network::KEYS),
            ("[master]", Master::KEYS),
            ("[client]", Client::KEYS),
            ("[nfs]", Nfs::KEYS),
            ("[boot]", Boot::KEYS),
            ("[profile.NAME]", Profile::KEYS),
            ("[[node]]", Node::KEYS),
        ];
        for ((header, _), table) in tables.iter().zip(TABLES) {
            assert!(header.trim_matches(['[', ']']).split('.').next() == Some(table), "{header} is not {table}");
        }
        tables
    }

    #[test]
    fn the_manual_page_has_every_key_in_its_table_and_no_other() {
        let page = include_str!("../../../docs/voidclust.conf.5");
        let keys = page.split("\n.Sh ").find(|section| section.starts_with("KEYS\n")).unwrap();
        let mut sections: Vec<&str> = keys.split("\n.Ss ").skip(1).collect();
        for (header, keys) in tables() {
            let section = sections.remove(0);
            assert!(section.starts_with(header), "{header} comes next, not {section}");
            let named = section.lines().filter_map(|line| line.strip_prefix(".It Cm ")?.split(' ').next());
            let keys: BTreeSet<&str> = keys.iter().copied().collect();
            assert_eq!(named.collect::<BTreeSet<_>>(), keys, "{header}");
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
                (false, Some((key, _)), Some((_, keys))) if !key.contains(' ') => {
                    keys.insert(key);
                }
                _ => {}
            }
        }
        let wanted = tables().map(|(header, keys)| (header.replace("NAME", "compute"), keys.iter().copied().collect()));
        assert_eq!(shown.into_iter().map(|(header, keys)| (header.to_owned(), keys)).collect::<Vec<_>>(), wanted);
    }
}
