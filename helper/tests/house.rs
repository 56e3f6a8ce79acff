//! The house is as docs/design.md says: a paragraph for each file, arrows that run one way, no file too long to read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The source files in `folder`, relative to the repository; what builds and runs leave behind is none.
fn sources(folder: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(repository().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_dir() {
            if name != "__pycache__" {
                sources(&path, found);
            }
        } else if !name.ends_with(".new") && !name.ends_with('~') {
            found.push(path);
        }
    }
}

#[test]
fn the_design_has_every_source_file_and_no_file_that_is_gone() {
    let design = text("docs/design.md");
    let mut found = Vec::new();
    for folder in ["helper/src", "helper/templates", "srcpkgs", "ci"] {
        sources(folder, &mut found);
    }
    assert!(found.len() > 50, "{found:#?}");
    // Trees of small files: the design tells of the folder that they begin with.
    let whole = [
        "ci/boot.d/initcpio/",
        "ci/boot.d/stories/",
        "ci/boot.d/tree/",
        "ci/boot.d/zfs/",
        "srcpkgs/cluster-master/files/overlays/master/",
        "srcpkgs/cluster-overlays/files/overlays/client/",
    ];
    let parts = |path: &str| whole.iter().find(|folder| path.starts_with(**folder)).map_or(path.to_owned(), |f| (*f).to_owned());
    let found: BTreeSet<String> = found
        .iter()
        .filter(|path| !["/LICENSE", "/template", ".md", ".snap"].iter().any(|end| path.ends_with(end)))
        .map(|path| parts(path))
        .collect();
    let named: BTreeSet<String> = design.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect();
    let missing: Vec<_> = found.difference(&named).collect();
    assert!(missing.is_empty(), "docs/design.md does not tell of {missing:#?}");
    let folders = ["helper/src/", "helper/templates/", "srcpkgs/", "ci/boot.d/", "ci/packages.d/", "ci/shell.d/", "ci/storm.d/"];
    let named = named.iter().filter(|path| folders.iter().any(|folder| path.starts_with(folder)));
    let gone: Vec<_> = named.filter(|path| !repository().join(path).exists()).collect();
    assert!(gone.is_empty(), "docs/design.md tells of {gone:#?}");
}

/// The source files of the helper in Rust.
fn rust(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    sources(folder, &mut found);
    found.retain(|path| path.ends_with(".rs"));
    found
}

/// Which rooms a text names: `crate::site`, and each of `crate::{paths, site}`.
fn rooms_named(text: &str) -> BTreeSet<&str> {
    let word = |text: &'_ str| text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let mut found = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split("};").next().unwrap_or_default();
                found.extend(group.split(',').map(str::trim).map(|name| &name[..word(name)]));
            }
            None => {
                found.insert(&rest[..word(rest)]);
            }
        }
    }
    found
}

#[test]
fn a_room_uses_only_those_above_it() {
    assert_eq!(
        rooms_named("use crate::{paths, site::{A, b}};\nx(crate::disk::y)"),
        BTreeSet::from(["b", "disk", "paths", "site"])
    );
    let lib = text("helper/src/lib.rs");
    let rooms: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")).filter_map(|line| line.strip_suffix(';')).collect();
    assert!(rooms.len() > 10, "{rooms:?}");
    let floor = |name: &str| rooms.iter().position(|room| *room == name);
    for path in rust("helper/src") {
        let inside = path.trim_start_matches("helper/src/");
        let Some(own) = floor(inside.split(['/', '.']).next().unwrap_or_default()) else { continue };
        // Tests may look down: they stand behind the code, and what is only said of a room is no arrow.
        let code: String = text(&path)
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| [line, "\n"])
            .collect();
        for name in rooms_named(&code) {
            assert!(floor(name).is_none_or(|used| used <= own), "{path} uses {name}, which is below it in helper/src/lib.rs");
        }
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    for path in ["helper/src", "helper/tests/whole"].iter().flat_map(|folder| rust(folder)) {
        let lines = text(&path).lines().count();
        assert!(lines <= 350, "{path} has {lines} lines; split it by what it tells of");
    }
}
