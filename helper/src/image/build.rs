//! Makes the image of a kernel, and knows when there is nothing to make.

use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::mkinitcpio::Mkinitcpio;
use super::store::{SCRATCH, Store};
use super::survey::check;
use super::{INITRAMFS, Image, KERNEL, inputs, kernel_path, list, modules_path};
use crate::disk::lock::Lock;
use crate::disk::root::Root;
use crate::disk::tree::Tree;
use crate::paths;
use crate::progress::Progress;
use crate::site::Site;
use crate::types::Kernel;

/// What [`build`] found or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Build {
    /// A new image.
    New(Image),
    /// The image there was: nothing that goes into it has changed.
    UpToDate(Image),
}

impl Build {
    /// The image, made now or before.
    #[must_use]
    pub fn image(&self) -> &Image {
        match self {
            Self::New(image) | Self::UpToDate(image) => image,
        }
    }
}

/// The kernels that are booted and whose image is missing, or would come out different. What `tree` is about to write
/// counts as written already. A kernel that is no longer installed cannot be built again: its image is good as it is.
///
/// # Errors
/// When something that goes into an image cannot be read.
pub fn stale(root: &Root, tree: &Tree, site: &Site, installed: &[String]) -> Result<Vec<String>> {
    let images = list(root)?;
    let mut stale = Vec::new();
    for kernel in site.booted_kernels(installed) {
        let image = images.iter().find(|image| image.kernel == kernel);
        let fresh = match image {
            None => false,
            Some(_) if !installed.contains(&kernel) => true,
            Some(image) => inputs::of_client(root, tree, &kernel)?.as_ref() == Some(&image.inputs),
        };
        if !fresh {
            stale.push(kernel);
        }
    }
    Ok(stale)
}

/// Makes the image of a kernel, unless the newest there is was made from the same inputs (and is whole).
///
/// Whatever goes wrong, and wherever the run is killed: the images that are served stay as they were. What a killed run
/// leaves behind is swept by the next one.
///
/// # Errors
/// When something is missing that goes into the image, mkinitcpio is, or fails, or makes something else than an image, or
/// the disk refuses.
pub fn build(
    lock: &Lock<'_>,
    root: &Root,
    mkinitcpio: &mut Mkinitcpio<'_>,
    kernel: &str,
    force: bool,
    progress: &mut dyn Progress,
) -> Result<Build> {
    let inputs = installed(root, kernel)?;
    let store = Store::open(lock, root)?;
    let images: Vec<Image> = list(root)?.into_iter().filter(|image| image.kernel == kernel).collect();
    if !force
        && let Some(image) = images.iter().find(|image| image.inputs == inputs)
        && check(root, image)?.is_none()
    {
        let image = if images.first() == Some(image) { image.clone() } else { store.renew(image, &inputs, now(&images))? };
        return Ok(Build::UpToDate(image));
    }

    progress.begin(&format!("building the client image of {kernel}"));
    let work = store.begin(kernel)?;
    let vmlinuz = work.copy(&kernel_path(kernel), KERNEL)?;
    let arguments =
        ["-c", &mkinitcpio.inside(paths::CLIENT_INITCPIO), "-k", kernel, "-g", &mkinitcpio.inside(&work.path(INITRAMFS))];
    let errors = mkinitcpio.run(&arguments, &work.path(SCRATCH), progress)?;
    if !errors.is_empty() {
        // Its status counts only what its own functions noticed; a hook may say that something is missing and go on.
        bail!("mkinitcpio ended as if all were well, but said:{}", mkinitcpio.told(&errors));
    }
    let initramfs = work.measure(INITRAMFS)?;
    // Something that changed under our hands would make an image that nobody can make again.
    if installed(root, kernel)? != inputs {
        bail!("{}: changed while the image of {kernel} was built; run again", root.display(""));
    }
    let digest = inputs::short(&[&vmlinuz.sha256, &initramfs.sha256]);
    let image = Image { kernel: kernel.to_owned(), digest, inputs, built: now(&images), vmlinuz, initramfs };
    store.publish(&work, &image)?;
    progress.done(&format!("built the client image of {kernel}: {}", image.folder()));
    Ok(Build::New(image))
}

/// The digest over what goes into the image of a kernel; an error when the kernel is not all there.
fn installed(root: &Root, kernel: &str) -> Result<String> {
    match kernel.parse::<Kernel>() {
        Ok(Kernel::Version(_)) => {}
        Ok(Kernel::Newest) => bail!("`newest` is no version of a kernel; name one of {}", root.display(paths::MODULES)),
        Err(why) => bail!(why),
    }
    for path in [kernel_path(kernel), modules_path(kernel)] {
        if root.open_file(&path)?.is_none() {
            bail!("{}: not there, so kernel {kernel} is not installed (whole); reinstall its package", root.display(&path));
        }
    }
    let inputs = inputs::of_client(root, &Tree::default(), kernel)?;
    inputs.with_context(|| format!("{}: not there; `voidclust apply` writes it", root.display(paths::CLIENT_INITCPIO)))
}

/// The time, but always after that of the images there are, whatever the clock says.
fn now(images: &[Image]) -> u64 {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    images.iter().map(|image| image.built + 1).fold(clock, u64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::tree::Item;
    use crate::image::scene::{GOOD, K, OLD, REFUSE, Scene, delete, owned, put, site};
    use crate::machine::facts::Facts;
    use crate::progress::Lines;
    use crate::testing::skip;
    use std::fs::read_dir;
    use std::path::Path;

    #[test]
    fn unchanged_inputs_build_nothing_and_force_builds_anew() {
        let scene = Scene::new();
        let first = scene.build(K, GOOD);
        let before = scene.served();
        assert_eq!(scene.try_build(K, false, REFUSE).unwrap(), Build::UpToDate(first.clone()));
        assert_eq!(scene.served(), before);
        let Build::New(second) = scene.try_build(K, true, "image two").unwrap() else { panic!("not built") };
        assert_eq!(scene.images(), [second.name(), first.name()], "the newest comes first, the older one stays");
    }

    #[test]
    fn every_input_counts() {
        let inputs = [
            paths::CLIENT_INITCPIO,
            "opt/identify",
            "usr/lib/initcpio/hooks/netroot",
            "usr/lib/initcpio/busybox",
            "etc/initcpio/install/own",
            "usr/bin/mkinitcpio",
            "etc/modprobe.d/x.conf",
            "boot/vmlinuz-6.12.94_1",
            "usr/lib/modules/6.12.94_1/modules.dep",
        ];
        for input in inputs {
            let scene = Scene::new();
            scene.build(K, GOOD);
            put(&scene.path(input), format!("rclocal_hook=/opt/identify {input}"));
            assert!(matches!(scene.try_build(K, false, "image two").unwrap(), Build::New(_)), "{input}");
        }
        let scene = Scene::new();
        scene.build(K, GOOD);
        put(&scene.path("boot/vmlinuz-6.6.30_1"), "another kernel");
        put(&scene.path("usr/lib/modules/6.12.94_1/modules.symbols"), "made by depmod");
        assert!(matches!(scene.try_build(K, false, REFUSE).unwrap(), Build::UpToDate(_)));
    }

    #[test]
    fn the_same_bytes_from_other_inputs_are_the_same_image() {
        let scene = Scene::new();
        let first = scene.build(K, GOOD);
        put(&scene.path("usr/lib/initcpio/hooks/unused"), "changes nothing");
        let second = scene.build(K, GOOD);
        assert_eq!(first.folder(), second.folder());
        assert_ne!(first.inputs, second.inputs);
        assert_eq!(scene.try_build(K, false, REFUSE).unwrap(), Build::UpToDate(second));
    }

    #[test]
    fn inputs_that_come_back_bring_their_image_back() {
        let scene = Scene::new();
        let first = scene.build(K, GOOD);
        put(&scene.path("opt/identify"), "other");
        let second = scene.build(K, "image two");
        assert_eq!(scene.images(), [second.name(), first.name()]);
        put(&scene.path("opt/identify"), "#!/bin/sh\n");
        assert_eq!(scene.build(K, REFUSE).folder(), first.folder());
        assert_eq!(scene.images(), [first.name(), second.name()]);
    }

    #[test]
    fn the_newest_kernel_comes_first_whenever_it_was_built() {
        let scene = Scene::new();
        let new = scene.build(K, GOOD);
        let old = scene.build(OLD, GOOD);
        assert_eq!(scene.images(), [new.name(), old.name()]);
    }

    /// Whatever mkinitcpio does, nobody who boots notices.
    #[test]
    fn a_failed_build_leaves_every_served_byte_and_no_litter() {
        let failures = [
            ("exit 1", "mkinitcpio made no image"),
            ("image two; echo 'Hook foo cannot be found'; exit 1", "Hook foo cannot be found"),
            ("image two; echo '==> ERROR: module not found: `nfs`'; exit 0", "module not found"),
            ("kill -9 $$", "signal"),
            ("image two; kill -9 $$", "signal"),
            ("exit 0", "made no such file"),
            (": >\"$out\"", "0 bytes"),
            ("printf 070701 >\"$out\"", "6 bytes"),
            ("head -c 100000 /dev/zero >\"$out\"", "no initramfs"),
            ("mkdir \"$out\"", "no file"),
            ("image two; rm \"$root/boot/vmlinuz-$kernel\"", "not there"),
            ("image two; echo changed >\"$root/opt/identify\"", "changed while"),
            ("rm -r \"${out%/*}\"", "srv/tftp/images"),
        ];
        for (script, expected) in failures {
            let scene = Scene::new();
            scene.build(K, GOOD);
            let before = scene.served();
            let error = format!("{:#}", scene.try_build(K, true, script).unwrap_err());
            assert!(error.contains(expected), "{script}: {error}");
            assert_eq!(scene.served(), before, "{script}");
            assert_eq!(read_dir(scene.path(paths::IMAGES)).unwrap().count(), 1, "{script}");
        }
    }

    #[test]
    fn a_kernel_that_is_not_whole_is_refused_before_anything_starts() {
        let cases = [
            ("boot/vmlinuz-6.12.94_1", "reinstall"),
            ("usr/lib/modules/6.12.94_1/modules.dep", "reinstall"),
            (paths::CLIENT_INITCPIO, "voidclust apply"),
        ];
        for (path, expected) in cases {
            let scene = Scene::new();
            delete(&scene.path(path));
            let error = format!("{:#}", scene.try_build(K, true, REFUSE).unwrap_err());
            assert!(error.contains(path) && error.contains(expected), "{error}");
            assert!(!scene.path("srv").exists());
        }
        let scene = Scene::new();
        put(&scene.path("boot/vmlinuz-6.12.94_1"), "");
        assert!(format!("{:#}", scene.try_build(K, true, GOOD).unwrap_err()).contains("is empty"));
        for kernel in ["../../etc", "newest", "", "6.12/../.."] {
            assert!(scene.try_build(kernel, true, REFUSE).is_err(), "{kernel}");
        }
    }

    #[test]
    fn stale_are_the_booted_kernels_without_a_fresh_image() {
        let scene = Scene::new();
        let both = owned(&[OLD, K]);
        let find =
            |pinned: &[&str], tree: &Tree, installed: &[String]| stale(&scene.root, tree, &site(2, pinned), installed).unwrap();
        assert_eq!(find(&[], &Tree::default(), &both), [K]);
        scene.build(K, GOOD);
        assert!(find(&[], &Tree::default(), &both).is_empty());
        // The configuration that is about to be written counts.
        let mut tree = Tree::default();
        tree.insert(paths::CLIENT_INITCPIO, Item::file(*b"HOOKS=(base netroot overlayfs)\n"));
        assert_eq!(find(&[], &tree, &both), [K]);
        assert_eq!(find(&[OLD], &Tree::default(), &both), [OLD]);
        scene.build(OLD, GOOD);
        put(&scene.path("opt/identify"), "changed");
        assert_eq!(find(&[OLD], &Tree::default(), &owned(&[K])), [K], "what is gone cannot be built again");
    }

    /// Of hundreds of errors a few are shown, each on its line, and all can be read afterwards.
    #[test]
    fn many_errors_are_counted_and_kept_in_a_file() {
        let noise = "for n in $(seq 300); do echo \"==> ERROR: module not found: \\`m$n'\"; done";
        for (end, expected) in [("exit 1", "made no image: `mkinitcpio -c "), ("image one", "but said:")] {
            let scene = Scene::new();
            let error = format!("{:#}", scene.try_build(K, true, &format!("{noise}; {end}")).unwrap_err());
            let lines: Vec<&str> = error.lines().collect();
            assert!(lines[0].contains(expected), "{error}");
            assert_eq!((lines[1], lines[8]), ("  ==> ERROR: module not found: `m1'", "  ==> ERROR: module not found: `m8'"));
            assert_eq!(lines[9], "  and 292 more");
            assert_eq!(lines[10..], [format!("all of its output is in {}", scene.path(paths::BUILD_LOG).display())]);
            let log = std::fs::read_to_string(scene.path(paths::BUILD_LOG)).unwrap();
            assert_eq!(log.matches("ERROR").count(), 300, "{log}");
        }
    }

    /// With the real mkinitcpio: a root that has it, a kernel and our hooks is named by `MKINITCPIO_ROOT`. Only its boot tree
    /// and our state are written to.
    #[test]
    fn the_real_mkinitcpio_makes_an_image() {
        let Some(place) = std::env::var_os("MKINITCPIO_ROOT") else {
            return skip("the_real_mkinitcpio_makes_an_image", "MKINITCPIO_ROOT names no root with mkinitcpio in it");
        };
        let root = Root::open(Path::new(&place)).unwrap();
        let mut mkinitcpio = Mkinitcpio::of(&root).unwrap();
        assert_eq!(mkinitcpio.missing(), None);
        let kernel = Facts::gather(&root, None, Default::default()).unwrap().kernels.pop().expect("a kernel in MKINITCPIO_ROOT");
        let lock = Lock::take(&root).unwrap();
        let start = std::time::Instant::now();
        let first = build(&lock, &root, &mut mkinitcpio, &kernel, true, &mut Lines { verbose: true }).unwrap().image().clone();
        eprintln!("built in {:?}: kernel {}, initramfs {} bytes", start.elapsed(), first.vmlinuz.size, first.initramfs.size);
        let start = std::time::Instant::now();
        assert_eq!(
            build(&lock, &root, &mut mkinitcpio, &kernel, false, &mut crate::testing::Silent).unwrap(),
            Build::UpToDate(first.clone())
        );
        eprintln!("found up to date in {:?}", start.elapsed());
        let again = build(&lock, &root, &mut mkinitcpio, &kernel, true, &mut crate::testing::Silent).unwrap().image().clone();
        assert_eq!(again.folder(), first.folder(), "mkinitcpio makes the same bytes from the same inputs");
        assert!(list(&root).unwrap().contains(&again));
    }
}
