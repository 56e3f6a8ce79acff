//! Makes what each node is known by, once: host keys, machine id and host id. An edge: rendering only reads what is recorded.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::wanted::Wanted;
use super::workflow::Watch;
use crate::disk::identities::{self, Missing, SSH_KEYGEN};
use crate::disk::lock::Lock;
use crate::disk::root::Root;
use crate::paths;
use crate::render::known_hosts;
use crate::site::Site;
use crate::tools;
use crate::types::did_you_mean;
use crate::types::identity::Identity;
use crate::words::counted;

/// How many nodes are made between two lines that tell how far it is: a key of the kind rsa takes a processor a second.
const ROUND: usize = 100;

/// The kinds of host keys that can be made, and that nodes have.
fn kinds(site: &Site) -> Vec<&'static str> {
    if tools::on_path(SSH_KEYGEN) { site.lower.host_key_kinds() } else { Vec::new() }
}

/// Each node that is to have an identity, with what there is of it.
fn each(site: &Site) -> impl Iterator<Item = (&str, Cow<'_, Identity>)> {
    let nodes = site.nodes.iter().filter(|_| site.client.identity);
    nodes.map(|node| (node.name.as_str(), site.identity_of(node).map_or_else(Cow::default, Cow::Borrowed)))
}

/// The nodes for which apply makes something.
#[must_use]
pub fn due(site: &Site) -> Vec<String> {
    let kinds = kinds(site);
    let due = each(site).filter(|(_, has)| !(has.lacks_ids().is_empty() && has.lacks_keys(&kinds).is_empty()));
    due.map(|(name, _)| name.to_owned()).collect()
}

/// What is to be made: the ids that were drawn and are not recorded, and keys.
fn unmade(wanted: &Wanted) -> Vec<Missing<'_>> {
    let kinds = kinds(&wanted.site);
    let nodes = each(&wanted.site).map(|(name, has)| {
        let lacks = wanted.facts.identities.get(name).map_or_else(|| Identity::default().lacks_ids(), Identity::lacks_ids);
        let ids = lacks.into_iter().filter_map(|id| Some((id, has.0.get(id)?.clone())));
        Missing { name, ids: ids.collect(), kinds: has.lacks_keys(&kinds) }
    });
    nodes.filter(|unmade| !(unmade.ids.is_empty() && unmade.kinds.is_empty())).collect()
}

/// What one should know when nodes have an sshd(8) and nothing can make its keys.
#[must_use]
pub fn without_keys(site: &Site) -> Option<String> {
    let is_impossible = site.client.identity && !site.lower.host_key_kinds().is_empty() && !tools::on_path(SSH_KEYGEN);
    is_impossible.then(|| {
        "ssh-keygen: not found here, so nodes get no host keys of their own; install openssh, or set identity = false under [client]"
            .to_owned()
    })
}

/// Draws the ids that nodes lack, in memory, and looks for mistakes when anything is to be made: what is made stays. So what
/// is rendered for that is what will be written, unless keys are to be made, too.
///
/// # Errors
/// Every mistake in the overlays.
pub fn foresee(wanted: &mut Wanted) -> Result<()> {
    let mut drawn = Vec::new();
    for (name, has) in each(&wanted.site) {
        for id in has.lacks_ids() {
            drawn.push((name.to_owned(), id, identities::draw(id)?));
        }
    }
    if !drawn.is_empty() {
        let identities = Arc::make_mut(&mut wanted.site_to_change().identities);
        drawn.into_iter().for_each(|(name, id, drawn)| _ = identities.entry(name).or_default().0.insert(id.to_owned(), drawn));
    }
    match &unmade(wanted)[..] {
        [] => Ok(()),
        unmade if unmade.iter().any(|unmade| !unmade.kinds.is_empty()) => wanted.check(),
        _ => wanted.render(),
    }
}

/// Makes what [`foresee`] found to be missing, on all processors, and goes on with it in `wanted`. Killed, the next run makes
/// the rest.
///
/// # Errors
/// When something cannot be made.
pub fn make(wanted: &mut Wanted, lock: &Lock<'_>, watch: &mut dyn Watch) -> Result<()> {
    let unmade = unmade(wanted);
    if unmade.is_empty() {
        return Ok(());
    }
    watch.said(&format!("making the identity of {}", counted(unmade.len(), "node")));
    let has_keys = unmade.iter().any(|unmade| !unmade.kinds.is_empty());
    let mut made = 0;
    for some in unmade.chunks(if has_keys { ROUND } else { unmade.len() }) {
        lock.make_identities(some)?;
        made += some.len();
        if has_keys && unmade.len() > ROUND {
            watch.said(&format!("made {made} of {}", unmade.len()));
        }
    }
    if has_keys {
        return wanted.read_identities(lock.root());
    }
    wanted.facts.identities = wanted.site.identities.clone();
    Ok(())
}

/// Forgets the identities of these machines, of the configuration or not, so that the next apply makes new ones.
///
/// # Errors
/// When one of them has none: then all stay; or when one cannot be removed.
pub fn forget(lock: &Lock<'_>, names: &[String]) -> Result<()> {
    all_have_one(lock.root(), names)?;
    names.iter().try_for_each(|name| lock.forget_identity(name).map(|_| ()))
}

/// The files that [`forget`] would remove.
///
/// # Errors
/// When one of them has none.
pub fn would_be_forgotten(root: &Root, names: &[String]) -> Result<Vec<String>> {
    all_have_one(root, names)?;
    let mut files = Vec::new();
    for name in names {
        let kept = root.list(&paths::identity(name))?.unwrap_or_default();
        files.extend(kept.iter().map(|file| paths::identity_file(name, file)));
    }
    Ok(files)
}

fn all_have_one(root: &Root, names: &[String]) -> Result<()> {
    let made = identities::load(root)?;
    if let Some(name) = names.iter().find(|name| !made.contains_key(*name)) {
        let meant = did_you_mean(name, made.keys().map(String::as_str));
        bail!("{name}: has no identity; {meant}those that do have a folder in {}", root.display(paths::IDENTITIES));
    }
    Ok(())
}

impl Wanted {
    /// Learns of the identities that there are now.
    fn read_identities(&mut self, root: &Root) -> Result<()> {
        self.facts.identities = identities::load(root)?;
        self.site_to_change().identities = self.facts.identities.clone();
        known_hosts::add(&mut self.overlays, &self.site);
        Ok(())
    }
}
