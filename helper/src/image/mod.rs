//! What clients boot: kernels with the initramfs made for them, each pair in a folder of its own.
//!
//! A folder is named by its content and never changed once it has its name (but for the manifest, which no node reads),
//! so a kernel and an initramfs that a node loads always belong together. The newest image of a kernel is the one that
//! the menus of the loaders name; [`build`] makes it so.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::disk::root::Root;
use crate::paths;
use crate::types::compare_versions;
use crate::types::generation::Generations;

mod build;
mod inputs;
mod loaders;
mod master;
mod mkinitcpio;
mod part;
mod prune;
mod record;
#[cfg(test)]
mod scene;
mod store;
mod survey;
mod verify;

pub use build::{Build, build, stale};
pub use loaders::{Loaders, loaders};
pub use master::{Maker, Master, SWITCH, maker, master_rebuild, master_stale};
pub use mkinitcpio::Mkinitcpio;
pub use part::Part;
pub use prune::{Pruned, kept, prunable, prune};
pub use survey::{Surveyed, size, survey};
pub use verify::{Finding, verify, without_modules};

/// The kernel in an image's folder.
const KERNEL: &str = "vmlinuz";
/// The initramfs in an image's folder.
const INITRAMFS: &str = "initramfs.img";

/// A kernel and its initramfs, as the manifest in their folder tells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Image {
    /// The kernel's version.
    pub kernel: String,
    /// Twelve hexadecimal digits over the content, which make the folder's name unique.
    pub digest: String,
    /// Over what it was made from: as long as this stays the same, there is nothing to rebuild.
    pub inputs: String,
    /// When it was built, in seconds since 1970.
    pub built: u64,
    /// The kernel as it was copied.
    pub vmlinuz: Part,
    /// The initramfs as mkinitcpio made it.
    pub initramfs: Part,
}

impl Image {
    /// The name of its folder.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.kernel, self.digest)
    }

    /// Its folder as loaders name it, relative to the boot tree.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("images/{}", self.name())
    }

    /// One that is still to be made, newer than all there are.
    fn coming(kernel: &str, inputs: String) -> Self {
        let part = || Part { size: 0, sha256: String::new() };
        let (kernel, digest) = (kernel.to_owned(), String::new());
        Self { kernel, digest, inputs, built: u64::MAX, vmlinuz: part(), initramfs: part() }
    }

    /// Both files, by name.
    fn parts(&self) -> [(&'static str, &Part); 2] {
        [(KERNEL, &self.vmlinuz), (INITRAMFS, &self.initramfs)]
    }
}

/// The images that can be booted: the newest kernel first, and the newest image of a kernel first.
///
/// # Errors
/// When a folder cannot be read. One that is damaged is no error, and no image: see [`verify`].
pub fn list(root: &Root) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for (_, what) in survey(root)? {
        if let Surveyed::Image(image) = what {
            images.push(image);
        }
    }
    images.sort_by(newest_first);
    Ok(images)
}

fn newest_first(left: &Image, right: &Image) -> Ordering {
    let order = compare_versions(&left.kernel, &right.kernel);
    order.then_with(|| (left.built, &left.digest).cmp(&(right.built, &right.digest))).reverse()
}

/// The kernels that there is an image of; a pinned one may be booted long after its package went.
///
/// # Errors
/// When a folder cannot be read.
pub fn kernels(root: &Root) -> Result<BTreeSet<String>> {
    Ok(list(root)?.into_iter().map(|image| image.kernel).collect())
}

/// The images in the order in which a node wants them: as [`list`] has them, but those of kernels that are no longer
/// `installed` last, for these find no modules in the shared root.
///
/// # Errors
/// When a folder cannot be read.
pub fn best_first(root: &Root, installed: &[String]) -> Result<Vec<Image>> {
    let mut images = list(root)?;
    order(&mut images, installed);
    Ok(images)
}

fn order(images: &mut [Image], installed: &[String]) {
    images.sort_by(newest_first);
    images.sort_by_key(|image| !installed.contains(&image.kernel));
}

/// The kernels that some root has modules of, oldest first: those of the live tree, which are `installed`, and those of
/// generations.
#[must_use]
pub fn with_modules(generations: &Generations, installed: &[String]) -> Vec<String> {
    let all: BTreeSet<&String> = generations.made.values().flat_map(|made| &made.kernels).chain(installed).collect();
    let mut all: Vec<String> = all.into_iter().cloned().collect();
    all.sort_by(|left, right| compare_versions(left, right));
    all
}

fn kernel_path(kernel: &str) -> String {
    format!("boot/vmlinuz-{kernel}")
}

/// The list that depmod keeps of a kernel's modules: without it there are none.
fn modules_path(kernel: &str) -> String {
    format!("{}/{kernel}/modules.dep", paths::MODULES)
}
