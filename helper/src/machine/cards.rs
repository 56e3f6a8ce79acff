//! The network of the running machine: its cards, its other interfaces, its addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use anyhow::{Context, Result};

use super::Machine;
use crate::paths;
use crate::types::Mac;

/// What the machine has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Interfaces {
    /// The cards and their addresses: interfaces with a device behind them, no bridges, nothing a container made.
    pub cards: BTreeMap<String, Mac>,
    /// Every interface but `lo`.
    pub names: BTreeSet<String>,
    /// Every MAC that a card has now or had at boot: in a bond it has that of the first card.
    pub macs: BTreeSet<Mac>,
    /// The IPv4 addresses, and the interfaces that each may be of: those with a route to its subnet.
    pub addresses: BTreeMap<Ipv4Addr, BTreeSet<String>>,
}

impl Interfaces {
    /// Asks the machine; `None` when it has no /sys to ask.
    ///
    /// # Errors
    /// When it cannot be asked otherwise: that is not the same as to have none.
    pub fn of(machine: &Machine) -> Result<Option<Self>> {
        let folder = machine.path(paths::INTERFACES);
        if !folder.exists() {
            return Ok(None);
        }
        let cannot = || format!("{}: cannot list the network interfaces", folder.display());
        let mut found = Self { addresses: addresses(machine)?, ..Self::default() };
        for entry in std::fs::read_dir(&folder).with_context(cannot)? {
            let Ok(name) = entry.with_context(cannot)?.file_name().into_string() else { continue };
            if name == "lo" {
                continue;
            }
            let value = |of: &str| -> Result<Option<Mac>> {
                let text = machine.text(&format!("{}/{name}/{of}", paths::INTERFACES))?;
                Ok(text.and_then(|text| text.trim().parse().ok()))
            };
            if machine.path(&format!("{}/{name}/device", paths::INTERFACES)).exists() {
                if let Some(mac) = value("address")? {
                    found.cards.insert(name.clone(), mac);
                }
                found.macs.extend(value("address")?.into_iter().chain(value("bonding_slave/perm_hwaddr")?));
            }
            found.names.insert(name);
        }
        let at_boot = machine.record(paths::OWN_MACS)?;
        found.macs.extend(at_boot.iter().filter_map(|line| line.trim().parse::<Mac>().ok()));
        Ok(Some(found))
    }
}

/// The kernel's table of routes has each address of this machine as `/32 host LOCAL` below its own line (`|-- ADDRESS`).
fn addresses(machine: &Machine) -> Result<BTreeMap<Ipv4Addr, BTreeSet<String>>> {
    let routes = direct(&routes(machine)?);
    let mut addresses = BTreeMap::new();
    let mut last = None;
    for line in machine.text(paths::LOCAL_ADDRESSES)?.unwrap_or_default().lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            last = address.trim().parse::<Ipv4Addr>().ok();
        } else if let (Some(address), true) = (last, line.trim() == "/32 host LOCAL")
            && !address.is_loopback()
        {
            let on = routes.iter().filter(|(_, network, mask)| address.to_bits() & mask == *network);
            addresses.insert(address, on.map(|(name, ..)| name.clone()).collect());
        }
    }
    Ok(addresses)
}

/// A line of the kernel's table of routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Through which interface.
    pub interface: String,
    /// Where to.
    pub network: u32,
    /// The mask of that.
    pub mask: u32,
    /// The router; 0 for a subnet that the machine is in.
    pub gateway: u32,
}

impl Route {
    /// Whether it is to a subnet that the machine is in.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.gateway == 0 && self.mask != 0
    }
}

/// The routes: `NAME NETWORK GATEWAY FLAGS … MASK` a line, in hexadecimal digits of the machine's own order.
///
/// # Errors
/// When the table is there and cannot be read.
pub fn routes(machine: &Machine) -> Result<Vec<Route>> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| {
            let bits = u32::from_str_radix(fields.get(index)?, 16).ok()?;
            Some(u32::from_be_bytes(bits.to_ne_bytes()))
        };
        Some(Route { interface: fields.first()?.to_string(), network: number(1)?, gateway: number(2)?, mask: number(7)? })
    };
    Ok(machine.text(paths::ROUTES)?.unwrap_or_default().lines().filter_map(route).collect())
}

/// Interface, network and mask of every subnet that the machine is in.
fn direct(routes: &[Route]) -> Vec<(String, u32, u32)> {
    let subnets = routes.iter().filter(|route| route.is_direct());
    subnets.map(|route| (route.interface.clone(), route.network, route.mask)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::{machine, overlay_on};

    fn mac(text: &str) -> Mac {
        text.parse().unwrap()
    }

    #[test]
    fn cards_have_a_device_and_keep_the_address_that_they_had() {
        let mounts = overlay_on("ext4", "x", "rw");
        let (_dir, machine) = machine(&[
            (paths::MOUNTS, &mounts),
            ("sys/class/net/lo/address", "00:00:00:00:00:00\n"),
            ("sys/class/net/br0/address", "52:54:00:00:00:09\n"),
            ("sys/class/net/enp1s0/address", "52:54:00:00:00:01\n"),
            ("sys/class/net/enp1s0/device/x", ""),
            ("sys/class/net/enp2s0/address", "52:54:00:00:00:01\n"),
            ("sys/class/net/enp2s0/device/x", ""),
            ("sys/class/net/enp2s0/bonding_slave/perm_hwaddr", "52:54:00:00:00:02\n"),
            (&paths::record(paths::OWN_MACS), "52:54:00:00:00:01\n52:54:00:00:00:03\n"),
        ]);
        let found = Interfaces::of(&machine).unwrap().unwrap();
        assert_eq!(found.cards.keys().collect::<Vec<_>>(), ["enp1s0", "enp2s0"]);
        assert_eq!(found.names.iter().collect::<Vec<_>>(), ["br0", "enp1s0", "enp2s0"]);
        assert_eq!(found.macs, [1, 2, 3].map(|n| mac(&format!("52:54:00:00:00:0{n}"))).into());
    }

    #[test]
    fn a_machine_that_cannot_be_asked_is_none_without_cards() {
        let (_dir, without) = machine(&[(paths::MOUNTS, "")]);
        assert_eq!(Interfaces::of(&without).unwrap(), None);
        let (_dir, broken) = machine(&[(paths::MOUNTS, ""), (paths::INTERFACES, "no folder")]);
        let error = format!("{:#}", Interfaces::of(&broken).unwrap_err());
        assert!(error.contains("sys/class/net: cannot list the network interfaces"), "{error}");
    }

    #[test]
    fn addresses_are_those_of_this_machine_with_their_interface() {
        // As Linux 6 writes them; the numbers are those of a machine that stores the low byte first.
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 172.23.199.0\n        /24 link UNICAST\nLocal:\n\
            \x20    |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 172.23.199.225\n        /32 host LOCAL\n\
            \x20    |-- 172.23.199.255\n        /32 link BROADCAST\n";
        let hex = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let line = |name: &str, network, gateway, mask| {
            format!("{name}\t{}\t{}\t0001\t0\t0\t0\t{}\t0\t0\t0\n", hex(network), hex(gateway), hex(mask))
        };
        let table = ["Iface\tDestination\tGateway\n".to_owned(), line("eth1", [0; 4], [172, 23, 199, 1], [0; 4])].concat()
            + &line("eth0", [172, 23, 199, 0], [0; 4], [255, 255, 255, 0]);
        let sys = ("sys/class/net/eth0/address", "");
        let (_dir, machine) = machine(&[(paths::MOUNTS, ""), (paths::LOCAL_ADDRESSES, trie), (paths::ROUTES, &table), sys]);
        let found = Interfaces::of(&machine).unwrap().unwrap().addresses;
        assert_eq!(found, BTreeMap::from([(Ipv4Addr::new(172, 23, 199, 225), BTreeSet::from(["eth0".to_owned()]))]));
    }
}
