//! Makes what each node is known by, once: host keys, machine id and host id. An edge: rendering only reads what is recorded.

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
/// Without keys. Each has an open folder, and a process may have a thousand.
const ROUND_WITHOUT_KEYS: usize = 400;

fn missing(site: &Site) -> Vec<Missing<'_>> {
    let kinds = if tools::on_path(SSH_KEYGEN) { site.lower.host_key_kinds() } else { Vec::new() };
    let none = Identity::default();
    let nodes = site.nodes.iter().filter(|_| site.client.identity).map(|node| {
        let has = site.identity_of(node).unwrap_or(&none);
        Missing { name: node.name.as_str(), ids: has.lacks_ids(), kinds: has.lacks_keys(&kinds) }
    });
    nodes.filter(|missing| !(missing.ids.is_empty() && missing.kinds.is_empty())).collect()
}

/// The nodes for which apply makes something.
#[must_use]
pub fn due(site: &Site) -> Vec<String> {
    missing(site).iter().map(|missing| missing.name.to_owned()).collect()
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

/// Makes what is missing, on all processors, and goes on with it in `wanted`. Killed, the next run makes the rest.
///
/// # Errors
/// When something cannot be made.
pub fn make(wanted: &mut Wanted, lock: &Lock<'_>, watch: &mut dyn Watch) -> Result<()> {
    let missing = missing(&wanted.site);
    if missing.is_empty() {
        return Ok(());
    }
    watch.said(&format!("making the identity of {}", counted(missing.len(), "node")));
    let has_keys = missing.iter().any(|missing| !missing.kinds.is_empty());
    let mut made = 0;
    for some in missing.chunks(if has_keys { ROUND } else { ROUND_WITHOUT_KEYS }) {
        lock.make_identities(some)?;
        made += some.len();
        if has_keys && missing.len() > ROUND {
            watch.said(&format!("made {made} of {}", missing.len()));
        }
    }
    wanted.read_identities(lock.root())
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
        Arc::make_mut(&mut self.site).identities = self.facts.identities.clone();
        known_hosts::add(&mut self.overlays, &self.site);
        Ok(())
    }
}
