//! What the tests of this room build with: a root with two kernels, and a double of mkinitcpio that fails on demand.

use std::collections::BTreeMap;
use std::fs::{create_dir_all, read, read_dir};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::*;
use crate::disk::lock::Lock;
use crate::site::Site;
use crate::types::Kernel;

/// A root with a kernel, and a double of mkinitcpio which is a few lines of shell. In these, `$root` is the root, `$out`
/// the file to make, `$kernel` the version; `image TEXT` makes a file that could be an initramfs.
pub(super) struct Scene {
    pub(super) dir: tempfile::TempDir,
    pub(super) root: Root,
}

pub(super) const K: &str = "6.12.94_1";
pub(super) const OLD: &str = "6.6.30_1";

pub(super) fn put(path: &Path, text: impl AsRef<[u8]>) {
    create_dir_all(path.parent().unwrap()).unwrap();
    #[allow(clippy::disallowed_methods, reason = "a test's own files")]
    std::fs::write(path, text).unwrap();
}

pub(super) fn delete(path: &Path) {
    #[allow(clippy::disallowed_methods, reason = "a test's own files")]
    std::fs::remove_file(path).unwrap();
}

impl Scene {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::fill(dir.path());
        let root = Root::open(dir.path()).unwrap();
        Self { dir, root }
    }

    pub(super) fn fill(path: &Path) {
        for kernel in [K, OLD] {
            put(&path.join(format!("boot/vmlinuz-{kernel}")), format!("kernel {kernel}"));
            put(&path.join(format!("usr/lib/modules/{kernel}/modules.dep")), "kernel/fs/nfs/nfs.ko:\n");
        }
        put(&path.join(paths::CLIENT_INITCPIO), "HOOKS=(base netroot)\nrclocal_hook=/opt/identify\n");
        put(&path.join("opt/identify"), "#!/bin/sh\n");
        put(&path.join("usr/lib/initcpio/hooks/netroot"), "run_hook() { :; }\n");
        put(&path.join("etc/mkinitcpio.conf"), "HOOKS=(base)\n");
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(super) fn double(&self, script: &str) -> PathBuf {
        let program = self.path("double");
        let head = "#!/bin/sh\nroot=$1\nwhile [ $# -gt 0 ]; do\n\tcase $1 in -g) out=$2 ;; -k) kernel=$2 ;; esac\n\tshift\ndone\n\
                    image() { { printf 070701; head -c 100000 /dev/zero; echo \"$1\"; } >\"$out\"; }\n";
        put(&program, format!("{head}{script}\n"));
        let file = std::fs::File::open(&program).unwrap();
        file.set_permissions(PermissionsExt::from_mode(0o755)).unwrap();
        program
    }

    pub(super) fn try_build(&self, kernel: &str, force: bool, script: &str) -> Result<Build> {
        let program = self.double(script);
        let lock = Lock::take(&self.root)?;
        build(&lock, &self.root, &mut Mkinitcpio::double(&self.root, &program), kernel, force, &mut crate::testing::Silent)
    }

    pub(super) fn build(&self, kernel: &str, script: &str) -> Image {
        self.try_build(kernel, false, script).unwrap().image().clone()
    }

    pub(super) fn master(&self, script: &str) -> Result<Master> {
        self.master_of(&[K.to_owned()], script)
    }

    pub(super) fn master_of(&self, kernels: &[String], script: &str) -> Result<Master> {
        let program = self.double(script);
        let lock = Lock::take(&self.root)?;
        master_rebuild(&lock, &self.root, &mut Mkinitcpio::double(&self.root, &program), kernels, &mut crate::testing::Silent)
    }

    /// Prunes for a site that keeps so many, one of whose nodes is pinned to each of `pinned`, with the kernels that are
    /// `installed`.
    pub(super) fn prune(&self, keep: u16, pinned: &[&str], installed: &[&str]) -> Pruned {
        let site = site(keep, pinned);
        prune(&self.lock(), &self.root, &site, &owned(installed)).unwrap()
    }

    pub(super) fn images(&self) -> Vec<String> {
        list(&self.root).unwrap().iter().map(Image::name).collect()
    }

    /// Every path below the boot tree, with content: what a node could see.
    pub(super) fn served(&self) -> BTreeMap<PathBuf, Vec<u8>> {
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

    pub(super) fn lock(&self) -> Lock<'_> {
        Lock::take(&self.root).unwrap()
    }
}

pub(super) fn owned(kernels: &[&str]) -> Vec<String> {
    kernels.iter().map(ToString::to_string).collect()
}

pub(super) fn site(keep: u16, pinned: &[&str]) -> Site {
    let mut site = crate::testing::example_site();
    site.boot.keep = keep;
    for (node, kernel) in site.nodes.iter_mut().zip(pinned) {
        node.kernel = Some(Kernel::Version((*kernel).to_owned()));
    }
    site
}

pub(super) const GOOD: &str = "image one";
pub(super) const REFUSE: &str = "echo must not be started; exit 1";
