//! What the loaders read: PXELINUX and GRUB configurations. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::disk::tree::{Item, Tree};
use crate::image::Image;
use crate::paths;
use crate::render::template;
use crate::site::Site;
use crate::types::{Kernel, Mac};

/// One entry of a loader's menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Entry {
    label: String,
    kernel: String,
    folder: String,
}

/// The image that a kernel wish stands for: `images` has the best first.
#[must_use]
pub fn image_for<'images>(wish: &Kernel, images: &'images [Image]) -> Option<&'images Image> {
    match wish {
        Kernel::Newest => images.first(),
        Kernel::Version(version) => images.iter().find(|image| image.kernel == *version),
    }
}

/// The menu of a machine: its image first, the others behind it for fallback.
fn entries(wish: &Kernel, images: &[Image]) -> Vec<Entry> {
    let Some(first) = image_for(wish, images) else { return Vec::new() };
    let others = images.iter().filter(|image| *image != first);
    let entry = |image: &Image| Entry {
        label: format!("{}-{}", image.kernel, image.digest),
        kernel: image.kernel.clone(),
        folder: image.folder(),
    };
    std::iter::once(first).chain(others).map(entry).collect()
}

/// The configurations of all loaders, naming images that exist: those of [`crate::image::best_first`].
///
/// # Errors
/// When a template of ours fails, which is a defect of ours.
pub fn tree(site: &Site, images: &[Image]) -> anyhow::Result<Tree> {
    let mut environment = template::environment()?;
    environment.add_template("pxelinux", include_str!("../../templates/pxelinux.cfg.j2"))?;
    environment.add_template("grub", include_str!("../../templates/grub.cfg.j2"))?;
    let mut tree = Tree::default();
    // A menu without a card in it is the same for all nodes that boot alike.
    let mut alike: BTreeMap<(String, String, String), Item> = BTreeMap::new();
    let mut add = |path: String, template: &str, wish: &Kernel, line: &str, mac: Option<Mac>| -> anyhow::Result<()> {
        let key = (template.to_owned(), wish.to_string(), line.to_owned());
        if let Some(item) = alike.get(&key).filter(|_| mac.is_none()) {
            tree.insert(path, item.clone());
            return Ok(());
        }
        let text = environment.get_template(template)?.render(template::values(json!({
            "entries": entries(wish, images),
            "wish": wish,
            "line": line,
            "mac": mac,
            "timeout": site.boot.timeout,
            "master": site.network.address.address,
        })))?;
        let item = Item::file(text.into_bytes());
        if mac.is_none() {
            alike.insert(key, item.clone());
        }
        tree.insert(path, item);
        Ok(())
    };
    let common = (&site.client.kernel, site.command_line(None));
    if site.boot.bios {
        add(paths::pxelinux_menu(None), "pxelinux", common.0, &common.1, None)?;
    }
    if site.boot.uefi {
        add(paths::grub_menu(None), "grub", common.0, &common.1, None)?;
    }
    for node in &site.nodes {
        let own = (site.kernel_of(node), site.command_line(Some(node)));
        if own == common {
            continue;
        }
        for mac in &node.macs {
            if site.boot.bios {
                add(paths::pxelinux_menu(Some(&mac.loader_name())), "pxelinux", own.0, &own.1, None)?;
            }
            if site.boot.uefi {
                // The name that start.cfg in the GRUB image looks for first; GRUB's own search has the same.
                add(paths::grub_menu(Some(&mac.loader_name())), "grub", own.0, &own.1, Some(*mac))?;
            }
        }
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::example_site;

    fn image(kernel: &str, digest: &str) -> Image {
        let part = crate::image::Part { size: 1, sha256: String::new() };
        let (kernel, digest) = (kernel.to_owned(), digest.to_owned());
        Image { kernel, digest, inputs: String::new(), built: 0, vmlinuz: part.clone(), initramfs: part }
    }

    fn text(tree: &Tree, path: &str) -> String {
        let item = &tree.0[&format!("srv/tftp/{path}")];
        assert_eq!(item.mode, 0o644);
        String::from_utf8(item.bytes().unwrap().whole().into_owned()).unwrap()
    }

    #[test]
    fn the_newest_image_is_first_and_the_others_stay_to_fall_back_to() {
        let site = example_site();
        let images = [image("6.12.10_1", "bbb"), image("6.12.9_1", "aaa")];
        let tree = tree(&site, &images).unwrap();
        let pxelinux = text(&tree, "pxelinux.cfg/default");
        let at = |what: &str| pxelinux.find(what).unwrap_or_else(|| panic!("{what} in {pxelinux}"));
        assert!(at("DEFAULT 6.12.10_1-bbb") < at("KERNEL images/6.12.10_1-bbb/vmlinuz"));
        assert!(at("INITRD images/6.12.10_1-bbb/initramfs.img") < at("KERNEL images/6.12.9_1-aaa/vmlinuz"));
    }

    #[test]
    fn a_pinned_node_boots_its_kernel_and_only_nodes_that_differ_have_a_file() {
        let mut site = example_site();
        site.nodes[0].kernel = Some("6.12.9_1".parse().unwrap());
        site.nodes[1].address = None;
        let images = [image("6.12.10_1", "bbb"), image("6.12.9_1", "aaa")];
        let tree = tree(&site, &images).unwrap();
        assert!(text(&tree, "pxelinux.cfg/01-52-54-00-17-c7-e2").contains("DEFAULT 6.12.9_1-aaa"));
        assert!(text(&tree, "grub/grub.cfg-01-52-54-00-17-c7-e2").contains("images/6.12.9_1-aaa/vmlinuz"));
        assert!(!tree.0.contains_key("srv/tftp/pxelinux.cfg/01-52-54-00-17-c7-e3"));
        assert_eq!(tree.0.len(), 2 + 2 * 2);
    }

    #[test]
    fn without_an_image_the_loader_says_so_instead_of_naming_what_is_not_there() {
        let site = example_site();
        let tree = tree(&site, &[]).unwrap();
        for path in ["pxelinux.cfg/default", "grub/grub.cfg"] {
            let text = text(&tree, path);
            assert!(text.contains("no image") && !text.contains("vmlinuz"), "{text}");
        }
    }

    #[test]
    fn grub_names_the_master_in_every_path() {
        let site = example_site();
        let text = text(&tree(&site, &[image("6.12.10_1", "bbb")]).unwrap(), "grub/grub.cfg");
        assert!(text.contains("linux (tftp,172.23.199.225)/images/6.12.10_1-bbb/vmlinuz nfsroot="), "{text}");
        assert!(text.contains("BOOTIF=01-$net_default_mac"), "{text}");
    }
}
