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
                if text.len() > super::LONGEST {
                    return Err(format!("{} bytes are too long a value; leave it at {}", text.len(), super::LONGEST));
                }
                if check(text) { Ok(Self(text.to_owned())) } else { Err(format!(concat!("`{}` ", $right), super::shown(text))) }
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

mod command_line;
mod host;
mod kernel;
mod mac;
mod nearest;
mod net;
mod problem;
mod service;
mod text;

pub use command_line::CommandLine;
pub use host::HostName;
pub use kernel::{Kernel, ModuleName, compare_versions};
pub use mac::Mac;
pub use nearest::nearest;
pub use net::{Address, AddressRange, HostNet, InterfaceName, RemoteDevice, RootServer};
pub use problem::Problem;
pub use service::Service;
use text::is_file_name;
pub use text::{AbsolutePath, FileSystemType, MountOptions, OverlayName};

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    }
}
