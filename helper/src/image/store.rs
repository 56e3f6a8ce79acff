//! The folder of images on the disk: the only module that renames and removes folders.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, Mode, OFlags};
use sha2::{Digest, Sha256};

use super::{INITRAMFS, Image, KERNEL, Part};
use crate::disk::lock::Lock;
use crate::disk::root::Root;
use crate::disk::tree::hex;
use crate::paths;

const MANIFEST: &str = "manifest";
/// Where mkinitcpio lays out an image before it packs it.
pub(super) const SCRATCH: &str = "scratch";

/// Smaller than any initramfs with a shell in it.
const SMALLEST: u64 = 64 * 1024;
/// How an initramfs begins that a kernel can read: cpio, or one of its compressions (linux/lib/decompress.c).
const MAGIC: &[&[u8]] = &[
    b"070701",
    b"070702",
    b"\x1f\x8b",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"\x02\x21\x4c\x18",
    b"\x5d\0\0",
    b"BZh",
    b"\x89LZO",
];

/// What one name in the folder of images is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
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
pub fn survey(root: &Root) -> Result<Vec<(String, Entry)>> {
    let mut entries = Vec::new();
    for name in root.list(paths::IMAGES)?.unwrap_or_default() {
        let entry = if name.starts_with(paths::TEMP_PREFIX) { Entry::Leftover } else { entry(root, &name)? };
        entries.push((name, entry));
    }
    Ok(entries)
}

fn entry(root: &Root, name: &str) -> Result<Entry> {
    let digest = name.rsplit_once('-').map_or("", |(_, digest)| digest);
    if digest.len() != 12 || !digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(Entry::Foreign);
    }
    let folder = format!("{}/{name}", paths::IMAGES);
    let Some(manifest) = root.read(&format!("{folder}/{MANIFEST}"))? else {
        return Ok(Entry::Damaged("has no manifest".to_owned()));
    };
    let manifest = String::from_utf8_lossy(&manifest);
    let Ok(image) = toml::from_str::<Image>(&manifest) else {
        return Ok(Entry::Damaged("its manifest cannot be understood".to_owned()));
    };
    if image.name() != name {
        return Ok(Entry::Damaged(format!("its manifest is that of {}", image.name())));
    }
    for (file, part) in image.parts() {
        let path = format!("{folder}/{file}");
        let size = match root.open_file(&path)? {
            Some(file) => Some(file.metadata().with_context(|| format!("{}: cannot look at it", root.display(&path)))?.len()),
            None => None,
        };
        match size {
            None => return Ok(Entry::Damaged(format!("{file} is missing"))),
            Some(size) if size != part.size => {
                return Ok(Entry::Damaged(format!("{file} has {size} bytes instead of {}", part.size)));
            }
            Some(_) => {}
        }
    }
    Ok(Entry::Image(image))
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

/// Size and hash of a regular file, read piece by piece; `None` when there is none.
pub(super) fn measure(root: &Root, path: &str) -> Result<Option<Part>> {
    let Some(mut file) = root.open_file(path)? else { return Ok(None) };
    let context = || format!("{}: cannot read", root.display(path));
    if !file.metadata().with_context(context)?.is_file() {
        return Ok(None);
    }
    copy(&mut file, &mut std::io::sink()).with_context(context).map(Some)
}

/// Copies, and tells size and hash of what went by.
fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<Part> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(Part { size, sha256: hex(&digest.finalize()) });
        }
        digest.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        size += count as u64;
    }
}

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
        for (name, entry) in survey(root)? {
            if entry == Entry::Leftover {
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

    /// Sweeps what killed runs left in a folder where [`Store::aside`] writes.
    pub(super) fn sweep_beside(&self, folder: &str) -> Result<()> {
        let names = self.root.list(folder)?.unwrap_or_default();
        for name in names.iter().filter(|name| name.starts_with(paths::TEMP_PREFIX)) {
            // Best effort, as above.
            let _ = rustix::fs::unlinkat(self.root.folder(folder)?, name.as_str(), AtFlags::empty());
        }
        Ok(())
    }

    /// A place beside `name` for one file outside of the images. Always the same, so that nothing piles up there.
    pub(super) fn aside(&self, folder: &str, name: &str) -> Result<Aside<'root>> {
        let temporary = format!("{}{name}", paths::TEMP_PREFIX);
        let path = format!("{folder}/{temporary}");
        let aside = Aside { root: self.root, folder: self.root.folder(folder)?, name: name.to_owned(), temporary, path };
        // mkinitcpio measures what it finds there to guess how much room it needs.
        let _ = rustix::fs::unlinkat(&aside.folder, aside.temporary.as_str(), AtFlags::empty());
        Ok(aside)
    }

    /// Gives a finished image its name.
    pub(super) fn publish(&self, work: &Work<'_, 'root>, image: &Image) -> Result<()> {
        let folder = work.finish(image)?;
        let name = image.name();
        let context = || format!("{}: cannot put the image there", self.shown(&name));
        rustix::fs::syncfs(&folder).with_context(context)?;
        match rustix::fs::statat(&self.folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) if matches!(entry(self.root, &name)?, Entry::Image(_)) && check(self.root, image)?.is_none() => {
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

    /// A name in an image's folder that we did not put there.
    pub(super) fn stranger(&self, image: &Image) -> Result<Option<String>> {
        let ours = |name: &String| [KERNEL, INITRAMFS, MANIFEST].contains(&name.as_str()) || name.starts_with(paths::TEMP_PREFIX);
        let names = self.root.list(&format!("{}/{}", paths::IMAGES, image.name()))?.unwrap_or_default();
        Ok(names.into_iter().find(|name| !ours(name)))
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

/// Size and hash of a file that mkinitcpio made, after a look at whether it can be one.
pub(super) fn initramfs(root: &Root, path: &str) -> Result<Part> {
    let shown = root.display(path);
    let Some(file) = root.open_file(path)? else { bail!("{shown}: mkinitcpio ended well but made no such file") };
    let Some(part) = measure(root, path)? else { bail!("{shown}: mkinitcpio ended well but made something that is no file") };
    let mut head = Vec::new();
    file.take(8).read_to_end(&mut head).with_context(|| format!("{shown}: cannot read"))?;
    if part.size < SMALLEST || !MAGIC.iter().any(|magic| head.starts_with(magic)) {
        bail!("{shown}: mkinitcpio ended well but made {} bytes that are no initramfs", part.size);
    }
    Ok(part)
}

/// One file that a program writes beside the place where it will stand; gone when it is dropped without that.
#[derive(Debug)]
pub(super) struct Aside<'root> {
    root: &'root Root,
    folder: OwnedFd,
    name: String,
    temporary: String,
    path: String,
}

impl Aside<'_> {
    /// Where the program has to write it, relative to the root.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Gives it its name, with `made` as its time.
    pub(super) fn publish(self, made: std::time::SystemTime) -> Result<()> {
        let context = || format!("{}: cannot replace", self.root.display(&self.path));
        let file = self.root.open_file(&self.path)?.with_context(context)?;
        file.set_modified(made).and_then(|()| file.sync_all()).with_context(context)?;
        rustix::fs::renameat(&self.folder, self.temporary.as_str(), &self.folder, self.name.as_str()).with_context(context)?;
        rustix::fs::fsync(&self.folder).with_context(context)
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        // Best effort, and nothing to do after the rename: the next run writes to the same name.
        let _ = rustix::fs::unlinkat(&self.folder, self.temporary.as_str(), AtFlags::empty());
    }
}
