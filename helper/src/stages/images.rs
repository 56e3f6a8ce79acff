//! Builds and prunes what nodes boot.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, bail};

use super::live::Served;
use super::target::Target;
use super::wanted::Wanted;
use crate::disk::lock::Lock;
use crate::image::{self, Build, Image, Mkinitcpio, Pruned};
use crate::progress::Progress;

/// Which images are to be there afterwards.
#[derive(Debug, Clone)]
pub enum Which {
    /// Those there are.
    Present,
    /// Those that nodes boot, and that of the master itself.
    Booted,
    /// That of a new kernel that nodes boot, and that of the master itself. Another kernel has a hook of its own: one that
    /// fails is tried, and told, once in a transaction.
    New(String),
    /// That of a kernel that nobody boots yet.
    Spare(String),
    /// Those of these kernels; without any, those that nodes boot.
    Named {
        /// The kernel.
        kernel: Option<String>,
        /// Even if nothing changed.
        force: bool,
    },
}

/// What the stage did.
#[derive(Debug, Default)]
pub struct Images {
    /// How many were made.
    pub built: usize,
    /// Those that were good as they are.
    pub fresh: Vec<Image>,
    /// What the administrator should know, in one line each.
    pub notes: Vec<String>,
    /// One message for each image that could not be built, with what it means.
    pub failures: Vec<String>,
}

/// Builds what is missing or out of date. A failure stops no other image: each is whole or not there.
///
/// # Errors
/// When nothing can be built, and images were asked for by name.
pub fn build(target: &Target, wanted: &Wanted, lock: &Lock<'_>, which: &Which, progress: &mut dyn Progress) -> Result<Images> {
    let (root, installed) = (&target.root, &wanted.facts.kernels);
    let mut images = Images::default();
    let (kernels, force) = match which {
        Which::Present => return Ok(images),
        // A kernel that is gone is booted from the image there is.
        Which::Booted => {
            (wanted.site.booted_kernels(installed).into_iter().filter(|kernel| installed.contains(kernel)).collect(), false)
        }
        Which::New(kernel) | Which::Spare(kernel) => (BTreeSet::from([kernel.clone()]), false),
        Which::Named { kernel: Some(kernel), force } => (BTreeSet::from([kernel.clone()]), *force),
        Which::Named { kernel: None, force } => (wanted.site.booted_kernels(installed), *force),
    };
    let is_asked_for = matches!(which, Which::Named { .. });
    let mut mkinitcpio = Mkinitcpio::of(root)?;
    if let Some(missing) = mkinitcpio.missing() {
        if is_asked_for {
            bail!("{missing}");
        }
        images.notes.push(missing.to_owned());
        return Ok(images);
    }
    if is_asked_for && kernels.is_empty() {
        bail!("{}: no kernel with modules here; install one, for example linux", root.display(crate::paths::BOOT));
    }
    for kernel in kernels {
        let (facts, only) = (&wanted.facts, [kernel.clone()].into());
        let fault = facts.unfit.fault(&only).or_else(|| facts.packers.fault(wanted.site.client.compression, &only));
        let built = match fault {
            Some((what, remedy)) => Err(anyhow!("{what}; {remedy}")),
            None => image::build(lock, root, &mut mkinitcpio, &kernel, force, progress),
        };
        match built {
            Ok(Build::New(_)) => images.built += 1,
            Ok(Build::UpToDate(image)) => images.fresh.push(image),
            Err(error) => images.failures.push(format!("client image of {kernel}: {error:#}\nwhat clients boot stays as it was")),
        }
    }
    if !matches!(which, Which::Booted | Which::New(_)) {
        return Ok(images);
    }
    match image::master_rebuild(lock, root, &mut mkinitcpio, installed, progress) {
        Ok(image::Master::Rebuilt(kernels)) => images.built += kernels.len(),
        Ok(image::Master::UpToDate) => {}
        Ok(image::Master::NotOurs(why)) => images.notes.push(why),
        Err(error) => images.failures.push(format!("the master's own image: {error:#}\nthe master boots as before")),
    }
    if installed.is_empty() {
        images.notes.push(format!("{}: no kernel here, so there is no image to build", root.display(crate::paths::BOOT)));
    }
    Ok(images)
}

/// Removes images that are not needed any more, which takes that the menus without them are [`Served`].
///
/// # Errors
/// When a menu cannot be read, or the disk refuses.
pub fn prune(target: &Target, wanted: &Wanted, lock: &Lock<'_>, _: &Served) -> Result<Pruned> {
    image::prune(lock, &target.root, &wanted.site, &wanted.facts.kernels)
}
