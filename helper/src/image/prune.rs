//! Which images stay: for the menus that name them, and for the disk that they lie on.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use super::store::{Store, stranger};
use super::{Image, Surveyed, best_first, inputs, list, order, survey, with_modules};
use crate::disk::lock::Lock;
use crate::disk::root::Root;
use crate::disk::tree::Tree;
use crate::paths;
use crate::site::Site;

/// So many images of a kernel stay on the disk, whatever the site says: a node may be loading the last but one.
const LOADING: usize = 2;

/// The images that menus name, the best first: the best `keep` of the site, and the newest of each kernel that a machine
/// boots. See [`prune`] for kernels that are gone.
///
/// # Errors
/// When the images cannot be read.
pub fn kept(root: &Root, site: &Site, installed: &[String]) -> Result<Vec<Image>> {
    let there = with_modules(&site.generations, installed);
    let images = best_first(root, &there)?;
    let kept = choose(&images, &site.booted_kernels(installed), &there, usize::from(site.boot.keep), 1);
    Ok(kept.into_iter().cloned().collect())
}

/// The first `best` of `images`, and the first `each` of every kernel in `booted`. An image whose kernel is gone finds no
/// modules: it counts only when a machine is pinned to it, or there is no other. Where no kernel is installed at all
/// (because /boot is not mounted, for one), none is said to be gone.
fn choose<'a>(images: &'a [Image], booted: &BTreeSet<String>, installed: &[String], best: usize, each: usize) -> Vec<&'a Image> {
    let usable: Vec<&Image> = images.iter().filter(|image| !is_gone(image, booted, installed)).collect();
    let usable = if installed.is_empty() || usable.is_empty() { images.iter().collect() } else { usable };
    let earlier = |index: usize, kernel: &str| usable[..index].iter().filter(|image| image.kernel == *kernel).count();
    let stays =
        |index: usize, image: &Image| index < best || (booted.contains(&image.kernel) && earlier(index, &image.kernel) < each);
    usable.iter().enumerate().filter(|(index, image)| stays(*index, image)).map(|(_, image)| *image).collect()
}

/// Whether no machine can boot an image and find its modules.
fn is_gone(image: &Image, booted: &BTreeSet<String>, installed: &[String]) -> bool {
    !installed.contains(&image.kernel) && !booted.contains(&image.kernel)
}

/// What [`prune`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Images that are gone.
    pub removed: Vec<Image>,
    /// Images that had to stay, and why.
    pub kept: Vec<(Image, String)>,
    /// Names in the folder that are not ours to remove, and why.
    pub foreign: Vec<(String, String)>,
}

/// Removes all images but those that stay: of kernels that are installed or that a machine is pinned to, the best ones and
/// the newest of each kernel that some machine boots, two at least, and what a menu still names. Never the last image.
/// The caller has written the menus anew.
///
/// # Errors
/// When a menu cannot be read: then nothing is removed.
pub fn prune(lock: &Lock<'_>, root: &Root, site: &Site, installed: &[String]) -> Result<Pruned> {
    let images = best_first(root, &with_modules(&site.generations, installed))?;
    let mut pruned = judge(root, &images, site, installed, |_| true)?;
    let store = Store::open(lock, root)?;
    for image in &pruned.removed {
        store.remove(image)?;
    }
    for (name, what) in survey(root)? {
        match what {
            Surveyed::Foreign => pruned.foreign.push((name, "not an image of ours".to_owned())),
            Surveyed::Damaged(why) => pruned.foreign.push((name, why)),
            Surveyed::Image(_) | Surveyed::Leftover => {}
        }
    }
    Ok(pruned)
}

/// The images that [`prune`] will remove once the kernels of `coming` have their image, made from what `tree` is about to
/// write, and only those menus that `stays` are as they are now.
///
/// # Errors
/// When a menu, an image or what goes into one cannot be read.
pub fn prunable(
    root: &Root,
    site: &Site,
    installed: &[String],
    (coming, tree): (&[String], &Tree),
    stays: impl Fn(&str) -> bool,
) -> Result<Vec<Image>> {
    let mut images = list(root)?;
    for kernel in coming {
        let inputs = inputs::of_client(root, tree, kernel)?.unwrap_or_default();
        match images.iter_mut().find(|image| image.kernel == *kernel && image.inputs == inputs) {
            Some(image) => image.built = u64::MAX,
            None => images.push(Image::coming(kernel, inputs)),
        }
    }
    order(&mut images, &with_modules(&site.generations, installed));
    Ok(judge(root, &images, site, installed, stays)?.removed)
}

/// What is to be removed of `images`, the best first, and what stays although it could go. Of the menus on the disk those
/// count that are `served`.
fn judge(root: &Root, images: &[Image], site: &Site, installed: &[String], served: impl Fn(&str) -> bool) -> Result<Pruned> {
    let keep = usize::from(site.boot.keep).max(LOADING);
    let booted = site.booted_kernels(installed);
    let installed = &with_modules(&site.generations, installed)[..];
    let (stay, others): (Vec<&Image>, Vec<&Image>) = {
        let stay = choose(images, &booted, installed, keep, keep);
        images.iter().partition(|image| stay.contains(image))
    };
    let mut pruned = Pruned::default();
    let why = match installed {
        [] => "no kernel is installed here that it could make room for",
        _ => "its kernel is gone, but no kernel that is installed has an image",
    };
    let gone = stay.into_iter().filter(|image| is_gone(image, &booted, installed));
    pruned.kept.extend(gone.map(|image| (image.clone(), why.to_owned())));
    // Reading the menus of ten thousand nodes costs more than all else, and there is seldom anything to remove.
    let named = if others.is_empty() { BTreeMap::new() } else { named(root, served)? };
    for image in others {
        if let Some(files) = named.get(&image.name()) {
            pruned.kept.push((image.clone(), format!("{} names it", files.join(", "))));
        } else if let Some(stranger) = stranger(root, image)? {
            pruned.kept.push((image.clone(), format!("{stranger} in its folder is not ours")));
        } else {
            pruned.removed.push(image.clone());
        }
    }
    Ok(pruned)
}

/// The images that those menus name that are `served`, those of the site included, and which files name them.
pub(super) fn named(root: &Root, served: impl Fn(&str) -> bool) -> Result<BTreeMap<String, Vec<String>>> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in paths::MENU_FOLDERS {
        for file in root.list(folder)?.unwrap_or_default() {
            let path = format!("{folder}/{file}");
            if !paths::may_be_menu(&file) || !served(&path) {
                continue;
            }
            let Some(opened) = root.open_file(&path)? else { continue };
            let is_file = opened.metadata().with_context(|| format!("{}: cannot look at it", root.display(&path)))?.is_file();
            let text = if is_file { root.read(&path)?.unwrap_or_default() } else { continue };
            for part in String::from_utf8_lossy(&text).split("images/").skip(1) {
                let name = part.split(|c: char| c == '/' || c.is_whitespace()).next().unwrap_or_default();
                let files = named.entry(name.to_owned()).or_default();
                if files.last() != Some(&path) {
                    files.push(path.clone());
                }
            }
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::scene::{GOOD, K, OLD, REFUSE, Scene, delete, owned, put, site};
    use crate::image::verify;

    #[test]
    fn prune_keeps_the_newest_and_what_a_loader_names() {
        let scene = Scene::new();
        let images: Vec<Image> =
            (0..6).map(|n| scene.try_build(K, true, &format!("image {n}")).unwrap().image().clone()).collect();
        put(
            &scene.path("srv/tftp/pxelinux.cfg/01-52-54-00-00-00-01"),
            format!("LABEL x\n  KERNEL {}/vmlinuz\n", images[0].folder()),
        );
        put(&scene.path("srv/tftp/grub/custom.cfg"), format!("linux (tftp,10.0.0.1)/{}/vmlinuz quiet\n", images[2].folder()));
        let pruned = scene.prune(2, &[], &[K]);
        assert_eq!(pruned.removed, [images[3].clone(), images[1].clone()]);
        let kept: Vec<_> = pruned.kept.iter().map(|(image, _)| image).collect();
        assert_eq!(kept, [&images[2], &images[0]]);
        assert!(pruned.kept[0].1.contains("grub/custom.cfg") && pruned.kept[1].1.contains("01-52-54"), "{:?}", pruned.kept);
        assert_eq!(scene.images(), [5, 4, 2, 0].map(|n: usize| images[n].name()));
    }

    #[test]
    fn prune_keeps_one_image_of_every_kernel_that_is_booted_and_never_removes_all() {
        let scene = Scene::new();
        let old = scene.build(OLD, GOOD);
        let new = scene.build(K, GOOD);
        scene.prune(1, &[OLD], &[K]);
        assert_eq!(scene.images(), [new.name(), old.name()], "pinned");
        scene.prune(1, &[], &[]);
        assert_eq!(scene.images(), [new.name(), old.name()], "with no kernel at all nothing is known");
        assert_eq!(scene.prune(1, &[], &[K]).removed, [old]);
        let pruned = scene.prune(1, &[], &["6.18.1_1"]);
        assert!(pruned.removed.is_empty() && pruned.kept[0].1.contains("no kernel that is installed has an image"), "{pruned:?}");
        assert_eq!(scene.images(), [new.name()]);
    }

    #[test]
    fn prune_keeps_what_a_node_may_be_loading_of_every_kernel() {
        let scene = Scene::new();
        let images: Vec<Image> = [OLD, OLD, OLD, K, K, K]
            .iter()
            .enumerate()
            .map(|(n, kernel)| scene.try_build(kernel, true, &format!("image {n}")).unwrap().image().clone())
            .collect();
        let pruned = scene.prune(2, &[OLD], &[OLD, K]);
        assert_eq!(pruned.removed, [images[3].clone(), images[0].clone()]);
    }

    #[test]
    fn what_a_build_will_push_out_is_foreseen() {
        let scene = Scene::new();
        let input = |text: &str| put(&scene.path("opt/identify"), text);
        let foreseen = || prunable(&scene.root, &site(2, &[]), &owned(&[K]), (&owned(&[K]), &Tree::default()), |_| true).unwrap();
        let images: Vec<Image> = ["one", "two"]
            .map(|text| {
                input(text);
                scene.build(K, &format!("image {text}"))
            })
            .into();
        input("three");
        assert_eq!(foreseen(), [images[0].clone()]);
        let third = scene.build(K, "image three");
        // Nothing is built: an image that there is becomes the newest.
        input("one");
        assert_eq!(foreseen(), [images[1].clone()]);
        assert_eq!(scene.build(K, REFUSE).name(), images[0].name());
        assert_eq!(scene.prune(2, &[], &[K]).removed, [images[1].clone()]);
        assert_eq!(scene.images(), [images[0].name(), third.name()]);
    }

    #[test]
    fn the_image_of_a_kernel_that_is_gone_is_the_last_choice_and_the_first_to_go() {
        let scene = Scene::new();
        let gone = scene.build(K, GOOD);
        let old = scene.build(OLD, "image one");
        let installed = owned(&[OLD]);
        assert_eq!(best_first(&scene.root, &installed).unwrap(), [old.clone(), gone.clone()]);
        assert_eq!(kept(&scene.root, &site(9, &[]), &installed).unwrap(), std::slice::from_ref(&old), "no menu names it");
        assert_eq!(kept(&scene.root, &site(1, &[K]), &installed).unwrap(), [old, gone.clone()], "but that of its node");
        put(&scene.path("srv/tftp/pxelinux.cfg/own"), format!("KERNEL {}/vmlinuz\n", gone.folder()));
        assert!(scene.prune(9, &[], &[OLD]).removed.is_empty(), "the site's own menu names it");
        delete(&scene.path("srv/tftp/pxelinux.cfg/own"));
        assert_eq!(scene.prune(9, &[], &[OLD]).removed, [gone]);
    }

    #[test]
    fn what_is_not_ours_is_left_alone_and_told() {
        let scene = Scene::new();
        scene.build(OLD, GOOD);
        scene.build(K, GOOD);
        put(&scene.path("srv/tftp/images/notes.txt"), "mine");
        put(&scene.path("srv/tftp/images/6.1.1_1-0123456789ab/vmlinuz"), "an old scheme's");
        let strange = scene.path("srv/tftp").join(list(&scene.root).unwrap()[1].folder()).join("README");
        put(&strange, "mine");
        let pruned = scene.prune(1, &[], &[K]);
        assert_eq!(pruned.removed, []);
        assert!(pruned.kept[0].1.contains("README"), "{:?}", pruned.kept);
        assert_eq!(
            pruned.foreign.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["6.1.1_1-0123456789ab", "notes.txt"]
        );
        assert!(strange.exists());
        assert_eq!(verify(&scene.root).unwrap().1.len(), 2);
    }
}
