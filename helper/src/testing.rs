//! The site of the original scheme, for unit tests, and how one of them is skipped.

use std::io::Write;

use crate::config::{Outcome, parse};
use crate::machine::facts::Facts;
use crate::site::Site;

/// Says why a test does nothing here: past the macros, whose output libtest keeps from those who run tests that pass.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = std::io::stderr().write_all(format!("\nskip: {test}: {reason}\n").as_bytes());
}

/// The example's configuration.
pub(crate) const EXAMPLE: &str = include_str!("../examples/vcluster/etc/voidclust.conf");

/// What the example's root tells.
pub(crate) fn example_facts() -> Facts {
    Facts { zfs: true, overlays: ["master".to_owned(), "client".to_owned()].into(), root: "/".into(), ..Facts::default() }
}

/// The example, parsed.
pub(crate) fn example_site() -> Site {
    match parse(&vec![("voidclust.conf".into(), EXAMPLE.into())], &example_facts()) {
        Outcome::Site(site) => *site,
        other => panic!("{other:?}"),
    }
}
