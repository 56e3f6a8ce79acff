//! What the master exports over NFS, and to whom.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::disk::tree::hex;
use crate::paths;
use crate::site::{Dhcp, Site};
use crate::types::Mac;

/// Who may mount what the master exports: each listed address, or the subnet when a machine without one may come.
#[must_use]
pub(super) fn nfs_clients(site: &Site) -> Vec<String> {
    let anybody = site.nodes.is_empty() || matches!(site.network.dhcp, Dhcp::Server(Some(_)));
    let addresses: Option<Vec<String>> = site.nodes.iter().map(|node| node.address.map(|a| a.to_string())).collect();
    match addresses {
        Some(addresses) if !anybody => addresses,
        _ => vec![site.reader_of(None)],
    }
}

/// Who may mount the live tree: the nodes that boot it. Nobody else sees what is the master's alone.
pub(super) fn head_clients(site: &Site) -> Vec<String> {
    match site.on_head() {
        Some(addresses) => addresses.iter().map(ToString::to_string).collect(),
        None => nfs_clients(site),
    }
}

/// The generations that are exported: all there are, for a machine that runs may have booted any of them. With each a number
/// for its `fsid=` (exports(5)), which outlives reboots and tells exports of one file system apart: 0 to 2 are the NFSv4
/// root, the live tree and the home.
pub(super) fn exported(site: &Site) -> Vec<serde_json::Value> {
    const FIRST: u32 = 1000;
    let numbers = site.generations.made.keys();
    numbers.map(|number| json!({ "number": number, "fsid": FIRST.saturating_add(*number) })).collect()
}

/// Who has a folder of its own: a card of a node, or all machines that are not listed (`None`).
pub(super) type OwnFolder = Option<(usize, Mac)>;

/// The folders of single machines: of each card, and that for all machines that are not listed.
pub(super) fn own_folders(site: &Site) -> Vec<OwnFolder> {
    let nodes = site.nodes.iter().enumerate();
    nodes.flat_map(|(number, node)| node.macs.iter().map(move |mac| Some((number, *mac)))).chain([None]).collect()
}

/// What is exported of such a folder, and to whom.
pub(super) fn own(site: &Site, folder: OwnFolder) -> serde_json::Value {
    let (name, node) = match folder {
        Some((number, mac)) => (mac.to_string(), site.nodes.get(number)),
        None => (paths::DEFAULT_NODE.to_owned(), None),
    };
    json!({ "fsid": file_system_id(&format!("node/{name}")), "name": name, "client": site.reader_of(node) })
}

/// By what the kernel tells the exports of one file system apart: made of the name, so that no other folder ever has it.
pub(super) fn file_system_id(name: &str) -> String {
    let hex = hex(&Sha256::digest(format!("voidclust {name}"))[..16]);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
