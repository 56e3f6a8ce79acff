//! Values that cannot be wrong: each parses from the text of the configuration and says what would be right.
//!
//! A type whose rule is one test of its text is made by `checked_text!`.

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

/// Declares a newtype over a checked string: its rule, and what is right; or what is wrong with a text and what is right.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr, $right:literal) => {
        checked_text!($(#[$doc])* $name, |text| {
            let check: fn(&str) -> bool = $check;
            if check(text) { Ok(()) } else { Err(format!(concat!("`{}` ", $right), super::shown(text))) }
        });
    };
    ($(#[$doc:meta])* $name:ident, $fault:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);
        text_type!($name);

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let check: fn(&str) -> Result<(), String> = $fault;
                if text.len() > super::LONGEST {
                    return Err(format!("{} bytes are too long a value; leave it at {}", text.len(), super::LONGEST));
                }
                check(text).map(|()| Self(text.to_owned()))
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

use std::str::FromStr;

mod command_line;
mod compression;
pub mod generation;
mod host;
pub mod identity;
mod kernel;
pub mod lower;
mod mac;
pub mod mount;
mod nearest;
mod net;
mod power;
mod problem;
mod range;
pub mod scratch;
pub mod series;
mod service;
mod text;
mod var;

pub use command_line::CommandLine;
pub use compression::Compression;
pub use host::HostName;
pub use kernel::{Kernel, ModuleName, compare_versions};
pub use mac::Mac;
pub use nearest::{did_you_mean, nearest};
pub use net::{Address, HostNet, InterfaceName, RemoteDevice, RootServer};
pub use power::PowerCommand;
pub use problem::{Problem, listed};
pub use range::AddressRange;
pub use service::Service;
use text::is_file_name;
pub use text::{AbsolutePath, FileSystemType, MountOptions, OverlayName, PrivatePath};
pub use var::{Var, VarName, VarText, Vars};

/// No value is longer, in bytes.
const LONGEST: usize = 1024;

/// A value as messages show it: on one line, and not longer than that.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(72).flat_map(char::escape_debug).collect();
    if text.chars().nth(72).is_some() {
        shown.push('…');
    }
    shown
}

/// A text as TOML has it, in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for sign in text.chars() {
        match sign {
            '"' | '\\' => quoted.extend(['\\', sign]),
            sign if sign.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(sign))),
            sign => quoted.push(sign),
        }
    }
    quoted + "\""
}

/// A number in digits alone. Rust takes a sign, and to other programs a zero in front begins an octal number.
pub(crate) fn whole_number<T: FromStr>(digits: &str) -> Option<T> {
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use std::fmt::{Debug, Display};

    /// Texts near the seeds: random ones practically never parse, and what never parses tests nothing.
    fn near(seeds: &'static [&'static str]) -> impl Strategy<Value = String> {
        let signs = "[\\PC\\x00-\\x20!-/:-@\\[-`{-~]{1}";
        let own = prop::sample::select(seeds).prop_flat_map(|seed| prop::sample::select(seed.chars().collect::<Vec<_>>()));
        let sign = prop_oneof![signs.prop_map(|sign| sign), own.prop_map(String::from)];
        (prop::sample::select(seeds), sign, any::<prop::sample::Index>(), 0..5u8).prop_map(|(seed, sign, at, how)| {
            let mut chars: Vec<char> = seed.chars().collect();
            let at = at.index(chars.len());
            match how {
                0 => {}
                1 => chars.splice(at..at, sign.chars()).for_each(drop),
                2 => chars.splice(at..=at, sign.chars()).for_each(drop),
                3 => chars.splice(at..=at, None).for_each(drop),
                _ => chars.extend(sign.chars().chain(seed.chars())),
            }
            chars.into_iter().collect()
        })
    }

    /// What parses prints as something that parses to the same and keeps the rule; what does not is told in one line with a
    /// way out. Both happen often.
    fn holds<T: FromStr<Err = String> + Display + PartialEq + Debug>(seeds: &'static [&'static str], rule: fn(&str) -> bool) {
        let (mut runner, strategy) = (TestRunner::default(), near(seeds));
        let (mut right, mut wrong) = (0, 0);
        for _ in 0..600 {
            let text = strategy.new_tree(&mut runner).unwrap().current();
            match text.parse::<T>() {
                Ok(value) => {
                    let printed = value.to_string();
                    assert_eq!(printed.parse::<T>().as_ref(), Ok(&value), "{text:?}");
                    assert!(rule(&printed), "{text:?} became {printed:?}");
                    right += 1;
                }
                Err(message) => {
                    let (what, remedy) = message.rsplit_once("; ").unwrap_or_else(|| panic!("no remedy in {message}"));
                    assert!(!what.is_empty() && !remedy.is_empty() && message.chars().count() < 400, "{message}");
                    assert!(!message.contains(char::is_control), "{message:?}");
                    wrong += 1;
                }
            }
        }
        assert!(right > 60 && wrong > 60, "{right} right, {wrong} wrong: the seeds have no teeth");
    }

    /// Whether a text is one word for a shell, for fstab(5) and for a kernel command line.
    fn is_word(text: &str) -> bool {
        !text.is_empty()
            && !text.starts_with('-')
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'`\\$;{}|&<>()#*?~!^".contains(&b))
    }

    #[test]
    fn cards_and_addresses_hold_their_rules() {
        holds::<Mac>(&["52:54:00:ab:CD:56", "52-54-00-ab-cd-56", "5254.00ab.cd56", "525400abcd56"], |text| text.len() == 17);
        holds::<Address>(&["172.23.199.226", "10.0.0.1", "192.168.100.200"], is_word);
        holds::<HostNet>(&["172.23.199.225/24", "10.0.0.1/8", "192.168.1.1/30"], is_word);
        holds::<AddressRange>(&["10.0.0.5 - 10.0.0.9", "172.23.199.100-172.23.199.199"], |text| text.split(" - ").count() == 2);
        holds::<InterfaceName>(&["eth0", "enp3s0f0", "br-lan", "eth0.10", "lo"], |text| {
            is_word(text) && text != "lo" && text.len() < 16
        });
        holds::<RootServer>(&["10.0.0.1:/void", "172.23.199.10:/a/b.c"], |text| is_word(text) && !text.contains(','));
        holds::<RemoteDevice>(&["nas:/home", "10.0.0.1,10.0.0.2:/", "mgs@tcp:/x"], |text| is_word(text) && text.contains(":/"));
    }

    #[test]
    fn names_hold_their_rules() {
        holds::<HostName>(&["n1", "node-1.Cluster", "3com", "a.b.c"], |text| is_word(text) && text.len() <= HostName::MAX);
        holds::<OverlayName>(&["compute", "a.b_c", "x+y@z"], |text| {
            is_word(text) && !text.contains('/') && !text.starts_with('.')
        });
        holds::<ModuleName>(&["i915", "nvme-core", "8021q"], is_word);
        holds::<Service>(&["sshd", "!sshd", "agetty-tty1"], |text| is_word(text.trim_start_matches('!')) && !text.contains('/'));
        holds::<VarName>(&["rack", "ntp_servers", "X2"], |text| is_word(text) && !text.contains(['-', '.']));
        holds::<Kernel>(&["newest", "6.12.94_1", "6.6.100_10"], |text| is_word(text) && !text.contains('/'));
    }

    #[test]
    fn texts_hold_their_rules() {
        let inside =
            |text: &str| is_word(text) && text.starts_with('/') && !text.split('/').any(|part| part == ".." || part == ".");
        holds::<AbsolutePath>(&["/home", "/data/R-D_1.2+3@x", "/a/b/c"], inside);
        holds::<MountOptions>(&["ro,nfsvers=4", "rw", "x-a=b:/c%d"], |text| is_word(text) && !text.split(',').any(str::is_empty));
        holds::<FileSystemType>(&["nfs4", "ceph", "fuse.sshfs"], |text| is_word(text) && text != "swap" && text != "none");
        let plain = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !text.contains(['"', '\'', '$', ';', '\\']);
        holds::<VarText>(&["10.0.0.1 iburst\tx", "a \"b\" c", "é\u{1b}x\n"], |text| !text.contains(char::is_control));
        holds::<CommandLine>(&["loglevel=4 quiet", "overlay.size=50% a", "a=b,c:d"], plain);
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_as_it_was(text in "\\PC{0,9}[\\x00-\\x9f\"\\\\]{0,9}") {
            let table: toml::Table = toml::from_str(&format!("x = {}", quoted(&text))).unwrap();
            prop_assert_eq!(table["x"].as_str(), Some(text.as_str()));
        }

        #[test]
        fn versions_are_ordered_as_their_numbers_are(left in prop::collection::vec(0..200u32, 1..5), right in prop::collection::vec(0..200u32, 1..5)) {
            let text = |numbers: &[u32]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
            prop_assert_eq!(compare_versions(&text(&left), &text(&right)), left.cmp(&right));
        }
    }
}
