//! What the loaders read: PXELINUX and GRUB configurations. Pure.

use std::collections::{BTreeMap, btree_map};

use serde::Serialize;
use serde_json::json;

use crate::disk::tree::{Item, Tree};
use crate::image::Image;
use crate::parallel;
use crate::paths;
use crate::render::template;
use crate::site::{Node, Root, Site, Transfer};
use crate::types::{Kernel, Mac};

/// One entry of a loader's menu: an image with a root that has its modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Entry {
    label: String,
    kernel: String,
    folder: String,
    line: String,
}

/// The image that a kernel wish stands for: `images` has the best first.
fn image_for<'images>(wish: &Kernel, images: &[&'images Image]) -> Option<&'images Image> {
    match wish {
        Kernel::Newest => images.first().copied(),
        Kernel::Version(version) => images.iter().find(|image| image.kernel == *version).copied(),
    }
}

/// The images for a root, the best first. With the live tree any may do, those last whose kernel has gone; a generation
/// never gets back what it has not.
fn images_for<'images>(site: &Site, root: Root, images: &'images [Image], installed: &[String]) -> Vec<&'images Image> {
    let kernels = site.kernels_in(root, installed);
    let (with, without): (Vec<&Image>, Vec<&Image>) = images.iter().partition(|image| kernels.contains(&image.kernel));
    if root == Root::Head { with.into_iter().chain(without).collect() } else { with }
}

/// The menu of a machine: its image first, the others that its root has modules of behind it, and then the generation
/// before, to fall back to.
fn pairs<'images>(
    site: &Site,
    node: Option<&Node>,
    images: &'images [Image],
    installed: &[String],
) -> Vec<(&'images Image, Root)> {
    let (wish, root) = (site.kernel_wish(node), site.root_of(node));
    let own = images_for(site, root, images, installed);
    let Some(first) = image_for(wish, &own).filter(|_| !site.lacks_root(node)) else { return Vec::new() };
    let others = own.into_iter().filter(|image| *image != first);
    let mut pairs: Vec<_> = std::iter::once(first).chain(others).map(|image| (image, root)).collect();
    if let Root::Generation(number) = root {
        let before = site.generations.made.range(..number).rev().find_map(|(number, _)| {
            let root = Root::Generation(*number);
            let images = images_for(site, root, images, installed);
            Some((image_for(wish, &images).or(images.first().copied())?, root))
        });
        pairs.extend(before);
    }
    pairs
}

/// What a machine (`None`: one that is not listed) boots when nobody chooses; `None` when there is nothing for it.
#[must_use]
pub fn first<'images>(
    site: &Site,
    node: Option<&Node>,
    images: &'images [Image],
    installed: &[String],
) -> Option<(&'images Image, Root)> {
    pairs(site, node, images, installed).first().copied()
}

/// What a machine says for which there is nothing to boot.
fn missing(site: &Site, node: Option<&Node>, kind: &Kind) -> String {
    match kind.root {
        Root::Head if site.lacks_root(node) => "nothing was published yet; run there: voidclust publish".to_owned(),
        Root::Head => format!("the master has no image for kernel {} yet; run there: voidclust image build", kind.wish),
        Root::Generation(number) => {
            format!("the master has no image for kernel {} of generation {number}; run there: voidclust apply", kind.wish)
        }
    }
}

fn entry(image: &Image, root: Root, line: String) -> Entry {
    let of = match root {
        Root::Head => String::new(),
        Root::Generation(number) => format!("-g{number}"),
    };
    Entry { label: format!("{}-{}{of}", image.kernel, image.digest), kernel: image.kernel.clone(), folder: image.folder(), line }
}

/// The configurations of all loaders, naming images that exist: those of [`crate::image::kept`]. `installed` are the kernels
/// of the live tree.
///
/// # Errors
/// When a template of ours fails, which is a defect of ours.
pub fn tree(site: &Site, images: &[Image], installed: &[String]) -> anyhow::Result<Tree> {
    let mut environment = template::environment()?;
    environment.add_template("pxelinux", include_str!("../../templates/pxelinux.cfg.j2"))?;
    environment.add_template("grub", include_str!("../../templates/grub.cfg.j2"))?;
    let render = |template: &str, node: Option<&Node>, kind: &Kind| -> anyhow::Result<String> {
        let pairs = pairs(site, node, images, installed);
        let entries: Vec<Entry> = pairs.into_iter().map(|(image, root)| entry(image, root, line(site, node, root))).collect();
        Ok(environment.get_template(template)?.render(template::values(json!({
            "entries": entries,
            "missing": missing(site, node, kind),
            "mac": node.map(|_| CARD),
            "timeout": site.boot.timeout,
            "master": site.network.address.address,
            "http": site.transfer() == Transfer::Http,
        })))?)
    };
    let menus = |node: Option<&Node>, kind: &Kind| -> anyhow::Result<[Option<String>; 2]> {
        let pxelinux = site.boot.bios.then(|| render("pxelinux", node, kind)).transpose()?;
        Ok([pxelinux, site.boot.uefi.then(|| render("grub", node, kind)).transpose()?])
    };
    let mut tree = Tree::default();
    let common = Kind::of(site, None);
    let [pxelinux, grub] = menus(None, &common)?;
    tree.0.extend(pxelinux.map(|text| (paths::pxelinux_menu(None), Item::file(text))));
    tree.0.extend(grub.map(|text| (paths::grub_menu(None), Item::file(text))));
    let of_nodes = |nodes: &[Node]| -> anyhow::Result<Tree> {
        let mut tree = Tree::default();
        // Rendered once for all nodes that boot alike.
        let mut alike: BTreeMap<Kind, [Option<Menu>; 2]> = BTreeMap::new();
        for node in nodes {
            let own = Kind::of(site, Some(node));
            if own == common {
                continue;
            }
            let [pxelinux, grub] = match alike.entry(own) {
                btree_map::Entry::Occupied(there) => there.into_mut(),
                btree_map::Entry::Vacant(place) => {
                    let menus = menus(Some(node), place.key())?.map(|text| text.map(Menu::from));
                    place.insert(menus)
                }
            };
            for mac in &node.macs {
                let name = mac.loader_name();
                tree.0.extend(pxelinux.as_ref().map(|menu| (paths::pxelinux_menu(Some(&name)), menu.of(node, *mac))));
                // The name that start.cfg in the GRUB image looks for first; GRUB's own search has the same.
                tree.0.extend(grub.as_ref().map(|menu| (paths::grub_menu(Some(&name)), menu.of(node, *mac))));
            }
        }
        Ok(tree)
    };
    for share in parallel::shares(&site.nodes, parallel::FEW, of_nodes) {
        tree.extend(share?);
    }
    Ok(tree)
}

/// Stand for the card and the address in what is rendered for many. No value of a site has these characters.
const CARD: char = '\0';
const ADDRESS: char = '\x01';

/// The kernel command line, the address left open.
fn line(site: &Site, node: Option<&Node>, root: Root) -> String {
    site.command_line_at(node.and_then(|node| node.address).map(|_| ADDRESS.to_string()).as_deref(), node, root)
}

/// What nodes read that boot alike.
enum Menu {
    /// The same for all of them.
    Same(Item),
    /// With places for what is a node's own.
    Open(String),
}

impl From<String> for Menu {
    fn from(text: String) -> Self {
        if text.contains([CARD, ADDRESS]) { Self::Open(text) } else { Self::Same(Item::file(text)) }
    }
}

impl Menu {
    fn of(&self, node: &Node, mac: Mac) -> Item {
        match self {
            Self::Same(item) => item.clone(),
            Self::Open(text) => {
                let address = node.address.map(|address| address.to_string()).unwrap_or_default();
                Item::file(text.replace(CARD, &mac.to_string()).replace(ADDRESS, &address))
            }
        }
    }
}

/// All that the menu of a machine follows from, but for its card and its address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    wish: String,
    root: Root,
    line: String,
}

impl Kind {
    fn of(site: &Site, node: Option<&Node>) -> Self {
        let root = site.root_of(node);
        Self { wish: site.kernel_wish(node).to_string(), root, line: line(site, node, root) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{example_site, generation};
    use crate::types::generation::RootWish;

    fn image(kernel: &str, digest: &str) -> Image {
        let part = crate::image::Part { size: 1, sha256: String::new() };
        let (kernel, digest) = (kernel.to_owned(), digest.to_owned());
        Image { kernel, digest, inputs: String::new(), built: 0, vmlinuz: part.clone(), initramfs: part }
    }

    fn installed() -> Vec<String> {
        ["6.12.9_1", "6.12.10_1"].map(ToOwned::to_owned).to_vec()
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
        let tree = tree(&site, &images, &installed()).unwrap();
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
        let tree = tree(&site, &images, &installed()).unwrap();
        assert!(text(&tree, "pxelinux.cfg/01-52-54-00-17-c7-e2").contains("DEFAULT 6.12.9_1-aaa"));
        assert!(text(&tree, "grub/grub.cfg-01-52-54-00-17-c7-e2").contains("images/6.12.9_1-aaa/vmlinuz"));
        assert!(!tree.0.contains_key("srv/tftp/pxelinux.cfg/01-52-54-00-17-c7-e3"));
        assert_eq!(tree.0.len(), 2 + 2 * 2);
    }

    #[test]
    fn each_image_is_offered_with_a_generation_that_has_its_modules() {
        let mut site = example_site();
        site.generations.made.insert(1, generation(1, &["6.12.9_1"]));
        site.generations.made.insert(2, generation(2, &["6.12.9_1", "6.12.10_1"]));
        site.generations.published.all = 2;
        site.nodes[0].generation = Some(RootWish::Number(1));
        site.nodes[1].generation = Some(RootWish::Head);
        let images = [image("6.12.11_1", "ccc"), image("6.12.10_1", "bbb"), image("6.12.9_1", "aaa")];
        let tree = tree(&site, &images, &["6.12.11_1".to_owned()]).unwrap();
        let pairs = |path: &str| -> Vec<String> {
            let text = text(&tree, path);
            let labels = text.lines().filter_map(|line| line.strip_prefix("LABEL "));
            let roots = text.lines().filter_map(|line| line.split("nfsroot=172.23.199.225:").nth(1)?.split(',').next());
            labels.zip(roots).map(|(label, root)| format!("{label} {root}")).collect()
        };
        assert_eq!(
            pairs("pxelinux.cfg/default"),
            ["6.12.10_1-bbb-g2 /root/2", "6.12.9_1-aaa-g2 /root/2", "6.12.9_1-aaa-g1 /root/1"]
        );
        assert_eq!(pairs("pxelinux.cfg/01-52-54-00-17-c7-e2"), ["6.12.9_1-aaa-g1 /root/1"]);
        let head = pairs("pxelinux.cfg/01-52-54-00-17-c7-e3");
        assert_eq!(head, ["6.12.11_1-ccc /head", "6.12.10_1-bbb /head", "6.12.9_1-aaa /head"]);
    }

    #[test]
    fn without_an_image_the_loader_says_so_instead_of_naming_what_is_not_there() {
        let site = example_site();
        let tree = tree(&site, &[], &installed()).unwrap();
        for path in ["pxelinux.cfg/default", "grub/grub.cfg"] {
            let text = text(&tree, path);
            assert!(text.contains("no image") && !text.contains("vmlinuz"), "{text}");
        }
    }

    #[test]
    fn grub_names_the_master_in_every_path() {
        let site = example_site();
        let text = text(&tree(&site, &[image("6.12.10_1", "bbb")], &installed()).unwrap(), "grub/grub.cfg");
        assert!(text.contains("for way in tftp; do\n"), "{text}");
        assert!(text.contains("linux (${way},172.23.199.225)/images/6.12.10_1-bbb/vmlinuz nfsroot="), "{text}");
        assert!(text.contains("BOOTIF=01-$net_default_mac"), "{text}");
    }

    #[test]
    fn where_the_master_serves_by_http_each_image_comes_so_and_by_tftp_when_that_fails() {
        let mut site = example_site();
        let images = [image("6.12.10_1", "bbb")];
        let menus = |site: &Site| {
            let tree = tree(site, &images, &installed()).unwrap();
            (text(&tree, "pxelinux.cfg/default"), text(&tree, "grub/grub.cfg"))
        };
        let without = menus(&site);
        assert!(!without.0.contains("http") && !without.0.contains("ONERROR"), "nothing serves it: {}", without.0);
        site.boot.transfer = Transfer::Http;
        assert_eq!(menus(&site), without, "nothing serves it");
        site.lower.services.insert(crate::site::HTTP_SERVICE.to_owned(), crate::types::lower::Service::default());
        let (pxelinux, grub) = menus(&site);
        for line in [
            "\tKERNEL http://172.23.199.225/images/6.12.10_1-bbb/vmlinuz\n",
            "\tINITRD http://172.23.199.225/images/6.12.10_1-bbb/initramfs.img\n",
            "\nONERROR images/6.12.10_1-bbb/vmlinuz initrd=images/6.12.10_1-bbb/initramfs.img nfsroot=",
        ] {
            assert!(pxelinux.contains(line), "{line} in {pxelinux}");
        }
        assert_eq!(grub, without.1.replace("for way in tftp", "for way in http tftp"));
        site.boot.transfer = Transfer::Tftp;
        assert_eq!(menus(&site), without);
    }
}
