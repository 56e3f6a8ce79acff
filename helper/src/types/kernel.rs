//! Kernels and their modules.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{is_file_name, shown};

checked_text!(
    /// The name of a kernel module, as modprobe takes it; what begins with a dash would be an option of it.
    ModuleName,
    |text| text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
    "is not the name of a kernel module; use letters, digits, `_` and `-`, and no `.ko`, as lsmod shows it"
);

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
            Err(format!("`{}` is not a kernel; write \"newest\" or a version such as 6.12.94_1", shown(text)))
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

    #[test]
    fn modules_are_no_options() {
        for text in ["i915", "nvme-core", "8021q"] {
            assert!(text.parse::<ModuleName>().is_ok(), "{text}");
        }
        for text in ["", "-r", "--remove", "_x", "a b", "a/b", "a.ko"] {
            assert!(text.parse::<ModuleName>().is_err(), "{text}");
        }
    }

    #[test]
    fn kernels_sort_by_number() {
        let mut versions = vec!["6.12.9_1", "6.12.94_1", "6.6.100_1", "6.12.94_10", "6.12.94_2"];
        versions.sort_by(|a, b| compare_versions(a, b));
        assert_eq!(versions, ["6.6.100_1", "6.12.9_1", "6.12.94_1", "6.12.94_2", "6.12.94_10"]);
        assert!("../6.1".parse::<Kernel>().is_err() && "latest".parse::<Kernel>().is_err());
    }
}
