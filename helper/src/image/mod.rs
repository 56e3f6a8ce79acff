//! What clients boot: kernels with the initramfs made for them, each pair in a folder of its own.
//!
//! A folder is named by its content and never changed once it has its name (but for the manifest, which no node reads),
//! so a kernel and an initramfs that a node loads always belong together. The newest image of a kernel is the one that
//! the loader configurations name; [`build`] makes it so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::disk::lock::Lock;
use crate::disk::root::Root;
use crate::disk::tree::Tree;
use crate::machine::facts::Facts;
use crate::paths;
use crate::site::Site;
use crate::types::{Kernel, compare_versions};

mod inputs;
mod loaders;
mod master;
mod mkinitcpio;
mod progress;
mod store;
#[cfg(test)]
mod tests;

pub use loaders::{Loaders, loaders};
pub use master::{Master, master_rebuild, master_stale};
pub use mkinitcpio::missing_tools;
pub use progress::{Lines, Progress, Silent, Spinner};
pub use store::{Entry, survey};

use mkinitcpio::Mkinitcpio;
use store::Store;

/// The kernel in an image's folder.
const KERNEL: &str = "vmlinuz";
/// The initramfs in an image's folder.
const INITRAMFS: &str = "initramfs.img";

/// A kernel and its initramfs, as the manifest in their folder tells.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Image {
    /// The kernel's version.
    pub kernel: String,
    /// Twelve hexadecimal digits over the content, which make the folder's name unique.
    pub digest: String,
    /// Over what it was made from: as long as this stays the same, there is nothing to rebuild.
    pub inputs: String,
    /// When it was built, in seconds since 1970.
    pub built: u64,
    /// The kernel as it was copied.
    pub vmlinuz: Part,
    /// The initramfs as mkinitcpio made it.
    pub initramfs: Part,
}

/// One file of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Part {
    /// In bytes.
    pub size: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

impl Image {
    /// The name of its folder.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.kernel, self.digest)
    }

    /// Its folder as loaders name it, relative to the boot tree.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("images/{}", self.name())
    }

    /// Both files, by name.
    fn parts(&self) -> [(&'static str, &Part); 2] {
        [(KERNEL, &self.vmlinuz), (INITRAMFS, &self.initramfs)]
    }
}

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

/// The images that can be booted: the newest kernel first, and the newest image of a kernel first.
///
/// # Errors
/// When a folder cannot be read. One that is damaged is no error, and no image: see [`verify`].
pub fn list(root: &Root) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for (_, entry) in survey(root)? {
        if let Entry::Image(image) = entry {
            images.push(image);
        }
    }
    images.sort_by(|left, right| {
        let order = compare_versions(&left.kernel, &right.kernel);
        order.then_with(|| (left.built, &left.digest).cmp(&(right.built, &right.digest))).reverse()
    });
    Ok(images)
}

/// The images in the order in which a node wants them: as [`list`] has them, but those of kernels that are no longer
/// installed last, for these find no modules in the shared root.
///
/// # Errors
/// When a folder cannot be read.
pub fn best_first(root: &Root, facts: &Facts) -> Result<Vec<Image>> {
    let mut images = list(root)?;
    images.sort_by_key(|image| !facts.kernels.contains(&image.kernel));
    Ok(images)
}

/// The kernels that some machine boots: the clients' own, and every one that a node or a profile of a node asks for.
#[must_use]
pub fn wanted(site: &Site, facts: &Facts) -> BTreeSet<String> {
    let of = |kernel: &Kernel| match kernel {
        Kernel::Newest => facts.kernels.last().cloned(),
        Kernel::Version(version) => Some(version.clone()),
    };
    let nodes = site.nodes.iter().filter_map(|node| of(site.kernel_of(node)));
    nodes.chain(of(&site.client.kernel)).collect()
}

/// The kernels that are wanted and whose image is missing, or would come out different. What `tree` is about to write
/// counts as written already. A kernel that is no longer installed cannot be built again: its image is good as it is.
///
/// # Errors
/// When something that goes into an image cannot be read.
pub fn stale(root: &Root, tree: &Tree, site: &Site, facts: &Facts) -> Result<Vec<String>> {
    let images = list(root)?;
    let mut stale = Vec::new();
    for kernel in wanted(site, facts) {
        let image = images.iter().find(|image| image.kernel == kernel);
        let fresh = match image {
            None => false,
            Some(_) if !facts.kernels.contains(&kernel) => true,
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
/// When something is missing that goes into the image, mkinitcpio fails or makes something else than an image, or the
/// disk refuses.
pub fn build(lock: &Lock<'_>, root: &Root, kernel: &str, force: bool, progress: &mut dyn Progress) -> Result<Build> {
    build_with(&|| Mkinitcpio::of(root), lock, root, kernel, force, progress)
}

/// [`build`], with a given mkinitcpio.
fn build_with(
    mkinitcpio: &dyn Fn() -> Result<Mkinitcpio>,
    lock: &Lock<'_>,
    root: &Root,
    kernel: &str,
    force: bool,
    progress: &mut dyn Progress,
) -> Result<Build> {
    let inputs = installed(root, kernel)?;
    let store = Store::open(lock, root)?;
    let images: Vec<Image> = list(root)?.into_iter().filter(|image| image.kernel == kernel).collect();
    if !force
        && let Some(image) = images.iter().find(|image| image.inputs == inputs)
        && store::check(root, image)?.is_none()
    {
        let image = if images.first() == Some(image) { image.clone() } else { store.renew(image, &inputs, now(&images))? };
        return Ok(Build::UpToDate(image));
    }

    let mkinitcpio = mkinitcpio()?;
    progress.begin(&format!("client image of {kernel}"));
    let work = store.begin(kernel)?;
    let vmlinuz = work.copy(&kernel_path(kernel), KERNEL)?;
    let arguments =
        ["-c", &mkinitcpio.inside(paths::CLIENT_INITCPIO), "-k", kernel, "-g", &mkinitcpio.inside(&work.path(INITRAMFS))];
    let report = mkinitcpio.run(&arguments, &work.path(store::SCRATCH), progress)?;
    if !report.errors.is_empty() {
        // Its status counts only what its own functions noticed; a hook may say that something is missing and go on.
        bail!(
            "mkinitcpio ended as if all were well, but said:{}",
            report.errors.iter().map(|line| format!("\n  {line}")).collect::<String>()
        );
    }
    let initramfs = work.measure(INITRAMFS)?;
    // Something that changed under our hands would make an image that nobody can make again.
    if installed(root, kernel)? != inputs {
        bail!("{}: changed while the image of {kernel} was built; run again", root.display(""));
    }
    let digest = inputs::short(&[&vmlinuz.sha256, &initramfs.sha256]);
    let image = Image { kernel: kernel.to_owned(), digest, inputs, built: now(&images), vmlinuz, initramfs };
    store.publish(&work, &image)?;
    progress.done(&format!("client image of {kernel}: {}", image.folder()));
    Ok(Build::New(image))
}

/// The digest over what goes into the image of a kernel; an error when the kernel is not all there.
fn installed(root: &Root, kernel: &str) -> Result<String> {
    match kernel.parse::<Kernel>() {
        Ok(Kernel::Version(_)) => {}
        Ok(Kernel::Newest) => bail!("`newest` is no version of a kernel; name one of {}", root.display(paths::MODULES)),
        Err(why) => bail!(why),
    }
    let modules = format!("{}/{kernel}/modules.dep", paths::MODULES);
    for path in [kernel_path(kernel), modules] {
        if root.open_file(&path)?.is_none() {
            bail!("{}: not there, so kernel {kernel} is not installed (whole); reinstall its package", root.display(&path));
        }
    }
    let inputs = inputs::of_client(root, &Tree::default(), kernel)?;
    inputs.with_context(|| format!("{}: not there; `voidclust apply` writes it", root.display(paths::CLIENT_INITCPIO)))
}

fn kernel_path(kernel: &str) -> String {
    format!("boot/vmlinuz-{kernel}")
}

/// The time, but always after that of the images there are, whatever the clock says.
fn now(images: &[Image]) -> u64 {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    images.iter().map(|image| image.built + 1).fold(clock, u64::max)
}

/// What [`prune`] and [`forget`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Images that are gone.
    pub removed: Vec<Image>,
    /// Images that had to stay, and why.
    pub kept: Vec<(Image, String)>,
    /// Names in the folder that are not ours to remove, and why.
    pub foreign: Vec<(String, String)>,
}

/// Removes all images but the best `keep`, the newest `keep` of each kernel that some machine boots, and those that a loader
/// configuration names. Never the last one.
///
/// # Errors
/// When a loader configuration cannot be read: then nothing is removed.
pub fn prune(lock: &Lock<'_>, root: &Root, site: &Site, facts: &Facts, keep: usize) -> Result<Pruned> {
    let images = best_first(root, facts)?;
    let keep = keep.max(1);
    let newest: BTreeSet<String> = wanted(site, facts)
        .iter()
        .flat_map(|kernel| images.iter().filter(move |image| image.kernel == *kernel).take(keep))
        .map(Image::name)
        .collect();
    let others = images.iter().skip(keep).filter(|image| !newest.contains(&image.name())).cloned().collect();
    remove(lock, root, others)
}

/// Removes the images of a kernel that is gone, but for those that a loader configuration still names, and for the very
/// last image. The caller has rendered the configurations without this kernel, unless a node is pinned to it.
///
/// # Errors
/// When a loader configuration cannot be read: then nothing is removed.
pub fn forget(lock: &Lock<'_>, root: &Root, kernel: &str) -> Result<Pruned> {
    let (mut gone, others): (Vec<_>, Vec<_>) = list(root)?.into_iter().partition(|image| image.kernel == kernel);
    let last = if others.is_empty() && !gone.is_empty() { Some(gone.remove(0)) } else { None };
    let mut pruned = remove(lock, root, gone)?;
    pruned.kept.extend(last.map(|image| (image, "it is the last image there is".to_owned())));
    Ok(pruned)
}

fn remove(lock: &Lock<'_>, root: &Root, images: Vec<Image>) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    // Reading the configurations of ten thousand nodes costs more than all else, and there is seldom anything to remove.
    let named = if images.is_empty() { BTreeMap::new() } else { named(root)? };
    let store = Store::open(lock, root)?;
    for image in images {
        if let Some(files) = named.get(&image.name()) {
            pruned.kept.push((image, format!("{} names it", files.join(", "))));
        } else if let Some(stranger) = store.stranger(&image)? {
            pruned.kept.push((image, format!("{stranger} in its folder is not ours")));
        } else {
            store.remove(&image)?;
            pruned.removed.push(image);
        }
    }
    for (name, entry) in survey(root)? {
        match entry {
            Entry::Foreign => pruned.foreign.push((name, "not an image of ours".to_owned())),
            Entry::Damaged(why) => pruned.foreign.push((name, why)),
            Entry::Image(_) | Entry::Leftover => {}
        }
    }
    Ok(pruned)
}

/// The images that loader configurations name, those of the site included, and which files name them.
fn named(root: &Root) -> Result<BTreeMap<String, Vec<String>>> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for folder in paths::MENU_FOLDERS {
        for file in root.list(folder)?.unwrap_or_default() {
            let path = format!("{folder}/{file}");
            let Some(opened) = root.open_file(&path)?.filter(|_| paths::may_be_menu(&file)) else { continue };
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

/// Reads every image and compares it with its manifest; tells of what does not belong, and of images that a loader
/// configuration names but that are not there. The number of images is that of those which are as they should be.
///
/// # Errors
/// When something cannot be read.
pub fn verify(root: &Root) -> Result<(usize, Vec<Finding>)> {
    let mut named = named(root)?;
    let (mut good, mut findings) = (0, Vec::new());
    for (name, entry) in survey(root)? {
        let users = named.remove(&name);
        let serious = users.is_some();
        let mut find = |what: String, serious| findings.push(Finding { name: name.clone(), what, serious });
        match entry {
            Entry::Image(image) => match store::check(root, &image)? {
                Some(what) => find(what, true),
                None => good += 1,
            },
            Entry::Damaged(what) => find(what, serious),
            Entry::Leftover => find("left by a run that was killed; the next build sweeps it".to_owned(), false),
            Entry::Foreign => find("not an image of ours".to_owned(), false),
        }
    }
    for (name, users) in named {
        findings.push(Finding { name, what: format!("not there, but {} names it", users.join(", ")), serious: true });
    }
    Ok((good, findings))
}
