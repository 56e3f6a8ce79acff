//! A shared root of a few files for the tests of this room, and all that can be told of a tree.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;

use super::*;
use crate::testing::skip;
use crate::tools::{Tool, on_path};

/// What the capability `cap_net_raw+ep` is on the disk.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// An access control list: another user may read.
const ACL: &[u8] = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\x04\0\x04\0\xff\xff\xff\xff\
    \x10\0\x04\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";

/// A shared root.
pub(super) struct Scene {
    _dir: Option<tempfile::TempDir>,
    pub(super) root: Root,
    /// When the next generation is made.
    pub(super) now: std::cell::Cell<u64>,
}

/// Names the root to a [`Scene::victim`].
const VICTIM: &str = "VOIDCLUST_TEST_GENERATION";

/// The root of a victim, when this process is one.
pub(super) fn victims_root() -> Option<Scene> {
    std::env::var_os(VICTIM).map(|path| Scene::found(Path::new(&path)))
}

/// What a tree tells, without how many names its files have: those of older generations count.
pub(super) fn without_links(tree: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let without = |text: String| {
        let words: Vec<_> = text.split(' ').collect();
        let at = words.iter().position(|word| *word == "links").unwrap();
        [&words[..at], &words[at + 2..]].concat().join(" ")
    };
    tree.into_iter().map(|(path, text)| (path, without(text))).collect()
}

/// Whether a test of copies can run; says why not.
pub(super) fn can_copy(test: &str) -> bool {
    let can = rustix::process::geteuid().is_root() && on_path("rsync");
    if !can {
        skip(test, "a copy with its owners needs the rights of root and rsync(1)");
    }
    can
}

impl Scene {
    /// One with a bit of everything.
    pub(super) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// What another process made.
    pub(super) fn found(path: &Path) -> Self {
        Self { _dir: None, root: Root::open(path).unwrap(), now: std::cell::Cell::new(100) }
    }

    fn at(dir: tempfile::TempDir) -> Self {
        let scene = Self { root: Root::open(dir.path()).unwrap(), _dir: Some(dir), now: std::cell::Cell::new(100) };
        scene.fill();
        scene
    }

    /// Puts a bit of everything into it.
    pub(super) fn fill(&self) {
        let scene = self;
        for (path, text) in [
            ("etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n/srv/swap none swap sw 0 0\n"),
            ("etc/machine-id", "0123\n"),
            ("etc/ssh/ssh_host_rsa_key", "secret\n"),
            ("etc/ssh/sshd_config", "x\n"),
            ("etc/hosts", "AAAA\n"),
            ("etc/overlays/default.tar", "x"),
            ("root/.bash_history", "x"),
            ("root/.profile", "x"),
            ("srv/swap", "x"),
            ("srv/data/site.key", "secret"),
            ("srv/data/open", "x"),
            ("usr/bin/one", "one\n"),
            ("usr/bin/#odd\nname", "x"),
            ("usr/bin/-rf", "x"),
            ("usr/lib/modules/6.12.9_1/modules.dep", ""),
            ("usr/lib/modules/6.12.10_1/modules.dep", ""),
            ("var/log/socklog/all/config", "x"),
            ("var/log/socklog/all/current", "x"),
            ("var/lib/voidclust/manifest.toml", ""),
            ("tmp/x", "x"),
            ("proc/x", "x"),
        ] {
            scene.write(path, text);
        }
        let file = std::fs::File::create(scene.at_path("usr/lib/sparse")).unwrap();
        file.set_len(1 << 20).unwrap();
        std::fs::hard_link(scene.at_path("usr/bin/one"), scene.at_path("usr/bin/two")).unwrap();
        symlink("/srv/data", scene.at_path("srv/link")).unwrap();
        symlink("one", scene.at_path("usr/bin/three")).unwrap();
        Tool::new("mkfifo").arg(scene.at_path("usr/lib/pipe")).output().unwrap();
        let xattr = |path: &str, name: &str, value: &[u8]| {
            // Not every file system has them all.
            let _ = rustix::fs::setxattr(scene.at_path(path), name, value, XattrFlags::empty());
        };
        xattr("usr/bin/-rf", "security.capability", CAPABILITY);
        xattr("etc/hosts", "user.note", b"x");
        xattr("usr/lib", "system.posix_acl_default", ACL);
        xattr("usr/lib/sparse", "system.posix_acl_access", ACL);
        let _ = std::os::unix::fs::chown(scene.at_path("usr/bin/one"), Some(7), Some(8));
        scene.chmod("usr/bin/one", 0o4751);
    }

    pub(super) fn at_path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.at_path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn chmod(&self, path: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.at_path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Makes the next generation.
    pub(super) fn try_make(&self, private: &[&str]) -> Result<Generation> {
        self.try_make_on(None, private)
    }

    /// The same, on a machine.
    pub(super) fn try_make_on(&self, machine: Option<&Machine>, private: &[&str]) -> Result<Generation> {
        let lock = Lock::take(&self.root).unwrap();
        let generations = load(&self.root).unwrap();
        let private: Vec<String> = private.iter().map(|text| (*text).to_owned()).collect();
        self.now.set(self.now.get() + 1);
        let order = Order { text: "text", private: &private, now: self.now.get() };
        make(&lock, &self.root, machine, generations.next(), generations.newest(), &order, &mut crate::testing::Silent)
    }

    /// What the next one would be.
    pub(super) fn foresees(&self, private: &[&str]) -> Foreseen {
        let generations = load(&self.root).unwrap();
        let private: Vec<String> = private.iter().map(|text| (*text).to_owned()).collect();
        foresee(&self.root, None, generations.newest(), &private).unwrap()
    }

    /// Makes the next one, which must succeed; the path of its tree.
    pub(super) fn make(&self) -> String {
        paths::generation_tree(self.try_make(&[]).unwrap().number)
    }

    /// The names in the folder of generations.
    pub(super) fn kept(&self) -> Vec<String> {
        self.root.list(paths::GENERATIONS).unwrap().unwrap()
    }

    /// Writes a program of the test's into a folder that is looked into before all others.
    pub(super) fn double(&self, folder: &Path, name: &str, script: &str) {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The test `victim`, to be run on this root in a process of its own, by the command `by` if there is one: to be killed,
    /// or to find programs of the test's in the folder `doubles`.
    pub(super) fn victim(&self, by: &[&str], victim: &str, doubles: &Path) -> Tool {
        let path = format!("{}:{}", doubles.display(), std::env::var("PATH").unwrap());
        let own = std::env::current_exe().unwrap().display().to_string();
        let test = format!("generation::tests::{victim}");
        let words = [by, &[&own, "--exact", "--nocapture", "--test-threads=1", &test]].concat();
        Tool::new(words[0]).args(&words[1..]).env(VICTIM, self.root.path()).env("PATH", path)
    }

    /// All that can be told of a tree, without what voidclust keeps.
    pub(super) fn tree(&self, below: &str) -> BTreeMap<String, String> {
        let mut told = BTreeMap::new();
        tell(&self.at_path(below), Path::new(""), &mut told);
        told
    }
}

fn tell(tree: &Path, at: &Path, told: &mut BTreeMap<String, String>) {
    let path = tree.join(at);
    let found = path.symlink_metadata().unwrap();
    let content = if found.is_file() {
        format!("{:?}", std::fs::read(&path).unwrap().iter().take(100).collect::<Vec<_>>())
    } else if found.is_symlink() {
        std::fs::read_link(&path).unwrap().display().to_string()
    } else {
        String::new()
    };
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(&path, &mut names[..]).unwrap_or(0);
    let mut attributes: Vec<_> = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    attributes.sort();
    let attributes = attributes.into_iter().map(|name| {
        let mut value = vec![0; 4096];
        let length = rustix::fs::lgetxattr(&path, std::str::from_utf8(name).unwrap(), &mut value[..]).unwrap();
        format!(" {}={:?}", String::from_utf8_lossy(name), &value[..length])
    });
    let links = if found.is_dir() { 0 } else { found.nlink() };
    let size = if found.is_dir() { 0 } else { found.size() };
    let told_of_it = format!(
        "mode {:o} owner {}:{} written {}.{:09} size {size} links {links} {content}{}",
        found.mode(),
        found.uid(),
        found.gid(),
        found.mtime(),
        found.mtime_nsec(),
        attributes.collect::<String>()
    );
    told.insert(at.display().to_string(), told_of_it);
    if found.is_dir() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let inner = at.join(entry.unwrap().file_name());
            if inner != Path::new("var/lib/voidclust") {
                tell(tree, &inner, told);
            }
        }
    }
}
