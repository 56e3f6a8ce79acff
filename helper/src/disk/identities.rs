//! What makes each node itself: a folder of its own with the files, made once and kept until somebody says otherwise.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustix::rand::{GetRandomFlags, getrandom};

use super::aside::Aside;
use super::lock::Lock;
use super::root::Root;
use super::tree::{Item, hex};
use crate::parallel;
use crate::paths;
use crate::tools::Tool;
use crate::types::identity::{Identities, Identity, MACHINE_ID, is_part, private_key, public_key};

/// Makes the host keys.
pub const SSH_KEYGEN: &str = "ssh-keygen";

/// So many nodes are synced at once. Each has an open folder, and all their files take their names in order: not so many that
/// this is shared between processors.
const TOGETHER: usize = 40;

/// What is missing of the identity of a node.
#[derive(Debug)]
pub struct Missing<'node> {
    /// The name of the node.
    pub name: &'node str,
    /// The ids that were drawn for it.
    pub ids: Vec<(&'static str, Arc<[u8]>)>,
    /// The kinds of host keys.
    pub kinds: Vec<&'static str>,
}

/// Reads all identities, also those of nodes that are not configured now.
///
/// # Errors
/// When one cannot be read, or a private key has lost its public one: it must not be replaced unseen.
pub fn load(root: &Root) -> Result<Identities> {
    let names = root.list(paths::IDENTITIES)?.unwrap_or_default();
    let read = |names: &[String]| names.iter().map(|name| Ok((name.clone(), read(root, name)?))).collect::<Result<Vec<_>>>();
    let shares: Result<Vec<_>> = parallel::shares(&names, parallel::FEW, read).into_iter().collect();
    Ok(Arc::new(shares?.into_iter().flatten().collect()))
}

fn read(root: &Root, name: &str) -> Result<Identity> {
    let mut identity = Identity::default();
    for file in root.list(&paths::identity(name))?.unwrap_or_default().into_iter().filter(|file| is_part(file)) {
        if let Some(bytes) = root.read(&paths::identity_file(name, &file))? {
            identity.0.insert(file, bytes.into());
        }
    }
    if let Some(private) = identity.half_key() {
        let private = root.display(&paths::identity_file(name, private));
        bail!("{private}: its public key is gone; make it again: ssh-keygen -y -f {private} >{private}.pub");
    }
    Ok(identity)
}

impl Lock<'_> {
    /// Makes what is missing, on all processors. Killed, some of it is there, and whole: the next run makes the rest.
    ///
    /// # Errors
    /// When the disk refuses, or ssh-keygen does.
    pub fn make_identities(&self, missing: &[Missing<'_>]) -> Result<()> {
        let made = parallel::shares(missing, 2, |share| share.chunks(TOGETHER).try_for_each(|some| self.make_some(some)));
        made.into_iter().collect()
    }

    fn make_some(&self, missing: &[Missing<'_>]) -> Result<()> {
        let mut aside = Aside::new(self.root);
        // Each folder is made in it, without a look at the whole path.
        aside.folder(paths::IDENTITIES)?;
        let ids = missing.iter().flat_map(|Missing { name, ids, .. }| {
            ids.iter().map(|(id, drawn)| (paths::identity_file(name, id), Item::file(&drawn[..]).with_mode(0o600)))
        });
        let ids: Vec<(String, Item)> = ids.collect();
        aside.write(&ids.iter().map(|(path, item)| (path.as_str(), item)).collect::<Vec<_>>())?;
        for Missing { name, kinds, .. } in missing {
            for kind in kinds {
                // The public one takes its name first: one alone is made again, a private one never.
                aside.reserve(&paths::identity_file(name, &public_key(kind)))?;
                let made = aside.reserve(&paths::identity_file(name, &private_key(kind)))?;
                let tool = Tool::new(SSH_KEYGEN).args(["-q", "-t", *kind, "-N", "", "-C"]).arg(format!("root@{name}"));
                tool.arg("-f").arg(self.root.path().join(made)).output()?;
            }
        }
        // What names these files is synced with them, when it is written.
        aside.sync()?;
        aside.rename()
    }

    /// Removes a node's identity, and says whether there was one. Private keys go first: a public one alone is none.
    ///
    /// # Errors
    /// When the disk refuses, or the folder has something that is not of an identity.
    pub fn forget_identity(&self, name: &str) -> Result<bool> {
        let folder = paths::identity(name);
        let Some(mut files) = self.root.list(&folder)? else { return Ok(false) };
        files.sort_by_key(|file| file.ends_with(".pub"));
        let mut aside = Aside::new(self.root);
        for file in &files {
            aside.remove(&paths::identity_file(name, file))?;
        }
        aside.remove_folder(&folder)?;
        Ok(true)
    }
}

/// Draws an id of this name.
///
/// # Errors
/// When the kernel has no random numbers.
pub fn draw(id: &str) -> Result<Arc<[u8]>> {
    Ok(if id == MACHINE_ID { format!("{}\n", hex(&random::<16>()?)).into_bytes().into() } else { random::<4>()?.into() })
}

fn random<const SIZE: usize>() -> Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    // Never less for so few bytes: random(7).
    let got = getrandom(&mut bytes[..], GetRandomFlags::empty()).context("cannot get random numbers from the kernel")?;
    if got == SIZE { Ok(bytes) } else { bail!("the kernel gave {got} random bytes of {SIZE}; run again") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::identity::HOST_ID;
    use std::os::unix::fs::PermissionsExt;

    fn setup() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn ids_are_made_once_and_are_each_their_own() {
        let (dir, root) = setup();
        let lock = Lock::take(&root).unwrap();
        assert!(load(&root).unwrap().is_empty());
        for name in ["n1", "n2"] {
            let ids = [MACHINE_ID, HOST_ID].map(|id| (id, draw(id).unwrap())).to_vec();
            lock.make_identities(&[Missing { name, ids, kinds: vec![] }]).unwrap();
        }
        let made = load(&root).unwrap();
        let text = |name: &str| String::from_utf8(made[name].0[MACHINE_ID].to_vec()).unwrap();
        assert!(text("n1") != text("n2") && text("n1").len() == 33 && text("n1").ends_with('\n'), "{}", text("n1"));
        assert_eq!((made["n1"].0[HOST_ID].len(), made["n1"].lacks_ids()), (4, vec![]));
        assert_ne!(made["n1"].0[HOST_ID], made["n2"].0[HOST_ID]);
        let mode = |path: &str| dir.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(paths::IDENTITIES), mode(&paths::identity("n1"))), (0o700, 0o700));
        assert!(lock.forget_identity("n1").unwrap() && !lock.forget_identity("n1").unwrap());
        assert_eq!(load(&root).unwrap().keys().collect::<Vec<_>>(), ["n2"]);
    }

    #[test]
    fn a_private_key_without_its_public_one_is_an_error_and_the_other_way_round_it_is_missing() {
        let (_dir, root) = setup();
        let lock = Lock::take(&root).unwrap();
        lock.save(&paths::identity_file("n1", "ssh_host_rsa_key.pub"), "x".to_owned()).unwrap();
        assert_eq!(load(&root).unwrap()["n1"].lacks_keys(&["rsa"]), ["rsa"]);
        lock.save(&paths::identity_file("n1", "ssh_host_rsa_key"), "x".to_owned()).unwrap();
        assert_eq!(load(&root).unwrap()["n1"].lacks_keys(&["rsa"]), [""; 0]);
        Aside::new(&root).remove(&paths::identity_file("n1", "ssh_host_rsa_key.pub")).unwrap();
        let error = load(&root).unwrap_err().to_string();
        assert!(error.contains("n1/ssh_host_rsa_key: its public key is gone; make it again: ssh-keygen -y -f "), "{error}");
    }
}
