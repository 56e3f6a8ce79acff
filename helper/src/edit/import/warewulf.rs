//! Warewulf's nodes.conf: names, cards, addresses, profiles, kernel parameters and tags are what ours are. The rest is told.

use super::yaml::{self, Yaml};
use super::{Import, left_out};
use crate::edit::draft::Draft;
use crate::types::{Problem, VarName};

/// The profile that every node has. Ours is `[client]`, so what it says is told, not carried over.
const DEFAULT: &str = "default";

pub(super) fn read(file: &str, text: &str) -> Result<Import, Vec<Problem>> {
    let read = yaml::parse(text).map_err(|line| {
        let problem = Problem::new(file, "this line is not as wwctl writes it").line(line);
        vec![problem.remedy("have wwctl write the file again, with: wwctl node export; or make a CSV of it")]
    })?;
    let mut import = Import::default();
    for (name, profile) in read.get("nodeprofiles").iter().flat_map(|profiles| profiles.members()) {
        let draft = draft(&format!("profile {name}"), profile, false, &mut import.left_out);
        if name == DEFAULT {
            let said = draft.lines();
            import.left_out.extend(said.lines().map(|line| format!("profile {name}: {line}; put it under [client] or [vars]")));
        } else {
            import.profiles.push((name.to_owned(), draft));
        }
    }
    for (name, node) in read.get("nodes").iter().flat_map(|nodes| nodes.members()) {
        let draft = draft(&format!("node {name}"), node, true, &mut import.left_out);
        import.nodes.push((name.to_owned(), draft));
    }
    Ok(import)
}

/// What a node or a profile says. `told` gets what has no place in ours.
fn draft(who: &str, of: &Yaml, is_node: bool, told: &mut Vec<String>) -> Draft {
    let mut draft = Draft::default();
    network(who, of, is_node, &mut draft, told);
    for (key, value) in of.members() {
        match key {
            "network devices" | "primary network" => {}
            "profiles" => {
                let profiles: Vec<String> = value.items().into_iter().filter(|name| name != DEFAULT).collect();
                draft.list("profiles", &profiles, false);
            }
            "kernel" => {
                for (key, value) in value.members() {
                    if key == "args" && !value.text().is_empty() {
                        draft.text("cmdline", &value.text());
                    } else {
                        say(&format!("{who}: kernel.{key}"), value, told);
                    }
                }
            }
            "tags" => {
                for (name, value) in value.members() {
                    if name.parse::<VarName>().is_ok() {
                        draft.var(name, &value.text());
                    } else {
                        say(&format!("{who}: tags.{name}"), value, told);
                    }
                }
            }
            _ => say(&format!("{who}: {key}"), value, told),
        }
    }
    draft
}

/// The cards, the primary one first, and its address.
fn network(who: &str, of: &Yaml, is_node: bool, draft: &mut Draft, told: &mut Vec<String>) {
    let Some(devices) = of.get("network devices") else { return };
    let primary = of.get("primary network").map_or_else(|| DEFAULT.to_owned(), Yaml::text);
    let has_primary = devices.get(&primary).is_some();
    let mut devices: Vec<(&str, &Yaml)> = devices.members().collect();
    devices.sort_by_key(|(name, _)| has_primary && *name != primary);
    let (mut cards, mut address) = (Vec::new(), None);
    for (at, (name, device)) in devices.into_iter().enumerate() {
        for (key, value) in device.members() {
            match key {
                "hwaddr" if is_node => cards.push(value.text()),
                "ipaddr" if is_node && at == 0 => address = Some(value.text()),
                _ => say(&format!("{who}: {name}.{key}"), value, told),
            }
        }
    }
    draft.list("mac", &cards, true);
    address.iter().for_each(|address| draft.text("address", address));
}

/// Tells a value, or all that is in it.
fn say(place: &str, value: &Yaml, told: &mut Vec<String>) {
    value.members().for_each(|(key, value)| say(&format!("{place}.{key}"), value, told));
    let text = value.text();
    if !text.is_empty() {
        told.push(left_out(place, &text));
    }
    for (at, entry) in value.entries().enumerate() {
        say(&format!("{place}[{}]", at + 1), entry, told);
    }
}
