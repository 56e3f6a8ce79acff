//! What the administrator should know of the lower tree and the overlays although nothing is wrong with them: a pure
//! function, one line each.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::tree::Item;
use crate::paths;
use crate::render::compose::{Composer, Layout, Machine};
use crate::render::overlay::{Origin, whiteout};
use crate::site::{HTTP_SERVICE, Site};
use crate::types::mount::Mount;
use crate::words::some;

/// Files that ours take the place of: which machine, and where lines of one's own belong. What else ours replace is either
/// merged (hosts) or a matter of `mounts` (fstab).
const REPLACED: [(Of, &str, &str); 7] = [
    (Of::Master, "dnsmasq.conf", "put them into a file of /etc/dnsmasq.d that ends with .conf"),
    (Of::Master, "sv/dnsmasq/conf", "put them into /etc/voidclust/overlays/master/sv/dnsmasq/conf"),
    (Of::Master, "sv/darkhttpd/conf", "put them into /etc/voidclust/overlays/master/sv/darkhttpd/conf"),
    (Of::Master, "sv/nfs-server/conf", "put them into /etc/voidclust/overlays/master/sv/nfs-server/conf"),
    (Of::Master, "sv/nfsdcld/conf", "put them into /etc/voidclust/overlays/master/sv/nfsdcld/conf"),
    (Of::Clients, "resolv.conf", "put a resolv.conf into /etc/voidclust/overlays/client"),
    (Of::Clients, "sv/netmount/conf", "put them into /etc/voidclust/overlays/client/sv/netmount/conf"),
];

/// So many nodes are named in a note.
const NAMED: usize = 3;

#[derive(Clone, Copy, PartialEq)]
enum Of {
    Master,
    Clients,
}

/// All notes.
#[must_use]
pub fn notes<'site>(site: &'site Site, composer: &Composer<'site>) -> Vec<String> {
    let is_compared = |path: &str| REPLACED.iter().any(|(of, replaced, _)| *of == Of::Master && *replaced == path);
    let master = composer.layout_of(Machine::Master, &is_compared).unwrap_or_default();
    let unlisted = composer.layout(Machine::Unlisted).unwrap_or_default();
    let mut notes: Vec<String> = services(site, &unlisted).into_iter().collect();
    notes.extend(scripts(site, &unlisted));
    for (of, path, remedy) in REPLACED {
        let (layout, who) = if of == Of::Master { (&master, "the master does not") } else { (&unlisted, "clients do not") };
        notes.extend(
            replaced(site, layout, path).map(|lines| format!("/etc/{path} of the lower tree: {who} have {lines}; {remedy}")),
        );
    }
    notes.extend(own_mounts(site, &unlisted));
    notes.extend(no_http(site));
    notes.extend(lost_mounts(site, composer));
    notes
}

/// Who can read what is one node's alone, besides that node: what holds of the site as long as it is as it is.
#[must_use]
pub fn readers(site: &Site) -> Vec<String> {
    shared_with_the_subnet(site).into_iter().chain(shared_with_live_nodes(site)).collect()
}

/// What is one node's alone as far as addresses can tell nodes apart; [`readers`] are the exceptions.
#[must_use]
pub fn private(site: &Site) -> Option<String> {
    let names: Vec<&str> = site.nodes.iter().filter(|node| node.address.is_some()).map(|node| node.name.as_str()).collect();
    let whose = some(&names, NAMED, ", ");
    match names.len() {
        0 => None,
        1 => Some(format!("what is laid on {whose} is served to its address alone")),
        _ => Some(format!("what is laid on {whose} is served to the address of each alone")),
    }
}

/// Nodes that cannot be told from others by their address.
fn shared_with_the_subnet(site: &Site) -> Option<String> {
    let names: Vec<&str> = site.nodes.iter().filter(|node| node.address.is_none()).map(|node| node.name.as_str()).collect();
    let whose = some(&names, NAMED, ", ");
    match names.len() {
        0 => None,
        1 => Some(format!("{whose} has no `address`, so every machine of the subnet can read what is laid on it")),
        _ => Some(format!("{whose} have no `address`, so every machine of the subnet can read what is laid on them")),
    }
}

/// Whoever boots the live tree finds all of it there.
fn shared_with_live_nodes(site: &Site) -> Option<String> {
    let what = "so root there can read what is laid on all nodes, and what is the master's alone";
    let on_head: Vec<&str> =
        site.nodes.iter().filter(|node| site.boots_live_tree(Some(node))).map(|node| node.name.as_str()).collect();
    match (on_head.len(), site.on_head()) {
        (0, Some(_)) => None,
        (0, None) => Some(format!("machines that are not listed boot the live tree, {what}")),
        (_, None) => Some(format!("{} and machines that are not listed boot the live tree, {what}", some(&on_head, NAMED, ", "))),
        (1, _) => Some(format!("{} boots the live tree, {what}", some(&on_head, NAMED, ", "))),
        _ => Some(format!("{} boot the live tree, {what}", some(&on_head, NAMED, ", "))),
    }
}

/// Services that the lower tree starts, and clients do not.
fn services(site: &Site, unlisted: &Layout) -> Option<String> {
    let address = site.network.address.address;
    let enabled = site.lower.harmful(address).filter(|(_, service)| service.enabled).map(|(name, _)| name);
    // Whoever has said it in the configuration knows.
    let said = |name: &str| site.client.services.iter().any(|service| service.name == name);
    let kept: Vec<&str> = enabled.filter(|name| !said(name) && unlisted.contains_key(&format!("sv/{name}/down"))).collect();
    (!kept.is_empty()).then(|| {
        format!(
            "clients do not start {}, which the lower tree enables: there it could cut off the root, or answer in the master's place; say so with `services` under [client], or start one all the same",
            kept.join(", ")
        )
    })
}

/// That nodes load by TFTP although HTTP is wanted. A root that has no services at all cannot tell.
fn no_http(site: &Site) -> Option<String> {
    (site.boot.transfer != site.transfer() && !site.lower.services.is_empty()).then(|| {
        format!(
            "/{}/{HTTP_SERVICE} of the lower tree: not there, so nodes load their images by TFTP, which is slower and takes the master more work; install {HTTP_SERVICE}, or say transfer = \"tftp\" under [boot]",
            paths::SERVICES
        )
    })
}

/// Scripts of the lower tree that no client, or no machine at all, may run.
fn scripts(site: &Site, unlisted: &Layout) -> Vec<String> {
    let mut notes = Vec::new();
    if site.lower.rc_local_is_ours() {
        notes.push(
            "/etc/rc.local of the lower tree: a copy of what voidclust once made for the master; no machine runs it, remove it"
                .to_owned(),
        );
    }
    for path in site.lower.scripts_with_address(site.network.address.address) {
        let kept = unlisted.get(&whiteout(path)).is_some_and(|(_, from)| from.origin == Origin::Lower);
        let name = path.rsplit('/').next().unwrap_or(path);
        let text = if kept && (path == "rc.local" || name > "03-aa-overlays.sh") {
            "clients do not run it; move it to /etc/voidclust/overlays/master/rc.local, which only the master runs"
        } else {
            "clients run it and cut off their root; move it to /etc/voidclust/overlays/master/rc.local, which only the master runs"
        };
        let address = site.network.address.address;
        notes.push(format!("/etc/{path} of the lower tree: it sets the master's address, {address}; {text}"));
    }
    notes
}

/// Lines of a file of the lower tree that are not in the one that ours replaces it with.
fn replaced(site: &Site, layout: &Layout, path: &str) -> Option<String> {
    let (item, from) = layout.get(path)?;
    let text = text_of(item).filter(|_| from.origin == Origin::Package)?;
    let ours: BTreeSet<&str> = text.lines().map(str::trim).collect();
    let lower = site.lower.texts.get(path)?;
    // What the configuration says instead.
    let said = |line: &str| path == "resolv.conf" && ["nameserver", "search", "domain"].iter().any(|word| line.starts_with(word));
    let lines = lower.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let lost: Vec<&str> = lines.filter(|line| !ours.contains(line) && !said(line)).collect();
    match lost[..] {
        [] => None,
        [line] => Some(format!("its line `{line}`")),
        [line, ..] => Some(format!("{} of its lines, such as `{line}`", lost.len())),
    }
}

/// What the lower tree's own fstab mounts that is no disk of the master: clients might expect it.
fn own_mounts(site: &Site, unlisted: &Layout) -> Option<String> {
    let clients = unlisted.get("fstab").and_then(|(item, _)| text_of(item)).unwrap_or_default();
    let points: BTreeSet<&str> = mounted(&clients).collect();
    let lost: Vec<&str> = site
        .lower
        .lines("fstab")
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (device, path, fstype) = (fields.next()?, fields.next()?, fields.next()?);
            let everywhere = fstype == "tmpfs" || Mount::is_remote(device, fstype);
            (everywhere && path.starts_with('/') && !points.contains(path)).then_some(path)
        })
        .collect();
    (!lost.is_empty()).then(|| {
        format!(
            "/etc/fstab of the lower tree: clients do not mount {}; add `mounts` under [client] for those they need",
            lost.join(", ")
        )
    })
}

/// Nodes whose own fstab leaves out what the configuration has them mount.
fn lost_mounts<'site>(site: &'site Site, composer: &Composer<'site>) -> Vec<String> {
    let none = whiteout("fstab");
    if !composer.site_has("fstab") && !composer.site_has(&none) {
        return Vec::new();
    }
    let machines = std::iter::once(Machine::Unlisted).chain(site.nodes.iter().map(Machine::Node));
    let mut lost: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for machine in machines {
        let (node, name) = match machine {
            Machine::Node(node) => (Some(node), node.name.as_str()),
            _ => (None, "machines that are not listed"),
        };
        let layout = composer.layout_of(machine, &|path| ["fstab", &none].contains(&path)).unwrap_or_default();
        let Some((item, from)) = layout.get("fstab").or_else(|| layout.get(&none)) else { continue };
        let text = text_of(item).unwrap_or_default();
        let there: BTreeSet<&str> = mounted(&text).collect();
        let mounts = site.mounts_of(node);
        let missing: Vec<&str> =
            mounts.keys().map(String::as_str).filter(|path| *path != "/tmp" && !there.contains(path)).collect();
        if !missing.is_empty() {
            lost.entry((from.file.clone(), missing.join(", "))).or_default().push(name);
        }
    }
    let lines = lost.into_iter().map(|((source, missing), names)| {
        let whose = some(&names, NAMED, ", ");
        format!("{source}: {whose} will not mount {missing}; use `mounts` in place of this file, or add the lines")
    });
    lines.collect()
}

/// The mount points of an fstab.
fn mounted(fstab: &str) -> impl Iterator<Item = &str> {
    let lines = fstab.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().nth(1))
}

fn text_of(item: &Item) -> Option<String> {
    item.bytes().map(|bytes| String::from_utf8_lossy(&bytes.whole()).into_owned())
}
