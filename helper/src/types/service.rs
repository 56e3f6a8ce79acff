//! What runit runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{is_file_name, shown};

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
                "`{}` is not the name of a service; write sshd to enable it, !sshd to keep it from starting",
                shown(text)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_enabled_or_kept_down() {
        assert!("sshd".parse::<Service>().unwrap().enabled);
        let down: Service = "!acpid".parse().unwrap();
        assert_eq!((down.name.as_str(), down.enabled), ("acpid", false));
        for text in ["", "!", "../x", "a/b", ".hidden", "!!a"] {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
    }
}
