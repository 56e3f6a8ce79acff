//! What is in the folder of images: reads, and changes nothing.

use anyhow::{Context, Result};

use super::Image;
use super::part::measure;
use super::store::MANIFEST;
use crate::disk::root::Root;
use crate::paths;

/// What one name in the folder of images is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surveyed {
    /// An image, its files there and of the right size.
    Image(Image),
    /// Named like an image, but not whole.
    Damaged(String),
    /// What a killed run was making or removing.
    Leftover,
    /// Anything else.
    Foreign,
}

/// Everything in the folder of images, in name order.
///
/// # Errors
/// When it cannot be read.
pub fn survey(root: &Root) -> Result<Vec<(String, Surveyed)>> {
    let mut names = Vec::new();
    for name in root.list(paths::IMAGES)?.unwrap_or_default() {
        let what = if name.starts_with(paths::TEMP_PREFIX) { Surveyed::Leftover } else { look(root, &name)? };
        names.push((name, what));
    }
    Ok(names)
}

pub(super) fn look(root: &Root, name: &str) -> Result<Surveyed> {
    let digest = name.rsplit_once('-').map_or("", |(_, digest)| digest);
    if digest.len() != 12 || !digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(Surveyed::Foreign);
    }
    let folder = format!("{}/{name}", paths::IMAGES);
    let Some(manifest) = root.read(&format!("{folder}/{MANIFEST}"))? else {
        return Ok(Surveyed::Damaged("has no manifest".to_owned()));
    };
    let manifest = String::from_utf8_lossy(&manifest);
    let Ok(image) = toml::from_str::<Image>(&manifest) else {
        return Ok(Surveyed::Damaged("its manifest cannot be understood".to_owned()));
    };
    if image.name() != name {
        return Ok(Surveyed::Damaged(format!("its manifest is that of {}", image.name())));
    }
    for (file, part) in image.parts() {
        let path = format!("{folder}/{file}");
        let size = match root.open_file(&path)? {
            Some(file) => Some(file.metadata().with_context(|| format!("{}: cannot look at it", root.display(&path)))?.len()),
            None => None,
        };
        match size {
            None => return Ok(Surveyed::Damaged(format!("{file} is missing"))),
            Some(size) if size != part.size => {
                return Ok(Surveyed::Damaged(format!("{file} has {size} bytes instead of {}", part.size)));
            }
            Some(_) => {}
        }
    }
    Ok(Surveyed::Image(image))
}

/// How much room the folder of an image takes, whatever lies in it, in bytes.
///
/// # Errors
/// When it cannot be read.
pub fn size(root: &Root, image: &Image) -> Result<u64> {
    let folder = format!("{}/{}", paths::IMAGES, image.name());
    fs_extra::dir::get_size(root.path().join(&folder)).with_context(|| format!("{}: cannot measure it", root.display(&folder)))
}

/// Reads both files of an image; says what is wrong with the first that is not as its manifest says.
pub(super) fn check(root: &Root, image: &Image) -> Result<Option<String>> {
    for (file, part) in image.parts() {
        match measure(root, &format!("{}/{}/{file}", paths::IMAGES, image.name()))? {
            None => return Ok(Some(format!("{file} is missing"))),
            Some(found) if found != *part => return Ok(Some(format!("{file} is not what was built: its SHA-256 differs"))),
            Some(_) => {}
        }
    }
    Ok(None)
}
