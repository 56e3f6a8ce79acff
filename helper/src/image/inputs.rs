//! What an image is made from, as one digest: the same inputs make nothing new.
//!
//! Content counts, not times, so a restored or copied root rebuilds nothing. Read are the kernel, the list of its
//! modules, mkinitcpio with its hooks and helpers, modprobe's settings, the programs that our hooks take from the
//! system, and every file that the configuration names by its path. Not read are libraries and firmware (hundreds of
//! megabytes; an image with older ones still boots), and with `autodetect` the machine: `--force` is for those.

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::disk::root::Root;
use crate::disk::tree::{Content, Item, Tree, hex};
use crate::paths;

/// Folders (read whole) and files that may go into any image.
pub(super) const COMMON: &[&str] = &[
    "usr/bin/mkinitcpio",
    "usr/lib/initcpio",
    "etc/initcpio",
    "usr/share/voidclust/initcpio",
    "usr/libexec/voidclust/lay-overlays",
    "usr/lib/modprobe.d",
    "etc/modprobe.d",
    "usr/bin/kmod",
    "usr/bin/mount.nfs",
    "usr/bin/mount.nfs4",
];

/// What goes into the master's own image besides: its configuration, first of all, and the udev that clients do without.
pub(super) const MASTER: &[&str] = &["etc/mkinitcpio.conf", "etc/mkinitcpio.conf.d", "usr/bin/udevadm", "usr/bin/udevd"];

/// Twelve hexadecimal digits over some texts.
pub(super) fn short(texts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text);
        digest.update(b"\n");
    }
    hex(&digest.finalize()[..6])
}

/// The inputs of a kernel's client image; `None` while there is no configuration. What `tree` holds counts as written.
pub(super) fn of_client(root: &Root, tree: &Tree, kernel: &str) -> Result<Option<String>> {
    let mut inputs = Inputs { root, tree, digest: Sha256::new() };
    let Some(config) = inputs.content(paths::CLIENT_INITCPIO)? else { return Ok(None) };
    inputs.note(paths::CLIENT_INITCPIO, &hex(&Sha256::digest(&config)));
    inputs.of_any(kernel)?;
    // As a shell would: words end at blanks, quotes and brackets. A word that is not a file says nothing.
    let config = String::from_utf8_lossy(&config).into_owned();
    for word in config.split(|c: char| c.is_whitespace() || "\"'()=".contains(c)).filter(|word| word.starts_with('/')) {
        inputs.stream(word)?;
    }
    Ok(Some(hex(&inputs.digest.finalize())))
}

/// The inputs of the master's own image of a kernel.
pub(super) fn of_master(root: &Root, kernel: &str) -> Result<String> {
    let mut inputs = Inputs { root, tree: &Tree::default(), digest: Sha256::new() };
    for path in MASTER {
        inputs.walk(path)?;
    }
    inputs.of_any(kernel)?;
    Ok(hex(&inputs.digest.finalize()))
}

struct Inputs<'a> {
    root: &'a Root,
    tree: &'a Tree,
    digest: Sha256,
}

impl Inputs<'_> {
    /// What goes into the images of clients and master alike.
    fn of_any(&mut self, kernel: &str) -> Result<()> {
        self.stream(&super::kernel_path(kernel))?;
        for list in ["modules.dep", "modules.builtin"] {
            self.stream(&format!("{}/{kernel}/{list}", paths::MODULES))?;
        }
        COMMON.iter().try_for_each(|path| self.walk(path))
    }

    fn note(&mut self, path: &str, what: &str) {
        for text in [path, "\0", what, "\n"] {
            self.digest.update(text);
        }
    }

    /// A small file, from what is about to be written or from the disk.
    fn content(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.tree.0.get(path).and_then(Item::bytes) {
            Some(bytes) => Ok(Some(bytes.whole().into_owned())),
            None => self.root.read(path),
        }
    }

    /// One regular file of any size; anything else, or nothing, leaves no trace.
    fn stream(&mut self, path: &str) -> Result<()> {
        if let Some(part) = super::part::measure(self.root, path)? {
            self.note(path, &part.sha256);
        }
        Ok(())
    }

    /// A file or a link, or all that is in a folder, in name order.
    fn walk(&mut self, path: &str) -> Result<()> {
        match self.root.find(path)?.map(|item| item.content) {
            Some(Content::File(bytes)) => self.note(path, &hex(bytes.digest())),
            Some(Content::Link(target)) => {
                self.note(path, &format!("-> {}", target.display()));
                self.stream(path)?;
            }
            Some(Content::Folder) => {
                for name in self.root.list(path)?.unwrap_or_default() {
                    self.walk(&format!("{path}/{name}"))?;
                }
            }
            Some(Content::Other) | None => {}
        }
        Ok(())
    }
}
