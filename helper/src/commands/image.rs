//! `voidclust image`: build, list, prune and verify what nodes boot.

use anyhow::Result;

use super::Status;
use super::screen::{Screen, print_notes};
use crate::cli::{Global, Image};
use crate::image;
use crate::print::say;
use crate::stages::images::Which;
use crate::stages::target::Target;
use crate::stages::wanted;
use crate::stages::workflow::{self, Report, Work};
use crate::words::counted;

/// Runs an image command.
///
/// # Errors
/// When an image cannot be built or read.
pub fn run(global: &Global, command: &Image) -> Result<Status> {
    let target = Target::open(global)?;
    match command {
        Image::Build { kernel, force } => {
            let images = Which::Named { kernel: kernel.clone(), force: *force };
            let report = change(&target, global, images, false)?;
            for image in &report.fresh {
                say!("{} is up to date", image.folder());
            }
            report.is_done()?;
            Ok(Status::Done)
        }
        Image::Prune => {
            let report = change(&target, global, Which::Present, true)?;
            for (image, why) in &report.pruned.kept {
                say!("kept {}: {why}", image.folder());
            }
            for (name, why) in &report.pruned.foreign {
                say!("left {name}: {why}");
            }
            report.is_done()?;
            say!("{} pruned", counted(report.pruned.removed.len(), "image"));
            Ok(Status::Done)
        }
        Image::List => list(&target),
        Image::Verify => verify(&target),
    }
}

fn change(target: &Target, global: &Global, images: Which, prune: bool) -> Result<Report> {
    let (lock, wanted) = wanted::locked(target, global.config.as_deref())?;
    let work = Work { files: None, images, menus: true, prune, force: false };
    let report = workflow::run(target, &wanted, &lock, &work, &mut Screen::new(global.verbose))?;
    print_notes(&report.standing);
    print_notes(&report.notes);
    Ok(report)
}

fn list(target: &Target) -> Result<Status> {
    let images = image::list(&target.root)?;
    if images.is_empty() {
        say!("no image yet; build one with: voidclust image build");
    }
    for image in images {
        let size = image::size(&target.root, &image)? as f64 / 1e6;
        say!("{:24} {}  {size:7.1} MB", image.kernel, image.digest);
    }
    Ok(Status::Done)
}

fn verify(target: &Target) -> Result<Status> {
    let (good, findings) = image::verify(&target.root)?;
    for finding in &findings {
        say!("{}: {}", finding.name, finding.what);
    }
    say!("{} sound", counted(good, "image"));
    Ok(if findings.iter().any(|finding| finding.serious) { Status::Failed } else { Status::Done })
}
