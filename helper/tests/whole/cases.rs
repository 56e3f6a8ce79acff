//! Whole rendered trees: every folder of `tests/cases` is a case.
//!
//! `root/` is copied, the packages' overlays are laid into it, and the binary is run there: once for each line of `args`,
//! or with `apply`. What the runs printed, and everything that is under the root then and was not before, is compared
//! with the file `expected`: modes, links, contents, and the members of the nodes' archives. `UPDATE=1 cargo test cases`
//! writes that file anew; read the difference before you commit it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::place::{CRATE, Place, Stands, bless, skip};

const MANIFEST: &str = "var/lib/voidclust/manifest.toml";
/// It has times of this machine.
const LINES: &str = "var/lib/voidclust/lines.toml";

#[test]
fn every_case_renders_what_it_is_expected_to() {
    let folder = Path::new(CRATE).join("tests/cases");
    let mut names: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert!(!names.is_empty(), "{}: no cases", folder.display());
    let mut failures = String::new();
    for name in names {
        let case = folder.join(&name);
        let Some(rendered) = render(&case) else { return skip("cases", "the packages' overlays are not in this tree") };
        let expected = std::fs::read_to_string(case.join("expected")).unwrap_or_default();
        if std::env::var_os("UPDATE").is_some() {
            bless(&case.join("expected"), &rendered);
        } else if rendered != expected {
            let diff = similar::TextDiff::from_lines(&expected, &rendered);
            let _ = writeln!(failures, "{}\n{}", case.display(), diff.unified_diff().header("expected", "rendered"));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// What the runs print and write.
fn render(case: &Path) -> Option<String> {
    let place = Place::empty();
    place.copy_tree(&case.join("root"), "");
    if !place.add_packaged_overlays() {
        return None;
    }
    let before = place.tree();
    let lines = std::fs::read_to_string(case.join("args")).unwrap_or_else(|_| "apply".to_owned());
    let mut text = String::new();
    let root = place.root().metadata().unwrap();
    let me = (u64::from(root.uid()), u64::from(root.gid()));
    for line in lines.lines() {
        let ran = place.run(&line.split_whitespace().collect::<Vec<_>>());
        let mine = format!("{}:{}", me.0, me.1);
        let padded = format!("  {:width$}  ", "0:0", width = mine.len());
        let out = ran.out.replace(&padded, "  0:0  ").replace(&format!("  {mine}  "), "  0:0  ");
        let _ = writeln!(text, "$ voidclust {line}\n{out}{}(exit status {})", ran.err, ran.status);
    }
    let after = place.tree();
    check_manifest(&after);
    for (path, stands) in &after {
        if before.get(path) != Some(stands) {
            describe(&mut text, path, stands, me);
        }
    }
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        let _ = writeln!(text, "\n==> gone: {path}");
    }
    Some(text)
}

fn describe(text: &mut String, path: &str, stands: &Stands, me: (u64, u64)) {
    match stands {
        Stands::Folder(mode) => _ = writeln!(text, "\n==> {mode:04o} {path}/"),
        Stands::Link(target) => _ = writeln!(text, "\n==> link {path} -> {target}"),
        Stands::File { mode, .. } if path == MANIFEST || path == LINES => _ = writeln!(text, "\n==> {mode:04o} {path} (checked)"),
        Stands::File { mode, bytes, .. } => {
            let _ = writeln!(text, "\n==> {mode:04o} {path}");
            if path.ends_with(".tar") {
                describe_archive(text, bytes, me);
            } else if is_random(path) {
                let _ = writeln!(text, "({} bytes)", bytes.len());
            } else {
                text.push_str(&printable(bytes));
            }
        }
    }
}

/// Made anew in each run, by the names that they have everywhere.
fn is_random(path: &str) -> bool {
    ["machine-id", "hostid"].contains(&path.rsplit('/').next().unwrap_or_default())
}

/// The members, in the archive's own order.
fn describe_archive(text: &mut String, bytes: &[u8], me: (u64, u64)) {
    for entry in tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        let path = entry.path().unwrap().display().to_string();
        assert_eq!(header.mtime().unwrap(), 315_532_800, "{path}: a time of this machine");
        // The site's files are whoever's that runs this test.
        let owner = (header.uid().unwrap(), header.gid().unwrap());
        assert!(owner == (0, 0) || owner == me, "{path}: {owner:?}");
        let mode = header.mode().unwrap();
        match entry.link_name().unwrap() {
            Some(target) => _ = writeln!(text, "--> link {path} -> {}", target.display()),
            None => _ = writeln!(text, "--> {mode:04o} {path}"),
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        text.push_str(&if is_random(&path) { format!("({} bytes)\n", bytes.len()) } else { printable(&bytes) });
    }
}

/// Text as it is, with a mark where the last line does not end; anything else by its size.
fn printable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_empty() || text.ends_with('\n') => text.to_owned(),
        Ok(text) => format!("{text}\n(no line break at the end)\n"),
        Err(_) => format!("({} bytes)\n", bytes.len()),
    }
}

/// The manifest must list what is there, with the right hashes: it decides what a later run may replace.
fn check_manifest(tree: &BTreeMap<String, Stands>) {
    let Some(Stands::File { bytes, .. }) = tree.get(MANIFEST) else { return };
    let manifest: toml::Table = toml::from_str(std::str::from_utf8(bytes).unwrap()).unwrap();
    for (path, fingerprint) in manifest["files"].as_table().unwrap() {
        let found = match tree.get(path) {
            Some(Stands::File { mode, bytes, .. }) => {
                let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                format!("{mode:04o} {digest}")
            }
            Some(Stands::Link(target)) => format!("-> {target}"),
            other => panic!("{path} is in the manifest, but on the disk is {other:?}"),
        };
        assert_eq!(fingerprint.as_str(), Some(found.as_str()), "{path}");
    }
}
