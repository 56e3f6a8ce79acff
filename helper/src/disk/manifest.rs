//! What we wrote: path and fingerprint of every rendered file, so that we know ours from everybody else's.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::disk::root::Root;
use crate::disk::stamps::Stamps;
use crate::paths;

/// The content of /var/lib/voidclust/manifest.toml.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Path to fingerprint ([`crate::disk::tree::Item::fingerprint`]).
    pub files: BTreeMap<String, String>,
}

/// Between the fingerprints of a path that runs killed one after the other may have written either of.
const EITHER: &str = " | ";

/// What earlier runs wrote, and what a killed run was about to write.
#[derive(Debug, Clone, Default)]
pub struct Ours {
    /// The last run that ended. Plans share it until they change it.
    pub written: Arc<Manifest>,
    /// The run that was killed before it ended, if one was.
    pub pending: Option<Manifest>,
    /// How the files looked when they were as `written` says.
    pub stamps: Stamps,
}

impl Ours {
    /// Reads all of it from the root; a file that is not there counts as empty.
    ///
    /// # Errors
    /// When one cannot be read or understood: then nothing may be replaced or removed.
    pub fn load(root: &Root) -> Result<Self> {
        Self::load_knowing(root, Stamps::default())
    }

    /// The same, with stamps that were read before.
    ///
    /// # Errors
    /// The same.
    pub fn load_knowing(root: &Root, stamps: Stamps) -> Result<Self> {
        let written = read(root, paths::MANIFEST)?.unwrap_or_default();
        Ok(Self { written: written.into(), pending: read(root, paths::PENDING)?, stamps: stamps.reload(root)? })
    }

    /// Whether we know the path at all.
    #[must_use]
    pub fn knows(&self, path: &str) -> bool {
        self.written.files.contains_key(path) || self.pending.as_ref().is_some_and(|p| p.files.contains_key(path))
    }

    /// Whether a file at `path` with this fingerprint is as we wrote it: there, or beside it for the administrator to take
    /// over.
    #[must_use]
    pub fn wrote(&self, path: &str, fingerprint: &str) -> bool {
        let at = |path: &str| {
            let same = |manifest: &Manifest| {
                manifest.files.get(path).is_some_and(|known| known.split(EITHER).any(|known| known == fingerprint))
            };
            same(&self.written) || self.pending.as_ref().is_some_and(same)
        };
        at(path) || at(&format!("{path}{}", paths::NEW_SUFFIX))
    }

    /// This manifest with what a killed run may have written: so it is called pending before a run begins to rename.
    #[must_use]
    pub fn with_pending(&self, manifest: &Arc<Manifest>) -> Arc<Manifest> {
        let mut both = manifest.clone();
        for (path, earlier) in self.pending.iter().flat_map(|pending| &pending.files) {
            let files = &mut Arc::make_mut(&mut both).files;
            let known = files.remove(path);
            files.insert(path.clone(), either(known.as_deref(), earlier));
        }
        both
    }

    /// What is to be remembered of what a run leaves as it is: what was written there, and what a killed run may have.
    #[must_use]
    pub fn records(&self) -> Arc<Manifest> {
        self.with_pending(&self.written)
    }

    /// Every path we know.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        let pending = self.pending.iter().flat_map(|manifest| manifest.files.keys());
        self.written.files.keys().chain(pending.filter(|path| !self.written.files.contains_key(*path)))
    }
}

/// One fingerprint or the other, or as many as there are.
fn either(known: Option<&str>, other: &str) -> String {
    match known {
        None => other.to_owned(),
        Some(known) if known.split(EITHER).any(|known| known == other) => known.to_owned(),
        Some(known) => format!("{known}{EITHER}{other}"),
    }
}

fn read(root: &Root, path: &str) -> Result<Option<Manifest>> {
    let Some(text) = root.read_text(path)? else { return Ok(None) };
    let manifest = Manifest::plain(&text).map_or_else(|| toml::from_str(&text), Ok).with_context(|| {
        format!("{}: cannot be understood; restore it from a backup, or move it away and run with --force", root.display(path))
    })?;
    // A path that leads elsewhere would make us remove what is not ours.
    let strays = |path: &str| path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if let Some(stray) = manifest.files.keys().find(|path| strays(path)) {
        anyhow::bail!("{}: `{stray}` is not a path inside the root; restore the file from a backup", root.display(path));
    }
    Ok(Some(manifest))
}

/// What the file begins with.
const HEAD: &str = "# What voidclust wrote, with mode and SHA-256. Kept by voidclust(8); do not edit.\n[files]\n";

/// Whether a TOML basic string has the text as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'))
}

impl Manifest {
    /// Reads a text of ours in which nothing had to be escaped. For ten thousand nodes TOML's parser takes longer than it takes
    /// to look at all the files. `None` when it is anything else: then that is to say what.
    fn plain(text: &str) -> Option<Self> {
        let mut files = BTreeMap::new();
        for line in text.strip_prefix(HEAD)?.strip_suffix('\n')?.split('\n') {
            let (path, fingerprint) = line.strip_prefix('"')?.strip_suffix('"')?.split_once("\" = \"")?;
            // In the order in which they are written, so none is there twice.
            let is_next = files.last_key_value().is_none_or(|(last, _): (&String, _)| last.as_str() < path);
            if !(is_next && is_plain(path) && is_plain(fingerprint)) {
                return None;
            }
            files.insert(path.to_owned(), fingerprint.to_owned());
        }
        Some(Self { files })
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.files.iter().map(|(path, fingerprint)| path.len() + fingerprint.len() + "\"\" = \"\"\n".len());
        let mut text = String::with_capacity(HEAD.len() + lines.sum::<usize>());
        text.push_str(HEAD);
        for (path, fingerprint) in &self.files {
            quote(&mut text, path);
            text.push_str(" = ");
            quote(&mut text, fingerprint);
            text.push('\n');
        }
        text
    }
}

/// Writes a TOML basic string. Our paths hold nothing that needs more than these two escapes and \u.
fn quote(to: &mut String, text: &str) {
    to.push('"');
    // Nearly all of them: character by character they took as long as to write the files that they name.
    if is_plain(text) {
        to.push_str(text);
    } else {
        for c in text.chars() {
            match c {
                '"' | '\\' => to.extend(['\\', c]),
                c if c.is_control() => _ = write!(to, "\\u{:04X}", u32::from(c)),
                c => to.push(c),
            }
        }
    }
    to.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut manifest = Manifest::default();
        manifest.files.insert("etc/a \"b\"\\c\u{1}é\u{85}".into(), "0644 00".into());
        manifest.files.insert("etc/plain".into(), "0644 00".into());
        assert_eq!(toml::from_str::<Manifest>(&manifest.text()).unwrap(), manifest);
    }

    #[test]
    fn what_is_plain_is_read_as_toml_reads_it_and_all_else_is_left_to_that() {
        let of =
            |paths: &[&str]| Manifest { files: paths.iter().map(|path| ((*path).to_owned(), "-> /x = y".to_owned())).collect() };
        let plain = of(&["etc/a", "etc/a b", "etc/a = b", "srv/#x"]);
        assert_eq!((Manifest::plain(&plain.text()), toml::from_str(&plain.text())), (Some(plain.clone()), Ok(plain.clone())));
        let text = plain.text();
        let line = text.lines().last().unwrap();
        let others = [
            of(&["etc/\"a\""]).text(),
            of(&["etc/\u{e9}"]).text(),
            text.replace("[files]", "[file]"),
            format!("{text}{line}\n"),
            format!("{text}\"etc/0\" = \"0644 00\"\n"),
            format!("{text}\"x\" = \"0644 00\" # mine\n"),
            format!("{text}x = 1\n"),
            text.trim_end().to_owned(),
        ];
        assert!(others.iter().all(|text| Manifest::plain(text).is_none()), "{others:?}");
    }

    #[test]
    fn a_manifest_that_leads_out_of_the_root_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        root.folder(paths::STATE).unwrap();
        for path in ["/etc/passwd", "etc/../../x", "etc//x"] {
            let mut manifest = Manifest::default();
            manifest.files.insert(path.into(), "0644 00".into());
            #[allow(clippy::disallowed_methods, reason = "a test's own file")]
            std::fs::write(dir.path().join(paths::MANIFEST), manifest.text()).unwrap();
            assert!(Ours::load(&root).is_err(), "{path}");
        }
    }

    #[test]
    fn a_killed_run_counts_as_ours() {
        let of = |fingerprint: &str| Manifest { files: [("a".to_owned(), fingerprint.to_owned())].into() };
        let ours = Ours { written: of("old").into(), pending: Some(of("new")), stamps: Stamps::default() };
        assert!(ours.wrote("a", "old") && ours.wrote("a", "new") && !ours.wrote("a", "other"));
        assert_eq!(ours.paths().count(), 1);
        let again = Ours { pending: Some(Arc::unwrap_or_clone(ours.with_pending(&of("newer").into()))), ..ours };
        assert!(["old", "new", "newer"].iter().all(|print| again.wrote("a", print)), "killed twice");
    }
}
