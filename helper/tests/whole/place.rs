//! A root to work on, the binary run on it, and the only functions of these tests that start programs or change files.
#![allow(clippy::disallowed_methods, reason = "the tests' own files and programs; the product's funnels are not for them")]

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

use tempfile::TempDir;

/// The folder of the crate.
pub(crate) const CRATE: &str = env!("CARGO_MANIFEST_DIR");
/// How files looked; it has times of this machine.
pub(crate) const STAMPS: &str = "var/lib/voidclust/stamps";

/// Says why a test does nothing here. ci/test collects these lines.
///
/// Past the macros, whose output libtest keeps from those who run tests that pass: the build of a package, for one. The
/// line feed before is for the dots of `--quiet`.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = std::io::stderr().write_all(format!("\nskip: {test}: {reason}\n").as_bytes());
}

/// A program, to be started by a test.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    // A build chroot has none of the locales that the environment may name, and some programs complain of it.
    command.env("LC_ALL", "C");
    command.stdin(Stdio::null());
    command
}

/// A program of the system. On Debian the daemons are where an ordinary user does not look.
pub(crate) fn tool(name: &str) -> Command {
    program(find(name).unwrap_or_else(|| name.into()))
}

/// Whether the system has a program.
pub(crate) fn there_is(name: &str) -> bool {
    find(name).is_some()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    // Of a PATH that was made for these tests alone nothing else is meant.
    let of_the_system = folders.iter().any(|folder| folder == Path::new("/usr/bin") || folder == Path::new("/bin"));
    let daemons = of_the_system.then(|| ["/usr/sbin".into(), "/sbin".into()]).into_iter().flatten();
    folders.into_iter().chain(daemons).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Whether this process may mount in a name space of its own.
pub(crate) fn may_mount() -> bool {
    let mounted = program("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    mounted.is_ok_and(|output| output.status.success())
}

/// The folders of the overlays that our packages ship, by name; `None` in a tree without packages.
fn packaged_overlays() -> Option<[(&'static str, PathBuf); 2]> {
    let of = |package: &str, name| Path::new(CRATE).join("../srcpkgs").join(package).join("files/overlays").join(name);
    let overlays = [("master", of("cluster-master", "master")), ("client", of("cluster-overlays", "client"))];
    overlays.iter().all(|(_, folder)| folder.is_dir()).then_some(overlays)
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Insists on a status.
    #[track_caller]
    pub(crate) fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, status, "status; printed:\n{}{}", self.out, self.err);
        self
    }

    /// The output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

/// A root in a temporary folder.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty root.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The example's configuration over overlays of one or two files, so that a test shows all that matters to it.
    pub(crate) fn small() -> Self {
        let place = Self::empty();
        place.copy_tree(&Path::new(CRATE).join("examples/vcluster"), "");
        place.write("usr/share/voidclust/overlays/master/dnsmasq.conf.j2", "interface={{ network.interface }}\n");
        place.write("usr/share/voidclust/overlays/client/hostname.j2", "{{ node.fqdn }}\n");
        place.write("usr/share/voidclust/overlays/client/motd", "welcome\n");
        place
    }

    /// The same, its nodes booting the live tree: a machine that runs from its overlay makes a generation else.
    pub(crate) fn live() -> Self {
        let place = Self::small();
        place.write("etc/voidclust.d/00-live.conf", "[client]\ngeneration = \"head\"\n");
        place
    }

    /// The example's small site, applied.
    pub(crate) fn applied() -> Self {
        let place = Self::small();
        place.run(&["apply"]).ended(0);
        place
    }

    /// Lays the packages' overlays into the root; false when there are none to lay.
    pub(crate) fn add_packaged_overlays(&self) -> bool {
        let Some(overlays) = packaged_overlays() else { return false };
        for (name, folder) in overlays {
            self.copy_tree(&folder, &format!("usr/share/voidclust/overlays/{name}"));
        }
        true
    }

    /// The root's own path.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path under the root.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, and its parents.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Adds lines to a file.
    pub(crate) fn append(&self, path: &str, text: &str) {
        // As a service writes to its log: nobody sees the file without what was there.
        std::fs::OpenOptions::new().append(true).open(self.at(path)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The text of a file.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Removes a file or a folder.
    pub(crate) fn remove(&self, path: &str) {
        let path = self.at(path);
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }

    /// Gives a file another name.
    pub(crate) fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.at(from), self.at(to)).unwrap();
    }

    /// Sets permission bits.
    pub(crate) fn chmod(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.at(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Makes a symbolic link.
    pub(crate) fn link(&self, target: impl AsRef<Path>, path: &str) {
        let path = self.at(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// Copies a folder into the root. Git keeps no modes but the execute bit, so every other bit is set here. The
    /// configuration may be a link to the shipped one.
    pub(crate) fn copy_tree(&self, from: &Path, to: &str) {
        let target = self.at(to);
        std::fs::create_dir_all(&target).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name().into_string().unwrap())).unwrap();
            let inside = if to.is_empty() { name.clone() } else { format!("{to}/{name}") };
            if entry.is_symlink() && inside != "etc/voidclust.conf" {
                symlink(std::fs::read_link(&entry).unwrap(), self.at(&inside)).unwrap();
            } else if entry.is_dir() {
                self.copy_tree(&entry, &inside);
            } else {
                let executable = entry.metadata().unwrap().mode() & 0o100 != 0;
                std::fs::copy(&entry, self.at(&inside)).unwrap();
                self.chmod(&inside, if executable { 0o755 } else { 0o644 });
            }
        }
    }

    /// The binary with this root, to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(env!("CARGO_BIN_EXE_voidclust"));
        // Nothing of the machine's own settings, and no tool that this machine happens to have somewhere else.
        command.env_clear().env("PATH", "/usr/bin:/bin").arg("--root").arg(self.root()).args(arguments);
        command
    }

    /// Runs the binary on this root. Its path reads ROOT in what is printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.ran(&mut self.command(arguments))
    }

    /// Runs a command to its end.
    pub(crate) fn ran(&self, command: &mut Command) -> Ran {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&self.root().display().to_string(), "ROOT");
        let ran = Ran { status: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) };
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran
    }

    /// Runs a shell script in a name space of its own, with the root as `$1` and the binary as `$2`.
    pub(crate) fn unshared(&self, script: &str) -> Ran {
        let mut command = program("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"]);
        self.ran(command.arg(self.root()).arg(env!("CARGO_BIN_EXE_voidclust")))
    }

    /// Everything under the root, links not followed, but for what a run may note although there was nothing to do.
    pub(crate) fn tree(&self) -> BTreeMap<String, Stands> {
        let mut tree = BTreeMap::new();
        self.walk("", &mut tree);
        tree
    }

    fn walk(&self, below: &str, tree: &mut BTreeMap<String, Stands>) {
        for entry in std::fs::read_dir(self.at(below)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if path == STAMPS {
                continue;
            }
            let meta = self.at(&path).symlink_metadata().unwrap();
            let mode = meta.mode() & 0o7777;
            let stands = if meta.is_symlink() {
                Stands::Link(std::fs::read_link(self.at(&path)).unwrap().display().to_string())
            } else if meta.is_dir() {
                self.walk(&path, tree);
                Stands::Folder(mode)
            } else {
                Stands::File { mode, bytes: std::fs::read(self.at(&path)).unwrap(), changed: meta.modified().unwrap() }
            };
            tree.insert(path, stands);
        }
    }

    /// The text of a member of a node's archive.
    pub(crate) fn member(&self, archive: &str, member: &str) -> Option<String> {
        let bytes = std::fs::read(self.at(&format!("var/lib/voidclust/nodes/{archive}.00-voidclust.tar"))).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let entry = entries.find(|entry| entry.path_bytes().as_ref() == member.as_bytes())?;
        Some(std::io::read_to_string(entry).unwrap())
    }
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stands {
    Folder(u32),
    Link(String),
    File { mode: u32, bytes: Vec<u8>, changed: SystemTime },
}

/// Writes an expectation anew.
pub(crate) fn bless(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}
