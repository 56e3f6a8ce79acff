//! A pool of addresses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::shown;

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
        let wrong = || format!("`{}` is not a range; write it as \"{}\"", shown(text), meant(text));
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let range = Self {
            first: first.trim_matches(' ').parse().map_err(|_| wrong())?,
            last: last.trim_matches(' ').parse().map_err(|_| wrong())?,
        };
        if range.first > range.last {
            return Err(format!("`{}` ends before it begins; swap the two addresses", shown(text)));
        }
        Ok(range)
    }
}

/// The range that is meant by two addresses with something else between them, or by the end of the second: or an example.
fn meant(text: &str) -> AddressRange {
    let mut ends = text.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| !end.is_empty());
    let whole = |first: Ipv4Addr, end: &str| {
        let [a, b, c, _] = first.octets();
        end.parse().ok().or_else(|| end.parse().ok().map(|d: u8| Ipv4Addr::new(a, b, c, d)))
    };
    let first = ends.next().and_then(|first| first.parse().ok());
    let last = first.zip(ends.next()).and_then(|(first, last)| whole(first, last));
    match (first, last, ends.next()) {
        (Some(first), Some(last), None) if first <= last => AddressRange { first, last },
        _ => AddressRange { first: Ipv4Addr::new(172, 23, 199, 100), last: Ipv4Addr::new(172, 23, 199, 199) },
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.first, self.last)
    }
}

impl AddressRange {
    /// How many addresses the pool has.
    #[must_use]
    pub fn size(self) -> usize {
        usize::try_from(u32::from(self.last) - u32::from(self.first)).map_or(usize::MAX, |between| between.saturating_add(1))
    }

    /// Whether `address` is one of the pool's.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_two_ends_in_order() {
        let range: AddressRange = "10.0.0.5-10.0.0.9".parse().unwrap();
        assert!(range.contains(Ipv4Addr::new(10, 0, 0, 9)) && !range.contains(Ipv4Addr::new(10, 0, 0, 10)));
        assert!("10.0.0.9 - 10.0.0.5".parse::<AddressRange>().unwrap_err().contains("swap"));
        assert!("10.0.0.9".parse::<AddressRange>().is_err());
    }

    #[test]
    fn what_is_meant_is_told() {
        let told = |error: String| error.rsplit_once("; ").unwrap().1.to_owned();
        for (text, meant) in [
            ("10.0.0.5,10.0.0.9", "10.0.0.5 - 10.0.0.9"),
            ("10.0.0.5 10.0.0.9", "10.0.0.5 - 10.0.0.9"),
            ("10.0.0.5-9", "10.0.0.5 - 10.0.0.9"),
            ("10.0.0.9-5", "172.23.199.100 - 172.23.199.199"),
            ("10.0.0.5", "172.23.199.100 - 172.23.199.199"),
        ] {
            assert_eq!(told(text.parse::<AddressRange>().unwrap_err()), format!("write it as \"{meant}\""));
        }
    }
}
