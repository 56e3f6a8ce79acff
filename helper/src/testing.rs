//! The site of the original scheme, for unit tests.

use crate::config::{Outcome, parse};
use crate::machine::facts::Facts;
use crate::site::Site;

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
