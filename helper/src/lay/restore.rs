//! Taking back what no overlay has any more: it becomes again what it is in the shared root, or goes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::folder;
use super::layer::{Layer, shown};
use super::names::{hidden_by, marker_of};
use super::records::set;
use super::session::Session;
use super::target::{Place, Target};

/// Takes back what was `laid` and is not in `all`; returns what could not be, for the next run to try again.
pub(super) fn take_back(session: &mut Session<'_>, lower: &Path, laid: &BTreeSet<PathBuf>, all: &Layer) -> BTreeSet<PathBuf> {
    let gone: Vec<&PathBuf> = laid.iter().filter(|path| is_gone(session, path, all)).collect();
    let all_of_it = || set(gone.iter().map(|path| (*path).clone()));
    if gone.is_empty() {
        return BTreeSet::new();
    }
    let lower = match Target::open(lower) {
        Ok(lower) => lower,
        Err(error) => {
            session.warn(&format!("{error:#}; nothing that was laid before is taken back"));
            return all_of_it();
        }
    };
    // What a folder holds comes before it.
    let mut left = BTreeSet::new();
    for path in gone.iter().rev() {
        let done = match hidden_by(path) {
            Some(hidden) => unhide(session, &lower, &hidden, all),
            None => restore(session, &lower, path, all),
        };
        // A folder goes when what it holds does.
        let holds = |left: &BTreeSet<PathBuf>| left.range((*path).clone()..).next().is_some_and(|inner| inner.starts_with(path));
        match done {
            Ok(true) if !holds(&left) => {}
            Ok(_) => {
                left.insert((*path).clone());
            }
            Err(error) => {
                session.warn(&format!("cannot restore {}: {error:#}", shown(path)));
                left.insert((*path).clone());
            }
        }
    }
    left
}

/// A file or link that was laid is gone, too, where there is a folder now: that one goes over what the shared root has. A link
/// that leads to a folder of /etc may be anybody's, and is gone through.
fn is_gone(session: &mut Session<'_>, path: &Path, all: &Layer) -> bool {
    all.get(path).is_none_or(|new| {
        new.is_folder()
            && session.place(path).is_some_and(|place| place.is_there() && !place.is_folder())
            && !session.etc.has_folder(path)
    })
}

/// What stands at the same place of the lower tree.
fn below(lower: &Target, place: &Place) -> Result<Option<Place>> {
    Ok(lower.find(&place.real)?.filter(Place::is_there))
}

fn unhide(session: &mut Session<'_>, lower: &Target, path: &Path, all: &Layer) -> Result<bool> {
    let Some(place) = session.etc.find(path)? else { return Ok(true) };
    let Some(old) = below(lower, &place)? else { return Ok(true) };
    // A new file replaces no folder that holds anything, not even one that was hidden when the file was laid.
    let file_goes = all.get(path).is_some_and(|new| !new.is_folder()) && !place.is_folder() && old.holds_something()?;
    // A run that was killed while it removed a folder left some of it.
    if !file_goes && place.is_there() && !(place.is_folder() && old.is_folder()) {
        return Ok(true);
    }
    // Read whole before the first part of it is there.
    let mut entries = Layer::from([(PathBuf::new(), old.entry()?)]);
    if old.is_folder() {
        entries.extend(folder::load(old.open()?)?);
    }
    entries.iter_mut().for_each(|(inner, entry)| session.mask_fstab(&joined(path, inner), entry));
    let mut done = true;
    for (inner, entry) in &entries {
        let path = joined(path, inner);
        let Some(place) = session.etc.find(&path)? else { continue };
        let goes = file_goes && inner.as_os_str().is_empty();
        if (goes || !place.is_there()) && !all.contains_key(&marker_of(&path)) {
            done &= session.put("restore", &path, &place, entry);
        }
    }
    Ok(done)
}

fn joined(path: &Path, inner: &Path) -> PathBuf {
    if inner.as_os_str().is_empty() { path.to_owned() } else { path.join(inner) }
}

fn restore(session: &mut Session<'_>, lower: &Target, path: &Path, all: &Layer) -> Result<bool> {
    // It will be removed anyway.
    if path.ancestors().any(|above| above.file_name().is_some() && all.contains_key(&marker_of(above))) {
        return Ok(true);
    }
    let Some(place) = session.etc.find(path)? else { return Ok(true) };
    if let Some(old) = below(lower, &place)? {
        let mut entry = old.entry()?;
        session.mask_fstab(path, &mut entry);
        return Ok(if entry.is_folder() { session.lay_folder(path, &entry, true) } else { session.lay_file(path, &entry) });
    }
    // Others may have put something into a folder; then it stays.
    if !place.is_there() || place.holds_something()? {
        return Ok(true);
    }
    Ok(session.remove(path, &place))
}
