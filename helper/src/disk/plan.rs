//! The difference between the Tree and the disk, as steps: pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::disk::manifest::{Manifest, Ours};
use crate::disk::stamps::MadeOf;
use crate::disk::tree::{Content, Item, Tree};
use crate::paths;

/// What is to be done at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing is there yet: write it.
    Create(Item),
    /// Ours is there and differs (or `--force` was given): replace it.
    Replace(Item),
    /// It is right already.
    Keep,
    /// Somebody edited what we wrote: leave it. The new text is written beside it by a step of its own.
    LeaveEdited,
    /// Ours, and no longer wanted: remove it.
    Remove,
    /// No longer wanted, but edited: leave it.
    Abandon,
    /// Something that is not ours stands there; a Plan with such a step is not carried out.
    Foreign(&'static str),
}

/// The steps, by path, and the manifest once they are done.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What to do, for every path we want or know.
    pub steps: BTreeMap<String, Step>,
    /// What we will have written; shared with what was written before until something of it changes, as in most runs nothing
    /// does.
    pub manifest: Arc<Manifest>,
    /// The stamps of files that are kept and had to be read.
    pub read: BTreeMap<String, u64>,
    /// Of what that is made which the Tree has for all machines.
    pub made_of: MadeOf,
}

/// What is found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is that we never write nor replace.
    kind: Option<&'static str>,
    /// By what it is told from all else.
    fingerprint: String,
    /// Its stamp, when it had to be read.
    read: Option<u64>,
}

impl Found {
    /// What was read, and its stamp.
    #[must_use]
    pub fn read(item: &Item, stamp: Option<u64>) -> Self {
        let kind = match item.content {
            Content::File(_) | Content::Link(_) => None,
            Content::Folder => Some("a folder"),
            Content::Other => Some("a device, socket or pipe"),
        };
        Self { kind, fingerprint: item.fingerprint(), read: stamp }
    }

    /// What is known without reading it.
    #[must_use]
    pub const fn known(fingerprint: String) -> Self {
        Self { kind: None, fingerprint, read: None }
    }
}

impl Plan {
    /// The steps that change something on the disk.
    pub fn changes(&self) -> impl Iterator<Item = (&String, &Step)> {
        self.steps.iter().filter(|(_, step)| matches!(step, Step::Create(_) | Step::Replace(_) | Step::Remove))
    }

    /// The paths that hold something that is not ours, and what it is.
    pub fn foreign(&self) -> impl Iterator<Item = (&String, &'static str)> {
        self.steps.iter().filter_map(|(path, step)| match step {
            Step::Foreign(what) => Some((path, *what)),
            _ => None,
        })
    }

    /// How many paths have a step that `matches`.
    #[must_use]
    pub fn count(&self, matches: fn(&Step) -> bool) -> usize {
        self.steps.values().filter(|step| matches(step)).count()
    }
}

/// Compares the Tree with the disk.
///
/// `find` tells what is at a path. `owned` says which of the paths we know this Plan decides about: those it owns and the
/// Tree lacks are removed, the others stay in the manifest. With `force`, what is edited or foreign is replaced.
///
/// # Errors
/// What `find` returns.
pub fn plan<E>(
    tree: &Tree,
    ours: &Ours,
    owned: impl Fn(&str) -> bool,
    force: bool,
    mut find: impl FnMut(&str) -> Result<Option<Found>, E>,
) -> Result<Plan, E> {
    let mut plan = Plan { manifest: ours.records(), ..Plan::default() };
    // Insertion in path order; the text beside an edited file is wanted only as long as the file is edited.
    let mut beside = Tree::default();
    for (path, item) in &tree.0 {
        let print = item.fingerprint();
        let found = find(path)?;
        let read = found.as_ref().and_then(|found| found.read);
        let step = step_for(path, item, &print, ours, force, found);
        match &step {
            Step::LeaveEdited => beside.insert(format!("{path}{}", paths::NEW_SUFFIX), item.clone()),
            Step::Foreign(_) => forget(&mut plan.manifest, path),
            _ => {
                if let (Step::Keep, Some(stamp)) = (&step, read) {
                    plan.read.insert(path.clone(), stamp);
                }
                note(&mut plan.manifest, path, print);
            }
        }
        plan.steps.insert(path.clone(), step);
    }
    for (path, item) in &beside.0 {
        let print = item.fingerprint();
        // Always ours to replace: the name says so.
        let step = match find(path)? {
            None => Step::Create(item.clone()),
            Some(found) if found.fingerprint == print => Step::Keep,
            Some(found) if found.kind.is_some() => Step::Foreign("something that is not a file"),
            Some(_) => Step::Replace(item.clone()),
        };
        note(&mut plan.manifest, path, print);
        plan.steps.insert(path.clone(), step);
    }
    for path in ours.paths() {
        if plan.steps.contains_key(path) || !owned(path) {
            continue;
        }
        let found = find(path)?;
        // Remembered as ours for as long as it is there: wanted again, it is an edited file and no stranger's.
        if found.as_ref().is_some_and(|found| !ours.wrote(path, &found.fingerprint)) {
            plan.steps.insert(path.clone(), Step::Abandon);
            continue;
        }
        forget(&mut plan.manifest, path);
        if found.is_some() {
            plan.steps.insert(path.clone(), Step::Remove);
        }
    }
    Ok(plan)
}

fn note(manifest: &mut Arc<Manifest>, path: &str, print: String) {
    // What is shared is not copied to say the same.
    if Arc::get_mut(manifest).is_some() || manifest.files.get(path) != Some(&print) {
        Arc::make_mut(manifest).files.insert(path.to_owned(), print);
    }
}

fn forget(manifest: &mut Arc<Manifest>, path: &str) {
    if manifest.files.contains_key(path) {
        Arc::make_mut(manifest).files.remove(path);
    }
}

fn step_for(path: &str, item: &Item, print: &str, ours: &Ours, force: bool, found: Option<Found>) -> Step {
    let Some(found) = found else { return Step::Create(item.clone()) };
    if found.fingerprint == print {
        return Step::Keep;
    }
    match found.kind {
        Some(kind) => Step::Foreign(kind),
        None if force || ours.wrote(path, &found.fingerprint) => Step::Replace(item.clone()),
        None if ours.knows(path) => Step::LeaveEdited,
        None => Step::Foreign("a file that voidclust did not write"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::tree::Owner;
    use std::convert::Infallible;

    fn file(text: &str) -> Item {
        Item::file(text.as_bytes())
    }

    fn on_disk(text: &str) -> Item {
        // As a test that root does not run would find it.
        Item { owner: Owner { uid: 1000, gid: 1000 }, ..file(text) }
    }

    fn run(wanted: &[(&str, &str)], written: &[(&str, &str)], disk: &[(&str, Item)], force: bool) -> Plan {
        let tree = Tree(wanted.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect());
        let files = written.iter().map(|(path, text)| ((*path).to_owned(), file(text).fingerprint())).collect();
        let ours = Ours { written: Manifest { files }.into(), ..Ours::default() };
        let find = |path: &str| {
            let item = disk.iter().find(|(at, _)| *at == path).map(|(_, item)| item);
            Ok::<_, Infallible>(item.map(|item| Found::read(item, None)))
        };
        plan(&tree, &ours, |_| true, force, find).unwrap()
    }

    #[test]
    fn what_is_not_there_is_created() {
        assert_eq!(run(&[("a", "1")], &[], &[], false).steps["a"], Step::Create(file("1")));
    }

    #[test]
    fn ours_is_replaced_and_right_is_kept() {
        assert_eq!(run(&[("a", "2")], &[("a", "1")], &[("a", on_disk("1"))], false).steps["a"], Step::Replace(file("2")));
        assert_eq!(run(&[("a", "1")], &[("a", "1")], &[("a", on_disk("1"))], false).steps["a"], Step::Keep);
        assert_eq!(run(&[("a", "1")], &[], &[("a", on_disk("1"))], false).steps["a"], Step::Keep, "adopted");
    }

    #[test]
    fn an_edited_file_is_left_with_the_new_text_beside_it() {
        let plan = run(&[("a", "2")], &[("a", "1")], &[("a", on_disk("mine"))], false);
        assert_eq!(plan.steps["a"], Step::LeaveEdited);
        assert_eq!(plan.steps["a.new-voidclust"], Step::Create(file("2")));
        assert_eq!(plan.manifest.files["a"], file("1").fingerprint(), "still known as edited next time");
        let forced = run(&[("a", "2")], &[("a", "1")], &[("a", on_disk("mine"))], true);
        assert_eq!(forced.steps["a"], Step::Replace(file("2")));
    }

    #[test]
    fn the_text_beside_goes_when_the_edit_is_gone() {
        let written = [("a", "1"), ("a.new-voidclust", "2")];
        let plan = run(&[("a", "2")], &written, &[("a", on_disk("2")), ("a.new-voidclust", on_disk("2"))], false);
        assert_eq!(plan.steps["a.new-voidclust"], Step::Remove);
        assert!(!plan.manifest.files.contains_key("a.new-voidclust"));
    }

    #[test]
    fn a_text_that_was_taken_over_from_beside_is_ours_again() {
        let written = [("a", "1"), ("a.new-voidclust", "2")];
        let at_once = run(&[("a", "2")], &written, &[("a", on_disk("2"))], false);
        assert_eq!((&at_once.steps["a"], &at_once.manifest.files["a"]), (&Step::Keep, &file("2").fingerprint()));
        let later = run(&[("a", "3")], &written, &[("a", on_disk("2"))], false);
        assert_eq!(later.steps["a"], Step::Replace(file("3")));
    }

    #[test]
    fn a_foreign_file_stops_the_plan_unless_forced() {
        assert_eq!(run(&[("a", "1")], &[], &[("a", on_disk("x"))], false).foreign().count(), 1);
        assert_eq!(run(&[("a", "1")], &[], &[("a", on_disk("x"))], true).steps["a"], Step::Replace(file("1")));
        assert_eq!(run(&[("a", "1")], &[], &[("a", Item::folder())], true).foreign().count(), 1, "never a folder");
    }

    #[test]
    fn what_is_no_longer_wanted_goes_only_if_nobody_edited_it() {
        let disk = [("a", on_disk("1")), ("b", on_disk("mine"))];
        let plan = run(&[], &[("a", "1"), ("b", "1"), ("c", "1")], &disk, false);
        assert_eq!((&plan.steps["a"], &plan.steps["b"]), (&Step::Remove, &Step::Abandon));
        assert!(!plan.steps.contains_key("c") && plan.manifest.files.keys().eq(["b"]));
    }

    #[test]
    fn a_plan_leaves_alone_what_it_does_not_own() {
        let written = Manifest { files: [("x/a".to_owned(), file("1").fingerprint())].into() };
        let ours = Ours { written: written.into(), ..Ours::default() };
        let find = |_: &str| Ok::<_, Infallible>(Some(Found::read(&on_disk("1"), None)));
        let plan = plan(&Tree::default(), &ours, |path| !path.starts_with("x/"), false, find).unwrap();
        assert!(plan.steps.is_empty() && plan.manifest.files.contains_key("x/a"));
    }

    #[test]
    fn what_is_known_is_shared_until_it_changes_and_a_killed_run_counts() {
        let found = |text: &'static str| move |_: &str| Ok::<_, Infallible>(Some(Found::read(&on_disk(text), None)));
        let manifest = |text: &str| Manifest { files: [("a".to_owned(), file(text).fingerprint())].into() };
        let tree = |text: &str| Tree([("a".to_owned(), file(text))].into());
        let ours = Ours { written: manifest("1").into(), ..Ours::default() };
        let plan_of = |text: &str, ours: &Ours| plan(&tree(text), ours, |_| true, false, found("1")).unwrap();
        assert!(Arc::ptr_eq(&plan_of("1", &ours).manifest, &ours.written));
        assert_eq!(*plan_of("2", &ours).manifest, manifest("2"));
        assert_eq!(*ours.written, manifest("1"), "and nobody else sees that");
        // Not decided about here, it may be either.
        let ours = Ours { pending: Some(manifest("2")), ..ours };
        let left = plan(&Tree::default(), &ours, |_| false, false, found("1")).unwrap();
        let either = Ours { written: left.manifest, ..Ours::default() };
        assert!(either.wrote("a", &file("1").fingerprint()) && either.wrote("a", &file("2").fingerprint()));
    }

    #[test]
    fn a_changed_mode_alone_is_a_change() {
        let plan = run(&[("a", "1")], &[("a", "1")], &[("a", on_disk("1").with_mode(0o600))], false);
        assert_eq!(plan.steps["a"], Step::LeaveEdited);
    }
}
