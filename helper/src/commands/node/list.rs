//! The listings of `voidclust node`.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::commands::Status;
use crate::print::say;
use crate::render::layers::{self, Machine};
use crate::site::{Node, Site, VarsFrom};
use crate::types::scratch::BlockDevice;
use crate::types::{OverlayName, did_you_mean, series};

/// Lists the nodes, or those of a profile.
pub(super) fn list(site: &Site, profile: Option<&str>, names: bool, json: bool) -> Result<Status> {
    let nodes = of_profile(site, profile)?;
    if json {
        say!("{:#}", nodes.iter().map(|node| as_json(site, node)).collect::<Value>());
    } else if names {
        say!("{}", series::folded(nodes.iter().map(|node| node.name.as_str())));
    } else {
        print(&nodes);
    }
    Ok(Status::Done)
}

/// The nodes of a profile, or all of them.
pub(in crate::commands) fn of_profile<'site>(site: &'site Site, profile: Option<&str>) -> Result<Vec<&'site Node>> {
    if let Some(wrong) = profile.filter(|profile| !site.profiles.keys().any(|name| name.as_str() == *profile)) {
        let known = || site.profiles.keys().map(OverlayName::as_str);
        let hint = did_you_mean(wrong, known());
        let all = if site.profiles.is_empty() { "none yet".to_owned() } else { known().collect::<Vec<_>>().join(", ") };
        bail!("there is no profile `{wrong}`; {hint}there are {all}");
    }
    let is_listed = |node: &&Node| profile.is_none_or(|profile| node.profiles.iter().any(|name| name.as_str() == profile));
    Ok(site.nodes.iter().filter(is_listed).collect())
}

fn print(nodes: &[&Node]) {
    if nodes.is_empty() {
        return say!("no node yet; add one with: voidclust node add");
    }
    let rows: Vec<[String; 4]> = nodes
        .iter()
        .map(|node| {
            let address = node.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
            [node.name.to_string(), address, joined(&node.macs, ","), joined(&node.profiles, ",")]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (names, addresses, cards) = (width(0), width(1), width(2));
    for [name, address, macs, profiles] in &rows {
        say!("{}", format!("{name:names$}  {address:addresses$}  {macs:cards$}  {profiles}").trim_end());
    }
}

fn joined<T: ToString>(items: &[T], between: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

/// Shows all that the configuration amounts to for a node.
pub(super) fn show(site: &Site, number: usize, place: Option<String>, json: bool) -> Result<Status> {
    let node = &site.nodes[number];
    if json {
        say!("{:#}", as_json(site, node));
        return Ok(Status::Done);
    }
    let said = |what: &str, text: &str| {
        if !text.is_empty() {
            say!("{what:9} {text}");
        }
    };
    said("name", &site.fqdn(&node.name));
    said("written", &place.unwrap_or_default());
    said("cards", &joined(&node.macs, " "));
    said("address", &node.address.map_or_else(|| "from DHCP".to_owned(), |address| address.to_string()));
    said("profiles", &joined(&node.profiles, " "));
    said("overlays", &overlays(site, node).join(" "));
    said("services", &services(site, node).join(" "));
    said("kernel", &site.kernel_of(node).to_string());
    said("root", &root(site, node));
    said("cmdline", &site.command_line(Some(node), site.root_of(Some(node))));
    for mount in site.mounts_of(Some(node)).values() {
        said("mount", &format!("{} {} {} {}", mount.device, mount.path, mount.fstype, mount.options));
    }
    if let Some(scratch) = site.scratch_of(node) {
        let wipe = if scratch.wipe { ", wiped if need be" } else { "" };
        let said_of = |device: &BlockDevice, what: &str| said("scratch", &format!("{device} {what}{wipe}"));
        scratch.device.iter().for_each(|device| said_of(device, &format!("on {}", scratch.path)));
        scratch.swap.iter().for_each(|device| said_of(device, "as swap"));
    }
    for (name, (var, from)) in site.vars_of(Some(node)) {
        let from = match from {
            VarsFrom::Site => " from [vars]".to_owned(),
            VarsFrom::Profile(profile) => format!(" from profile {profile}"),
            VarsFrom::Node => String::new(),
        };
        said("var", &format!("{name} = {var}{from}"));
    }
    Ok(Status::Done)
}

/// Which root it boots, and of whom when that is not the master.
fn root(site: &Site, node: &Node) -> String {
    let (node, root) = (Some(node), site.root_of(Some(node)));
    match site.root_server_of(node).map(|_| site.root_source(node, root)) {
        None => root.to_string(),
        Some((server, _)) if site.lacks_root(node) => format!("none, for nothing was published to {server} yet"),
        Some((server, path)) if site.uses_generations(node) => format!("{root} of {server}:{path}"),
        Some((server, path)) => format!("{server}:{path}"),
    }
}

fn overlays<'site>(site: &'site Site, node: &'site Node) -> Vec<&'site str> {
    layers::overlays(site, Machine::Node(node)).into_iter().map(|(name, _)| name).collect()
}

fn services(site: &Site, node: &Node) -> Vec<String> {
    layers::services(site, Machine::Node(node)).into_values().map(|(service, _)| service.to_string()).collect()
}

/// A node with all that follows for it.
fn as_json(site: &Site, node: &Node) -> Value {
    let vars = site.vars_of(Some(node));
    json!({
        "name": node.name,
        "fqdn": site.fqdn(&node.name),
        "macs": node.macs,
        "address": node.address,
        "profiles": node.profiles,
        "overlays": overlays(site, node),
        "services": services(site, node),
        "kernel": site.kernel_of(node).to_string(),
        "generation": site.root_of(Some(node)),
        "root_server": site.root_server_of(Some(node)),
        "cmdline": site.command_line(Some(node), site.root_of(Some(node))),
        "mounts": site.mounts_of(Some(node)).into_values().collect::<Vec<_>>(),
        "scratch": site.scratch_of(node),
        "vars": vars.into_iter().map(|(name, (var, _))| (name.to_string(), var)).collect::<std::collections::BTreeMap<_, _>>(),
    })
}
