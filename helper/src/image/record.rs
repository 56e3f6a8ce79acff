//! What the master's own images were made from, for the day when times tell nothing: a root that was copied to another
//! disk has new ones everywhere.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Part;
use super::inputs;
use super::master::image_path;
use super::part::measure;
use crate::disk::lock::Lock;
use crate::disk::root::Root;
use crate::paths;

/// The content of [`paths::MASTER_IMAGES`], by kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Record(BTreeMap<String, Made>);

/// An image that was younger than all that goes into it, when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
struct Made {
    /// Over what it was made from.
    inputs: String,
    /// When it was written, in seconds since 1970 and nanoseconds: only to see quickly that it is another one now.
    modified: (i64, i64),
    image: Part,
}

impl Record {
    /// Reads it. Nothing, or something that cannot be understood, is an empty one: then times alone count.
    pub(super) fn load(root: &Root) -> Result<Self> {
        let text = root.read(paths::MASTER_IMAGES)?.unwrap_or_default();
        Ok(toml::from_str(&String::from_utf8_lossy(&text)).unwrap_or_default())
    }

    /// Whether the image of a kernel is the one that was made from what there is now, whatever the times say.
    pub(super) fn proves(&self, root: &Root, kernel: &str) -> Result<bool> {
        let Some(made) = self.0.get(kernel) else { return Ok(false) };
        Ok(made.inputs == inputs::of_master(root, kernel)? && measure(root, &image_path(kernel))?.as_ref() == Some(&made.image))
    }

    /// Notes the images of these kernels, which are as new as what goes into them. Those noted before cost nothing.
    pub(super) fn note(lock: &Lock<'_>, root: &Root, kernels: &[String]) -> Result<()> {
        let before = Self::load(root)?;
        let mut now = Self::default();
        for kernel in kernels {
            let path = image_path(kernel);
            let Some(file) = root.open_file(&path)? else { continue };
            let found = file.metadata().with_context(|| format!("{}: cannot look at it", root.display(&path)))?;
            let modified = (found.mtime(), found.mtime_nsec());
            let known = before.0.get(kernel).filter(|made| made.modified == modified && made.image.size == found.len());
            let made = match known {
                Some(made) => made.clone(),
                None => {
                    let Some(image) = measure(root, &path)? else { continue };
                    Made { inputs: inputs::of_master(root, kernel)?, modified, image }
                }
            };
            now.0.insert(kernel.clone(), made);
        }
        if now == before {
            return Ok(());
        }
        let head = "# What the master's own images were made from. Kept by voidclust(8); do not edit.\n";
        lock.save(paths::MASTER_IMAGES, format!("{head}{}", toml::to_string(&now).context("cannot note the images")?))
    }
}
