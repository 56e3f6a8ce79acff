//! The programs that a node's firmware loads first: PXELINUX for BIOS machines, GRUB for UEFI machines.
//!
//! GRUB is made here, with the master's address spelled in it: behind another DHCP server it would ask that one for its
//! configuration.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use crate::paths;
use crate::root::Root;
use crate::site::Site;
use crate::tools::{Tool, on_path};
use crate::tree::{Item, Tree};

/// PXELINUX and the folder of its libraries, always from one package: Void's syslinux, and Debian's two.
const PXELINUX: &[(&str, &str)] =
    &[("usr/lib/syslinux/lpxelinux.0", "usr/lib/syslinux"), ("usr/lib/PXELINUX/lpxelinux.0", "usr/lib/syslinux/modules/bios")];
/// What it loads before anything else.
const LIBRARY: &str = "ldlinux.c32";
/// What it loads to show a menu.
const MENU: &[&str] = &["libutil.c32", "menu.c32"];

const GRUB_MODULES: &str = "usr/lib/grub/x86_64-efi";

/// What GRUB needs to get an address (efinet), fetch files (tftp), run our scripts, show what happens on screen and
/// serial line, and start Linux. A module that a version of GRUB lacks is left out, but for these first ones.
const NEEDED: &[&str] =
    &["efinet", "tftp", "memdisk", "tar", "normal", "configfile", "linux", "regexp", "test", "echo", "sleep", "reboot"];
const WELCOME: &[&str] = &["all_video", "boot", "cat", "gfxterm", "halt", "help", "ls", "minicmd", "serial", "terminal", "true"];

/// The loaders for the site's firmware, and what is missing, as sentences that say what to do.
///
/// # Errors
/// When something is there but cannot be read, or grub-mkimage fails.
pub fn loaders(root: &Root, site: &Site) -> Result<(Tree, Vec<String>)> {
    let (mut tree, mut notes) = (Tree::default(), Vec::new());
    if site.boot.bios {
        match pxelinux(root, site.boot.timeout > 0)? {
            Some(files) => {
                for (name, bytes) in files {
                    tree.insert(format!("{}/{name}", paths::BOOT_TREE), Item::file(bytes));
                }
            }
            None => notes
                .push(format!("{}: not there; install syslinux, or BIOS machines find no loader", root.display(PXELINUX[0].0))),
        }
    }
    if site.boot.uefi {
        let modules = root.list(GRUB_MODULES)?.unwrap_or_default();
        if modules.is_empty() {
            notes.push(format!(
                "{}: not there; install grub-x86_64-efi, or UEFI machines find no loader",
                root.display(GRUB_MODULES)
            ));
        } else if !on_path("grub-mkimage") {
            notes.push(
                "grub-mkimage: not found; install grub (here, not in the other root), or UEFI machines find no loader".to_owned(),
            );
        } else {
            let image = grub(root, &modules, &site.network.address.address.to_string())?;
            tree.insert(format!("{}/grub/grubx64.efi", paths::BOOT_TREE), Item::file(image));
        }
    }
    Ok((tree, notes))
}

/// All files of PXELINUX with their names, or none: one without the other would stop a node in the middle.
fn pxelinux(root: &Root, menu: bool) -> Result<Option<BTreeMap<&'static str, Vec<u8>>>> {
    let libraries = std::iter::once(&LIBRARY).chain(if menu { MENU } else { &[] });
    for (loader, folder) in PXELINUX {
        let Some(loader) = root.read(loader)? else { continue };
        let mut files = BTreeMap::from([("lpxelinux.0", loader)]);
        for name in libraries.clone() {
            files.extend(root.read(&format!("{folder}/{name}"))?.map(|bytes| (*name, bytes)));
        }
        if files.len() == 1 + libraries.clone().count() {
            return Ok(Some(files));
        }
    }
    Ok(None)
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
    put(&place("memdisk.tar"), &archive("start.cfg", START.replace("MASTER", master).as_bytes())?)?;
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

/// A tar archive of one file, the same bytes every time.
fn archive(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, name, bytes)?;
    Ok(archive.into_inner()?)
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
        let (tree, notes) = loaders(&root, &site(true, true)).unwrap();
        assert!(tree.0.is_empty());
        assert!(notes[0].contains("install syslinux") && notes[1].contains("install grub-x86_64-efi"), "{notes:?}");
        assert_eq!(loaders(&root, &site(true, false)).unwrap().1.len(), 1, "nobody asked for UEFI");
    }

    #[test]
    fn pxelinux_and_its_library_come_from_one_package() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        for path in [PXELINUX[0].0, PXELINUX[1].0, "usr/lib/syslinux/modules/bios/ldlinux.c32"] {
            create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            put(&dir.path().join(path), path.as_bytes()).unwrap();
        }
        let (tree, notes) = loaders(&root, &site(true, false)).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(tree.0.keys().collect::<Vec<_>>(), ["srv/tftp/ldlinux.c32", "srv/tftp/lpxelinux.0"]);
        assert_eq!(tree.0["srv/tftp/lpxelinux.0"], Item::file(PXELINUX[1].0.as_bytes()));

        let mut menu = site(true, false);
        menu.boot.timeout = 5;
        assert!(loaders(&root, &menu).unwrap().0.0.is_empty(), "half of it would stop a node in the middle");
        for name in MENU {
            put(&dir.path().join(PXELINUX[1].1).join(name), name.as_bytes()).unwrap();
        }
        assert_eq!(loaders(&root, &menu).unwrap().0.0.len(), 4);
    }

    #[test]
    fn grub_is_the_same_every_time_and_holds_the_masters_address() {
        if !on_path("grub-mkimage") || metadata(Path::new("/").join(GRUB_MODULES)).is_err() {
            eprintln!("skipped: grub-mkimage or grub-x86_64-efi is not installed here");
            return;
        }
        let root = Root::open(Path::new("/")).unwrap();
        let site = site(false, true);
        let (tree, notes) = loaders(&root, &site).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(loaders(&root, &site).unwrap().0, tree);
        let Item::File { bytes, mode: 0o644 } = &tree.0["srv/tftp/grub/grubx64.efi"] else { panic!("not a readable file") };
        assert_eq!(&bytes[..2], b"MZ");
        // The start of GRUB is compressed nowhere in an EFI image, so the address can be seen.
        let needle = format!("(tftp,{})/grub", site.network.address.address);
        assert!(bytes.windows(needle.len()).any(|window| window == needle.as_bytes()));
    }
}
