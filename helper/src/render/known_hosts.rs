//! The host keys that every ssh(1) in the cluster knows: those of the master and of each node, by name and address.

use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::disk::tree::Item;
use crate::render::overlay::{CLIENT, MASTER, Origin, Overlays, Piece};
use crate::render::template::is_small;
use crate::site::Site;
use crate::types::HostName;
use crate::types::identity::{Identity, without_comment};
use crate::types::lower::{GENERATED, KNOWN_HOSTS};

/// Puts the file into the overlays of the master and of all clients, unless the site has one of its own there. All clients
/// have the same, so they share it; where it would be too large for each of thousands, they know the master only.
pub fn add(overlays: &mut Overlays, site: &Site) {
    for (name, of_nodes) in [(MASTER, true), (CLIENT, is_small(site))] {
        let Some(overlay) = overlays.named.get_mut(name) else { continue };
        if overlay.get(KNOWN_HOSTS).is_some_and(|piece| piece.origin == Origin::Site) {
            continue;
        }
        match text(site, of_nodes) {
            Some(text) => {
                let file = "the host keys of the cluster".to_owned();
                let piece = Piece { item: Item::file(text), template: false, origin: Origin::Identity, file };
                overlay.insert(KNOWN_HOSTS.to_owned(), piece);
            }
            None => _ = overlay.remove(KNOWN_HOSTS),
        }
    }
}

/// `None` when no key is known that the lower tree's own file does not have.
fn text(site: &Site, of_nodes: bool) -> Option<String> {
    if !site.client.identity {
        return None;
    }
    let mut lines = String::new();
    let mut add = |name: &HostName, address: Option<Ipv4Addr>, key: &str| {
        let Some((kind, key)) = without_comment(key) else { return };
        let long = site.fqdn(name);
        let mut names = vec![name.short()];
        names.extend((long != name.short()).then_some(long.as_str()));
        let address = address.map(|address| address.to_string());
        names.extend(address.as_deref());
        let _ = writeln!(lines, "{} {kind} {key}", names.join(","));
    };
    site.lower.public_keys().for_each(|key| add(&site.master.name, Some(site.network.address.address), key));
    for node in site.nodes.iter().filter(|_| of_nodes) {
        site.identity_of(node).into_iter().flat_map(Identity::public_keys).for_each(|key| add(&node.name, node.address, key));
    }
    if lines.is_empty() {
        return None;
    }
    let own: String = site.lower.lines(KNOWN_HOSTS).map(|line| format!("{line}\n")).collect();
    Some(format!("{GENERATED}; see voidclust(8).\n{own}{lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::render::compose::{Composer, Machine};
    use crate::testing::{copied, example_site, identity, overlays};

    fn site() -> Site {
        let mut site = example_site();
        site.identities = identity(&site.nodes[0]);
        let lower = &mut site.lower.texts;
        lower.insert(KNOWN_HOSTS.to_owned(), "# by hand\ngit.example ssh-rsa GIT\n".to_owned());
        lower.insert("ssh/ssh_host_ed25519_key.pub".to_owned(), "ssh-ed25519 MASTER root@x\n".to_owned());
        site
    }

    fn of_master(_: &Site) -> Machine<'_> {
        Machine::Master
    }

    fn of_unlisted(_: &Site) -> Machine<'_> {
        Machine::Unlisted
    }

    fn known(site: &Site, overlays: &mut Overlays, machine: fn(&Site) -> Machine<'_>) -> Option<String> {
        add(overlays, site);
        let site = Arc::new(site.clone());
        let layout = Composer::new(&site, overlays).layout(machine(&site)).unwrap();
        layout.get(KNOWN_HOSTS).map(|(item, _)| String::from_utf8(item.bytes().unwrap().whole().into_owned()).unwrap())
    }

    #[test]
    fn all_know_the_master_and_all_nodes_by_each_name_and_what_was_there_stays() {
        let site = site();
        let text = known(&site, &mut overlays(&[]), |site| Machine::Node(&site.nodes[1])).unwrap();
        let names = |name: &HostName, address: Ipv4Addr| format!("{},{},{address}", name.short(), site.fqdn(name));
        let master = names(&site.master.name, site.network.address.address);
        let node = names(&site.nodes[0].name, site.nodes[0].address.unwrap());
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(GENERATED));
        assert_eq!(
            lines[1..],
            ["git.example ssh-rsa GIT".to_owned(), format!("{master} ssh-ed25519 MASTER"), format!("{node} ssh-ed25519 AAAA")]
        );
        for machine in [of_master, of_unlisted] {
            assert_eq!(known(&site, &mut overlays(&[]), machine).as_ref(), Some(&text));
        }
    }

    #[test]
    fn the_site_may_have_a_file_of_its_own_and_without_keys_there_is_none() {
        let mut site = site();
        let mut own = overlays(&[("client", &[(KNOWN_HOSTS, copied("own"))])]);
        assert_eq!(known(&site, &mut own, of_unlisted).as_deref(), Some("own"));
        let mut ours = overlays(&[]);
        assert!(known(&site, &mut ours, of_unlisted).is_some());
        site.client.identity = false;
        assert_eq!(known(&site, &mut ours, of_unlisted), None);
    }

    #[test]
    fn where_a_line_for_each_would_be_too_much_for_each_the_master_alone_has_all() {
        let mut site = site();
        let node = site.nodes[0].clone();
        site.nodes = vec![node; crate::render::template::PEERS_MAX + 1];
        let of = |machine| known(&site, &mut overlays(&[]), machine).unwrap();
        assert_eq!(of(of_unlisted).matches("ssh-ed25519").count(), 1);
        assert_eq!(of(of_master).matches("ssh-ed25519").count(), site.nodes.len() + 1);
    }
}
