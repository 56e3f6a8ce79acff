//! The name of a machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::shown;

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
            let near = text.replace(['_', ' '], "-").trim_matches(['.', '-']).to_ascii_lowercase();
            let near = (near != text).then(|| near.parse::<Self>().ok()).flatten();
            let remedy = near.map_or("use letters, digits and dashes".to_owned(), |near| {
                format!("write {near}, of letters, digits and dashes")
            });
            return Err(format!("`{}` is not a host name; {remedy} (RFC 1123), at most 63 a label and 64 in all", shown(text)));
        }
        if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(format!("`{}` looks like an address, not a host name; begin it with a letter", shown(text)));
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
