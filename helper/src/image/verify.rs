//! Whether what nodes boot is as it was built.

use anyhow::Result;

use super::prune::named;
use super::survey::check;
use super::{Surveyed, survey};
use crate::disk::root::Root;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name in the folder of images.
    pub name: String,
    /// What is wrong, as the rest of a sentence.
    pub what: String,
    /// Whether a node that boots this may fail; else it is litter.
    pub serious: bool,
}

/// Reads every image and compares it with its manifest; tells of what does not belong, and of images that a menu names
/// but that are not there. The number of images is that of those which
/// are as they should be.
///
/// # Errors
/// When something cannot be read.
pub fn verify(root: &Root) -> Result<(usize, Vec<Finding>)> {
    let mut named = named(root)?;
    let (mut good, mut findings) = (0, Vec::new());
    for (name, what) in survey(root)? {
        let users = named.remove(&name);
        let mut find = |what: String, serious| findings.push(Finding { name: name.clone(), what, serious });
        match what {
            Surveyed::Image(image) => match check(root, &image)? {
                Some(what) => find(what, true),
                None => good += 1,
            },
            Surveyed::Damaged(what) => find(what, users.is_some()),
            Surveyed::Leftover => find("left by a run that was killed; the next build sweeps it".to_owned(), false),
            Surveyed::Foreign => find("not an image of ours".to_owned(), false),
        }
    }
    for (name, users) in named {
        findings.push(Finding { name, what: format!("not there, but {} names it", users.join(", ")), serious: true });
    }
    Ok((good, findings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::scene::{GOOD, K, Scene, delete, put};
    use crate::image::{Build, INITRAMFS};
    use std::fs::read;

    #[test]
    fn damage_is_found_and_the_next_build_repairs_it() {
        let scene = Scene::new();
        let image = scene.build(K, GOOD);
        let initramfs = scene.path("srv/tftp").join(image.folder()).join(INITRAMFS);
        let mut bytes = read(&initramfs).unwrap();
        bytes[5000] ^= 1;
        put(&initramfs, &bytes);
        let (good, findings) = verify(&scene.root).unwrap();
        assert_eq!((good, findings.len(), findings[0].serious), (0, 1, true));
        assert!(matches!(scene.try_build(K, false, GOOD).unwrap(), Build::New(_)));
        assert_eq!(verify(&scene.root).unwrap(), (1, vec![]));

        delete(&initramfs);
        assert!(scene.images().is_empty(), "half an image is none");
        assert_eq!(scene.build(K, GOOD).folder(), image.folder());
        assert_eq!(verify(&scene.root).unwrap(), (1, vec![]));
    }

    #[test]
    fn a_loader_that_names_a_missing_image_is_found() {
        let scene = Scene::new();
        scene.build(K, GOOD);
        put(&scene.path("srv/tftp/grub/grub.cfg"), "initrd images/gone-0123456789ab/initramfs.img\n");
        let (_, findings) = verify(&scene.root).unwrap();
        assert_eq!(findings[0].name, "gone-0123456789ab");
        assert!(findings[0].serious && findings[0].what.contains("grub.cfg"), "{findings:?}");
    }
}
