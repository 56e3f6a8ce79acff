//! The programs that a node's firmware loads first: PXELINUX for BIOS machines, GRUB for UEFI machines.
//!
//! GRUB is made here, with the master's address spelled in it: behind another DHCP server it would ask that one for its
//! configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use crate::disk::archive;
use crate::disk::root::Root;
use crate::disk::tree::{Item, Tree};
use crate::paths;
use crate::site::Site;
use crate::tools::{Tool, on_path};

/// PXELINUX and the folder of its libraries, always from one package: Void's syslinux, and Debian's two.
const PXELINUX: &[(&str, &str)] =
    &[("usr/lib/syslinux/lpxelinux.0", "usr/lib/syslinux"), ("usr/lib/PXELINUX/lpxelinux.0", "usr/lib/syslinux/modules/bios")];
/// Its name on the boot server.
const LOADER: &str = "lpxelinux.0";
/// What it loads before anything else.
const LIBRARY: &str = "ldlinux.c32";
/// What it loads to show a menu.
const MENU: &[&str] = &["libutil.c32", "menu.c32"];

const GRUB_MODULES: &str = "usr/lib/grub/x86_64-efi";

/// What GRUB needs to get an address (efinet), fetch files (tftp), run our scripts, show what happens on screen and
/// serial line, and start Linux. A module that a version of GRUB lacks is left out, but for these first ones.
const NEEDED: &[&str] =
    &["boot", "efinet", "tftp", "memdisk", "tar", "normal", "configfile", "linux", "regexp", "test", "echo", "sleep", "reboot"];
const WELCOME: &[&str] = &["all_video", "cat", "gfxterm", "halt", "help", "http", "ls", "minicmd", "serial", "terminal", "true"];

/// What there is to serve.
#[derive(Debug, Default)]
pub struct Loaders {
    /// Their files.
    pub tree: Tree,
    /// The paths of loaders that are wanted and cannot be made, because something is missing.
    pub unmade: BTreeSet<String>,
    /// What is missing, as sentences that say what to do.
    pub notes: Vec<String>,
}

/// The loaders for the site's firmware.
///
/// # Errors
/// When something is there but cannot be read, or grub-mkimage fails.
pub fn loaders(root: &Root, site: &Site) -> Result<Loaders> {
    let mut loaders = Loaders::default();
    if site.boot.bios {
        match pxelinux(root, site.boot.timeout > 0)? {
            Ok(files) => {
                for (name, bytes) in files {
                    loaders.tree.insert(served(name), Item::file(bytes));
                }
            }
            Err(missing) => {
                let names = [LOADER, LIBRARY].iter().chain(MENU);
                let what = format!("{}: not there; install syslinux", root.display(&missing));
                loaders.miss(root, &names.map(|name| served(name)).collect::<Vec<_>>(), &what, "BIOS")?;
            }
        }
    }
    if site.boot.uefi {
        let path = served("grub/grubx64.efi");
        let modules = root.list(GRUB_MODULES)?.unwrap_or_default();
        if modules.is_empty() {
            let what = format!("{}: not there; install grub-x86_64-efi", root.display(GRUB_MODULES));
            loaders.miss(root, &[path], &what, "UEFI")?;
        } else if !on_path("grub-mkimage") {
            loaders.miss(root, &[path], "grub-mkimage: not found; install grub (here, not in the other root)", "UEFI")?;
        } else {
            loaders.tree.insert(path, Item::file(grub(root, &modules, &site.network.address.address.to_string())?));
        }
    }
    Ok(loaders)
}

fn served(name: &str) -> String {
    format!("{}/{name}", paths::BOOT_TREE)
}

impl Loaders {
    fn miss(&mut self, root: &Root, files: &[String], what: &str, firmware: &str) -> Result<()> {
        let consequence = match root.open_file(&files[0])? {
            Some(_) => format!("the loader of {firmware} machines stays as it is"),
            None => format!("or {firmware} machines find no loader"),
        };
        self.notes.push(format!("{what}, {consequence}"));
        self.unmade.extend(files.iter().cloned());
        Ok(())
    }
}

/// All files of PXELINUX with their names, or the path of what is missing: one without the other would stop a node in the
/// middle.
fn pxelinux(root: &Root, menu: bool) -> Result<Result<BTreeMap<&'static str, Vec<u8>>, String>> {
    let mut missing = None;
    for (loader, folder) in PXELINUX {
        let Some(loader) = root.read(loader)? else { continue };
        let mut files = BTreeMap::from([(LOADER, loader)]);
        let mut lacks = None;
        for name in std::iter::once(&LIBRARY).chain(if menu { MENU } else { &[] }) {
            let path = format!("{folder}/{name}");
            match root.read(&path)? {
                Some(bytes) => {
                    files.insert(*name, bytes);
                }
                None => lacks = lacks.or(Some(path)),
            }
        }
        let Some(path) = lacks else { return Ok(Ok(files)) };
        missing = missing.or(Some(path));
    }
    Ok(Err(missing.unwrap_or_else(|| PXELINUX[0].0.to_owned())))
}

/// Run by GRUB's one-command-a-line parser, which knows no loops; the script that it starts does.
const EARLY: &str = "normal (memdisk)/start.cfg\n";

/// After a power cut everything starts at once, so GRUB may be up before the master is again: it waits. Then it takes the
/// configuration of this machine's card, else everybody's; `configfile` comes back only when there was nothing to boot.
const START: &str = r#"set prefix=(tftp,MASTER)/grub
set root=(tftp,MASTER)
until [ -s "(tftp,MASTER)/grub/grub.cfg" ]; do
	echo "voidclust: MASTER does not answer, trying again..."
	sleep 5
done
regexp -s 1:a -s 2:b -s 3:c -s 4:d -s 5:e -s 6:f "^(..):(..):(..):(..):(..):(..)" "$net_default_mac"
set own="(tftp,MASTER)/grub/grub.cfg-01-$a-$b-$c-$d-$e-$f"
if [ -s "$own" ]; then
	configfile "$own"
else
	configfile "(tftp,MASTER)/grub/grub.cfg"
fi
echo "voidclust: nothing could be booted, starting again in 30 seconds..."
sleep 30
reboot
"#;

fn grub(root: &Root, there: &[String], master: &str) -> Result<Vec<u8>> {
    let scratch = tempfile::tempdir().context("cannot make a temporary folder for grub-mkimage")?;
    let place = |name: &str| scratch.path().join(name);
    put(&place("early.cfg"), EARLY.as_bytes())?;
    let start = Item::file(START.replace("MASTER", master));
    put(&place("memdisk.tar"), &archive::write(&[("start.cfg", &start)])?)?;
    let welcome = WELCOME.iter().filter(|module| there.contains(&format!("{module}.mod")));
    Tool::new("grub-mkimage")
        .args(["-O", "x86_64-efi", "-d"])
        .arg(root.path().join(GRUB_MODULES))
        .args(["-p", &format!("(tftp,{master})/grub"), "-c"])
        .arg(place("early.cfg"))
        .arg("-m")
        .arg(place("memdisk.tar"))
        .arg("-o")
        .arg(place("grubx64.efi"))
        .args(NEEDED.iter().chain(welcome).copied())
        .output()?;
    std::fs::read(place("grubx64.efi")).context("grub-mkimage ended well but made no image")
}

#[allow(clippy::disallowed_methods, reason = "into a temporary folder of our own")]
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{}: cannot write", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, metadata};

    fn site(bios: bool, uefi: bool) -> Site {
        let mut site = crate::testing::example_site();
        (site.boot.bios, site.boot.uefi) = (bios, uefi);
        site
    }

    #[test]
    fn what_is_missing_is_told_with_the_package_that_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let Loaders { tree, unmade, notes } = loaders(&root, &site(true, true)).unwrap();
        assert!(tree.0.is_empty());
        assert!(unmade.contains("srv/tftp/lpxelinux.0") && unmade.contains("srv/tftp/grub/grubx64.efi"), "{unmade:?}");
        assert!(notes[0].contains("install syslinux") && notes[1].contains("install grub-x86_64-efi"), "{notes:?}");
        assert!(notes.iter().all(|note| note.contains("machines find no loader")), "{notes:?}");
        let loaders = loaders(&root, &site(true, false)).unwrap();
        assert_eq!(loaders.notes.len(), 1, "nobody asked for UEFI");
        assert!(!loaders.unmade.contains("srv/tftp/grub/grubx64.efi"));
    }

    #[test]
    fn pxelinux_and_its_library_come_from_one_package() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        for path in [PXELINUX[0].0, PXELINUX[1].0, "usr/lib/syslinux/modules/bios/ldlinux.c32"] {
            create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            put(&dir.path().join(path), path.as_bytes()).unwrap();
        }
        let Loaders { tree, notes, .. } = loaders(&root, &site(true, false)).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(tree.0.keys().collect::<Vec<_>>(), ["srv/tftp/ldlinux.c32", "srv/tftp/lpxelinux.0"]);
        assert_eq!(tree.0["srv/tftp/lpxelinux.0"], Item::file(PXELINUX[1].0.as_bytes()));

        let mut menu = site(true, false);
        menu.boot.timeout = 5;
        let half = loaders(&root, &menu).unwrap();
        assert!(half.tree.0.is_empty(), "half of it would stop a node in the middle");
        assert!(half.notes[0].contains("usr/lib/syslinux/ldlinux.c32: not there"), "{:?}", half.notes);
        for name in MENU {
            put(&dir.path().join(PXELINUX[1].1).join(name), name.as_bytes()).unwrap();
        }
        assert_eq!(loaders(&root, &menu).unwrap().tree.0.len(), 4);
    }

    #[test]
    fn grub_is_the_same_every_time_and_holds_the_masters_address() {
        if !on_path("grub-mkimage") || metadata(Path::new("/").join(GRUB_MODULES)).is_err() {
            let why = "grub-mkimage or grub-x86_64-efi is not installed here";
            return crate::testing::skip("grub_is_the_same_every_time_and_holds_the_masters_address", why);
        }
        let root = Root::open(Path::new("/")).unwrap();
        let site = site(false, true);
        let Loaders { tree, notes, .. } = loaders(&root, &site).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(loaders(&root, &site).unwrap().tree, tree);
        let efi = &tree.0["srv/tftp/grub/grubx64.efi"];
        let (Some(bytes), 0o644) = (efi.bytes().map(crate::disk::tree::Bytes::whole), efi.mode) else {
            panic!("not a readable file")
        };
        assert_eq!(&bytes[..2], b"MZ");
        // The start of GRUB is compressed nowhere in an EFI image, so the address can be seen.
        let needle = format!("(tftp,{})/grub", site.network.address.address);
        assert!(bytes.windows(needle.len()).any(|window| window == needle.as_bytes()));
    }
}
