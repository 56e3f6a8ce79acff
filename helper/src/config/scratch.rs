//! The disks that nodes may have for themselves: only what nothing else of the configuration is about.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::inherited::Inherited;
use super::mounts::of_the_system;
use super::raw::{Key, Raw, Table};
use super::resolve::{Check, value};
use super::source::Mistake;
use crate::site::Site;
use crate::types::AbsolutePath;
use crate::types::scratch::{BlockDevice, Scratch};

/// How it is written with all that can be said, for messages.
pub(super) const SCRATCH: &str = "{ device = \"/dev/sda\", path = \"/scratch\" }";
/// Where it is mounted unless somebody says otherwise.
const PATH: &str = "/scratch";

/// As it is written: the disk alone, or a table.
#[derive(Debug)]
pub(super) enum RawScratch {
    Device(BlockDevice),
    Table(Box<ScratchTable>),
}

/// The table.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ScratchTable {
    device: Key<BlockDevice>,
    path: Key<AbsolutePath>,
    swap: Key<BlockDevice>,
    wipe: Key<bool>,
}

impl Table for ScratchTable {
    const HEADER: &'static str = "this scratch";
    const KEYS: &'static [(&'static str, &'static str)] =
        &[("device", "Key<BlockDevice>"), ("path", "Key<AbsolutePath>"), ("swap", "Key<BlockDevice>"), ("wipe", "Key<bool>")];
}

impl<'de> Deserialize<'de> for RawScratch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawScratch;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a disk or a table")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<RawScratch, E> {
                text.parse().map(RawScratch::Device).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawScratch, A::Error> {
                ScratchTable::deserialize(MapAccessDeserializer::new(map)).map(|table| RawScratch::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Check<'_> {
    /// What one table says of the disks of its nodes.
    pub(super) fn scratch(&mut self, raw: Key<RawScratch>) -> Option<Scratch> {
        let raw = raw?;
        let span = raw.span();
        let path = || PATH.parse().ok();
        let table = match raw.into_inner() {
            RawScratch::Device(device) => {
                return Some(Scratch { device: Some(device), path: path()?, swap: None, wipe: false });
            }
            RawScratch::Table(table) => *table,
        };
        if table.device.is_none() && table.swap.is_none() {
            self.add(Mistake::at(span, "this scratch names no disk").remedy(format!("write {SCRATCH}")));
            return None;
        }
        if let (Some(path), None) = (&table.path, &table.device) {
            let remedy = "add the `device` that is mounted there, or remove it";
            self.add(Mistake::at(path.span(), "`path` is given, and no `device`").remedy(remedy));
        }
        if let Some(path) = table.path.as_ref().filter(|path| of_the_system(path.get_ref().as_str())) {
            let text = format!("a node needs its own {}", path.get_ref());
            self.add(Mistake::at(path.span(), text).remedy("mount it elsewhere, or a folder of it"));
        }
        let same = table.device.as_ref().zip(table.swap.as_ref()).filter(|(device, swap)| device.get_ref() == swap.get_ref());
        if let Some((device, swap)) = same {
            let text = format!("{} cannot be mounted and swapped to", device.get_ref());
            self.add(Mistake::at(swap.span(), text).remedy("name another disk, or a part of it"));
        }
        Some(Scratch {
            device: value(table.device),
            path: value(table.path).or_else(path)?,
            swap: value(table.swap),
            wipe: value(table.wipe).unwrap_or(false),
        })
    }
}

/// Where disks are written, for what a node has from elsewhere besides.
pub(super) struct Disks(Inherited);

impl Disks {
    /// Notes the places before the values are taken out of `raw`.
    pub(super) fn of(raw: &Raw) -> Self {
        Self(Inherited::of(raw, &None, |profile| &profile.scratch, |node| &node.scratch))
    }

    /// What is mounted on the same path, or from the same disk: each place once.
    pub(super) fn mistakes(&self, site: &Site) -> Vec<Mistake> {
        let mut told = BTreeMap::new();
        for (node, own) in site.nodes.iter().zip(&self.0.nodes) {
            let of_profile = || site.profiles_of(node).rev().find_map(|(name, _)| self.0.profiles.get(name));
            let (Some(scratch), Some(span)) = (site.scratch_of(node), own.as_ref().or_else(of_profile)) else { continue };
            let disks = [&scratch.device, &scratch.swap].map(|disk| disk.as_ref().map(BlockDevice::as_str));
            for mount in site.mounts_of(Some(node)).values() {
                let same_path = scratch.device.is_some() && mount.path == scratch.path.as_str();
                if !same_path && !disks.contains(&Some(mount.device.as_str())) {
                    continue;
                }
                let text = format!("node `{}` mounts {} on {} already", node.name, mount.device, mount.path);
                let remedy = "choose another `path` or disk, or remove that from `mounts`";
                told.entry(span.start).or_insert_with(|| Mistake::at(span.clone(), text).remedy(remedy));
            }
        }
        told.into_values().collect()
    }
}
