//! Builds with a double of mkinitcpio, and what may go wrong on the way.

use super::*;
use std::fs::{create_dir_all, read, read_dir};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::testing::skip;
use crate::tools::Tool;

/// A root with a kernel, and a double of mkinitcpio which is a few lines of shell. In these, `$root` is the root, `$out`
/// the file to make, `$kernel` the version; `image TEXT` makes a file that could be an initramfs.
struct Scene {
    dir: tempfile::TempDir,
    root: Root,
}

const K: &str = "6.12.94_1";
const OLD: &str = "6.6.30_1";

fn put(path: &Path, text: impl AsRef<[u8]>) {
    create_dir_all(path.parent().unwrap()).unwrap();
    #[allow(clippy::disallowed_methods, reason = "a test's own files")]
    std::fs::write(path, text).unwrap();
}

fn delete(path: &Path) {
    #[allow(clippy::disallowed_methods, reason = "a test's own files")]
    std::fs::remove_file(path).unwrap();
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::fill(dir.path());
        let root = Root::open(dir.path()).unwrap();
        Self { dir, root }
    }

    fn fill(path: &Path) {
        for kernel in [K, OLD] {
            put(&path.join(format!("boot/vmlinuz-{kernel}")), format!("kernel {kernel}"));
            put(&path.join(format!("usr/lib/modules/{kernel}/modules.dep")), "kernel/fs/nfs/nfs.ko:\n");
        }
        put(&path.join(paths::CLIENT_INITCPIO), "HOOKS=(base netroot)\nrclocal_hook=/opt/identify\n");
        put(&path.join("opt/identify"), "#!/bin/sh\n");
        put(&path.join("usr/lib/initcpio/hooks/netroot"), "run_hook() { :; }\n");
        put(&path.join("etc/mkinitcpio.conf"), "HOOKS=(base)\n");
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn double(&self, script: &str) -> PathBuf {
        let program = self.path("double");
        let head = "#!/bin/sh\nroot=$1\nwhile [ $# -gt 0 ]; do\n\tcase $1 in -g) out=$2 ;; -k) kernel=$2 ;; esac\n\tshift\ndone\n\
                    image() { { printf 070701; head -c 100000 /dev/zero; echo \"$1\"; } >\"$out\"; }\n";
        put(&program, format!("{head}{script}\n"));
        let file = std::fs::File::open(&program).unwrap();
        file.set_permissions(PermissionsExt::from_mode(0o755)).unwrap();
        program
    }

    fn try_build(&self, kernel: &str, force: bool, script: &str) -> Result<Build> {
        let program = self.double(script);
        let lock = Lock::take(&self.root)?;
        build_with(&|| Ok(Mkinitcpio::double(&self.root, &program)), &lock, &self.root, kernel, force, &mut Silent)
    }

    fn build(&self, kernel: &str, script: &str) -> Image {
        self.try_build(kernel, false, script).unwrap().image().clone()
    }

    fn master(&self, force: bool, script: &str) -> Result<Master> {
        self.master_of(&[K.to_owned()], force, script)
    }

    fn master_of(&self, kernels: &[String], force: bool, script: &str) -> Result<Master> {
        let program = self.double(script);
        let lock = Lock::take(&self.root)?;
        master::rebuild_with(&|| Ok(Mkinitcpio::double(&self.root, &program)), &lock, &self.root, kernels, force, &mut Silent)
    }

    /// Prunes for a site one of whose nodes is pinned to each of `pinned`, with the kernels that are `installed`.
    fn prune(&self, keep: usize, pinned: &[&str], installed: &[&str]) -> Pruned {
        let mut site = crate::testing::example_site();
        for (node, kernel) in site.nodes.iter_mut().zip(pinned) {
            node.kernel = Some(Kernel::Version((*kernel).to_owned()));
        }
        let facts = Facts { kernels: installed.iter().map(ToString::to_string).collect(), ..Facts::default() };
        prune(&self.lock(), &self.root, &site, &facts, keep).unwrap()
    }

    fn images(&self) -> Vec<String> {
        list(&self.root).unwrap().iter().map(Image::name).collect()
    }

    /// Every path below the boot tree, with content: what a node could see.
    fn served(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, found) } else { drop(found.insert(path.clone(), read(&path).unwrap())) }
            }
        }
        let mut found = BTreeMap::new();
        walk(&self.path(paths::BOOT_TREE), &mut found);
        found
    }

    fn lock(&self) -> Lock<'_> {
        Lock::take(&self.root).unwrap()
    }
}

const GOOD: &str = "image one";
const REFUSE: &str = "echo must not be started; exit 1";

#[test]
fn an_image_is_whole_readable_for_all_and_has_only_its_three_files() {
    let scene = Scene::new();
    let image = scene.build(K, "umask 077; touch \"$TMPDIR/litter\"; image one; touch \"$out.tmp\"");
    let folder = scene.path("srv/tftp").join(image.folder());
    let mut names: Vec<_> = read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["initramfs.img", "manifest", "vmlinuz"]);
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(folder.clone()), 0o755);
    assert!(names.iter().all(|name| mode(folder.join(name)) == 0o644));
    assert_eq!(read(folder.join("vmlinuz")).unwrap(), b"kernel 6.12.94_1");
    assert_eq!(verify(&scene.root).unwrap(), (1, vec![]));
    assert_eq!(scene.images(), [image.name()]);
}

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

/// Not a test of its own: the process that the next one kills.
#[test]
fn victim() {
    let Some(root) = std::env::var_os("VOIDCLUST_TEST_VICTIM") else { return };
    let root = Root::open(Path::new(&root)).unwrap();
    let program = root.path().join("double");
    let lock = Lock::take(&root).unwrap();
    build_with(&|| Ok(Mkinitcpio::double(&root, &program)), &lock, &root, K, true, &mut Silent).unwrap();
}

#[test]
fn a_run_killed_in_the_middle_changes_nothing_and_the_next_one_sweeps_up() {
    for script in ["kill -9 $PPID; sleep 0.1", "image two; kill -9 $PPID; sleep 0.1"] {
        let scene = Scene::new();
        scene.build(K, GOOD);
        let before = scene.images();
        scene.double(script);
        let victim = Tool::new(std::env::current_exe().unwrap()).args(["--exact", "image::tests::victim"]);
        let killed = victim.env("VOIDCLUST_TEST_VICTIM", scene.dir.path()).output().unwrap_err().to_string();
        assert!(killed.contains("signal: 9"), "{killed}");
        assert_eq!(scene.images(), before, "{script}");
        assert_eq!(read_dir(scene.path(paths::IMAGES)).unwrap().count(), 2, "{script}: the leftover and the image");
        assert!(verify(&scene.root).unwrap().1.iter().all(|finding| !finding.serious));
        let two = scene.try_build(K, true, "image two").unwrap().image().name();
        assert_eq!(scene.images(), [two, before[0].clone()]);
        assert_eq!(read_dir(scene.path(paths::IMAGES)).unwrap().count(), 2, "{script}: two images");
    }
}

#[test]
fn a_full_disk_leaves_every_served_byte() {
    let mount = "mount -t tmpfs -o size=1m none \"$1\" && exec \"$2\" --exact image::tests::victim_of_a_full_disk --nocapture";
    if Tool::new("unshare").args(["--mount", "true"]).output().is_err() {
        return skip("a_full_disk_leaves_every_served_byte", "a small file system needs the rights of root and unshare(1)");
    }
    let place = tempfile::tempdir().unwrap();
    let inner =
        Tool::new("unshare").args(["--mount", "sh", "-c", mount, "sh"]).arg(place.path()).arg(std::env::current_exe().unwrap());
    let said = inner.env("VOIDCLUST_TEST_SMALL_DISK", place.path()).output().unwrap();
    assert!(said.contains("1 passed") && said.contains("the disk was full"), "{said}");
}

/// Not a test of its own: what the one above runs on a file system of one megabyte.
#[test]
fn victim_of_a_full_disk() {
    let Some(place) = std::env::var_os("VOIDCLUST_TEST_SMALL_DISK") else { return };
    Scene::fill(Path::new(&place));
    let scene = Scene { dir: tempfile::Builder::new().tempdir_in(&place).unwrap(), root: Root::open(Path::new(&place)).unwrap() };
    let served = || read(Path::new(&place).join(paths::IMAGES).join(scene.images().concat()).join(INITRAMFS)).unwrap();
    scene.build(K, GOOD);
    let before = served();
    let too_much = "{ printf 070701; head -c 4000000 /dev/zero; } >\"$out\" 2>/dev/null";
    let error = format!("{:#}", scene.try_build(K, true, &format!("{too_much} || exit 1")).unwrap_err());
    assert!(error.contains("mkinitcpio made no image"), "{error}");
    // mkinitcpio fits, the kernel does not.
    put(&Path::new(&place).join("boot/vmlinuz-6.12.94_1"), vec![1; 500_000]);
    let error = format!("{:#}", scene.try_build(K, false, GOOD).unwrap_err());
    assert!(error.contains("cannot copy") && error.contains("No space left"), "{error}");
    assert_eq!(served(), before);
    assert_eq!(read_dir(Path::new(&place).join(paths::IMAGES)).unwrap().count(), 1);
    println!("the disk was full");
}

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
fn prune_keeps_the_newest_and_what_a_loader_names() {
    let scene = Scene::new();
    let images: Vec<Image> = (0..6).map(|n| scene.try_build(K, true, &format!("image {n}")).unwrap().image().clone()).collect();
    put(&scene.path("srv/tftp/pxelinux.cfg/01-52-54-00-00-00-01"), format!("LABEL x\n  KERNEL {}/vmlinuz\n", images[0].folder()));
    put(&scene.path("srv/tftp/grub/custom.cfg"), format!("linux (tftp,10.0.0.1)/{}/vmlinuz quiet\n", images[2].folder()));
    let pruned = scene.prune(2, &[], &[]);
    assert_eq!(pruned.removed, [images[3].clone(), images[1].clone()]);
    let kept: Vec<_> = pruned.kept.iter().map(|(image, _)| image).collect();
    assert_eq!(kept, [&images[2], &images[0]]);
    assert!(pruned.kept[0].1.contains("grub/custom.cfg") && pruned.kept[1].1.contains("01-52-54"), "{:?}", pruned.kept);
    assert_eq!(scene.images(), [5, 4, 2, 0].map(|n: usize| images[n].name()));
}

#[test]
fn prune_keeps_one_image_of_every_kernel_that_is_wanted_and_never_removes_all() {
    let scene = Scene::new();
    let old = scene.build(OLD, GOOD);
    let new = scene.build(K, GOOD);
    scene.prune(0, &[OLD], &[]);
    assert_eq!(scene.images(), [new.name(), old.name()]);
    scene.prune(0, &[], &[]);
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
fn the_image_of_a_kernel_that_is_gone_is_the_last_choice_and_the_first_to_go() {
    let scene = Scene::new();
    let gone = scene.build(K, GOOD);
    let old: Vec<Image> = (0..2).map(|n| scene.try_build(OLD, true, &format!("image {n}")).unwrap().image().clone()).collect();
    let facts = Facts { kernels: vec![OLD.to_owned()], ..Facts::default() };
    assert_eq!(best_first(&scene.root, &facts).unwrap(), [old[1].clone(), old[0].clone(), gone.clone()]);
    assert_eq!(scene.prune(2, &[], &[OLD]).removed, [gone]);
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
    let pruned = scene.prune(1, &[], &[]);
    assert_eq!(pruned.removed, []);
    assert!(pruned.kept[0].1.contains("README"), "{:?}", pruned.kept);
    assert_eq!(pruned.foreign.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["6.1.1_1-0123456789ab", "notes.txt"]);
    assert!(strange.exists());
    assert_eq!(verify(&scene.root).unwrap().1.len(), 2);
}

#[test]
fn images_that_are_a_link_are_refused() {
    let scene = Scene::new();
    let elsewhere = tempfile::tempdir().unwrap();
    create_dir_all(scene.path("srv/tftp")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), scene.path(paths::IMAGES)).unwrap();
    let error = format!("{:#}", scene.try_build(K, false, GOOD).unwrap_err());
    assert!(error.contains("symbolic link"), "{error}");
    assert_eq!(read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn a_kernel_that_goes_takes_its_images_along_unless_they_are_named_or_the_last() {
    let scene = Scene::new();
    let old = scene.build(OLD, GOOD);
    let new = scene.build(K, GOOD);
    put(&scene.path("srv/tftp/pxelinux.cfg/default"), format!("KERNEL {}/vmlinuz", old.folder()));
    assert_eq!(forget(&scene.lock(), &scene.root, OLD).unwrap().kept[0].0, old);
    put(&scene.path("srv/tftp/pxelinux.cfg/default"), format!("KERNEL {}/vmlinuz", new.folder()));
    assert_eq!(forget(&scene.lock(), &scene.root, OLD).unwrap().removed, [old]);
    delete(&scene.path("srv/tftp/pxelinux.cfg/default"));
    assert!(forget(&scene.lock(), &scene.root, K).unwrap().kept[0].1.contains("last"));
    assert_eq!(scene.images(), [new.name()]);
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

#[test]
fn stale_are_the_wanted_kernels_without_a_fresh_image() {
    let scene = Scene::new();
    let site = crate::testing::example_site();
    let facts = Facts { kernels: vec![OLD.to_owned(), K.to_owned()], ..Facts::default() };
    let find = |site: &Site, tree: &Tree, facts: &Facts| stale(&scene.root, tree, site, facts).unwrap();
    assert_eq!(find(&site, &Tree::default(), &facts), [K]);
    scene.build(K, GOOD);
    assert!(find(&site, &Tree::default(), &facts).is_empty());
    // The configuration that is about to be written counts.
    let mut tree = Tree::default();
    tree.insert(paths::CLIENT_INITCPIO, crate::disk::tree::Item::file(*b"HOOKS=(base netroot overlayfs)\n"));
    assert_eq!(find(&site, &tree, &facts), [K]);
    let mut pinned = site.clone();
    pinned.nodes[0].kernel = Some(Kernel::Version(OLD.to_owned()));
    assert_eq!(find(&pinned, &Tree::default(), &facts), [OLD]);
    scene.build(OLD, GOOD);
    put(&scene.path("opt/identify"), "changed");
    let without_old = Facts { kernels: vec![K.to_owned()], ..Facts::default() };
    assert_eq!(find(&pinned, &Tree::default(), &without_old), [K], "what is gone cannot be built again");
}

#[test]
fn the_masters_image_is_made_again_when_something_younger_goes_into_it() {
    let scene = Scene::new();
    let image = scene.path("boot/initramfs-6.12.94_1.img");
    assert_eq!(scene.master(false, GOOD).unwrap(), Master::Rebuilt(vec![K.to_owned()]));
    let first = read(&image).unwrap();
    put(&scene.path("boot/.voidclust-initramfs-6.12.94_1.img"), "left by a killed run");
    assert_eq!(scene.master(false, REFUSE).unwrap(), Master::UpToDate);
    for input in ["etc/mkinitcpio.conf.d/voidclust.conf", "usr/lib/initcpio/hooks/overlayfs", "boot/vmlinuz-6.12.94_1"] {
        std::thread::sleep(std::time::Duration::from_millis(20));
        put(&scene.path(input), "new");
        let error = scene.master(false, "image two; exit 1").unwrap_err();
        assert!(format!("{error:#}").contains("no image"), "{input}: {error:#}");
        assert_eq!(read(&image).unwrap(), first, "the old image stays");
        assert_eq!(scene.master(false, GOOD).unwrap(), Master::Rebuilt(vec![K.to_owned()]), "{input}");
        assert_eq!(scene.master(false, REFUSE).unwrap(), Master::UpToDate, "{input}");
    }
    let names: Vec<_> = scene.root.list("boot").unwrap().unwrap();
    assert_eq!(names, ["initramfs-6.12.94_1.img", "vmlinuz-6.12.94_1", "vmlinuz-6.6.30_1"]);
    let mut tree = Tree::default();
    tree.insert(paths::MASTER_INITCPIO, crate::disk::tree::Item::file(*b"HOOKS+=(overlayfs)\n"));
    assert_eq!(master_stale(&scene.root, &tree, &[K.to_owned()]).unwrap(), [K]);
}

#[test]
fn a_kernel_whose_own_image_fails_keeps_no_other_from_being_built() {
    let scene = Scene::new();
    let kernels = [OLD.to_owned(), K.to_owned()];
    let error = scene.master_of(&kernels, true, "[ $kernel != 6.6.30_1 ] || exit 1; image one").unwrap_err();
    assert!(format!("{error:#}").contains("6.6.30_1: "), "{error:#}");
    let names: Vec<_> = scene.root.list("boot").unwrap().unwrap();
    assert_eq!(names, ["initramfs-6.12.94_1.img", "vmlinuz-6.12.94_1", "vmlinuz-6.6.30_1"]);
}

#[test]
fn a_master_whose_images_another_program_makes_is_left_alone() {
    let scene = Scene::new();
    put(&scene.path("etc/kernel.d/post-install/20-initramfs"), "#!/bin/sh\nexec dracut\n");
    let Master::NotOurs(why) = scene.master(true, REFUSE).unwrap() else { panic!("built") };
    assert!(why.contains("xbps-alternatives"), "{why}");
    delete(&scene.path("etc/mkinitcpio.conf"));
    assert!(matches!(scene.master(true, REFUSE).unwrap(), Master::NotOurs(_)));
}

/// With the real mkinitcpio: a root that has it, a kernel and our hooks is named by `MKINITCPIO_ROOT`. Only its boot tree
/// and our state are written to.
#[test]
fn the_real_mkinitcpio_makes_an_image() {
    let Some(place) = std::env::var_os("MKINITCPIO_ROOT") else {
        return skip("the_real_mkinitcpio_makes_an_image", "MKINITCPIO_ROOT names no root with mkinitcpio in it");
    };
    let root = Root::open(Path::new(&place)).unwrap();
    assert_eq!(missing_tools(&root).unwrap(), None);
    let kernel = Facts::gather(&root, false).unwrap().kernels.pop().expect("a kernel in MKINITCPIO_ROOT");
    let lock = Lock::take(&root).unwrap();
    let start = std::time::Instant::now();
    let first = build(&lock, &root, &kernel, true, &mut Lines { verbose: true }).unwrap().image().clone();
    eprintln!("built in {:?}: kernel {}, initramfs {} bytes", start.elapsed(), first.vmlinuz.size, first.initramfs.size);
    let start = std::time::Instant::now();
    assert_eq!(build(&lock, &root, &kernel, false, &mut Silent).unwrap(), Build::UpToDate(first.clone()));
    eprintln!("found up to date in {:?}", start.elapsed());
    let again = build(&lock, &root, &kernel, true, &mut Silent).unwrap().image().clone();
    assert_eq!(again.folder(), first.folder(), "mkinitcpio makes the same bytes from the same inputs");
    assert!(list(&root).unwrap().contains(&again));
}
