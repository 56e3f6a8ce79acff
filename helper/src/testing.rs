//! The site of the original scheme, for unit tests, and how one of them is skipped.

use std::collections::BTreeMap;
use std::io::Write;

use crate::config::{Outcome, parse};
use crate::disk::tree::Item;
use crate::machine::facts::Facts;
use crate::progress::Progress;
use crate::render::overlay::{CLIENT, MASTER, Origin, Overlay, Overlays, Piece};
use crate::site::{Node, Site};
use crate::tools::Tool;
use crate::types::generation::{Generation, Number, Storage};
use crate::types::identity::{Identities, Identity, MACHINE_ID};

/// Says nothing but what must be known.
#[derive(Debug)]
pub(crate) struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str) {}
    fn step(&mut self, _: &str) {}
    fn warn(&mut self, _: &str) {}
    fn tell(&mut self, what: &str) {
        println!("said {what}");
    }
    fn done(&mut self, _: &str) {}
}

/// Says why a test does nothing here: past the macros, whose output libtest keeps from those who run tests that pass.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = std::io::stderr().write_all(format!("\nskip: {test}: {reason}\n").as_bytes());
}

/// Runs one of our tests again, `victim`, on a file system of one megabyte whose folder it finds in [`SMALL_DISK`]; it has
/// to say that the disk was full. Skips `test` where nothing can be mounted.
pub(crate) fn on_a_small_disk(test: &str, victim: &str) {
    let script = "mount -t tmpfs -o size=1m none \"$1\" && exec \"$2\" --exact \"$3\" --nocapture";
    if Tool::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]).output().is_err() {
        return skip(test, "a small file system needs the rights of root and unshare(1)");
    }
    let place = tempfile::tempdir().unwrap();
    let inner = Tool::new("unshare").args(["--mount", "sh", "-c", script, "sh"]).arg(place.path());
    let inner = inner.arg(std::env::current_exe().unwrap()).arg(victim);
    let said = inner.env(SMALL_DISK, place.path()).output().unwrap();
    assert!(said.contains("1 passed") && said.contains("the disk was full"), "{said}");
}

/// Names the folder of a small file system to a victim of [`on_a_small_disk`].
pub(crate) const SMALL_DISK: &str = "VOIDCLUST_TEST_SMALL_DISK";

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

/// An identity for this node alone.
pub(crate) fn identity(node: &Node) -> Identities {
    let files = [
        (MACHINE_ID, "0123\n"),
        ("ssh_host_ed25519_key", "secret\n"),
        ("ssh_host_ed25519_key.pub", "ssh-ed25519 AAAA root@n1\n"),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().into()));
    BTreeMap::from([(node.name.to_string(), Identity(files.into()))]).into()
}

/// A generation with modules of these kernels.
pub(crate) fn generation(number: Number, kernels: &[&str]) -> Generation {
    let kernels = kernels.iter().map(|kernel| (*kernel).to_owned()).collect();
    Generation { number, made: 1_764_547_200, text: String::new(), storage: Storage::Copy, kernels }
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
