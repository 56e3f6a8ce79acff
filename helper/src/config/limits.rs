//! The kernel's command line as a whole: what its loaders and the kernel take of it.

use std::collections::HashSet;
use std::ops::Range;

use super::inherited::{Inherited, span};
use super::raw::Raw;
use super::source::Mistake;
use crate::machine::facts::Facts;
use crate::parallel;
use crate::site::{Node, Root, Site, Transfer};
use crate::types::generation::Number;
use crate::types::{Kernel, Mac};

/// The kernel takes 2,047 bytes on x86 (`COMMAND_LINE_SIZE` of asm/setup.h, with a NUL), and cuts off the rest without a word:
/// BOOTIF, which is last. PXELINUX counts the NUL once more (syslinux, `com32/lib/syslinux/load_linux.c`). Its lines of 4,095
/// bytes and GRUB's words of 8,191 are further away.
const LIMIT: usize = 2046;

/// The length of a kernel's version where none is known: `6.12.94_1` has 9.
const VERSION: usize = 20;

/// Where the parts of command lines are written.
pub(super) struct Written {
    root_options: Option<Range<usize>>,
    root_server: Inherited,
    cmdline: Inherited,
}

/// A part: the key, its length, and where it is written.
type Part = (String, usize, Option<Range<usize>>);

impl Written {
    /// Notes the places before the values are taken out of `raw`.
    pub(super) fn of(raw: &Raw) -> Self {
        Self {
            root_options: span(&raw.nfs.root_options),
            root_server: Inherited::of(raw, &raw.nfs.root_server, |profile| &profile.root_server, |node| &node.root_server),
            cmdline: Inherited::of(raw, &raw.client.cmdline, |profile| &profile.cmdline, |node| &node.cmdline),
        }
    }

    /// The command lines that are too long; one problem for all that have the same longest part.
    pub(super) fn too_long(&self, site: &Site, facts: &Facts) -> Vec<Mistake> {
        let longest = longest_version(site, facts);
        // Not what is published today: the number grows, and who checked a line must not hear of it at a publish.
        let root = |node: Option<&Node>| if site.uses_generations(node) { Root::Generation(Number::MAX) } else { Root::Head };
        let whole = |node: Option<&Node>| site.command_line(node, root(node)).len() + added(site, longest);
        let common = whole(None);
        if common > LIMIT {
            return vec![self.tell(site, None, common, "of every client")];
        }
        let mut told = HashSet::new();
        let mut mistakes = Vec::new();
        let lengths = |nodes: &[Node]| nodes.iter().map(|node| whole(Some(node))).collect::<Vec<usize>>();
        let lengths = parallel::shares(&site.nodes, parallel::FEW, lengths).concat();
        for (number, (node, length)) in site.nodes.iter().zip(lengths).enumerate() {
            if length > LIMIT {
                let mistake = self.tell(site, Some((number, node)), length, &format!("of node `{}`", node.name));
                if told.insert(mistake.span.clone()) {
                    mistakes.push(mistake);
                }
            }
        }
        mistakes
    }

    fn tell(&self, site: &Site, node: Option<(usize, &Node)>, length: usize, whose: &str) -> Mistake {
        let mut parts: Vec<Part> =
            vec![("[nfs] root_options".to_owned(), site.nfs.root_options.as_str().len(), self.root_options.clone())];
        parts.extend(self.root_server(site, node));
        if let Some(cmdline) = &site.client.cmdline {
            parts.push(("[client] cmdline".to_owned(), cmdline.as_str().len(), self.cmdline.all.clone()));
        }
        for (name, profile) in node.into_iter().flat_map(|(_, node)| site.profiles_of(node)) {
            if let Some(cmdline) = &profile.cmdline {
                parts.push((
                    format!("[profile.{name}] cmdline"),
                    cmdline.as_str().len(),
                    self.cmdline.profiles.get(name).cloned(),
                ));
            }
        }
        if let Some((number, cmdline)) = node.and_then(|(number, node)| Some((number, node.cmdline.as_ref()?))) {
            parts.push(("its own cmdline".to_owned(), cmdline.as_str().len(), self.cmdline.nodes[number].clone()));
        }
        let rest = length.saturating_sub(parts.iter().map(|(_, length, _)| length).sum());
        let sum: Vec<String> = parts.iter().map(|(key, length, _)| format!("{key} {length}")).collect();
        let what = format!("the kernel command line {whose} has {length} bytes, and {LIMIT} arrive");
        let longest = parts.into_iter().filter(|(.., span)| span.is_some()).max_by_key(|(_, length, _)| *length);
        let mistake = match longest.and_then(|(.., span)| span) {
            Some(span) => Mistake::at(span, what),
            None => Mistake::missing(what),
        };
        mistake.remedy(format!("shorten what adds up: {}; the rest {rest} is voidclust's and the loader's", sum.join(", ")))
    }

    /// The server of the root, where a node has it from.
    fn root_server(&self, site: &Site, node: Option<(usize, &Node)>) -> Option<Part> {
        let length = site.root_server_of(node.map(|(_, node)| node))?.to_string().len();
        let own = || Some(("its own root_server".to_owned(), self.root_server.nodes[node?.0].clone()?));
        let of_profiles = || {
            let of = |(name, _)| Some((format!("[profile.{name}] root_server"), self.root_server.profiles.get(name)?.clone()));
            site.profiles_of(node?.1).rev().find_map(of)
        };
        let of_all = || Some(("[nfs] root_server".to_owned(), self.root_server.all.clone()?));
        own().or_else(of_profiles).or_else(of_all).map(|(key, span)| (key, length, Some(span)))
    }
}

fn longest_version(site: &Site, facts: &Facts) -> usize {
    let wishes = site.nodes.iter().map(|node| site.kernel_of(node)).chain([&site.client.kernel]);
    let pinned = wishes.map(|wish| if let Kernel::Version(version) = wish { version.len() } else { 0 });
    let there = facts.kernels.iter().chain(&facts.imaged).map(String::len);
    pinned.chain(there).chain([VERSION]).max().unwrap_or(VERSION)
}

/// What the loader that adds more adds to the line, for a kernel with a version of so many bytes.
fn added(site: &Site, version: usize) -> usize {
    let folder = "images/".len() + version + "-0123456789ab/".len();
    let card = " BOOTIF=".len() + Mac::LOADER_NAME;
    let master = site.network.address.address.to_string().len();
    let pxelinux = "BOOT_IMAGE=".len() + folder + "vmlinuz ".len() + " initrd=".len() + folder + "initramfs.img".len() + card;
    // By HTTP both are URLs. When that fails PXELINUX puts the label behind the line instead (see menus.rs).
    let urls = 2 * ("http:".len() + "///".len() + master);
    let label = " ".len() + version + "-0123456789ab-g4294967295".len();
    let http = if site.transfer() == Transfer::Http { urls.max(label) } else { 0 };
    let grub = "BOOT_IMAGE=(tftp,)/".len() + master + folder + "vmlinuz ".len() + card;
    if site.boot.bios { pxelinux + http } else { grub }
}
