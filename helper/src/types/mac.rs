//! The address of a network card.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::shown;

/// A MAC address (EUI-48), stored as six bytes; any common notation is read, lower case with colons is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);
text_type!(Mac);

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a MAC address; write it as 52:54:00:12:34:56", shown(text));
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
            return Err(format!(
                "`{text}` is not the address of one network card (a group or null address); see ip(8), link/ether"
            ));
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
    /// Its six bytes, as they go over the wire.
    #[must_use]
    pub fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The length of [`Self::loader_name`].
    pub const LOADER_NAME: usize = "01-52-54-00-12-34-56".len();

    /// The address that lies so many behind this one, as those of the cards of one delivery often do; `None` past the last
    /// of its vendor.
    #[must_use]
    pub fn plus(self, count: u32) -> Option<Self> {
        let [a, b, c, d, e, g] = self.0;
        let [over, d, e, g] = u32::from_be_bytes([0, d, e, g]).checked_add(count)?.to_be_bytes();
        (over == 0).then_some(Self([a, b, c, d, e, g]))
    }

    /// Its six bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// The first three bytes, which tell the vendor, as tables of vendors have them: `52-54-00`.
    #[must_use]
    pub fn vendor(self) -> String {
        let [a, b, c, ..] = self.0;
        format!("{a:02X}-{b:02X}-{c:02X}")
    }

    /// The file name under which PXELINUX and our GRUB look for this card: `01-` (the ARP type of Ethernet) and dashes.
    #[must_use]
    pub fn loader_name(self) -> String {
        format!("01-{}", self.to_string().replace(':', "-"))
    }
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
    fn cards_of_one_delivery_count() {
        let mac: Mac = "52:54:00:00:ff:fe".parse().unwrap();
        assert_eq!(mac.plus(3).unwrap().to_string(), "52:54:00:01:00:01");
        assert_eq!((mac.plus(0xff_ffff), mac.vendor()), (None, "52-54-00".to_owned()));
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

    proptest! {
        #[test]
        fn every_card_address_round_trips_in_each_notation(mut bytes in any::<[u8; 6]>(), notation in 0..4usize) {
            bytes[0] &= 0xfe;
            prop_assume!(bytes != [0; 6]);
            let digits = |separator: &str, width: usize| {
                let all: String = bytes.iter().map(|b| format!("{b:02X}")).collect();
                all.as_bytes().chunks(width).map(|part| std::str::from_utf8(part).unwrap()).collect::<Vec<_>>().join(separator)
            };
            let text = [digits(":", 2), digits("-", 2), digits(".", 4), digits("", 12)];
            prop_assert_eq!(text[notation].parse::<Mac>(), Ok(Mac(bytes)));
        }
    }
}
