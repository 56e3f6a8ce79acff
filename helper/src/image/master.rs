//! The master's own initramfs: made by the machine's own configuration, in the machine's own place.
//!
//! mkinitcpio's kernel hook makes it for every new kernel; here it is made again when something else changed. As with
//! make(1), the image is old when something that goes into it is younger: so an image that the kernel hook or a person
//! made counts. Of files the change time counts, which no package manager sets back. A copy of a root has new ones
//! everywhere; so what an image was made from is remembered ([`super::record`]), and decides when times say that it is old.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::mkinitcpio::Mkinitcpio;
use super::part::initramfs;
use super::record::Record;
use super::store::{SCRATCH, Store};
use super::{inputs, kernel_path, modules_path};
use crate::disk::aside::Aside;
use crate::disk::lock::Lock;
use crate::disk::root::Root;
use crate::disk::tree::Content;
use crate::progress::Progress;

/// Without it, mkinitcpio makes no image.
const CONFIG: &str = inputs::MASTER[0];
/// The alternative of xbps that says which program makes this machine's images.
const KERNEL_HOOK: &str = "etc/kernel.d/post-install/20-initramfs";
/// The command that has mkinitcpio make them.
pub const SWITCH: &str = "xbps-alternatives -g initramfs -s mkinitcpio";

/// What [`master_rebuild`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Master {
    /// Made the images of these kernels.
    Rebuilt(Vec<String>),
    /// All images are younger than what goes into them.
    UpToDate,
    /// Something else makes the images of this machine: what that means, and what to do.
    NotOurs(String),
}

pub(super) fn image_path(kernel: &str) -> String {
    format!("boot/initramfs-{kernel}.img")
}

/// Who makes the images of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// mkinitcpio, as it must be.
    Mkinitcpio,
    /// Another program, though mkinitcpio is installed.
    Another,
    /// mkinitcpio is not installed.
    Missing,
}

/// Who makes the images of this machine.
///
/// # Errors
/// When that cannot be read.
pub fn maker(root: &Root) -> Result<Maker> {
    if root.open_file(CONFIG)?.is_none() {
        return Ok(Maker::Missing);
    }
    let other = match root.find(KERNEL_HOOK)?.map(|item| item.content) {
        Some(Content::Link(target)) => !target.to_string_lossy().contains("mkinitcpio"),
        Some(Content::File(bytes)) => !String::from_utf8_lossy(&bytes.whole()).contains("mkinitcpio"),
        _ => false,
    };
    Ok(if other { Maker::Another } else { Maker::Mkinitcpio })
}

/// Why the images of this machine are none of our business; `None` when they are.
fn not_ours(root: &Root) -> Result<Option<String>> {
    Ok(match maker(root)? {
        Maker::Mkinitcpio => None,
        Maker::Missing => Some(format!("{}: not there; install mkinitcpio, the master boots by it", root.display(CONFIG))),
        Maker::Another => {
            let hook = root.display(KERNEL_HOOK);
            Some(format!(
                "{hook}: another program makes this machine's initramfs, without the overlay; run `{SWITCH}`, then `voidclust apply`"
            ))
        }
    })
}

/// Those of `kernels` whose image is missing or older than what goes into it; all of them when something that does is
/// `coming`: about to be written.
///
/// # Errors
/// When something cannot be read.
pub fn master_stale(root: &Root, coming: bool, kernels: &[String]) -> Result<Vec<String>> {
    if not_ours(root)?.is_some() {
        return Ok(Vec::new());
    }
    let mut youngest = (0, 0);
    for path in inputs::MASTER.iter().chain(inputs::COMMON) {
        youngest = youngest.max(changed(root, path)?);
    }
    let record = Record::load(root)?;
    let mut stale = Vec::new();
    for kernel in kernels {
        let built = match root.open_file(&image_path(kernel))? {
            Some(file) => file.metadata().map(|found| (found.mtime(), found.mtime_nsec())),
            None => Ok((i64::MIN, 0)),
        };
        let built = built.with_context(|| format!("{}: cannot look at it", root.display(&image_path(kernel))))?;
        let own = changed(root, &kernel_path(kernel))?.max(changed(root, &modules_path(kernel))?);
        if coming || (youngest.max(own) > built && !record.proves(root, kernel)?) {
            stale.push(kernel.clone());
        }
    }
    Ok(stale)
}

/// When a file, or anything in a folder, last changed, in seconds and nanoseconds.
fn changed(root: &Root, path: &str) -> Result<(i64, i64)> {
    let Some(file) = root.open_file(path)? else { return Ok((0, 0)) };
    let found = file.metadata().with_context(|| format!("{}: cannot look at it", root.display(path)))?;
    if !found.is_dir() {
        return Ok((found.ctime(), found.ctime_nsec()));
    }
    // xbps sets the mode of some folders at every configure; only a new or lost name counts.
    let mut youngest = (found.mtime(), found.mtime_nsec());
    for name in root.list(path)?.unwrap_or_default() {
        youngest = youngest.max(changed(root, &format!("{path}/{name}"))?);
    }
    Ok(youngest)
}

/// Makes this machine's own images of those of `kernels` that need it. The old image stays until the new one is whole and
/// on the disk.
///
/// # Errors
/// When mkinitcpio is missing, or fails, or makes something else than an image, or the disk refuses: after all kernels were
/// tried.
pub fn master_rebuild(
    lock: &Lock<'_>,
    root: &Root,
    mkinitcpio: &mut Mkinitcpio<'_>,
    kernels: &[String],
    progress: &mut dyn Progress,
) -> Result<Master> {
    if let Some(why) = not_ours(root)? {
        return Ok(Master::NotOurs(why));
    }
    let store = Store::open(lock, root)?;
    Aside::new(root).sweep(["boot"])?;
    let stale = master_stale(root, false, kernels)?;
    // An old kernel that lacks a module must not keep the newest one from its image.
    let failures: BTreeMap<&String, String> = stale
        .iter()
        .filter_map(|kernel| {
            rebuild(mkinitcpio, &store, root, kernel, progress).err().map(|error| (kernel, format!("{kernel}: {error:#}")))
        })
        .collect();
    let fresh: Vec<String> = kernels.iter().filter(|kernel| !failures.contains_key(kernel)).cloned().collect();
    Record::note(lock, root, &fresh)?;
    if !failures.is_empty() {
        bail!("{}", failures.into_values().collect::<Vec<_>>().join("\n"));
    }
    Ok(if stale.is_empty() { Master::UpToDate } else { Master::Rebuilt(stale) })
}

fn rebuild(
    mkinitcpio: &mut Mkinitcpio<'_>,
    store: &Store<'_>,
    root: &Root,
    kernel: &str,
    progress: &mut dyn Progress,
) -> Result<()> {
    if root.open_file(&kernel_path(kernel))?.is_none() {
        bail!(
            "{}: not there, so kernel {kernel} is not installed (whole); reinstall its package",
            root.display(&kernel_path(kernel))
        );
    }
    let what = format!("master's own image of {kernel}");
    progress.begin(&format!("building the {what}"));
    let started = SystemTime::now();
    let work = store.begin(kernel)?;
    // /boot may be a file system of its own, and a rename stays on one.
    let mut aside = Aside::new(root);
    let made = aside.reserve(&image_path(kernel))?;
    let arguments = ["-k", kernel, "-g", &mkinitcpio.inside(&made)];
    let errors = mkinitcpio.run(&arguments, &work.path(SCRATCH), progress)?;
    for line in errors {
        // The hooks are the machine's own choice, and mkinitcpio itself was content.
        progress.warn(&line);
    }
    initramfs(root, &made)?;
    let context = || format!("{}: cannot set its time", root.display(&made));
    // What changed while it was built is younger than the image.
    root.open_file(&made)?.with_context(context)?.set_modified(started).with_context(context)?;
    aside.publish()?;
    progress.done(&format!("built the {what}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::scene::{GOOD, K, OLD, REFUSE, Scene, delete, put};
    use crate::paths;
    use std::fs::read;

    #[test]
    fn the_masters_image_is_made_again_when_something_younger_goes_into_it() {
        let scene = Scene::new();
        let image = scene.path("boot/initramfs-6.12.94_1.img");
        assert_eq!(scene.master(GOOD).unwrap(), Master::Rebuilt(vec![K.to_owned()]));
        let first = read(&image).unwrap();
        put(&scene.path("boot/.voidclust-initramfs-6.12.94_1.img"), "left by a killed run");
        assert_eq!(scene.master(REFUSE).unwrap(), Master::UpToDate);
        for input in ["etc/mkinitcpio.conf.d/voidclust.conf", "usr/lib/initcpio/hooks/overlayfs", "boot/vmlinuz-6.12.94_1"] {
            std::thread::sleep(std::time::Duration::from_millis(20));
            put(&scene.path(input), "new");
            let error = scene.master("image two; exit 1").unwrap_err();
            assert!(format!("{error:#}").contains("no image"), "{input}: {error:#}");
            assert_eq!(read(&image).unwrap(), first, "the old image stays");
            assert_eq!(scene.master(GOOD).unwrap(), Master::Rebuilt(vec![K.to_owned()]), "{input}");
            assert_eq!(scene.master(REFUSE).unwrap(), Master::UpToDate, "{input}");
        }
        let names: Vec<_> = scene.root.list("boot").unwrap().unwrap();
        assert_eq!(names, ["initramfs-6.12.94_1.img", "vmlinuz-6.12.94_1", "vmlinuz-6.6.30_1"]);
        assert_eq!(master_stale(&scene.root, true, &[K.to_owned()]).unwrap(), [K]);
    }

    /// As after `cp -a` to another disk: all content is the same, and every change time is younger than the images.
    #[test]
    fn a_root_that_was_copied_rebuilds_nothing() {
        let scene = Scene::new();
        scene.master(GOOD).unwrap();
        let age = |path: &str, ago: u64| {
            let time = SystemTime::now() - std::time::Duration::from_secs(ago);
            std::fs::File::open(scene.path(path)).unwrap().set_modified(time).unwrap();
        };
        age("boot/initramfs-6.12.94_1.img", 3600);
        assert_eq!(scene.master(REFUSE).unwrap(), Master::UpToDate);
        assert!(master_stale(&scene.root, false, &[K.to_owned()]).unwrap().is_empty());
        put(&scene.path("usr/lib/initcpio/hooks/overlayfs"), "new");
        assert_eq!(master_stale(&scene.root, false, &[K.to_owned()]).unwrap(), [K]);
        assert_eq!(scene.master(GOOD).unwrap(), Master::Rebuilt(vec![K.to_owned()]));

        // Another image, of an older day: nobody knows what it was made from.
        put(&scene.path("boot/initramfs-6.12.94_1.img"), "made by hand");
        age("boot/initramfs-6.12.94_1.img", 3600);
        assert_eq!(scene.master(GOOD).unwrap(), Master::Rebuilt(vec![K.to_owned()]));
        // A record that is damaged is none.
        put(&scene.path(paths::MASTER_IMAGES), "= nonsense");
        age("boot/initramfs-6.12.94_1.img", 3600);
        assert_eq!(scene.master("image two").unwrap(), Master::Rebuilt(vec![K.to_owned()]));
    }

    /// The kernel hook or a person made it: that it is younger than all that goes into it is the proof, and is noted.
    #[test]
    fn an_image_that_somebody_else_made_counts() {
        let scene = Scene::new();
        let image = scene.path("boot/initramfs-6.12.94_1.img");
        put(&image, "made by the kernel hook");
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::File::open(&image).unwrap().set_modified(SystemTime::now()).unwrap();
        assert_eq!(scene.master(REFUSE).unwrap(), Master::UpToDate);
        std::fs::File::open(&image).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(scene.master(REFUSE).unwrap(), Master::UpToDate);
    }

    #[test]
    fn a_kernel_whose_own_image_fails_keeps_no_other_from_being_built() {
        let scene = Scene::new();
        let kernels = [OLD.to_owned(), K.to_owned()];
        let error = scene.master_of(&kernels, "[ $kernel != 6.6.30_1 ] || exit 1; image one").unwrap_err();
        assert!(format!("{error:#}").contains("6.6.30_1: "), "{error:#}");
        let names: Vec<_> = scene.root.list("boot").unwrap().unwrap();
        assert_eq!(names, ["initramfs-6.12.94_1.img", "vmlinuz-6.12.94_1", "vmlinuz-6.6.30_1"]);
    }

    #[test]
    fn a_master_whose_images_another_program_makes_is_left_alone() {
        let scene = Scene::new();
        put(&scene.path("etc/kernel.d/post-install/20-initramfs"), "#!/bin/sh\nexec dracut\n");
        let Master::NotOurs(why) = scene.master(REFUSE).unwrap() else { panic!("built") };
        assert!(why.contains("xbps-alternatives"), "{why}");
        delete(&scene.path("etc/mkinitcpio.conf"));
        assert!(matches!(scene.master(REFUSE).unwrap(), Master::NotOurs(_)));
    }
}
