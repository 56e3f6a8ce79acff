//! What a machine tells of itself on which nothing is configured yet: of all this a first configuration is made.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use anyhow::Result;

use super::Machine;
use super::cards::{Interfaces, routes};
use crate::paths;
use crate::types::{HostName, HostNet, Mac};

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The interfaces that have an address, by name.
    pub links: Vec<Link>,
    /// The MACs of its network cards.
    pub macs: BTreeSet<Mac>,
    /// The DNS servers that it asks, but for itself by a name of its own.
    pub dns: Vec<Ipv4Addr>,
    /// What it calls itself.
    pub name: Option<HostName>,
    /// What its root is on: type and device.
    pub root: Option<(String, String)>,
    /// What lies between that and the disk.
    pub below: BTreeSet<Below>,
}

/// An interface with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its own MAC, when it has one.
    pub mac: Option<Mac>,
    /// Whether it is a network card, and no bridge or the like.
    pub is_card: bool,
    /// The address and its subnet.
    pub net: HostNet,
    /// The router behind it, when the way to everywhere else leads there.
    pub gateway: Option<Ipv4Addr>,
    /// Whether a DHCP client sees to it, so that the address may change.
    pub by_dhcp: bool,
}

/// What may lie between a file system and its disk, so that an initramfs must know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Below {
    /// Encryption by LUKS.
    Luks,
    /// A volume of LVM.
    Lvm,
    /// Several disks as one, by md.
    Raid,
}

impl Seen {
    /// Looks at the machine.
    ///
    /// # Errors
    /// When something is there but cannot be read.
    pub fn of(machine: &Machine) -> Result<Self> {
        let root = machine.root_mount().map(|mount| (mount.kind.clone(), mount.source.clone()));
        let below = root.as_ref().map_or_else(|| Ok(BTreeSet::new()), |(_, source)| below(machine, source))?;
        let resolvers = machine.text(paths::RESOLVERS)?.unwrap_or_default();
        let resolvers = resolvers.lines().filter_map(|line| line.strip_prefix("nameserver")?.trim().parse::<Ipv4Addr>().ok());
        let interfaces = Interfaces::of(machine)?.unwrap_or_default();
        Ok(Self {
            links: links(machine, &interfaces)?,
            macs: interfaces.macs,
            dns: resolvers.filter(|server| !server.is_loopback()).collect(),
            name: machine.text(paths::RUNNING_NAME)?.and_then(|name| name.trim().parse().ok()),
            root,
            below,
        })
    }
}

fn links(machine: &Machine, interfaces: &Interfaces) -> Result<Vec<Link>> {
    let routes = routes(machine)?;
    let mut links = Vec::new();
    for route in routes.iter().filter(|route| route.is_direct()) {
        let name = &route.interface;
        let of_it = |address: &Ipv4Addr| address.to_bits() & route.mask == route.network;
        let address = interfaces.addresses.keys().find(|address| of_it(address));
        // One that no site can have is none: of a tunnel, for one.
        let net = address.and_then(|address| format!("{address}/{}", route.mask.leading_ones()).parse::<HostNet>().ok());
        let Some(net) = net.filter(|_| interfaces.names.contains(name)) else { continue };
        let elsewhere = routes.iter().find(|other| other.interface == *name && other.mask == 0 && other.gateway != 0);
        let mac = machine.text(&format!("{}/{name}/address", paths::INTERFACES))?;
        links.push(Link {
            name: name.clone(),
            mac: mac.and_then(|mac| mac.trim().parse().ok()),
            is_card: interfaces.cards.contains_key(name),
            net,
            gateway: elsewhere.map(|route| Ipv4Addr::from(route.gateway)).filter(|gateway| net.usable(*gateway).is_ok()),
            by_dhcp: is_by_dhcp(machine, name),
        });
    }
    links.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(links)
}

/// Whether Void's DHCP client runs for it, and was told of no address that stays.
fn is_by_dhcp(machine: &Machine, interface: &str) -> bool {
    let services = ["dhcpcd".to_owned(), format!("dhcpcd-{interface}")];
    let runs = |service: &String| machine.path(&format!("{}/{service}", paths::RUNNING_SERVICES)).exists();
    let told = machine.text(paths::DHCPCD).ok().flatten().unwrap_or_default();
    services.iter().any(runs) && !told.lines().any(|line| line.trim_start().starts_with("static ip_address"))
}

/// What lies below a device: the kernel has the names, and in the identifiers of the device mapper who made them.
fn below(machine: &Machine, source: &str) -> Result<BTreeSet<Below>> {
    let folder = machine.path(paths::BLOCK_DEVICES);
    let names = |folder: std::path::PathBuf| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    let of = |device: &str, file: &str| machine.text(&format!("{}/{device}/{file}", paths::BLOCK_DEVICES));
    let name = source.rsplit('/').next().unwrap_or(source);
    let mut next = Vec::new();
    for device in names(folder.clone()) {
        if device == name || of(&device, "dm/name")?.is_some_and(|mapped| mapped.trim() == name) {
            next.push(device);
        }
    }
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    while let Some(device) = next.pop() {
        let made_by = of(&device, "dm/uuid")?.unwrap_or_default();
        found.extend(made_by.starts_with("CRYPT-").then_some(Below::Luks));
        found.extend(made_by.starts_with("LVM-").then_some(Below::Lvm));
        found.extend(device.starts_with("md").then_some(Below::Raid));
        if seen.insert(device.clone()) {
            next.extend(names(folder.join(&device).join("slaves")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;

    fn hex(address: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(address))
    }

    #[test]
    fn links_have_their_subnet_and_the_way_out() {
        let line = |name: &str, network, gateway, mask| {
            format!("{name}\t{}\t{}\t0001\t0\t0\t0\t{}\t0\t0\t0\n", hex(network), hex(gateway), hex(mask))
        };
        let table = line("eth1", [0; 4], [10, 0, 0, 1], [0; 4])
            + &line("eth1", [10, 0, 0, 0], [0; 4], [255, 255, 0, 0])
            + &line("br0", [172, 23, 199, 0], [0; 4], [255, 255, 255, 0])
            + &line("wg0", [10, 9, 9, 9], [0; 4], [255; 4]);
        let trie = ["10.0.3.4", "172.23.199.225", "10.9.9.9"].map(|address| format!("|-- {address}\n /32 host LOCAL\n")).concat();
        let (_dir, machine) = machine(&[
            (paths::MOUNTS, "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"),
            (paths::ROUTES, &table),
            (paths::LOCAL_ADDRESSES, &trie),
            ("sys/class/net/eth1/address", "52:54:00:00:00:01\n"),
            ("sys/class/net/eth1/device/x", ""),
            ("sys/class/net/br0/address", "52:54:00:00:00:02\n"),
            ("sys/class/net/wg0/address", ""),
            (paths::RESOLVERS, "# x\nnameserver 127.0.0.1\nnameserver ::1\nnameserver\t10.0.0.1\n"),
            (paths::RUNNING_NAME, "box\n"),
            ("etc/runit/runsvdir/current/dhcpcd-eth1/run", ""),
        ]);
        let seen = Seen::of(&machine).unwrap();
        let told: Vec<_> = seen.links.iter().map(|link| (link.name.as_str(), link.net.to_string(), link.is_card)).collect();
        assert_eq!(told, [("br0", "172.23.199.225/24".to_owned(), false), ("eth1", "10.0.3.4/16".to_owned(), true)]);
        assert_eq!(seen.links.iter().map(|link| link.gateway).collect::<Vec<_>>(), [None, Some([10, 0, 0, 1].into())]);
        assert!(seen.links[1].by_dhcp);
        assert_eq!(seen.macs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["52:54:00:00:00:01"]);
        assert_eq!((seen.dns, seen.name.unwrap().as_str()), (vec![[10, 0, 0, 1].into()], "box"));
        assert_eq!(seen.root, Some(("ext4".to_owned(), "/dev/sda1".to_owned())));
    }

    #[test]
    fn what_an_initramfs_must_know_of_is_found_below_the_root() {
        let of = |source: &str| {
            let (_dir, machine) = machine(&[
                (paths::MOUNTS, &format!("1 0 8:1 / / rw - btrfs {source} rw\n")),
                ("sys/class/block/dm-1/dm/name", "void-root\n"),
                ("sys/class/block/dm-1/dm/uuid", "LVM-abc\n"),
                ("sys/class/block/dm-1/slaves/dm-0/x", ""),
                ("sys/class/block/dm-0/dm/name", "luks\n"),
                ("sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-abc-luks\n"),
                ("sys/class/block/dm-0/slaves/md127/x", ""),
                ("sys/class/block/md127/x", ""),
                ("sys/class/block/sda1/x", ""),
            ]);
            Seen::of(&machine).unwrap().below
        };
        assert_eq!(of("/dev/mapper/void-root"), [Below::Luks, Below::Lvm, Below::Raid].into());
        assert_eq!(of("/dev/dm-0"), [Below::Luks, Below::Raid].into());
        assert_eq!(of("/dev/sda1"), BTreeSet::new());
    }
}
