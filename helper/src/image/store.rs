//! The folder of images on the disk: the only module that renames and removes folders.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Mode, OFlags};

use super::part::{Part, copy, initramfs};
use super::survey::{Surveyed, check, look, survey};
use super::{INITRAMFS, Image, KERNEL};
use crate::disk::lock::Lock;
use crate::disk::root::Root;
use crate::paths;

pub(super) const MANIFEST: &str = "manifest";
/// Where mkinitcpio lays out an image before it packs it.
pub(super) const SCRATCH: &str = "scratch";

/// The folder of images, and the right to change it.
#[derive(Debug)]
pub(super) struct Store<'root> {
    root: &'root Root,
    folder: OwnedFd,
}

impl<'root> Store<'root> {
    /// Opens the folder, makes it if need be, and sweeps what killed runs have left.
    pub(super) fn open(_: &Lock<'_>, root: &'root Root) -> Result<Self> {
        let store = Self { root, folder: root.folder(paths::IMAGES)? };
        for (name, what) in survey(root)? {
            if what == Surveyed::Leftover {
                // A mkinitcpio that outlived its voidclust may still write there; then it is swept another time.
                let _ = store.delete(&name);
            }
        }
        Ok(store)
    }

    fn shown(&self, name: &str) -> String {
        self.root.display(&format!("{}/{name}", paths::IMAGES))
    }

    /// A new folder for a build. The process number keeps it from a mkinitcpio that outlived an earlier run.
    pub(super) fn begin(&self, kernel: &str) -> Result<Work<'_, 'root>> {
        let name = format!("{}{kernel}-{}", paths::TEMP_PREFIX, std::process::id());
        let path = format!("{}/{name}", paths::IMAGES);
        rustix::fs::mkdirat(&self.folder, name.as_str(), Mode::from_raw_mode(0o700))
            .with_context(|| format!("{}: cannot make this folder", self.shown(&name)))?;
        let work = Work { store: self, name, path };
        self.root.folder(&work.path(SCRATCH))?;
        Ok(work)
    }

    /// Gives a finished image its name.
    pub(super) fn publish(&self, work: &Work<'_, 'root>, image: &Image) -> Result<()> {
        let folder = work.finish(image)?;
        let name = image.name();
        let context = || format!("{}: cannot put the image there", self.shown(&name));
        rustix::fs::syncfs(&folder).with_context(context)?;
        match rustix::fs::statat(&self.folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) if matches!(look(self.root, &name)?, Surveyed::Image(_)) && check(self.root, image)?.is_none() => {
                // The very same bytes: only when and from what they were built is news.
                self.write_manifest(image)?;
                return Ok(());
            }
            // Of our name and damaged: nothing that boots from it can be hurt.
            Ok(_) => self.retire(&name)?,
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error).with_context(context),
        }
        rustix::fs::renameat(&self.folder, work.name.as_str(), &self.folder, name.as_str()).with_context(context)?;
        rustix::fs::fsync(&self.folder).with_context(context)
    }

    /// Makes an image the newest of its kernel again, after its inputs came back.
    pub(super) fn renew(&self, image: &Image, inputs: &str, built: u64) -> Result<Image> {
        let image = Image { inputs: inputs.to_owned(), built, ..image.clone() };
        self.write_manifest(&image)?;
        Ok(image)
    }

    /// Writes the manifest of an image that has its name already.
    fn write_manifest(&self, image: &Image) -> Result<()> {
        let path = format!("{}/{}", paths::IMAGES, image.name());
        let folder = self.root.folder(&path)?;
        let temporary = format!("{}{MANIFEST}", paths::TEMP_PREFIX);
        let context = || format!("{}: cannot write", self.root.display(&format!("{path}/{MANIFEST}")));
        write(&folder, &temporary, image).with_context(context)?;
        rustix::fs::renameat(&folder, temporary.as_str(), &folder, MANIFEST).with_context(context)?;
        rustix::fs::fsync(&folder).with_context(context)
    }

    /// Removes an image.
    pub(super) fn remove(&self, image: &Image) -> Result<()> {
        self.retire(&image.name())
    }

    /// Takes the name away first: half an image must never have one.
    fn retire(&self, name: &str) -> Result<()> {
        let aside = format!("{}{name}", paths::TEMP_PREFIX);
        rustix::fs::renameat(&self.folder, name, &self.folder, aside.as_str())
            .with_context(|| format!("{}: cannot remove", self.shown(name)))?;
        self.delete(&aside)
    }

    /// Removes a folder that has one of our temporary names, or whatever else has.
    fn delete(&self, name: &str) -> Result<()> {
        let path = self.root.path().join(paths::IMAGES).join(name);
        #[allow(clippy::disallowed_methods, reason = "the funnel for folders; only names with our prefix come here")]
        let removed = match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => std::fs::remove_dir_all(&path),
            Ok(_) => std::fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{}: cannot remove", path.display()))
            }
            _ => Ok(()),
        }
    }
}

fn write(folder: &OwnedFd, name: &str, image: &Image) -> Result<()> {
    let mut file = create(folder, name)?;
    file.write_all(b"# Kept by voidclust(8); do not edit.\n")?;
    file.write_all(toml::to_string(image)?.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

fn create(folder: &OwnedFd, name: &str) -> Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o644))?;
    // TFTP servers serve only what everybody may read, whatever the umask.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644))?;
    Ok(File::from(file))
}

/// A folder where an image is made; gone when it is dropped without having been published.
#[derive(Debug)]
pub(super) struct Work<'store, 'root> {
    store: &'store Store<'root>,
    name: String,
    path: String,
}

impl Work<'_, '_> {
    /// A name inside, relative to the root.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// Copies a file of the root into the folder.
    pub(super) fn copy(&self, from: &str, name: &str) -> Result<Part> {
        let root = self.store.root;
        let source = root.open_file(from)?.with_context(|| format!("{}: not there", root.display(from)));
        let copied = create(&root.folder(&self.path)?, name).and_then(|mut file| Ok(copy(&mut source?, &mut file)?));
        let part = copied.with_context(|| format!("{}: cannot copy it into the image", root.display(from)))?;
        if part.size == 0 {
            bail!("{}: is empty; reinstall the kernel's package", root.display(from));
        }
        Ok(part)
    }

    /// Size and hash of an initramfs, if it looks like one.
    pub(super) fn measure(&self, name: &str) -> Result<Part> {
        initramfs(self.store.root, &self.path(name))
    }

    /// Leaves exactly an image in the folder, readable for all.
    fn finish(&self, image: &Image) -> Result<OwnedFd> {
        let root = self.store.root;
        let folder = root.folder(&self.path)?;
        write(&folder, MANIFEST, image).with_context(|| format!("{}: cannot write", root.display(&self.path(MANIFEST))))?;
        for name in root.list(&self.path)?.unwrap_or_default() {
            if ![KERNEL, INITRAMFS, MANIFEST].contains(&name.as_str()) {
                self.store.delete(&format!("{}/{name}", self.name))?;
            }
        }
        let context = || format!("{}: cannot set the mode", root.display(&self.path));
        let initramfs =
            rustix::fs::openat(&folder, INITRAMFS, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        rustix::fs::fchmod(initramfs.with_context(context)?, Mode::from_raw_mode(0o644)).with_context(context)?;
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o755)).with_context(context)?;
        Ok(folder)
    }
}

impl Drop for Work<'_, '_> {
    fn drop(&mut self) {
        // Best effort, and nothing to do after it was renamed: what cannot be removed now is swept by the next run.
        let _ = self.store.delete(&self.name);
    }
}

/// A name in an image's folder that we did not put there.
pub(super) fn stranger(root: &Root, image: &Image) -> Result<Option<String>> {
    let ours = |name: &String| [KERNEL, INITRAMFS, MANIFEST].contains(&name.as_str()) || name.starts_with(paths::TEMP_PREFIX);
    let names = root.list(&format!("{}/{}", paths::IMAGES, image.name()))?.unwrap_or_default();
    Ok(names.into_iter().find(|name| !ours(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::scene::{GOOD, K, Scene, put};
    use crate::image::*;
    use crate::testing::{SMALL_DISK, on_a_small_disk};
    use crate::tools::Tool;
    use std::fs::{create_dir_all, read, read_dir};
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

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

    /// Not a test of its own: the process that the next one kills.
    #[test]
    fn victim() {
        let Some(root) = std::env::var_os("VOIDCLUST_TEST_VICTIM") else { return };
        let root = Root::open(Path::new(&root)).unwrap();
        let program = root.path().join("double");
        let lock = Lock::take(&root).unwrap();
        build(&lock, &root, &mut Mkinitcpio::double(&root, &program), K, true, &mut crate::testing::Silent).unwrap();
    }

    #[test]
    fn a_run_killed_in_the_middle_changes_nothing_and_the_next_one_sweeps_up() {
        for script in ["kill -9 $PPID; sleep 0.1", "image two; kill -9 $PPID; sleep 0.1"] {
            let scene = Scene::new();
            scene.build(K, GOOD);
            let before = scene.images();
            scene.double(script);
            let victim = Tool::new(std::env::current_exe().unwrap()).args(["--exact", "image::store::tests::victim"]);
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
        on_a_small_disk("a_full_disk_leaves_every_served_byte", "image::store::tests::victim_of_a_full_disk");
    }

    /// Not a test of its own: what the one above runs on a file system of one megabyte.
    #[test]
    fn victim_of_a_full_disk() {
        let Some(place) = std::env::var_os(SMALL_DISK) else { return };
        Scene::fill(Path::new(&place));
        let scene =
            Scene { dir: tempfile::Builder::new().tempdir_in(&place).unwrap(), root: Root::open(Path::new(&place)).unwrap() };
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
    fn images_that_are_a_link_are_refused() {
        let scene = Scene::new();
        let elsewhere = tempfile::tempdir().unwrap();
        create_dir_all(scene.path("srv/tftp")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), scene.path(paths::IMAGES)).unwrap();
        let error = format!("{:#}", scene.try_build(K, false, GOOD).unwrap_err());
        assert!(error.contains("symbolic link"), "{error}");
        assert_eq!(read_dir(elsewhere.path()).unwrap().count(), 0);
    }
}
