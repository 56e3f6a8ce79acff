//! What the administrator should know although nothing is wrong.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::senders;
use super::target::{Runs, Target, shown_below};
use crate::disk::tree::{Content, Item};
use crate::generation;
use crate::machine::facts::Facts;
use crate::machine::mounts::Mount;
use crate::machine::{Machine, zfs};
use crate::paths;
use crate::site::{Home, Node, Site, Storage, connections, threads_for};
use crate::types::InterfaceName;
use crate::types::generation::RootWish;

/// All of it, in one line each.
///
/// # Errors
/// When something cannot be read.
pub fn of(target: &Target, site: &Site, facts: &Facts) -> Result<Vec<String>> {
    let mut notes: Vec<String> = own_address(site, facts).into_iter().collect();
    notes.extend(on_trial(site));
    notes.extend(zfs_hook(target, site)?);
    notes.extend(no_mount_points(target, site));
    notes.extend(nobody_sends(target, site)?);
    notes.extend(few_threads(site));
    notes.extend(empty_in_generations(target, site)?);
    if let Some(machine) = target.machine() {
        notes.extend(unseen(target, machine, site));
        notes.extend(hidden_later(target, machine));
        notes.extend(machine.is_read_only()?.map(|why| format!("{}: cannot be written; {why}", target.root.display(""))));
        notes.extend(snapshots_in_sight(machine, site));
        notes.extend(beside_others(site));
    }
    Ok(notes)
}

/// Who boots another generation than all.
fn on_trial(site: &Site) -> impl Iterator<Item = String> + '_ {
    let published = &site.generations.published;
    published.on_trial().into_iter().filter_map(|(number, mut whom)| {
        // A node that was removed is remembered, for the case that it comes back.
        whom.nodes.retain(|name| site.node(name).is_some());
        whom.profiles.retain(|name| site.profiles.keys().any(|profile| profile.as_str() == name));
        if whom.is_all() {
            return None;
        }
        let names = whom.names().join(" ");
        // Before anything was published to all there is nothing to go back to.
        let back = match published.all {
            0 => String::new(),
            all => format!(", or take it back with `voidclust rollback {all} --only {names}`"),
        };
        Some(format!("generation {number} for {whom} only; give it to all with `voidclust publish`{back}"))
    })
}

/// What nodes find empty although the master has something there.
fn empty_in_generations(target: &Target, site: &Site) -> Result<Vec<String>> {
    if !site.clients().any(|node| site.uses_generations(node) && site.wish_of(node) != RootWish::Head) {
        return Ok(Vec::new());
    }
    let note = |path| {
        format!(
            "{path}: a subvolume of btrfs in that of the root, and empty in every generation; make it a folder, or list it as `private` under [root]"
        )
    };
    Ok(generation::subvolumes(&target.root, &site.private())?.into_iter().map(note).collect())
}

/// An NFS server that closes the connections of nodes, which open them again: slow, and no word of it but in its log.
fn few_threads(site: &Site) -> Option<String> {
    let (threads, nodes) = (site.nfs_threads(), site.nodes.len());
    let holds = connections(threads);
    let better = threads_for(nodes);
    let remedy = if better > threads { format!("; remove the line, or write threads = {better}") } else { String::new() };
    (holds < nodes).then(|| {
        format!("`threads` under [nfs] is {threads}: before Linux 6.14 the NFS server holds {holds} connections then, and there are {nodes} nodes{remedy}")
    })
}

/// The running machine must have the address under which it serves, on the interface where it serves.
fn own_address(site: &Site, facts: &Facts) -> Option<String> {
    let addresses = &facts.interfaces.as_ref()?.addresses;
    let (address, interface) = (site.network.address.address, site.network.interface.as_ref().map(InterfaceName::as_str));
    match (addresses.get(&address), interface) {
        // Nothing is known of this machine's addresses, not that it has none.
        _ if addresses.is_empty() => None,
        (None, _) => Some(format!(
            "this machine does not have the address {address} yet; give it{}, or nodes do not reach it",
            interface.map_or_else(String::new, |name| format!(" to {name}"))
        )),
        (Some(on), Some(name)) if !on.is_empty() && !on.contains(name) => {
            let on: Vec<&str> = on.iter().map(String::as_str).collect();
            Some(format!("{address} is an address of {}, not of `interface` {name}, where dnsmasq answers", on.join(", ")))
        }
        (Some(on), None) => {
            // By an address alone dnsmasq cannot tell from which network somebody asks: to the kernel all are of this machine.
            let others = addresses.keys().filter(|other| !site.network.address.contains(**other));
            let others: Vec<String> = others.map(ToString::to_string).collect();
            let on = on.first().filter(|_| on.len() == 1).map_or("…", String::as_str);
            (!others.is_empty()).then(|| {
                format!(
                    "`interface` under [network] is not set, so machines of other networks that this one is in ({}) get boot files and names of {address}, too; set interface = \"{on}\"",
                    others.join(", ")
                )
            })
        }
        _ => None,
    }
}

/// Where nodes mount something from a server, and the lower tree has a file: a folder that is missing is made at boot,
/// but there nothing is mounted, for ever.
fn no_mount_points(target: &Target, site: &Site) -> Vec<String> {
    // Most have what all have, and nothing more.
    let has_more =
        |node: &&Node| !node.mounts.is_empty() || site.profiles_of(node).any(|(_, profile)| !profile.mounts.is_empty());
    let nodes = std::iter::once(None).chain(site.nodes.iter().filter(has_more).map(Some));
    let mounts = nodes.flat_map(|node| site.mounts_of(node).into_values()).filter(|mount| mount.remote);
    let points: BTreeSet<String> = mounts.map(|mount| mount.path).collect();
    let mut notes = Vec::new();
    for point in points {
        let relative = point.trim_start_matches('/');
        // None where a folder above leads elsewhere: then it is not in this tree.
        if let Ok(Some(Item { content: Content::File(_), .. })) = target.root.find(relative) {
            let file = target.root.display(relative);
            notes.push(format!("{file}: a file, and nodes cannot mount {point} on it; make a folder of it"));
        }
    }
    notes
}

/// A menu names a generation on another server when it is published, and there is only what somebody brought there.
fn nobody_sends(target: &Target, site: &Site) -> Result<Option<String>> {
    let servers = site.clients().filter_map(|node| site.root_server_of(node)).filter(|server| server.has_generations());
    let servers: BTreeSet<String> = servers.map(|server| server.address.to_string()).collect();
    if servers.is_empty() || senders::all(&target.root)?.iter().any(|(_, can_run)| *can_run) {
        return Ok(None);
    }
    Ok(Some(format!(
        "{}: no program in there, so no generation comes to {}, where nodes look for the one that they boot; put one there that copies it: voidclust(8)",
        target.root.display(paths::PUBLISH_HOOKS),
        servers.into_iter().collect::<Vec<_>>().join(", ")
    )))
}

/// What tells of ZFS where there is none: the tree may be copied to where it will run.
fn zfs_hook(target: &Target, site: &Site) -> Result<Option<String>> {
    let has_hook = target.root.list(paths::INITCPIO_HOOKS)?.unwrap_or_default().contains(&"zfs".to_owned());
    let is_guess = target.machine().is_none() && site.master.storage == Storage::Plain && has_hook;
    Ok(is_guess.then(|| {
        format!(
            "{}: does not lie on ZFS, so the master's image will not mount it from there; if it is to, set storage = \"zfs\" under [master]",
            target.root.display("")
        )
    }))
}

/// A look of any user of a client into a snapshot that the master has mounted elsewhere makes a thread of the NFS server
/// spin for ever (seen with ZFS 2.3.9): eight such looks stop it.
fn snapshots_in_sight(machine: &Machine, site: &Site) -> Vec<String> {
    let mut folders: Vec<&Path> = site.exported().map(|(path, _)| Path::new(path.as_str())).collect();
    folders.extend(site.nfs.root_server.is_none().then_some(Path::new("/")));
    let sets = zfs::served(machine, &folders);
    match zfs::with_snapshots_in_sight(&sets) {
        Ok(sets) if sets.is_empty() => Vec::new(),
        Ok(sets) => vec![format!(
            "{}: users of clients can look into .zfs/snapshot, which may hang the NFS server for good; run: zfs set snapdir=disabled {}",
            sets.join(", "),
            sets.join(" ")
        )],
        Err(error) => {
            let error = format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ");
            vec![format!("{}: cannot ask whether .zfs/snapshot is in the sight of clients: {error}", sets.join(", "))]
        }
    }
}

/// What is exported from a file system that holds other things, too. Without `subtree_check` a handle of a file in there,
/// made up by root on a client, would lead to each of them (seen: a user wrote into the shared root).
fn beside_others(site: &Site) -> Vec<String> {
    let beside = site.exported().filter(|(_, apart)| !apart);
    let note = |path| {
        format!(
            "{path}: no file system of its own, so it is exported with subtree_check: a file that a node has open goes stale when it is moved to another folder; give it a partition, a volume or a data set of its own (a subvolume of btrfs is none)"
        )
    };
    beside.map(|(path, _)| note(path)).collect()
}

/// Types of file systems that are no storage of this machine.
fn is_local(mount: &Mount) -> bool {
    const ELSEWHERE: &[&str] = &["9p", "afs", "ceph", "cifs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "virtiofs"];
    const NOWHERE: &[&str] = &[
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nfsd",
        "nsfs",
        "overlay",
        "proc",
        "pstore",
        "ramfs",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "sysfs",
        "tracefs",
    ];
    let kind = mount.kind.as_str();
    !ELSEWHERE.contains(&kind) && !NOWHERE.contains(&kind) && !kind.starts_with("fuse.")
}

/// The file systems of the master that clients do not see, though its administrator does.
fn unseen(target: &Target, machine: &Machine, site: &Site) -> Vec<String> {
    let mut others: Vec<&Path> = paths::OWN_MOUNTS.iter().map(Path::new).collect();
    if let Home::Master { path, .. } = &site.nfs.home {
        others.push(Path::new(path.as_str()));
    }
    let (slash, lower) = (Path::new("/"), Path::new("/").join(paths::LOWER));
    let is_overlay = matches!(target.runs, Runs::Overlay(_));
    if !is_overlay {
        // The initramfs mounts it below the overlay.
        others.push(Path::new("/usr"));
    }
    if site.nfs.root_server.is_some() {
        return Vec::new();
    }
    let mounts = machine.mounts();
    let unseen = mounts.all().filter(|mount| {
        let point = mount.point.as_path();
        let there = lower.join(point.strip_prefix(slash).unwrap_or(point));
        point != slash
            && is_local(mount)
            && !others.iter().any(|other| point.starts_with(other))
            && mounts.is_visible(mount)
            && !(is_overlay && mounts.are_one(point, &there))
    });
    let mut points: Vec<&Path> = unseen.map(|mount| mount.point.as_path()).collect();
    points.sort();
    let note = |point: &Path| {
        format!(
            "{}: a file system of its own, which clients do not see; they have what is below its mount point",
            point.display()
        )
    };
    points.into_iter().map(note).collect()
}

/// On a machine that is to become the master: what will hide, after its reboot, what is written then.
fn hidden_later(target: &Target, machine: &Machine) -> Vec<String> {
    if !matches!(target.runs, Runs::Machine(_)) {
        return Vec::new();
    }
    let mut points: Vec<&Path> = Vec::new();
    for folder in paths::WRITTEN.iter().filter(|folder| **folder != paths::BOOT) {
        let mount = machine.mounts().holding(&Path::new("/").join(folder));
        points.extend(mount.map(|mount| mount.point.as_path()).filter(|point| *point != Path::new("/")));
    }
    points.sort();
    points.dedup();
    let note = |point: &Path| {
        format!(
            "{}: a file system of its own, into which voidclust writes; before the reboot add behind its line in {}: {}",
            point.display(),
            target.root.display(paths::FSTAB),
            shown_below(point)
        )
    };
    points.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::example_site;

    #[test]
    fn a_node_has_a_connection_or_its_lack_is_told() {
        let mut site = example_site();
        let node = site.nodes[0].clone();
        for (count, threads, told) in
            [(110, 8, false), (111, 16, false), (221, 32, true), (1_000, 128, true), (10_000, 1024, true)]
        {
            site.nodes = vec![node.clone(); count];
            site.nfs.threads = None;
            assert_eq!(site.nfs_threads(), threads, "{count}");
            assert_eq!(few_threads(&site), None, "{count}");
            site.nfs.threads = Some(8);
            assert_eq!(few_threads(&site).is_some(), told, "{count}");
        }
        assert_eq!(
            few_threads(&site).unwrap(),
            "`threads` under [nfs] is 8: before Linux 6.14 the NFS server holds 220 connections then, and there are 10000 nodes; \
             remove the line, or write threads = 1024"
        );
    }

    #[test]
    fn who_tries_a_generation_is_named_as_the_way_back_takes_it() {
        let mut site = example_site();
        site.profiles.insert("p".parse().unwrap(), crate::site::Profile::default());
        let published = &mut site.generations.published;
        published.nodes = [("node1".to_owned(), 2), ("gone".to_owned(), 2), ("gone2".to_owned(), 3)].into();
        published.profiles.insert("p".to_owned(), 2);
        let note = "generation 2 for node1, profile p only; give it to all with `voidclust publish`";
        assert_eq!(on_trial(&site).collect::<Vec<_>>(), [note], "there is none to go back to");
        site.generations.published.all = 1;
        let note = format!("{note}, or take it back with `voidclust rollback 1 --only node1 p`");
        assert_eq!(on_trial(&site).collect::<Vec<_>>(), [note]);
    }
}
