//! The site of the original scheme, for unit tests, and how one of them is skipped.

use std::io::Write;

use crate::config::{Outcome, parse};
use crate::disk::tree::Item;
use crate::machine::facts::Facts;
use crate::render::overlay::{CLIENT, MASTER, Origin, Overlay, Overlays, Piece};
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

/// A piece of the site's: its content, and whether that is a template.
pub(crate) type Content = (Item, bool);

/// A file that is copied.
pub(crate) fn copied(text: &str) -> Content {
    (Item::file(text), false)
}

/// A template.
pub(crate) fn template(text: &str) -> Content {
    (Item::file(text), true)
}

/// Overlays of the site, by name and path, in files of the name `OVERLAY/PATH`.
pub(crate) fn overlays(named: &[(&str, &[(&str, Content)])]) -> Overlays {
    let piece = |name: &str, path: &str, (item, template): &Content| {
        let (item, template) = (item.clone(), *template);
        (path.to_owned(), Piece { item, template, origin: Origin::Site, file: format!("{name}/{path}") })
    };
    let overlay = |name: &str, pieces: &[(&str, Content)]| -> Overlay {
        pieces.iter().map(|(path, content)| piece(name, path, content)).collect()
    };
    let named = named.iter().map(|(name, pieces)| ((*name).to_owned(), overlay(name, pieces)));
    let both = [MASTER, CLIENT].map(|name| (name.to_owned(), Overlay::new()));
    Overlays { named: both.into_iter().chain(named).collect(), ..Overlays::default() }
}
