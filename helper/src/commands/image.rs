//! `voidclust image`: build, list, prune and verify what nodes boot.

use anyhow::{Result, bail};

use super::{Status, apply};
use crate::cli::{Global, Image};
use crate::image::{self, Build, Mkinitcpio};
use crate::stages::session::{self, Target};
use crate::words::counted;

/// Runs an image command.
///
/// # Errors
/// When an image cannot be built or read.
pub fn run(global: &Global, command: &Image) -> Result<Status> {
    let target = Target::open(global)?;
    match command {
        Image::Build { kernel, force } => build(&target, global, kernel.as_deref(), *force),
        Image::List => list(&target),
        Image::Prune => prune(&target, global),
        Image::Verify => verify(&target),
    }
}

fn build(target: &Target, global: &Global, kernel: Option<&str>, force: bool) -> Result<Status> {
    let root = &target.root;
    session::read_site(target, global.config.as_deref())?;
    let (lock, wanted) = session::lock(target, global.config.as_deref())?;
    let mut mkinitcpio = Mkinitcpio::of(root)?;
    if let Some(missing) = mkinitcpio.missing() {
        bail!("{missing}");
    }
    let kernels = match kernel {
        Some(kernel) => [kernel.to_owned()].into(),
        None => image::booted(&wanted.site, &wanted.facts.kernels),
    };
    if kernels.is_empty() {
        bail!("{}: no kernel with modules here; install one, for example linux", root.display("boot"));
    }
    let mut progress = apply::progress(global.verbose);
    let mut failures = Vec::new();
    for kernel in kernels {
        match image::build(&lock, root, &mut mkinitcpio, &kernel, force, progress.as_mut()) {
            Ok(Build::UpToDate(image)) => anstream::println!("{} is up to date", image.folder()),
            Ok(Build::New(_)) => {}
            Err(error) => failures.push(format!("client image of {kernel}: {error:#}")),
        }
    }
    apply::switch_boot_tree(target, &wanted, &lock, false)?;
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(Status::Done)
}

fn list(target: &Target) -> Result<Status> {
    let images = image::list(&target.root)?;
    if images.is_empty() {
        anstream::println!("no image yet; build one with: voidclust image build");
    }
    for image in images {
        let size = (image.vmlinuz.size + image.initramfs.size) as f64 / 1e6;
        anstream::println!("{:24} {}  {size:7.1} MB", image.kernel, image.digest);
    }
    Ok(Status::Done)
}

fn prune(target: &Target, global: &Global) -> Result<Status> {
    session::read_site(target, global.config.as_deref())?;
    let (lock, wanted) = session::lock(target, global.config.as_deref())?;
    apply::switch_boot_tree(target, &wanted, &lock, false)?;
    let pruned = image::prune(&lock, &target.root, &wanted.site, &wanted.facts.kernels)?;
    for (image, why) in &pruned.kept {
        anstream::println!("kept {}: {why}", image.folder());
    }
    for (name, why) in &pruned.foreign {
        anstream::println!("left {name}: {why}");
    }
    anstream::println!("{} pruned", counted(pruned.removed.len(), "image"));
    Ok(Status::Done)
}

fn verify(target: &Target) -> Result<Status> {
    let (good, findings) = image::verify(&target.root)?;
    for finding in &findings {
        anstream::println!("{}: {}", finding.name, finding.what);
    }
    anstream::println!("{} sound", counted(good, "image"));
    Ok(if findings.iter().any(|finding| finding.serious) { Status::Failed } else { Status::Done })
}
