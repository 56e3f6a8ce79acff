//! What makes a node itself, whatever card or disk it has: its host keys, its machine id and its host id.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The machine id, machine-id(5).
pub const MACHINE_ID: &str = "machine-id";
/// The host id: four bytes, by which ZFS tells whose a pool is.
pub const HOST_ID: &str = "hostid";
/// The kinds of host keys that sshd(8) knows.
pub const KEY_KINDS: [&str; 3] = ["ed25519", "ecdsa", "rsa"];

/// The name of the private host key of a kind.
#[must_use]
pub fn private_key(kind: &str) -> String {
    format!("ssh_host_{kind}_key")
}

/// The name of the public one.
#[must_use]
pub fn public_key(kind: &str) -> String {
    format!("{}.pub", private_key(kind))
}

/// The kind of a private host key, by its name.
fn kind_of(name: &str) -> Option<&str> {
    name.strip_prefix("ssh_host_")?.strip_suffix("_key").filter(|kind| KEY_KINDS.contains(kind))
}

/// Whether a file of this name is a part of an identity.
#[must_use]
pub fn is_part(name: &str) -> bool {
    [MACHINE_ID, HOST_ID].contains(&name) || kind_of(name.strip_suffix(".pub").unwrap_or(name)).is_some()
}

/// Type and key of a public key, without the comment; `None` for what is none.
#[must_use]
pub fn without_comment(text: &str) -> Option<(&str, &str)> {
    let mut words = text.split_whitespace();
    Some((words.next()?, words.next()?))
}

/// The identity of one node: its files, by name.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Identity(pub BTreeMap<String, Arc<[u8]>>);

/// Those that were made, by the name of the node. Large sites have many megabytes of keys, so copies share them.
pub type Identities = Arc<BTreeMap<String, Identity>>;

impl Identity {
    /// The host keys of these kinds that are not there.
    #[must_use]
    pub fn lacks_keys<'kind>(&self, kinds: &[&'kind str]) -> Vec<&'kind str> {
        let has = |kind: &str| self.0.contains_key(&private_key(kind)) && self.0.contains_key(&public_key(kind));
        kinds.iter().copied().filter(|kind| !has(kind)).collect()
    }

    /// A private host key whose public one is not there.
    #[must_use]
    pub fn half_key(&self) -> Option<&str> {
        let mut private = self.0.keys().filter(|name| kind_of(name).is_some());
        private.find(|name| !self.0.contains_key(&format!("{name}.pub"))).map(String::as_str)
    }

    /// The ids that are not there.
    #[must_use]
    pub fn lacks_ids(&self) -> Vec<&'static str> {
        [MACHINE_ID, HOST_ID].into_iter().filter(|name| !self.0.contains_key(*name)).collect()
    }

    /// The public host keys.
    pub fn public_keys(&self) -> impl Iterator<Item = &str> {
        KEY_KINDS.iter().filter_map(|kind| std::str::from_utf8(self.0.get(&public_key(kind))?).ok())
    }

    /// Where a file of it belongs, below /etc, with the mode that it has there.
    #[must_use]
    pub fn place(name: &str) -> (String, u32) {
        let is_key = name.starts_with("ssh_host_");
        let mode = if is_key && !name.ends_with(".pub") { 0o600 } else { 0o644 };
        (if is_key { format!("ssh/{name}") } else { name.to_owned() }, mode)
    }
}

/// The names only: the rest is secret.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(names: &[&str]) -> Identity {
        Identity(names.iter().map(|name| ((*name).to_owned(), Arc::from(&b"ssh-rsa AAAA root@n1\n"[..]))).collect())
    }

    #[test]
    fn half_a_key_is_none() {
        let some = identity(&[HOST_ID, "ssh_host_rsa_key", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"]);
        assert_eq!(some.lacks_keys(&["ed25519", "rsa"]), ["rsa"]);
        assert_eq!(some.lacks_ids(), [MACHINE_ID]);
    }

    #[test]
    fn private_keys_are_for_root_alone_and_never_shown() {
        let some = identity(&["ssh_host_rsa_key", "ssh_host_rsa_key.pub", MACHINE_ID]);
        assert_eq!(Identity::place("ssh_host_rsa_key"), ("ssh/ssh_host_rsa_key".to_owned(), 0o600));
        assert_eq!(Identity::place("ssh_host_rsa_key.pub"), ("ssh/ssh_host_rsa_key.pub".to_owned(), 0o644));
        assert_eq!(Identity::place(MACHINE_ID), (MACHINE_ID.to_owned(), 0o644));
        assert_eq!(some.public_keys().filter_map(without_comment).collect::<Vec<_>>(), [("ssh-rsa", "AAAA")]);
        assert!(!format!("{some:?}").contains("AAAA"));
    }
}
