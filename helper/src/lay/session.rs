//! One run from its beginning to its end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::dry::Coming;
use super::layer::{Entry, Layer, Meta, merge, shown};
use super::node::{self, Mount};
use super::records::{Brought, Lines, Recorded, Records, set};
use super::sources;
use super::target::{Place, Target};
use super::{Change, Report, Run, names, own, read_at_boot, reader_of, restore};

/// A link here starts a service, so it comes when all that the service reads is there.
const SERVICES: &str = "runit/runsvdir";

/// The state of a run.
pub(super) struct Session<'run> {
    pub(super) run: &'run Run,
    pub(super) records: Records,
    pub(super) refresh: bool,
    pub(super) coming: &'run Coming<'run>,
    pub(super) etc: Target,
    /// `None` when the table cannot be read.
    pub(super) mounts: Option<Vec<Mount>>,
    pub(super) untold: Lines,
    waiting: Lines,
    pub(super) report: Report,
    /// What sources that cannot be read now laid when they could: it stays as it is.
    pub(super) held: BTreeSet<PathBuf>,
}

/// Said last.
const NOTHING: &str = "so nothing was changed";

/// What was read of the overlays.
#[derive(Default)]
struct Found {
    all: Layer,
    brought: Brought,
    /// Whether all that there is was read: only then can anything be missing.
    whole: bool,
}

pub(super) fn lay(run: &Run, overlays: Option<&Path>, etc: &Path, macs: &[String], refresh: bool) -> Result<Report> {
    let (etc, records, coming) = (Target::open(etc)?, Records::open(&run.dir)?, Coming::new());
    let mut session = Session::new(run, records, refresh, &coming, etc);
    if refresh
        && overlays.is_none()
        && let Some(from) = node::own_from(&run.cmdline)?
        && let Err(error) = own::fetch(run, &session.records, &from)
    {
        session.warn(&format!("{error:#}; so nothing was changed"));
        return Ok(session.report);
    }
    session.carry_out(&overlays.map_or_else(|| run.overlays(), |folder| vec![folder.to_owned()]), macs);
    Ok(session.report)
}

impl<'run> Session<'run> {
    pub(super) fn new(run: &'run Run, records: Records, refresh: bool, coming: &'run Coming<'run>, etc: Target) -> Self {
        let (untold, waiting, report, held) = (Lines::new(), Lines::new(), Report::default(), BTreeSet::new());
        Self { run, records, refresh, coming, etc, mounts: None, untold, waiting, report, held }
    }

    pub(super) fn carry_out(&mut self, overlays: &[PathBuf], macs: &[String]) {
        let begun = self.records.no_changes();
        self.tried(begun);
        let mounts = node::mounts(&self.run.mountinfo);
        self.mounts = self.tried(mounts);
        let recorded = self.records.all();
        let recorded = self.tried(recorded);
        // What was recorded and is not known now would be written over, and fstab would mount what lies below the overlay.
        if self.refresh && (recorded.is_none() || self.mounts.is_none()) {
            return self.warn(NOTHING);
        }
        let Recorded { laid, brought, untold, waiting, macs: known } = recorded.unwrap_or_default();
        (self.untold, self.waiting) = (untold, waiting);

        let macs = if macs.is_empty() { self.macs(known, overlays) } else { macs.to_vec() };
        let mut found = self.read(overlays, &macs, &brought, laid.is_empty());
        let new = set(found.all.keys().cloned());
        let union = set(laid.iter().chain(&new).cloned());
        // Before the first change: who kills this run must not make the next one forget what this one laid.
        let recorded = self.records.set_laid(&union).and_then(|()| self.records.set_brought(&found.brought));
        if self.tried(recorded).is_none() && self.refresh {
            return self.warn(NOTHING);
        }
        if !laid.is_empty() {
            self.sweep(&union);
        }
        found.all.iter_mut().for_each(|(path, entry)| self.mask_fstab(path, entry));
        let mut left = None;
        if self.refresh && found.whole {
            left = Some(restore::take_back(self, &self.run.lower.join("etc"), &laid, &found.all));
        } else if self.refresh && !laid.is_empty() {
            self.warn("nothing that was laid before is taken back");
        }
        self.hide(&found.all);
        self.lay(&found.all);
        self.mask_fstab_there();
        if let Some(left) = left {
            let recorded = self.records.set_laid(&set(new.into_iter().chain(left)));
            self.tried(recorded);
        }
        if self.refresh {
            self.name_services();
        }
    }

    // What is said.

    pub(super) fn log(&mut self, line: &str) {
        // What cannot be logged is said at the end, once.
        if let Err(error) = self.records.log(line)
            && !self.report.warnings.iter().any(|warning| warning.ends_with(" of this run"))
        {
            self.report.warnings.push(format!("{error:#}; there is no log of this run"));
        }
    }

    /// Something was left out.
    pub(super) fn warn(&mut self, what: &str) {
        self.log(&format!("warning: {what}"));
        self.report.warnings.push(what.to_owned());
    }

    pub(super) fn tried<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.warn(&format!("{error:#}"))).ok()
    }

    /// Tries to do something to a path of /etc.
    pub(super) fn tried_at<T>(&mut self, what: &str, path: &Path, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.warn(&format!("cannot {what} {}: {error:#}", shown(path)))).ok()
    }

    /// Before a change: who kills this run must not make a service miss it, nor the administrator that it takes a reboot.
    /// What cannot be recorded is left to the next run.
    fn may_change(&mut self, path: &Path) -> bool {
        let Some(name) = path.to_str().filter(|_| self.refresh) else { return true };
        if let Some(file) = read_at_boot(name).map(String::into_bytes)
            && !self.waiting.contains(&file)
        {
            let recorded = self.records.add_waiting(&file);
            if self.tried_at("change", path, recorded).is_none() {
                return false;
            }
            self.waiting.insert(file);
        }
        let Some(service) = reader_of(name).map(|service| service.as_bytes().to_vec()) else { return true };
        if !self.untold.insert(service.clone()) {
            return true;
        }
        let recorded = self.records.set_untold(&self.untold);
        let recorded = self.tried_at("change", path, recorded).is_some();
        if !recorded {
            self.untold.remove(&service);
        }
        recorded
    }

    pub(super) fn did(&mut self, change: Change) {
        let line = change.line();
        let recorded = self.records.add_change(&line);
        self.tried(recorded);
        self.log(&String::from_utf8_lossy(&line));
        self.report.changes.push(change);
    }

    // What there is.

    fn read(&mut self, overlays: &[PathBuf], macs: &[String], before: &Brought, first: bool) -> Found {
        let whom = if macs.is_empty() { "a machine without a card".to_owned() } else { macs.join(" ") };
        let refresh = if self.refresh { "refresh " } else { "" };
        self.log(&format!("--- {refresh}of {} from {} for {whom}", self.etc.path().display(), sources::named(overlays)));
        let sources = self.sources(overlays, macs, &whom);
        let sources = self.tried(sources).unwrap_or_default();
        // None at all, where there were some: whatever happened to them, it was not the wish to come up as nobody.
        let mut found = Found { whole: first || !sources.is_empty(), ..Found::default() };
        if sources.is_empty() && !first {
            found.brought.clone_from(before);
        }
        for source in sources {
            let mut notes = Vec::new();
            match sources::load(&source, self.coming, &mut notes) {
                Ok(layer) => {
                    self.log(&format!("using {}", source.path.display()));
                    found.brought.extend(layer.keys().map(|path| (source.name.clone(), path.clone())));
                    self.let_go(&layer);
                    merge(&mut found.all, layer);
                }
                Err(why) => {
                    self.warn(&format!("nothing of {} was used: {why:#}", source.path.display()));
                    found.whole = false;
                    let its = before.iter().filter(|(name, _)| *name == source.name).cloned();
                    found.brought.extend(its.inspect(|(_, path)| {
                        self.held.insert(path.clone());
                    }));
                }
            }
            for note in notes {
                self.warn(&format!("{}: {note}", source.path.display()));
            }
        }
        found
    }

    // What is done.

    /// Removes what a killed run was making.
    fn sweep(&mut self, paths: &BTreeSet<PathBuf>) {
        let folders = set(paths.iter().filter_map(|path| path.parent()).chain([Path::new("")]).map(Path::to_owned));
        for folder in &folders {
            let swept = self.etc.sweep(folder);
            self.tried_at("sweep", folder, swept);
        }
    }

    /// What stands at a path; a warning when that cannot be told.
    pub(super) fn place(&mut self, path: &Path) -> Option<Place> {
        let place = self.etc.find(path);
        self.tried_at("look at", path, place).flatten()
    }

    fn hide(&mut self, all: &Layer) {
        for gone in all.keys().filter_map(|path| names::hidden_by(path)) {
            let Some(place) = self.place(&gone).filter(Place::is_there) else { continue };
            // There is a new one: only a folder is in its way.
            let in_the_way = all.get(&gone).is_none_or(|new| !new.is_folder() && place.is_folder());
            if !in_the_way || self.held.iter().any(|held| held.starts_with(&gone)) {
                continue;
            }
            self.remove(&gone, &place);
        }
    }

    pub(super) fn remove(&mut self, path: &Path, place: &Place) -> bool {
        let removed = self.may_change(path) && self.tried_at("remove", path, place.remove()).is_some();
        if removed {
            self.did(Change::Removed(path.to_owned()));
        }
        removed
    }

    fn lay(&mut self, all: &Layer) {
        let mut skipped: Option<&Path> = None;
        for links in [false, true] {
            for (path, entry) in all {
                let starts = path.starts_with(SERVICES) && !entry.is_folder();
                if starts != links || names::hidden_by(path).is_some() || skipped.is_some_and(|above| path.starts_with(above)) {
                    continue;
                }
                if entry.is_folder() {
                    if !self.lay_folder(path, entry, entry.meta != Meta::usual()) {
                        skipped = Some(path);
                    }
                } else if !self.is_held(path) {
                    self.lay_file(path, entry);
                }
            }
        }
    }

    /// Makes a folder, or gives the one that is there its owner and mode if these are `meant`. Returns whether there is a
    /// folder to lay things in.
    pub(super) fn lay_folder(&mut self, path: &Path, entry: &Entry, meant: bool) -> bool {
        let Some(place) = self.place(path) else { return false };
        if place.is_link() {
            let leads = self.etc.has_folder(path);
            if !leads {
                let etc = self.etc.path().display();
                self.warn(&format!("{} is a link that leads to no folder of {etc}; nothing is laid there", shown(path)));
            }
            return leads;
        }
        if place.is_folder() {
            let same = if meant { place.is_same(entry) } else { Ok(true) };
            let differs = self.tried_at("look at", path, same) == Some(false) && !self.is_held(path);
            if differs && !self.gave_attributes(path, &place, entry) {
                self.made(path, "set owner and mode of", place.give(&entry.meta));
            }
            return true;
        }
        if self.is_held(path) {
            self.log(&format!("{} stays as it is, and nothing is laid in it", shown(path)));
            return false;
        }
        self.put("make the folder", path, &place, entry)
    }

    pub(super) fn lay_file(&mut self, path: &Path, entry: &Entry) -> bool {
        let Some(place) = self.place(path) else { return false };
        match self.tried_at("look at", path, place.holds_something()) {
            Some(false) => {}
            Some(true) => {
                self.warn(&format!("{} is a folder that holds something; not replaced by a file", shown(path)));
                return false;
            }
            None => return false,
        }
        match self.tried_at("read", path, place.is_same(entry)) {
            Some(true) => true,
            Some(false) => self.gave_attributes(path, &place, entry) || self.put("write", path, &place, entry),
            None => false,
        }
    }

    /// Sets the attributes of what differs in nothing else: where they cannot be set, it would be made anew by every run, and
    /// its service told.
    fn gave_attributes(&mut self, path: &Path, place: &Place, entry: &Entry) -> bool {
        let Some(Some((changed, lost))) = self.tried_at("look at", path, place.give_attributes(entry)) else { return false };
        if changed {
            self.may_change(path);
            self.did(Change::Changed(path.to_owned()));
        }
        self.is_without(path, lost);
        true
    }

    pub(super) fn put(&mut self, what: &str, path: &Path, place: &Place, entry: &Entry) -> bool {
        self.may_change(path) && self.made(path, what, place.put(entry))
    }

    /// Says that something was made, and what of it could not be.
    fn made(&mut self, path: &Path, what: &str, made: Result<Vec<String>>) -> bool {
        let Some(lost) = self.tried_at(what, path, made) else { return false };
        self.did(Change::Changed(path.to_owned()));
        self.is_without(path, lost);
        true
    }

    fn is_without(&mut self, path: &Path, lost: Vec<String>) {
        for lost in lost {
            self.warn(&format!("{} is laid without {lost}", shown(path)));
        }
    }
}
