//! What the machines have fetched of that which is served to them: by the time at which the archives were read last, which
//! the kernel keeps. Nobody but its node reads what is served to it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::OFlags;

use super::Machine;
use crate::disk::archive;
use crate::disk::tree::{Content, Item};
use crate::paths;
use crate::types::Mac;

/// Beside [`paths::OWN`]: what the machine fetched last, a fingerprint for each file.
pub(super) const HAD: &str = "had";

/// How what a machine fetched last stands to what is served to it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It is the same.
    Current,
    /// These files of /etc are others, new, or gone.
    Behind(Vec<String>),
    /// It has fetched nothing since this master booted.
    Unknown,
}

/// What the machine with these cards fetched last: by the one of its cards that it has fetched with.
///
/// # Errors
/// When what is served cannot be read.
pub fn of(machine: &Machine, macs: &[Mac]) -> Result<Fetched> {
    let mut behind = Fetched::Unknown;
    for mac in macs {
        let folder = machine.path(&paths::nfs_node(&mac.to_string()));
        let own = folder.join(paths::OWN);
        if is_fetched(&own)? {
            return Ok(Fetched::Current);
        }
        if let Some(had) = had(&folder)? {
            let files = differing(&had, &contents(&own)?);
            behind = if files.is_empty() { Fetched::Current } else { Fetched::Behind(files) };
        }
    }
    Ok(behind)
}

/// Whether a machine has read some archive since it is there.
pub(super) fn is_fetched(own: &Path) -> Result<bool> {
    let is_read = |path: &PathBuf| {
        let stat = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(stat.accessed().ok()? > stat.modified().ok()?)
    };
    Ok(listed(own)?.values().any(|path| is_read(path).unwrap_or_default()))
}

/// The text of [`HAD`] for what is served now.
pub(super) fn note(own: &Path) -> Result<String> {
    serde_json::to_string(&contents(own)?).context("cannot write JSON")
}

fn had(folder: &Path) -> Result<Option<BTreeMap<String, String>>> {
    let file = folder.join(HAD);
    match std::fs::read(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // What a killed run left says nothing.
        bytes => Ok(serde_json::from_slice(&bytes.with_context(|| format!("{}: cannot read", file.display()))?).ok()),
    }
}

/// The files of /etc that a machine lays, each with its fingerprint: of several sources the last word counts.
fn contents(own: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for (name, path) in listed(own)? {
        if path.is_dir() {
            listed(&path)?.iter().try_for_each(|(name, path)| below(path, name, &mut files))?;
            continue;
        }
        match archive::read(&bytes(&path)?) {
            Ok(members) => files.extend(members.iter().filter(|(_, item)| item.content != Content::Folder).map(print)),
            // Of another make: it is one thing.
            Err(_) => below(&path, &name, &mut files)?,
        }
    }
    Ok(files)
}

/// What an administrator lays from a folder of his own.
fn below(path: &Path, inside: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let stat = path.symlink_metadata().with_context(|| format!("{}: cannot look at it", path.display()))?;
    if stat.is_dir() {
        return listed(path)?.iter().try_for_each(|(name, path)| below(path, &format!("{inside}/{name}"), files));
    }
    let item = if stat.is_file() { Item::file(bytes(path)?) } else { Item::link(path.read_link().unwrap_or_default()) };
    files.extend([print((&inside.to_owned(), &item.with_mode(stat.mode() & 0o7777)))]);
    Ok(())
}

/// What a folder holds, by name.
fn listed(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries.with_context(|| format!("{}: cannot list", folder.display()))?,
    };
    let named = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let named = named.map(|path| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path));
    Ok(named.filter(|(name, _)| !name.starts_with('.')).collect())
}

/// Reads a file without being taken for the machine that fetches it.
fn bytes(path: &Path) -> Result<Vec<u8>> {
    let flags = OFlags::NOATIME.bits().cast_signed();
    let cannot = || format!("{}: cannot read", path.display());
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).with_context(cannot)?;
    let mut bytes = Vec::new();
    BufReader::new(file).read_to_end(&mut bytes).with_context(cannot)?;
    Ok(bytes)
}

fn print((path, item): (&String, &Item)) -> (String, String) {
    (path.clone(), item.fingerprint())
}

fn differing(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    let other = after.iter().filter(|(path, print)| before.get(*path) != Some(print)).map(|(path, _)| path);
    let mut files: Vec<String> = gone.chain(other).cloned().collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::machine;
    use std::fs::{File, FileTimes};
    use std::time::{Duration, SystemTime};

    const MAC: &str = "52:54:00:17:c7:e2";

    /// Reads a file as a client does: what the mount of the test keeps of that is its own business.
    fn read(file: &Path) {
        let later = SystemTime::now() + Duration::from_secs(1);
        File::open(file).unwrap().set_times(FileTimes::new().set_accessed(later)).unwrap();
    }

    #[test]
    fn what_was_read_is_current_and_what_was_not_is_compared_with_what_was() {
        let archive = |text: &str| {
            let (same, own) = (Item::file("same"), Item::file(text.to_owned()));
            String::from_utf8(archive::write(&[("same", &same), ("sv/x/run", &own)]).unwrap()).unwrap()
        };
        let file = format!("srv/nfs/node/{MAC}/own/{MAC}.00-voidclust.tar");
        let folder = format!("srv/nfs/node/{MAC}/own/{MAC}.50/conf/a");
        let (dir, machine) = machine(&[(paths::MOUNTS, ""), (&file, &archive("old")), (&folder, "a")]);
        let macs = ["52:54:00:00:00:01".parse().unwrap(), MAC.parse().unwrap()];
        let of = || of(&machine, &macs).unwrap();
        // A file that has just been written was not read yet, whatever the clock is like.
        assert_eq!(of(), Fetched::Unknown);
        read(&dir.path().join(&file));
        assert_eq!(of(), Fetched::Current);

        let own = dir.path().join(format!("srv/nfs/node/{MAC}"));
        let put = |path: &Path, text: &str| {
            #[allow(clippy::disallowed_methods, reason = "a test's own file")]
            std::fs::write(path, text).unwrap();
            let later = SystemTime::now() + Duration::from_secs(9);
            File::open(path).unwrap().set_times(FileTimes::new().set_modified(later)).unwrap();
        };
        put(&own.join(HAD), &note(&own.join(paths::OWN)).unwrap());
        put(&dir.path().join(&file), &archive("new"));
        put(&dir.path().join(&folder).with_file_name("b"), "b");
        assert_eq!(of(), Fetched::Behind(vec!["conf/b".to_owned(), "sv/x/run".to_owned()]));
        put(&own.join(HAD), "{\"half");
        assert_eq!(of(), Fetched::Unknown);
    }
}
