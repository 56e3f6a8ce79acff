//! Addresses, subnets, and what is named by them.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::AbsolutePath;

/// An IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(pub Ipv4Addr);
text_type!(Address);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().map_err(|_| format!("`{text}` is not an IPv4 address; write it as 172.23.199.226"))?;
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
        let wrong = || format!("`{text}` is not an address with a prefix; write it as 172.23.199.225/24");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let net = Self { address: address.parse().map_err(|_| wrong())?, prefix: prefix.parse().map_err(|_| wrong())? };
        if !(8..=30).contains(&net.prefix) {
            return Err(format!("the prefix of `{text}` must be between 8 and 30"));
        }
        net.usable(net.address).map_err(|why| format!("`{text}` is {why}"))?;
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

/// A pool of addresses, both ends included: `172.23.199.100 - 172.23.199.199`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    /// The lowest address given out.
    pub first: Ipv4Addr,
    /// The highest address given out.
    pub last: Ipv4Addr,
}
text_type!(AddressRange);

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a range; write it as \"172.23.199.100 - 172.23.199.199\"");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let range = Self { first: first.trim().parse().map_err(|_| wrong())?, last: last.trim().parse().map_err(|_| wrong())? };
        if range.first > range.last {
            return Err(format!("`{text}` ends before it begins; swap the two addresses"));
        }
        Ok(range)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.first, self.last)
    }
}

impl AddressRange {
    /// Whether `address` is one of the pool's.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

checked_text!(
    /// The name of a network interface (at most 15 bytes: IFNAMSIZ).
    InterfaceName,
    |text| (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b)) && !matches!(text, "." | ".."),
    "is not the name of a network interface; at most 15 letters, digits, `.`, `_`, `-`"
);

/// An NFS server by address and the path it exports: `172.23.199.10:/void`. The initramfs resolves no names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootServer {
    /// The server's address.
    pub address: Ipv4Addr,
    /// The exported path, as a client names it.
    pub path: String,
}
text_type!(RootServer);

impl FromStr for RootServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` does not name a server and a path; write it as 172.23.199.10:/void (the initramfs resolves no names)"
            )
        };
        let (address, path) = text.split_once(':').ok_or_else(wrong)?;
        let path: AbsolutePath = path.parse().map_err(|_| wrong())?;
        Ok(Self { address: address.parse().map_err(|_| wrong())?, path: path.to_string() })
    }
}

impl fmt::Display for RootServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.path)
    }
}

checked_text!(
    /// The device of a network file system as fstab(5) takes it: `nas:/home`, `10.0.0.1,10.0.0.2:/`, `mgs@tcp:/scratch`.
    RemoteDevice,
    |text| text.contains(":/") && !text.starts_with(':') && text.bytes().all(|b| b.is_ascii_alphanumeric() || b":/,.@_=+-[]".contains(&b)),
    "does not name a server and a path; write it as nas.example.org:/home"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_net_knows_its_subnet() {
        let net: HostNet = "172.23.199.225/24".parse().unwrap();
        assert_eq!(net.netmask(), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!(net.network(), Ipv4Addr::new(172, 23, 199, 0));
        assert_eq!(net.broadcast(), Ipv4Addr::new(172, 23, 199, 255));
        assert!(net.usable(Ipv4Addr::new(172, 23, 199, 226)).is_ok());
        assert_eq!(net.usable(Ipv4Addr::new(172, 23, 200, 1)).unwrap_err(), "outside the subnet 172.23.199.0/24");
        for text in ["172.23.199.225", "172.23.199.0/24", "172.23.199.255/24", "1.2.3.4/31", "1.2.3.4/7", "1.2.3/24", "x/24"] {
            assert!(text.parse::<HostNet>().is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_have_two_ends_in_order() {
        let range: AddressRange = "10.0.0.5-10.0.0.9".parse().unwrap();
        assert!(range.contains(Ipv4Addr::new(10, 0, 0, 9)) && !range.contains(Ipv4Addr::new(10, 0, 0, 10)));
        assert!("10.0.0.9 - 10.0.0.5".parse::<AddressRange>().unwrap_err().contains("swap"));
        assert!("10.0.0.9".parse::<AddressRange>().is_err());
    }

    #[test]
    fn remote_devices_name_server_and_path() {
        for text in ["nas:/home", "10.0.0.1,10.0.0.2:/", "mgs@tcp:/scratch"] {
            assert!(text.parse::<RemoteDevice>().is_ok(), "{text}");
        }
        assert!("nas".parse::<RemoteDevice>().is_err());
        assert!("nas:/void".parse::<RootServer>().is_err());
        assert_eq!("10.0.0.1:/void".parse::<RootServer>().unwrap().path, "/void");
    }
}
