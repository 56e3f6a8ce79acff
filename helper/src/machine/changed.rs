//! What was changed below /etc of a machine that runs from its overlay: in memory, and gone with the next boot.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use rustix::fs::{FileType, Stat};

use super::Machine;
use crate::disk::root::{Root, split};
use crate::disk::tree::{Content, Item};
use crate::lay::WHITEOUT;
use crate::paths;
use crate::types::identity::{HOST_ID, MACHINE_ID};

/// What every boot writes there by itself.
const BY_ITSELF: [&str; 8] = [
    ".pwd.lock",
    "adjtime",
    "ld.so.cache",
    "mtab",
    "runit/reboot",
    "runit/runsvdir/current",
    "runit/runsvdir/previous",
    "runit/stopit",
];

/// The changed files and links, by their path below /etc, with the folders that they are in. What was removed is there as an
/// empty file that removes it. Not in it is what is as in the lower tree, what overlays laid, and what makes the machine
/// itself.
///
/// # Errors
/// When the machine does not run from its overlay, or something cannot be read.
pub fn in_memory(machine: &Machine) -> Result<BTreeMap<String, Item>> {
    let upper = machine.path(paths::UPPER);
    if machine.overlay().is_none() || !upper.exists() {
        bail!("this machine does not run from an overlay, so nothing of it is in memory only");
    }
    let laid = machine.record(paths::WAS_LAID)?.into_iter().collect();
    let seen = Seen { upper: Root::open(&upper)?, lower: Root::open(&machine.path(paths::LOWER))?, laid };
    let mut changed = BTreeMap::new();
    seen.walk("", &mut changed)?;
    Ok(changed)
}

struct Seen {
    upper: Root,
    lower: Root,
    laid: BTreeSet<String>,
}

impl Seen {
    fn walk(&self, folder: &str, changed: &mut BTreeMap<String, Item>) -> Result<()> {
        let below = |path: &str| if path.is_empty() { "etc".to_owned() } else { format!("etc/{path}") };
        for name in self.upper.list(&below(folder))?.unwrap_or_default() {
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if self.laid.contains(&path) || is_the_machines(&path) {
                continue;
            }
            let Some(item) = self.upper.find(&below(&path))? else { continue };
            match &item.content {
                Content::Folder => {
                    let before = changed.len();
                    self.walk(&path, changed)?;
                    if changed.len() > before {
                        changed.insert(path, item);
                    }
                }
                Content::Other if self.upper.look(&below(&path))?.is_some_and(|stat| is_whiteout(&stat)) => {
                    let (parent, name) = split(&path);
                    let slash = if parent.is_empty() { "" } else { "/" };
                    changed.insert(format!("{parent}{slash}{WHITEOUT}{name}"), Item::file(*b""));
                }
                Content::Other => {}
                _ if self.lower.find(&below(&path))?.as_ref() == Some(&item) => {}
                _ => {
                    changed.insert(path, item);
                }
            }
        }
        Ok(())
    }
}

/// How an overlay remembers that a file of the lower tree was removed.
fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Whether a file is of this one machine, or of its run.
fn is_the_machines(path: &str) -> bool {
    let ours = ["voidclust", "voidclust.conf", "voidclust.d", "overlays"];
    let first = path.split('/').next().unwrap_or_default();
    BY_ITSELF.contains(&path)
        || [MACHINE_ID, HOST_ID].contains(&path)
        || path.starts_with("ssh/ssh_host_")
        || (path.starts_with("sv/") && path.rsplit('/').next() == Some("supervise"))
        || ours.contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::tests::{machine, overlay_on};
    use std::os::unix::fs::symlink;

    #[test]
    fn what_somebody_changed_is_found_and_nothing_else() {
        let mounts = overlay_on("nfs4", "172.23.199.225:/root/1", "ro");
        let upper = |path: &str| format!("{}/etc/{path}", paths::UPPER);
        let lower = |path: &str| format!("{}/etc/{path}", paths::LOWER);
        let (dir, machine) = machine(&[
            (paths::MOUNTS, &mounts),
            (&lower("motd"), "old\n"),
            (&lower("issue"), "same\n"),
            (&upper("motd"), "new\n"),
            (&upper("issue"), "same\n"),
            (&upper("cron.d/job"), "x\n"),
            (&upper("hosts"), "laid\n"),
            (&upper("machine-id"), "1\n"),
            (&upper("ssh/ssh_host_rsa_key"), "key\n"),
            (&upper("sv/sshd/supervise/pid"), "1\n"),
            (&upper("runit/stopit"), ""),
            (&upper("voidclust.conf"), "x\n"),
            (&paths::record(paths::WAS_LAID), "hosts\n"),
        ]);
        symlink("/etc/sv/sshd", dir.path().join(upper("alias"))).unwrap();
        let found = in_memory(&machine).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["alias", "cron.d", "cron.d/job", "motd"]);
        assert_eq!(found["motd"].bytes().unwrap().whole(), &b"new\n"[..]);
    }

    #[test]
    fn a_machine_without_an_overlay_has_nothing_in_memory() {
        let (_dir, machine) = machine(&[(paths::MOUNTS, "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")]);
        assert!(in_memory(&machine).unwrap_err().to_string().contains("does not run from an overlay"));
    }
}
