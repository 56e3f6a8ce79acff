//! The one function that changes files: all new content is written aside and synced before the first rename.
//!
//! Contract of [`Lock::commit`]: killed at any instruction, each path holds its old or its new content, whole; the next
//! run finishes the work (pending.toml names what we were about to write, so that it is known as ours) and sweeps what
//! was written aside. One sync per file system, not per file: ten thousand nodes would be ten thousand journal commits.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Gid, Mode, Uid};

use crate::disk::aside::Aside;
use crate::disk::lock::Lock;
use crate::disk::manifest::Ours;
use crate::disk::opened::{look_in, read_in};
use crate::disk::plan::{Found, Plan, Step};
use crate::disk::root::{Root, split};
use crate::disk::stamps::{Made, Stamps, stamp};
use crate::disk::tree::{Content, Item, Tree};
use crate::paths;

impl Lock<'_> {
    /// Carries the Plan out.
    ///
    /// # Errors
    /// When something foreign stands in the way, or the disk refuses. Before the first rename nothing has changed;
    /// after it, the next run finishes.
    pub fn commit(&self, plan: &Plan, ours: &Ours) -> Result<()> {
        if let Some((path, what)) = plan.foreign().next() {
            let more = plan.foreign().count() - 1;
            let more = if more > 0 { format!(" (and {more} more such paths)") } else { String::new() };
            bail!("{}: {what} stands here{more}; move it away, or let --force replace files", self.root.display(path));
        }
        let mut aside = Aside::new(self.root);
        let paths = plan.steps.keys().chain(plan.manifest.files.keys());
        aside.sweep(paths.map(|path| split(path).0).chain([paths::STATE]))?;
        let mut written = Vec::new();
        if plan.changes().next().is_some() {
            let items = plan.changes().filter_map(|(path, step)| match step {
                Step::Create(item) | Step::Replace(item) => Some((path.as_str(), item)),
                _ => None,
            });
            let items: Vec<_> = items.collect();
            let kept =
                plan.steps.iter().filter(|(path, step)| matches!(step, Step::Keep) && paths::archive_owner(path).is_some());
            for (path, _) in kept {
                if let Some(fingerprint) = plan.manifest.files.get(path) {
                    aside.keep(path, fingerprint);
                }
            }
            aside.write(&items)?;
            aside.sync()?;
            // A run that is killed from here on leaves none: they are about what was.
            aside.remove(paths::STAMPS)?;
            self.save(paths::PENDING, ours.with_pending(&plan.manifest).text())?;
            let begun = self.root.changed(paths::PENDING)?;
            aside.rename()?;
            written = aside.stamps(&items, begun)?;
            for (path, _) in plan.changes().filter(|(_, step)| matches!(step, Step::Remove)) {
                aside.remove(path)?;
            }
            aside.sync()?;
        }
        if plan.manifest != ours.written {
            aside.remove(paths::STAMPS)?;
            self.save(paths::MANIFEST, plan.manifest.text())?;
        }
        if ours.pending.is_some() || plan.changes().next().is_some() {
            aside.remove(paths::PENDING)?;
        }
        self.note(&ours.stamps, written, plan)
    }

    /// Writes down how the files look that were `written`, or read for a Plan and kept, unless all of it is known.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note(&self, before: &Stamps, written: Vec<(String, u64)>, plan: &Plan) -> Result<()> {
        let mut made_of = before.made_of;
        for made in Made::ALL {
            let digest = plan.made_of.of(made);
            if digest.is_some() || plan.steps.keys().any(|path| made.has(path)) {
                made_of = made_of.with(made, digest);
            }
        }
        if plan.changes().next().is_none() && plan.read.is_empty() && made_of == before.made_of {
            return Ok(());
        }
        let Some(manifest) = self.root.look(paths::MANIFEST)? else { return Ok(()) };
        let mut files = BTreeMap::clone(&before.files);
        files.retain(|path, _| plan.manifest.files.contains_key(path));
        files.append(&mut written.into_iter().collect());
        files.append(&mut plan.read.clone());
        for made in Made::ALL {
            let count = |paths: &mut dyn Iterator<Item = &String>| paths.filter(|path| made.has(path)).count();
            if count(&mut files.keys()) < count(&mut plan.manifest.files.keys()) {
                made_of = made_of.with(made, None);
            }
        }
        self.save(paths::STAMPS, Stamps::new(files, made_of).text(&manifest))
    }

    /// Removes what we know about earlier runs, and the lock with it: nothing of ours is left that it could protect.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_state(self) -> Result<()> {
        let mut aside = Aside::new(self.root);
        let all = [paths::STAMPS, paths::PENDING, paths::MANIFEST, paths::MASTER_IMAGES, paths::LINES, paths::BUILD_LOG];
        for path in all.into_iter().chain([paths::LOCK]) {
            aside.remove(path)?;
        }
        let (folder, prefix) = split(paths::BEFORE);
        for name in self.root.list(folder)?.unwrap_or_default().iter().filter(|name| name.starts_with(prefix)) {
            aside.remove(&format!("{folder}/{name}"))?;
        }
        Ok(())
    }

    /// Writes a new text into a file of the administrator's, which keeps its mode. What it was is beside our state; returns
    /// where.
    ///
    /// # Errors
    /// When it is no file by itself, was changed since it was read as `before`, or the disk refuses.
    pub fn edit(&self, path: &str, before: &str, after: String) -> Result<String> {
        let name = self.root.display(path);
        let item = self.root.find(path)?.with_context(|| format!("{name}: is not there any more; run this again"))?;
        let Some(bytes) = item.bytes() else { bail!("{name}: is not a file but a link; make the change where it leads to") };
        if *bytes.whole() != *before.as_bytes() {
            bail!("{name}: was changed while this ran; run it again");
        }
        let copy = format!("{}{}", paths::BEFORE, split(path).1);
        self.save(&copy, before.to_owned())?;
        let mut aside = Aside::new(self.root);
        aside.write(&[(path, &Item::file(after).with_mode(item.mode))])?;
        aside.publish()?;
        Ok(copy)
    }

    /// Writes files and links of the administrator's into a folder, with mode and owner. The folders among the items get
    /// theirs, too.
    ///
    /// # Errors
    /// When something else has one of the names, before anything is written; or the disk refuses.
    pub fn bring(&self, folder: &str, items: &BTreeMap<String, Item>) -> Result<()> {
        let (mut aside, mut new) = (Aside::new(self.root), Vec::new());
        let paths: Vec<(String, &Item)> = items.iter().map(|(path, item)| (format!("{folder}/{path}"), item)).collect();
        for (path, item) in paths.iter().filter(|(_, item)| !item.is_folder()) {
            match self.root.find(path)? {
                Some(there) if there == **item => {}
                Some(_) => bail!("{}: is there already, and differs; remove it first", self.root.display(path)),
                None => new.push((path.as_str(), *item)),
            }
        }
        aside.write(&new)?;
        aside.publish()?;
        for (path, item) in paths.iter().filter(|(path, item)| item.is_folder() || new.iter().any(|(new, _)| new == path)) {
            let context = || format!("{}: cannot set mode and owner", self.root.display(path));
            let (parent, name) = split(path);
            let parent = self.root.folder(parent)?;
            let owner = (Some(Uid::from_raw(item.owner.uid)), Some(Gid::from_raw(item.owner.gid)));
            rustix::fs::chownat(&parent, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW).with_context(context)?;
            if !matches!(item.content, Content::Link(_)) {
                // Setting the owner takes away that a program runs as that.
                rustix::fs::chmodat(&parent, name, Mode::from_raw_mode(item.mode), AtFlags::empty()).with_context(context)?;
            }
        }
        Ok(())
    }

    /// Writes a file of our own state, on the disk before it takes its name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn save(&self, path: &str, text: String) -> Result<()> {
        let item = Item::file(text).with_mode(0o600);
        let mut aside = Aside::new(self.root);
        aside.write(&[(path, &item)])?;
        aside.publish()
    }
}

/// Compares a Tree with what is under the root, reading each folder's descriptor once, and of the files those that do not look
/// as the stamps say; with `force` all.
///
/// # Errors
/// When something cannot be read.
pub fn plan_for(root: &Root, tree: &Tree, ours: &Ours, owned: impl Fn(&str) -> bool, force: bool) -> Result<Plan> {
    let mut folders: BTreeMap<String, Option<OwnedFd>> = BTreeMap::new();
    // What has several names is read once: archives that nodes share.
    let mut shared: BTreeMap<_, Found> = BTreeMap::new();
    crate::disk::plan::plan(tree, ours, owned, force, |path| {
        let (parent, name) = split(path);
        if !folders.contains_key(parent) {
            folders.insert(parent.to_owned(), root.existing_folder(parent)?);
        }
        let Some(Some(folder)) = folders.get(parent) else { return Ok(None) };
        let context = || format!("{}: cannot read", root.display(path));
        let Some(stat) = look_in(folder.as_fd(), name).with_context(context)? else { return Ok(None) };
        if !force
            && ours.stamps.know(path, &stat)
            && let Some(fingerprint) = ours.written.files.get(path)
        {
            return Ok(Some(Found::known(fingerprint.clone())));
        }
        let inode = (stat.st_dev, stat.st_ino);
        if let Some(found) = shared.get(&inode) {
            return Ok(Some(found.clone()));
        }
        let item = read_in(folder.as_fd(), name, &stat).with_context(context)?;
        let found = Found::read(&item, Some(stamp(&stat)));
        if stat.st_nlink > 1 && item.bytes().is_some() {
            shared.insert(inode, found.clone());
        }
        Ok(Some(found))
    })
}

#[cfg(test)]
mod tests;
