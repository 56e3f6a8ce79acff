//! What machines of one kind lay over /etc before any template is rendered: overlays laid over each other, services added,
//! whiteouts applied. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::disk::root::split;
use crate::disk::tree::Item;
use crate::lay::WHITEOUT;
use crate::paths;
use crate::render::layers::{self, Machine, Reason};
use crate::render::overlay::{CLIENT, Origin, Overlays, Piece, first_below, has_below, remove_below, whiteout};
use crate::site::{Node, Site};
use crate::types::Problem;
use crate::types::identity::Identity;

/// A piece that is laid, and why.
#[derive(Debug, Clone)]
pub(super) struct Placed<'a> {
    pub(super) piece: Cow<'a, Piece>,
    /// The overlay that has it; what the configuration makes is in none.
    pub(super) overlay: Option<&'a str>,
    pub(super) reason: Reason,
}

impl Placed<'_> {
    /// Whether its content is another for each of the machines that are alike.
    pub(super) fn is_single(&self) -> bool {
        self.piece.template || (self.piece.origin == Origin::Identity && self.overlay.is_none())
    }
}

/// The pieces that are laid, by path.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    pub(super) placed: BTreeMap<Cow<'a, str>, Placed<'a>>,
    pub(super) problems: Vec<Problem>,
    /// Whether more depends on a template that renders to nothing than whether its file is there: what a whiteout takes
    /// away, or whether two pieces are in each other's way.
    pub(super) conditional: bool,
}

impl<'a> Outline<'a> {
    /// Composes for a machine and all that are like it. `renders` says of a template whether it brings a file; with `true`
    /// for all, the result holds for every such machine unless it is conditional.
    pub(super) fn of(
        site: &'a Site,
        overlays: &'a Overlays,
        machine: Machine<'a>,
        mut renders: impl FnMut(&Piece) -> bool,
    ) -> Self {
        let mut outline = Self::default();
        for path in layers::withheld(site, machine) {
            let file = format!("/etc/{path} of the lower tree");
            let piece = Piece { item: Item::file(*b""), template: false, origin: Origin::Lower, file };
            outline.place(Cow::Owned(whiteout(path)), Placed { piece: Cow::Owned(piece), overlay: None, reason: Reason::Base });
        }
        for (name, reason) in layers::overlays(site, machine) {
            let Some(overlay) = overlays.named.get(name) else { continue };
            // The site's pieces after ours, so that its whiteouts take ours away, too.
            let of = |sites| overlay.iter().filter(move |(_, piece)| (piece.origin == Origin::Site) == sites);
            for (path, piece) in of(false).chain(of(true)) {
                // A folder of the usual mode says something only when it is to be there empty.
                if piece.item == Item::folder() && has_below(overlay, path) {
                    continue;
                }
                if piece.template && !renders(piece) {
                    outline.placed.remove(path.as_str());
                    continue;
                }
                let placed = Placed { piece: Cow::Borrowed(piece), overlay: Some(name), reason: reason.clone() };
                outline.place(Cow::Borrowed(path), placed);
            }
            if let (CLIENT, Machine::Node(node)) = (name, machine) {
                outline.place_identity(site, node);
            }
        }
        for (name, (service, reason)) in layers::services(site, machine) {
            let link = format!("runit/runsvdir/default/{name}");
            let down = format!("sv/{name}/down");
            let (path, other, item) = if service.enabled {
                (link, down, Item::link(format!("/etc/sv/{name}")))
            } else {
                (down, link, Item::file(*b""))
            };
            outline.placed.remove(other.as_str());
            let file = format!("services = [\"{service}\"]");
            let piece = Piece { item, template: false, origin: Origin::Configuration, file };
            outline.place(Cow::Owned(path), Placed { piece: Cow::Owned(piece), overlay: None, reason });
        }
        outline
    }

    /// Lays what was made to be a node's own, over ours and below all that the site says.
    fn place_identity(&mut self, site: &'a Site, node: &'a Node) {
        for name in site.identity_of(node).into_iter().flat_map(|identity| identity.0.keys()) {
            let (path, mode) = Identity::place(name);
            let is_sites = |path: &str| self.placed.get(path).is_some_and(|placed| placed.piece.origin == Origin::Site);
            if is_sites(&path) || is_sites(&whiteout(&path)) {
                continue;
            }
            let file = format!("/{}", paths::identity_file(node.name.as_str(), name));
            // Its content is this machine's alone, and not that of all that are alike.
            let piece = Piece { item: Item::file(*b"").with_mode(mode), template: false, origin: Origin::Identity, file };
            self.place(Cow::Owned(path), Placed { piece: Cow::Owned(piece), overlay: None, reason: Reason::Node });
        }
    }

    /// Lays one piece: the later wins, a whiteout takes away what it names, and a file never stands where a folder must.
    fn place(&mut self, path: Cow<'a, str>, placed: Placed<'a>) {
        let (parent, name) = split(&path);
        let beside = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
        if let Some(gone) = name.strip_prefix(WHITEOUT) {
            let gone = beside(gone);
            remove_below(&mut self.placed, &gone);
            self.placed.remove(gone.as_str());
            self.conditional |= placed.piece.template;
        } else if self.placed.remove(beside(&format!("{WHITEOUT}{name}")).as_str()).is_some() {
            self.conditional |= placed.piece.template;
        }
        if let Some((other, what)) = self.in_the_way(&path, placed.piece.item.is_folder()) {
            self.conditional |= placed.piece.template || other.piece.template;
            let what = format!("{path} {what} {}", other.piece.file);
            self.problems.push(Problem::new(placed.piece.file.as_str(), what).remedy("rename one of them"));
            return;
        }
        self.placed.insert(path, placed);
    }

    /// What is a file where a folder must be for `path`, or the other way round.
    fn in_the_way(&self, path: &str, is_folder: bool) -> Option<(Placed<'a>, &'static str)> {
        let here = self.placed.get(path);
        if is_folder {
            if let Some(file) = here.filter(|placed| !placed.piece.item.is_folder()) {
                return Some((file.clone(), "is a folder here and a file in"));
            }
        } else {
            let within = first_below(&self.placed, path).map(|(_, placed)| placed);
            let folder = here.filter(|placed| placed.piece.item.is_folder());
            if let Some(folder) = within.or(folder) {
                return Some((folder.clone(), "is a file here and a folder in"));
            }
        }
        let mut above = split(path).0;
        while !above.is_empty() {
            if let Some(file) = self.placed.get(above).filter(|placed| !placed.piece.item.is_folder()) {
                return Some((file.clone(), "needs a folder where there is a file in"));
            }
            above = split(above).0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::render::compose::{Composer, Layout};
    use crate::testing::{self, Content, copied, example_site, identity, overlays, template};

    /// The example with one more overlay for node1, and what its layout becomes.
    fn node1(base: &[(&str, Content)], own: &[(&str, Content)], services: &[&str]) -> Result<Layout, Vec<Problem>> {
        let mut site = example_site();
        site.nodes[0].overlays = vec!["own".parse().unwrap()];
        site.nodes[0].services = services.iter().map(|service| service.parse().unwrap()).collect();
        let (site, overlays) = (Arc::new(site), overlays(&[("client", base), ("own", own)]));
        Composer::new(&site, &overlays).layout(Machine::Node(&site.nodes[0]))
    }

    #[test]
    fn what_was_made_for_a_node_is_its_own_unless_the_site_has_something_there() {
        let mut site = example_site();
        site.identities = identity(&site.nodes[0]);
        let base = [("machine-id", template("by mac")), ("x", copied("x"))];
        let ours = |mut overlays: Overlays| {
            overlays.named.get_mut("client").unwrap().values_mut().for_each(|piece| piece.origin = Origin::Package);
            overlays
        };
        let overlays = ours(overlays(&[("client", &base)]));
        let mut site = Arc::new(site);
        let composer = Composer::new(&site, &overlays);
        let text = |node: usize, path: &str| {
            let layout = composer.layout(Machine::Node(&site.nodes[node])).unwrap();
            layout.get(path).map(|(item, _)| (String::from_utf8_lossy(&item.bytes().unwrap().whole()).into_owned(), item.mode))
        };
        assert_eq!(text(0, "machine-id"), Some(("0123\n".to_owned(), 0o644)));
        assert_eq!(text(0, "ssh/ssh_host_ed25519_key"), Some(("secret\n".to_owned(), 0o600)));
        assert_eq!(text(1, "machine-id").unwrap().0, "by mac", "it was not made yet");
        let archives = composer.archives().unwrap();
        let member = |node: usize| {
            let bytes = archives.0[&paths::archive(&site.nodes[node].macs[0].to_string())].bytes().unwrap().clone();
            crate::disk::archive::read(&bytes.whole()).unwrap()
        };
        assert_eq!(member(0)["ssh/ssh_host_ed25519_key"].mode, 0o600);
        assert!(!member(1).contains_key("ssh/ssh_host_ed25519_key"));
        Arc::make_mut(&mut site).nodes[0].overlays = vec!["own".parse().unwrap()];
        for own in ["ssh/ssh_host_ed25519_key", "ssh/.wh.ssh_host_ed25519_key"] {
            for of in ["own", "client"] {
                let overlays = testing::overlays(&[("own", &[]), (of, &[(own, copied("theirs"))])]);
                let layout = Composer::new(&site, &overlays).layout(Machine::Node(&site.nodes[0])).unwrap();
                assert_eq!(layout[own].0, Item::file("theirs"), "{of}");
                assert!(layout.contains_key("ssh/ssh_host_ed25519_key.pub"));
                assert_eq!(layout.contains_key("ssh/ssh_host_ed25519_key"), !own.contains("wh"));
            }
        }
    }

    fn names(layout: &Layout) -> Vec<&str> {
        layout.keys().map(String::as_str).filter(|path| !path.ends_with("netmount") && *path != "sv/dhcpcd/down").collect()
    }

    #[test]
    fn for_one_path_the_later_wins_and_its_source_is_known() {
        let layout = node1(&[("motd", copied("base"))], &[("motd", template("{{ node.name }}"))], &[]).unwrap();
        let (item, source) = &layout["motd"];
        assert_eq!(*item, Item::file("node1"));
        assert_eq!((source.file.as_str(), &source.reason), ("own/motd", &Reason::Node));
    }

    #[test]
    fn services_become_links_or_down_files_and_the_later_wins() {
        let layout = node1(&[], &[], &["sshd", "acpid", "!acpid", "!netmount"]).unwrap();
        assert_eq!(layout["runit/runsvdir/default/sshd"].0, Item::link("/etc/sv/sshd"));
        assert!(layout.contains_key("sv/acpid/down") && !layout.contains_key("runit/runsvdir/default/acpid"));
        assert!(layout.contains_key("sv/netmount/down") && !layout.contains_key("runit/runsvdir/default/netmount"));
    }

    #[test]
    fn no_client_takes_its_root_away_by_dhcp_unless_the_site_says_so() {
        assert!(node1(&[], &[], &[]).unwrap().contains_key("sv/dhcpcd/down"));
        assert!(!node1(&[], &[], &["dhcpcd"]).unwrap().contains_key("sv/dhcpcd/down"));
    }

    #[test]
    fn a_whiteout_takes_away_what_came_before_and_gives_way_to_what_comes_after() {
        let base = [("cron.d/a", copied("")), ("cron.d/b", copied("")), ("cron.d.x", copied(""))];
        let layout = node1(&base, &[(".wh.cron.d", copied(""))], &[]).unwrap();
        assert_eq!(names(&layout), [".wh.cron.d", "cron.d.x"]);
        let layout = node1(&[(".wh.motd", copied(""))], &[("motd", copied("x"))], &[]).unwrap();
        assert_eq!(names(&layout), ["motd"]);
    }

    #[test]
    fn a_whiteout_that_renders_to_nothing_takes_nothing_away() {
        let own = |text| [(".wh.motd", template(text))];
        let base = [("motd", copied("base"))];
        assert_eq!(names(&node1(&base, &own("{% if node.name == 'node2' %}x{% endif %}"), &[]).unwrap()), ["motd"]);
        assert_eq!(names(&node1(&base, &own("{% if node.name == 'node1' %}x{% endif %}"), &[]).unwrap()), [".wh.motd"]);
        let nothing = [("motd", template("\n"))];
        assert_eq!(names(&node1(&[(".wh.motd", copied(""))], &nothing, &[]).unwrap()), [".wh.motd"], "it stays");
    }

    #[test]
    fn a_name_that_is_a_file_here_and_a_folder_there_is_an_error() {
        for (base, own) in [
            (("a", copied("")), ("a/b", copied(""))),
            (("a/b", copied("")), ("a", copied(""))),
            (("a", copied("")), ("a", (Item::folder(), false))),
        ] {
            let problems = node1(std::slice::from_ref(&base), std::slice::from_ref(&own), &[]).unwrap_err();
            let problem = problems[0].to_string();
            assert!(problem.starts_with("own/a") && problem.contains("client/a"), "{problem}");
        }
    }

    #[test]
    fn a_template_that_brings_no_file_is_in_nobodys_way() {
        let brings =
            |name| template(if name == "node1" { "{{ node.name }}" } else { "{% if node.name == 'node2' %}x{% endif %}" });
        assert_eq!(names(&node1(&[("a", brings("node2"))], &[("a/b", copied(""))], &[]).unwrap()), ["a/b"]);
        assert_eq!(node1(&[("a", brings("node1"))], &[("a/b", copied(""))], &[]).unwrap_err().len(), 1);
    }

    #[test]
    fn a_template_that_renders_to_nothing_brings_no_file_and_takes_away_the_earlier_one() {
        let nothing = [("resolv.conf", template("{% if false %}x{% endif %}\n"))];
        assert_eq!(names(&node1(&nothing, &[], &[]).unwrap()), [""; 0]);
        assert_eq!(names(&node1(&[("resolv.conf", copied("x"))], &nothing, &[]).unwrap()), [""; 0]);
    }

    #[test]
    fn folders_are_members_only_where_they_say_something() {
        let owner = crate::disk::tree::Owner { uid: 998, gid: 997 };
        let folder = |item: Item| (item, false);
        let base = [
            ("plain", folder(Item::folder())),
            ("plain/a", copied("")),
            ("empty", folder(Item::folder())),
            ("shut", folder(Item::folder().with_mode(0o700))),
            ("shut/a", copied("")),
            ("theirs", folder(Item { owner, ..Item::folder() })),
            ("theirs/a", copied("")),
        ];
        let layout = node1(&base, &[], &[]).unwrap();
        assert_eq!(names(&layout), ["empty", "plain/a", "shut", "shut/a", "theirs", "theirs/a"]);
    }

    #[test]
    fn ten_thousand_files_are_a_matter_of_a_moment() {
        let paths: Vec<String> = (0..10_000).map(|number| format!("d{}/f{number}", number % 100)).collect();
        let files: Vec<(&str, Content)> = paths.iter().map(|path| (path.as_str(), copied("x"))).collect();
        let gone: Vec<String> = (0..5_000).map(|number| format!("d{}/.wh.f{number}", number % 100)).collect();
        let gone: Vec<(&str, Content)> = gone.iter().map(|path| (path.as_str(), copied(""))).collect();
        let begun = std::time::Instant::now();
        assert_eq!(names(&node1(&files, &gone, &[]).unwrap()).len(), 10_000);
        // Each whiteout once looked at all files: many seconds without optimisation.
        assert!(begun.elapsed().as_secs_f64() < 3.0, "{:?}", begun.elapsed());
    }
}
