//! Addresses, subnets, and what is named by them.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::generation::Number;
use super::{AbsolutePath, shown, whole_number};

/// Refuses what no machine can have as its address on a network (RFC 6890).
fn of_a_host(address: Ipv4Addr) -> Result<(), &'static str> {
    match address.octets()[0] {
        0 => Err("of no network"),
        127 => Err("an address by which a machine calls itself"),
        224..=239 => Err("a multicast address"),
        240..=255 => Err("a reserved address"),
        _ => Ok(()),
    }
}

/// The IPv4 address of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(pub Ipv4Addr);
text_type!(Address);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let (what, remedy) =
                if let Ok(net) = text.split_once('/').map_or("", |(address, _)| address.trim()).parse::<Ipv4Addr>() {
                    ("is not an IPv4 address alone", format!("write {net}, for only the master's `address` has a prefix"))
                } else if text.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok() {
                    ("is an IPv6 address, and nodes boot by IPv4", "write an IPv4 address such as 172.23.199.226".to_owned())
                } else {
                    ("is not an IPv4 address", "write it as 172.23.199.226".to_owned())
                };
            format!("`{}` {what}; {remedy}", shown(text))
        };
        let address = text.parse().map_err(|_| wrong())?;
        of_a_host(address).map_err(|why| format!("`{}` is {why}; write the address of one machine", shown(text)))?;
        Ok(Self(address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An IPv4 host address with its prefix length: `172.23.199.225/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostNet {
    /// The host's address.
    pub address: Ipv4Addr,
    /// The prefix length in bits, 8 to 30.
    pub prefix: u8,
}
text_type!(HostNet);

impl FromStr for HostNet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
            let address = address.trim().parse().unwrap_or(Ipv4Addr::new(172, 23, 199, 225));
            // What people write for a prefix: a netmask.
            let netmask = prefix
                .trim()
                .parse::<Ipv4Addr>()
                .map(u32::from)
                .ok()
                .filter(|mask| mask.leading_ones() + mask.trailing_zeros() == 32);
            let prefix = netmask.map(u32::leading_ones).or(prefix.trim().parse().ok()).filter(|prefix| (8..=30).contains(prefix));
            format!("`{}` is not an address with a prefix; write it as {address}/{}", shown(text), prefix.unwrap_or(24))
        };
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let net = Self { address: address.parse().map_err(|_| wrong())?, prefix: whole_number(prefix).ok_or_else(wrong)? };
        if !(8..=30).contains(&net.prefix) {
            return Err(format!("the prefix of `{}` must be between 8 and 30; 24 makes a subnet of 254 machines", shown(text)));
        }
        let another = "write the address of the machine itself";
        of_a_host(net.address).map_err(|why| format!("`{}` is {why}; {another}", shown(text)))?;
        net.usable(net.address).map_err(|why| format!("`{}` is {why}; {another}", shown(text)))?;
        Ok(net)
    }
}

impl fmt::Display for HostNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl HostNet {
    /// The netmask, `255.255.255.0` for a prefix of 24.
    #[must_use]
    pub fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0))
    }

    /// The network's own address, the lowest of the subnet.
    #[must_use]
    pub fn network(self) -> Ipv4Addr {
        self.address & self.netmask()
    }

    /// The broadcast address, the highest of the subnet.
    #[must_use]
    pub fn broadcast(self) -> Ipv4Addr {
        self.network() | !self.netmask()
    }

    /// The lowest and the highest address that a host can have.
    #[must_use]
    pub fn hosts(self) -> (Ipv4Addr, Ipv4Addr) {
        let next = |address: Ipv4Addr| Ipv4Addr::from(u32::from(address).saturating_add(1));
        let before = |address: Ipv4Addr| Ipv4Addr::from(u32::from(address).saturating_sub(1));
        (next(self.network()), before(self.broadcast()))
    }

    /// Whether `address` lies in this subnet.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address & self.netmask() == self.network()
    }

    /// Checks that a host of this subnet can have `address`.
    ///
    /// # Errors
    /// What the address is instead, as the end of a sentence.
    pub fn usable(self, address: Ipv4Addr) -> Result<(), String> {
        if !self.contains(address) {
            Err(format!("outside the subnet {}/{}", self.network(), self.prefix))
        } else if address == self.network() {
            Err(format!("the network address of {}/{}", self.network(), self.prefix))
        } else if address == self.broadcast() {
            Err(format!("the broadcast address of {}/{}", self.network(), self.prefix))
        } else {
            Ok(())
        }
    }
}

checked_text!(
    /// The name of a network interface (at most 15 bytes: IFNAMSIZ). ip(8) shows `eth0.5@eth0` for `eth0.5`.
    InterfaceName,
    |text| (1..=15).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text != "lo",
    "is not the name of a network interface; at most 15 letters, digits, `.`, `_`, `-`, as ip(8) shows it before a `@`, and not `lo`"
);

/// An NFS server by address and the path it exports: `172.23.199.10:/void`. The initramfs resolves no names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootServer {
    /// The server's address.
    pub address: Ipv4Addr,
    /// The exported path, as a client names it; `{generation}` in it is the number of the one that it boots.
    pub path: String,
}
text_type!(RootServer);

impl RootServer {
    /// The part of the path that stands for the number of a generation.
    const PLACEHOLDER: &str = "{generation}";

    /// Whether it has generations, and not one root for all times.
    #[must_use]
    pub fn has_generations(&self) -> bool {
        self.path.contains(Self::PLACEHOLDER)
    }

    /// The path of a generation.
    #[must_use]
    pub fn path_of(&self, number: Number) -> String {
        self.path.replace(Self::PLACEHOLDER, &number.to_string())
    }
}

impl FromStr for RootServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` does not name a server and a path; write it as 172.23.199.10:/void (the initramfs resolves no names)",
                shown(text)
            )
        };
        let (address, path) = text.split_once(':').ok_or_else(wrong)?;
        let Address(address) = address.parse().map_err(|_| wrong())?;
        // What is wrong with a path that is one is told as of any path.
        let like = path.replacen(Self::PLACEHOLDER, "0", 1);
        like.parse::<AbsolutePath>().map_err(|told| if path.starts_with('/') { told } else { wrong() })?;
        Ok(Self { address, path: path.to_owned() })
    }
}

impl fmt::Display for RootServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.path)
    }
}

checked_text!(
    /// The device of a network file system as fstab(5) takes it: `nas:/home`, `10.0.0.1,10.0.0.2:/`, `mgs@tcp:/scratch`. What
    /// begins like `LABEL=` would be a disk's.
    RemoteDevice,
    |text| text.len() <= 255
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && text.split_once(":/").is_some_and(|(servers, _)| !servers.contains(['/', '=']))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b":/,.@_=+-[]".contains(&b)),
    "does not name a server and a path; write it as nas.example.org:/home"
);

impl RemoteDevice {
    /// What stands before the path: one server, or several with commas.
    #[must_use]
    pub fn servers(&self) -> &str {
        self.0.split_once(":/").map_or("", |(servers, _)| servers)
    }

    /// The path on the server.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.find(":/").map_or("", |at| &self.0[at + 1..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_net_knows_its_subnet() {
        let net: HostNet = "172.23.199.225/24".parse().unwrap();
        assert_eq!(net.netmask(), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!(net.network(), Ipv4Addr::new(172, 23, 199, 0));
        assert_eq!(net.broadcast(), Ipv4Addr::new(172, 23, 199, 255));
        let (first, last) = net.hosts();
        assert!(net.usable(first).is_ok() && net.usable(last).is_ok());
        assert!(net.usable(Ipv4Addr::new(172, 23, 199, 226)).is_ok());
        assert_eq!(net.usable(Ipv4Addr::new(172, 23, 200, 1)).unwrap_err(), "outside the subnet 172.23.199.0/24");
        for text in [
            "172.23.199.225",
            "172.23.199.0/24",
            "172.23.199.255/24",
            "1.2.3.4/31",
            "1.2.3.4/7",
            "1.2.3/24",
            "x/24",
            "1.2.3.4/+24",
            "1.2.3.4/024",
        ] {
            assert!(text.parse::<HostNet>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_those_of_machines() {
        for text in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "10.0.0", "010.0.0.1"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
            assert!(format!("{text}:/void").parse::<RootServer>().is_err(), "{text}");
            assert!(format!("{text}/24").parse::<HostNet>().is_err(), "{text}");
        }
    }

    #[test]
    fn interfaces_are_cards() {
        for text in ["eth0", "enp3s0f0", "eth0.10", "br-lan", "0a"] {
            assert!(text.parse::<InterfaceName>().is_ok(), "{text}");
        }
        for text in ["lo", "", "-x", ".", "..", "eth0:1", "eth0*", "eth0.5@eth0", "a b", "abcdefghijklmnop"] {
            assert!(text.parse::<InterfaceName>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_meant_is_told() {
        let told = |error: String| error.rsplit_once("; ").unwrap().1.to_owned();
        for (text, meant) in [
            ("172.23.199.225", "172.23.199.225/24"),
            ("172.23.199.225 / 16", "172.23.199.225/16"),
            ("172.23.199.225/255.255.255.128", "172.23.199.225/25"),
            ("172.23.199.225/255.0.255.0", "172.23.199.225/24"),
        ] {
            assert_eq!(told(text.parse::<HostNet>().unwrap_err()), format!("write it as {meant}"));
        }
        assert!(told("10.0.0.5/24".parse::<Address>().unwrap_err()).starts_with("write 10.0.0.5, "));
        assert!("fe80::1".parse::<Address>().unwrap_err().contains("IPv6"));
        assert!(told("10.0.0.1:/void/".parse::<RootServer>().unwrap_err()) == "write /void");
    }

    #[test]
    fn remote_devices_name_server_and_path() {
        for text in ["nas:/home", "10.0.0.1,10.0.0.2:/", "mgs@tcp:/scratch"] {
            assert!(text.parse::<RemoteDevice>().is_ok(), "{text}");
        }
        for text in ["nas", "-o:/x", "LABEL=a:/b", "/dev/sda:/", "//nas/share:/", "#a:/b", ":/home", "nas:/a b"] {
            assert!(text.parse::<RemoteDevice>().is_err(), "{text}");
        }
        let device: RemoteDevice = "10.0.0.1,10.0.0.2:/a:/b".parse().unwrap();
        assert_eq!((device.servers(), device.path()), ("10.0.0.1,10.0.0.2", "/a:/b"));
        assert!("nas:/void".parse::<RootServer>().is_err());
        assert_eq!("10.0.0.1:/void".parse::<RootServer>().unwrap().path, "/void");
    }
}
