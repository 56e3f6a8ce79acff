//! Values that cannot be wrong: each parses from the text of the configuration and says what would be right.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Declares a newtype that serde reads and writes as a string through [`FromStr`] and [`fmt::Display`].
macro_rules! text_type {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

/// A MAC address (EUI-48), stored as six bytes; any common notation is read, lower case with colons is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);
text_type!(Mac);

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a MAC address; write it as 52:54:00:12:34:56");
        // 52:54:00:12:34:56, 52-54-00-12-34-56, 5254.0012.3456 (Cisco) and 525400123456.
        let width = match text.chars().find(|c| !c.is_ascii_hexdigit()) {
            Some(':' | '-') => 2,
            Some('.') => 4,
            None => 12,
            Some(_) => return Err(wrong()),
        };
        let separator = text.chars().find(|c| !c.is_ascii_hexdigit());
        let groups: Vec<&str> = separator.map_or_else(|| vec![text], |c| text.split(c).collect());
        let fits = |group: &&str| group.len() == width && group.bytes().all(|b| b.is_ascii_hexdigit());
        if groups.len() * width != 12 || !groups.iter().all(fits) {
            return Err(wrong());
        }
        let digits = groups.concat();
        let mut bytes = [0; 6];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        // The group bit is the lowest of the first byte (IEEE 802-2014, 8.2): no card has such an address.
        if bytes[0] & 1 == 1 || bytes == [0; 6] {
            return Err(format!("`{text}` is not the address of one network card (a group or null address)"));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Mac {
    /// The file name under which PXELINUX and our GRUB look for this card: `01-` (the ARP type of Ethernet) and dashes.
    #[must_use]
    pub fn loader_name(self) -> String {
        format!("01-{}", self.to_string().replace(':', "-"))
    }
}

/// Checks one label of a host name (RFC 1123, 2.1; RFC 1035, 2.3.1).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A host name by RFC 1123, one label or several, stored in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);
text_type!(HostName);

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > Self::MAX || !text.split('.').all(is_label) {
            return Err(format!(
                "`{text}` is not a host name; use letters, digits and dashes (RFC 1123), at most 63 a label and 64 in all"
            ));
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(format!("`{text}` looks like an address, not a host name; begin it with a letter"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HostName {
    /// The kernel keeps at most so many bytes (`__NEW_UTS_LEN`).
    pub const MAX: usize = 64;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first label.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }

    /// The name with the domain behind it, unless it has one.
    #[must_use]
    pub fn fqdn(&self, domain: Option<&Self>) -> String {
        match domain {
            Some(domain) if !self.0.contains('.') => format!("{self}.{domain}"),
            _ => self.0.clone(),
        }
    }
}

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

/// Declares a newtype over a checked string: its rule, and what is right.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr, $right:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);
        text_type!($name);

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(format!(concat!("`{}` ", $right), text.escape_debug())) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

/// A file name that is safe everywhere: one component, no leading dot or dash.
fn is_file_name(text: &str) -> bool {
    text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-@".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

checked_text!(
    /// The name of an overlay or a profile: one folder name.
    OverlayName,
    is_file_name,
    "is not a name; begin with a letter or digit, go on with letters, digits, `.`, `_`, `+`, `-`, `@`"
);

checked_text!(
    /// The name of a kernel module, as modprobe takes it.
    ModuleName,
    |text| !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
    "is not the name of a kernel module; use letters, digits, `_` and `-`"
);

checked_text!(
    /// The name of a network interface (at most 15 bytes: IFNAMSIZ).
    InterfaceName,
    |text| (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b)) && !matches!(text, "." | ".."),
    "is not the name of a network interface; at most 15 letters, digits, `.`, `_`, `-`"
);

checked_text!(
    /// A piece of the kernel's command line. What GRUB's script language gives a meaning is refused: PXELINUX passes it
    /// on as it is, quotes included. A line break would end the loader's entry.
    CommandLine,
    |text| text.len() <= 1024
        && text.bytes().all(|b| matches!(b, b' '..=b'~') && !b"\"'`\\$;{}|&<>".contains(&b))
        && !text.split(' ').any(|word| word.starts_with('#')),
    "cannot be passed on a kernel command line; leave out quotes, backslashes, braces, `$`, `;`, `|`, `&`, `<`, `>`, words that begin with `#`, control characters and all but ASCII"
);

checked_text!(
    /// Options of mount(8) or exports(5): comma-separated, no blanks.
    MountOptions,
    |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"=,._:/+-%@".contains(&b)),
    "is not a list of mount options; write them as \"ro,nfsvers=4\" without blanks"
);

checked_text!(
    /// An absolute path that stands as it is, unquoted, in a shell script, in fstab(5) and on a kernel command line, where
    /// a comma ends it.
    AbsolutePath,
    |text| text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._+-@".contains(&b)),
    "is not an absolute path; begin with `/`, go on with letters, digits, `.`, `_`, `+`, `-`, `@`, without `..` or a slash at the end"
);

checked_text!(
    /// The type of a file system as mount(8) takes it.
    FileSystemType,
    |text| (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
    "is not a file system type; write for example nfs4, ceph or lustre"
);

checked_text!(
    /// The device of a network file system as fstab(5) takes it: `nas:/home`, `10.0.0.1,10.0.0.2:/`, `mgs@tcp:/scratch`.
    RemoteDevice,
    |text| text.contains(":/") && !text.starts_with(':') && text.bytes().all(|b| b.is_ascii_alphanumeric() || b":/,.@_=+-[]".contains(&b)),
    "does not name a server and a path; write it as nas.example.org:/home"
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

/// A runit service to enable, or with a leading `!` to keep from starting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Service {
    /// The folder's name under /etc/sv.
    pub name: String,
    /// Whether the service is to run.
    pub enabled: bool,
}
text_type!(Service);

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix('!').unwrap_or(text);
        if !is_file_name(name) {
            return Err(format!(
                "`{text}` is not the name of a service; write sshd to enable it, !sshd to keep it from starting"
            ));
        }
        Ok(Self { name: name.to_owned(), enabled: name.len() == text.len() })
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.enabled { "" } else { "!" }, self.name)
    }
}

/// Which kernel a client boots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Kernel {
    /// The newest that is installed in the shared root.
    #[default]
    Newest,
    /// This one: the name of a folder under /usr/lib/modules.
    Version(String),
}
text_type!(Kernel);

impl FromStr for Kernel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "newest" {
            Ok(Self::Newest)
        } else if is_file_name(text) && text.starts_with(|c: char| c.is_ascii_digit()) {
            Ok(Self::Version(text.to_owned()))
        } else {
            Err(format!("`{text}` is not a kernel; write \"newest\" or a version such as 6.12.94_1"))
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("newest"),
            Self::Version(version) => f.write_str(version),
        }
    }
}

/// Orders kernel versions as people read them: runs of digits by value, everything else by text.
#[must_use]
pub fn compare_versions(left: &str, right: &str) -> std::cmp::Ordering {
    fn parts(version: &str) -> Vec<(u64, &str)> {
        let mut rest = version;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(digits);
            let text = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (text, tail) = tail.split_at(text);
            parts.push((number.parse().unwrap_or(0), text));
            rest = tail;
        }
        parts
    }
    parts(left).cmp(&parts(right)).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mac_reads_every_common_notation() {
        for text in ["52:54:00:AB:cd:56", "52-54-00-ab-cd-56", "5254.00ab.cd56", "525400ABCD56"] {
            assert_eq!(text.parse::<Mac>().unwrap().to_string(), "52:54:00:ab:cd:56", "{text}");
        }
        assert_eq!("52:54:00:ab:cd:56".parse::<Mac>().unwrap().loader_name(), "01-52-54-00-ab-cd-56");
    }

    #[test]
    fn mac_refuses_what_no_card_has() {
        for text in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:5g",
            "52:54-00:ab:cd:56",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
            "52:54:00:ab:cd:56:78",
            "525400ab cd56",
            "5:4:0:a:c:6",
            "éééééé",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }

    #[test]
    fn host_names_follow_rfc_1123() {
        for text in ["n1", "node-1.Cluster", "3com", "a"] {
            assert!(text.parse::<HostName>().is_ok(), "{text}");
        }
        for text in ["", "-a", "a-", "a..b", "a_b", "nöde", "1.2.3.4", "12", &"a".repeat(64), &"a.".repeat(33)] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
        assert_eq!("N1.Cluster".parse::<HostName>().unwrap().short(), "n1");
    }

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
    fn command_lines_hold_nothing_a_loader_would_interpret() {
        for text in ["loglevel=4 console=ttyS0,115200n8", "memmap=64M#1G a=#b", "a=(b)!~%^*?[c]"] {
            assert!(text.parse::<CommandLine>().is_ok(), "{text}");
        }
        let quoted = ["a\"b", "a'b", "a`b", "a\\b"];
        let words = ["$(x)", "a;b", "a|b", "a&b", "a<b", "a>b", "{a}", "#a", "a #b"];
        for text in quoted.into_iter().chain(words).chain(["a\nb", "a\tb", "\u{7f}", "ä"]) {
            assert!(text.parse::<CommandLine>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn paths_are_absolute_and_stay_where_they_are() {
        for text in ["/home", "/data/R-D_1.2+3@x", "/.a/-b/...", "/a..b"] {
            assert!(text.parse::<AbsolutePath>().is_ok(), "{text}");
        }
        for text in ["", "home", "/", "//", "/a/../b", "/a/", "/a//b", "/./a", "/..", "/a/."] {
            assert!(text.parse::<AbsolutePath>().is_err(), "{text}");
        }
        for c in "\0\t\n \"#$%&'()*,:;<=>?[\\]^`{|}~\u{7f}\u{e4}".chars() {
            assert!(format!("/a{c}b").parse::<AbsolutePath>().is_err(), "{c:?}");
        }
    }

    #[test]
    fn services_are_enabled_or_kept_down() {
        assert!("sshd".parse::<Service>().unwrap().enabled);
        let down: Service = "!acpid".parse().unwrap();
        assert_eq!((down.name.as_str(), down.enabled), ("acpid", false));
        for text in ["", "!", "../x", "a/b", ".hidden", "!!a"] {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
    }

    #[test]
    fn kernels_sort_by_number() {
        let mut versions = vec!["6.12.9_1", "6.12.94_1", "6.6.100_1", "6.12.94_10", "6.12.94_2"];
        versions.sort_by(|a, b| compare_versions(a, b));
        assert_eq!(versions, ["6.6.100_1", "6.12.9_1", "6.12.94_1", "6.12.94_2", "6.12.94_10"]);
        assert!("../6.1".parse::<Kernel>().is_err() && "latest".parse::<Kernel>().is_err());
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

    proptest! {
        #[test]
        fn no_text_makes_a_type_panic_and_what_parses_prints_the_same(text in "\\PC{0,40}") {
            if let Ok(mac) = text.parse::<Mac>() { prop_assert_eq!(mac.to_string().parse::<Mac>(), Ok(mac)); }
            if let Ok(net) = text.parse::<HostNet>() { prop_assert_eq!(net.to_string().parse::<HostNet>(), Ok(net)); }
            let _ = text.parse::<HostName>();
            let _ = text.parse::<AddressRange>();
            let _ = text.parse::<AbsolutePath>();
            let _ = compare_versions(&text, "6.12.94_1");
        }

        #[test]
        fn every_card_address_round_trips(bytes in any::<[u8; 6]>()) {
            let text = bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join("-");
            if let Ok(mac) = text.parse::<Mac>() { prop_assert_eq!(mac.0, bytes); }
        }
    }
}
