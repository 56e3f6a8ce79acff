//! Whether what nodes boot is as it was built, and finds its modules.

use std::collections::BTreeMap;

use anyhow::Result;

use super::prune::named;
use super::survey::check;
use super::{Surveyed, modules_path, survey, with_modules};
use crate::disk::generations;
use crate::disk::root::Root;
use crate::paths;
use crate::site::{Root as Tree, Site};
use crate::types::Kernel;
use crate::words::some;

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

/// Reads every image and compares it with its manifest; tells of what does not belong, of images whose kernel has no
/// modules any more, and of those that a menu names but that are not there. The number of images is that of those which
/// are as they should be.
///
/// # Errors
/// When something cannot be read.
pub fn verify(root: &Root) -> Result<(usize, Vec<Finding>)> {
    let mut named = named(root, |_| true)?;
    let anywhere = with_modules(&generations::load(root)?, &[]);
    let (mut good, mut findings) = (0, Vec::new());
    for (name, what) in survey(root)? {
        let users = named.remove(&name);
        let mut find = |what: String, serious| findings.push(Finding { name: name.clone(), what, serious });
        match what {
            Surveyed::Image(image) => match check(root, &image)? {
                Some(what) => find(what, true),
                None if !anywhere.contains(&image.kernel) && root.open_file(&modules_path(&image.kernel))?.is_none() => {
                    find(format!("as it was built, but {}", no_modules(root, &image.kernel)), users.is_some());
                }
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

/// A sentence for each kernel that machines are pinned to although its modules are gone: the image boots, and nothing that
/// is not in it can be loaded.
///
/// # Errors
/// When the modules cannot be looked at.
pub fn without_modules(root: &Root, site: &Site) -> Result<Vec<String>> {
    let mut pinned: BTreeMap<(&str, Tree), Vec<&str>> = BTreeMap::new();
    for node in site.clients() {
        if let Kernel::Version(version) = site.kernel_wish(node) {
            let name = node.map_or("machines that are not listed", |node| node.name.as_str());
            pinned.entry((version, site.root_of(node))).or_default().push(name);
        }
    }
    let mut notes = Vec::new();
    for ((kernel, tree), names) in pinned {
        let why = match tree {
            Tree::Head if root.open_file(&modules_path(kernel))?.is_none() => no_modules(root, kernel),
            Tree::Generation(number) if !site.generations.has_kernel(number, kernel) => {
                format!("generation {number} has no modules of it; publish one that has, or pin nothing to it")
            }
            _ => continue,
        };
        notes.push(format!("kernel {kernel} of {}: {why}", some(&names, 3, ", ")));
    }
    Ok(notes)
}

fn no_modules(root: &Root, kernel: &str) -> String {
    let folder = root.display(&format!("{}/{kernel}", paths::MODULES));
    format!("its modules are gone from {folder}; install its package again, or pin nothing to it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::scene::{GOOD, K, Scene, delete, put, site};
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
    fn a_kernel_whose_modules_are_gone_is_told_of() {
        let scene = Scene::new();
        let image = scene.build(K, GOOD);
        let site = |pinned: &[&str]| without_modules(&scene.root, &site(2, pinned)).unwrap();
        assert!(site(&[K]).is_empty());
        delete(&scene.path("usr/lib/modules/6.12.94_1/modules.dep"));
        assert!(site(&[]).is_empty(), "nobody is pinned to it");
        let notes = site(&[K, K]);
        assert!(notes[0].starts_with("kernel 6.12.94_1 of ") && notes[0].contains("its modules are gone from "), "{notes:?}");
        let found = |serious| {
            let (good, findings) = verify(&scene.root).unwrap();
            assert_eq!((good, findings[0].serious), (0, serious));
            assert!(findings[0].what.contains("its modules are gone"), "{findings:?}");
        };
        found(false);
        put(&scene.path("srv/tftp/pxelinux.cfg/default"), format!("KERNEL {}/vmlinuz\n", image.folder()));
        found(true);
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
