//! From the Site and its overlays to what every node lays over /etc: a pure function.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::value::Value;

use crate::disk::archive::{self, Member};
use crate::disk::root::split;
use crate::disk::tree::{Item, Tree};
use crate::paths;
use crate::render::overlay::{CLIENT, Content, MASTER, Origin, Overlays, Piece, WHITEOUT};
use crate::render::template::{NodeView, Templates, values};
use crate::site::{Home, Node, Site};
use crate::types::{OverlayName, Service};

/// A machine to compose for.
#[derive(Debug, Clone, Copy)]
pub enum Machine<'site> {
    /// The master.
    Master,
    /// A listed client.
    Node(&'site Node),
    /// Any machine that is not listed.
    Unlisted,
}

/// Why an overlay is laid.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase", tag = "by", content = "name")]
pub enum Reason {
    /// The built-in overlay of the master or of all clients.
    Base,
    /// `[master]` or `[client]`.
    Role(&'static str),
    /// A profile.
    Profile(String),
    /// The node itself.
    Node,
}

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct From {
    /// Who brings it.
    pub origin: Origin,
    /// Why it is laid.
    pub reason: Reason,
    /// The file on the disk, or the key of the configuration.
    pub source: String,
}

/// What a machine lays over /etc, by path, and where each comes from.
pub type Layout = BTreeMap<String, (Member, From)>;

/// What a machine is missing or has wrong, in one line.
pub type Complaint = String;

/// Composes for every machine of the site.
#[derive(Debug)]
pub struct Composer<'a> {
    site: &'a Site,
    overlays: &'a Overlays,
    templates: Templates,
    /// Templates that do not compile, by file.
    broken: BTreeMap<String, Complaint>,
}

impl<'a> Composer<'a> {
    /// Compiles every template once.
    #[must_use]
    pub fn new(site: &'a Site, overlays: &'a Overlays) -> Self {
        let mut templates = Templates::new(site);
        let mut broken = BTreeMap::new();
        for piece in overlays.values().flat_map(BTreeMap::values) {
            if let Content::Template(text) = &piece.content
                && let Err(failure) = templates.add(&piece.file, text)
            {
                broken.insert(piece.file.clone(), format!("{}:{}: {}", piece.file, failure.line, failure.why));
            }
        }
        Self { site, overlays, templates, broken }
    }

    /// The overlays of a machine in the order in which they are laid, and why.
    fn layers(&self, machine: Machine<'_>) -> Vec<(&'a str, Reason)> {
        fn named<'n>(names: &'n [OverlayName], reason: &Reason) -> Vec<(&'n str, Reason)> {
            names.iter().map(|name| (name.as_str(), reason.clone())).collect()
        }
        let site = self.site;
        let mut layers = Vec::new();
        match machine {
            Machine::Master => {
                layers.push((MASTER, Reason::Base));
                layers.extend(named(&site.master.overlays, &Reason::Role("master")));
            }
            Machine::Unlisted | Machine::Node(_) => {
                layers.push((CLIENT, Reason::Base));
                layers.extend(named(&site.client.overlays, &Reason::Role("client")));
            }
        }
        if let Machine::Node(node) = machine {
            // Looked up in the overlays, whose names live long enough.
            let own =
                site.profiles_of(node).flat_map(|(name, profile)| named(&profile.overlays, &Reason::Profile(name.to_string())));
            let own: Vec<_> = own.chain(named(&node.overlays, &Reason::Node)).collect();
            for (name, reason) in own {
                if let Some((name, _)) = self.overlays.get_key_value(name) {
                    layers.push((name, reason));
                }
            }
        }
        layers
    }

    /// The services of a machine: those it needs to play its part, then what the configuration says; the later wins.
    fn services(&self, machine: Machine<'_>) -> BTreeMap<String, (Service, Reason)> {
        let site = self.site;
        let on = |name: &str| Service { name: name.to_owned(), enabled: true };
        let mut lists: Vec<(Vec<Service>, Reason)> = Vec::new();
        match machine {
            Machine::Master => {
                let mut base = vec![on("dnsmasq")];
                if site.exports() {
                    base.extend(["nfs-server", "rpcbind", "statd"].map(on));
                }
                lists.push((base, Reason::Base));
                lists.push((site.master.services.clone(), Reason::Role("master")));
            }
            Machine::Unlisted | Machine::Node(_) => {
                // A stock machine runs dhcpcd. On a client it would take the card away from under the root.
                let mut base = vec![Service { name: "dhcpcd".to_owned(), enabled: false }];
                if site.nfs.home != Home::None {
                    base.push(on("netmount"));
                }
                lists.push((base, Reason::Base));
                lists.push((site.client.services.clone(), Reason::Role("client")));
            }
        }
        if let Machine::Node(node) = machine {
            for (name, profile) in site.profiles_of(node) {
                lists.push((profile.services.clone(), Reason::Profile(name.to_string())));
            }
            lists.push((node.services.clone(), Reason::Node));
        }
        let mut services = BTreeMap::new();
        for (list, reason) in lists {
            for service in list {
                services.insert(service.name.clone(), (service, reason.clone()));
            }
        }
        services
    }

    /// What the machine lays over /etc.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn layout(&self, machine: Machine<'_>) -> Result<Layout, Vec<Complaint>> {
        let node = values(match machine {
            Machine::Master => NodeView::master(self.site),
            Machine::Node(node) => NodeView::client(self.site, node),
            Machine::Unlisted => NodeView::unlisted(),
        });
        let mut layout = Layout::new();
        let mut complaints = Vec::new();
        for (name, reason) in self.layers(machine) {
            let Some(overlay) = self.overlays.get(name) else { continue };
            for (path, piece) in overlay {
                // A folder of the usual mode says something only when it is to be there empty.
                if piece.content == Content::Folder && piece.mode == 0o755 && has_below(overlay, path) {
                    continue;
                }
                match self.member(piece, &node) {
                    Ok(Some(member)) => {
                        let from = From { origin: piece.origin, reason: reason.clone(), source: piece.file.clone() };
                        place(&mut layout, path, member, from, &mut complaints);
                    }
                    Ok(None) => {
                        layout.remove(path);
                    }
                    Err(complaint) => complaints.push(complaint),
                }
            }
        }
        for (name, (service, reason)) in self.services(machine) {
            let link = format!("runit/runsvdir/default/{name}");
            let down = format!("sv/{name}/down");
            let (path, other, member) = if service.enabled {
                (link, down, Member::Item(Item::Link(format!("/etc/sv/{name}"))))
            } else {
                (down, link, Member::Item(Item::file(*b"")))
            };
            layout.remove(&other);
            let from = From { origin: Origin::Configuration, reason, source: format!("services = [\"{service}\"]") };
            place(&mut layout, &path, member, from, &mut complaints);
        }
        if complaints.is_empty() { Ok(layout) } else { Err(complaints) }
    }

    /// What a piece becomes for a node; a template that renders to nothing brings no file.
    fn member(&self, piece: &Piece, node: &Value) -> Result<Option<Member>, Complaint> {
        Ok(Some(match &piece.content {
            Content::Bytes(bytes) => Member::Item(Item::File { bytes: bytes.clone(), mode: piece.mode }),
            Content::Link(target) => Member::Item(Item::Link(target.clone())),
            Content::Folder => Member::Folder(piece.mode),
            Content::Template(_) => {
                if let Some(complaint) = self.broken.get(&piece.file) {
                    return Err(complaint.clone());
                }
                let text = self.templates.render(&piece.file, node);
                let text = text.map_err(|failure| format!("{}:{}: {}", piece.file, failure.line, failure.why))?;
                if text.trim().is_empty() {
                    return Ok(None);
                }
                Member::Item(Item::File { bytes: text.into_bytes().into(), mode: piece.mode })
            }
        }))
    }

    /// The archives of all machines.
    ///
    /// # Errors
    /// Everything that is wrong, each once: a template that fails for ten thousand nodes is one mistake.
    pub fn archives(&self) -> Result<Tree, Vec<Complaint>> {
        let machines: Vec<Machine<'_>> =
            [Machine::Master, Machine::Unlisted].into_iter().chain(self.site.nodes.iter().map(Machine::Node)).collect();
        let parts = crate::parallel::shares(&machines, 2, |part| self.archives_of(part));
        let mut tree = Tree::default();
        let mut complaints = BTreeSet::new();
        for part in parts {
            match part {
                Ok(part) => tree.extend(part),
                Err(part) => complaints.extend(part),
            }
        }
        if complaints.is_empty() { Ok(tree) } else { Err(complaints.into_iter().collect()) }
    }

    fn archives_of(&self, machines: &[Machine<'_>]) -> Result<Tree, Vec<Complaint>> {
        let mut tree = Tree::default();
        let mut complaints = BTreeSet::new();
        for machine in machines {
            let members = match self.layout(*machine) {
                Ok(layout) => layout.into_iter().map(|(path, (member, _))| (path, member)).collect(),
                Err(wrong) => {
                    complaints.extend(wrong);
                    continue;
                }
            };
            match archive::write(&members) {
                Ok(bytes) => {
                    let bytes: Arc<[u8]> = bytes.into();
                    for name in self.archive_names(*machine) {
                        tree.insert(paths::archive(&name), Item::File { bytes: bytes.clone(), mode: 0o600 });
                    }
                }
                Err(error) => {
                    complaints.insert(format!("{error:#}"));
                }
            }
        }
        if complaints.is_empty() { Ok(tree) } else { Err(complaints.into_iter().collect()) }
    }

    fn archive_names(&self, machine: Machine<'_>) -> Vec<String> {
        match machine {
            Machine::Master => vec![self.site.master.mac.to_string()],
            Machine::Node(node) => node.macs.iter().map(ToString::to_string).collect(),
            Machine::Unlisted => vec![paths::DEFAULT_NODE.to_owned()],
        }
    }
}

/// Lays one member: the later wins, a whiteout takes away what it names, and a file never stands where a folder must.
fn place(layout: &mut Layout, path: &str, member: Member, from: From, complaints: &mut Vec<Complaint>) {
    let (parent, name) = split(path);
    let beside = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
    if let Some(gone) = name.strip_prefix(WHITEOUT) {
        let gone = beside(gone);
        let below = format!("{gone}/");
        layout.retain(|known, _| *known != gone && !known.starts_with(&below));
    } else {
        layout.remove(&beside(&format!("{WHITEOUT}{name}")));
    }
    let mut clash = |other: &From, what: &str| {
        complaints.push(format!("{}: {path} {what} {}; rename one of them", from.source, other.source));
    };
    if matches!(member, Member::Folder(_)) {
        if let Some((Member::Item(_), other)) = layout.get(path) {
            return clash(other, "is a folder here and a file in");
        }
    } else {
        let below = format!("{path}/");
        let within = layout.range(below.clone()..).next().filter(|(known, _)| known.starts_with(&below));
        let folder = layout.get_key_value(path).filter(|(_, (there, _))| matches!(there, Member::Folder(_)));
        if let Some((_, (_, other))) = within.or(folder) {
            return clash(other, "is a file here and a folder in");
        }
    }
    let mut above = parent;
    while !above.is_empty() {
        if let Some((Member::Item(_), other)) = layout.get(above) {
            return clash(other, "needs a folder where there is a file in");
        }
        above = split(above).0;
    }
    layout.insert(path.to_owned(), (member, from));
}

/// Whether a sorted map has a path below `folder`.
fn has_below<T>(paths: &BTreeMap<String, T>, folder: &str) -> bool {
    let below = format!("{folder}/");
    paths.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::overlay::Overlay;
    use crate::testing::example_site;

    fn overlay(name: &str, pieces: &[(&str, Content)]) -> Overlay {
        let piece = |path: &str, content: &Content| Piece {
            content: content.clone(),
            mode: if *content == Content::Folder { 0o755 } else { 0o644 },
            origin: Origin::Site,
            file: format!("{name}/{path}"),
        };
        pieces.iter().map(|(path, content)| ((*path).to_owned(), piece(path, content))).collect()
    }

    fn text(text: &str) -> Content {
        Content::Bytes(text.as_bytes().into())
    }

    fn template(text: &str) -> Content {
        Content::Template(text.to_owned())
    }

    /// The example with one more overlay for node1, and what its layout becomes.
    fn node1(base: &[(&str, Content)], own: &[(&str, Content)], services: &[&str]) -> Result<Layout, Vec<Complaint>> {
        let mut site = example_site();
        site.nodes[0].overlays = vec!["own".parse().unwrap()];
        site.nodes[0].services = services.iter().map(|service| service.parse().unwrap()).collect();
        let overlays = Overlays::from([
            (MASTER.to_owned(), Overlay::new()),
            (CLIENT.to_owned(), overlay(CLIENT, base)),
            ("own".to_owned(), overlay("own", own)),
        ]);
        Composer::new(&site, &overlays).layout(Machine::Node(&site.nodes[0]))
    }

    fn names(layout: &Layout) -> Vec<&str> {
        layout.keys().map(String::as_str).filter(|path| !path.ends_with("netmount") && *path != "sv/dhcpcd/down").collect()
    }

    #[test]
    fn for_one_path_the_later_wins_and_its_source_is_known() {
        let layout = node1(&[("motd", text("base"))], &[("motd", template("{{ node.name }}"))], &[]).unwrap();
        let (member, from) = &layout["motd"];
        assert_eq!(*member, Member::Item(Item::file(*b"node1")));
        assert_eq!((from.source.as_str(), &from.reason), ("own/motd", &Reason::Node));
    }

    #[test]
    fn services_become_links_or_down_files_and_the_later_wins() {
        let layout = node1(&[], &[], &["sshd", "acpid", "!acpid", "!netmount"]).unwrap();
        assert_eq!(layout["runit/runsvdir/default/sshd"].0, Member::Item(Item::Link("/etc/sv/sshd".into())));
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
        let layout = node1(&[("cron.d/a", text("")), ("cron.d/b", text(""))], &[(".wh.cron.d", text(""))], &[]).unwrap();
        assert_eq!(names(&layout), [".wh.cron.d"]);
        let layout = node1(&[(".wh.motd", text(""))], &[("motd", text("x"))], &[]).unwrap();
        assert_eq!(names(&layout), ["motd"]);
    }

    #[test]
    fn a_name_that_is_a_file_here_and_a_folder_there_is_an_error() {
        for (base, own) in [
            (("a", text("")), ("a/b", text(""))),
            (("a/b", text("")), ("a", text(""))),
            (("a", text("")), ("a", Content::Folder)),
        ] {
            let complaints = node1(&[base], &[own], &[]).unwrap_err();
            assert!(complaints[0].contains("own/a") && complaints[0].contains("client/a"), "{complaints:?}");
        }
    }

    #[test]
    fn a_failing_template_is_named_with_its_line_once_for_all_nodes() {
        let site = example_site();
        let overlays = Overlays::from([
            (MASTER.to_owned(), Overlay::new()),
            (CLIENT.to_owned(), overlay(CLIENT, &[("a", template("\n{{ nope }}")), ("b", template("{% if %}"))])),
        ]);
        let complaints = Composer::new(&site, &overlays).archives().unwrap_err();
        assert_eq!(complaints.len(), 2);
        assert!(complaints[0].starts_with("client/a:2: a variable is not defined"), "{complaints:?}");
    }

    #[test]
    fn a_template_that_renders_to_nothing_brings_no_file() {
        assert_eq!(names(&node1(&[("resolv.conf", template("{% if false %}x{% endif %}\n"))], &[], &[]).unwrap()), [""; 0]);
    }

    #[test]
    fn folders_are_members_only_where_they_say_something() {
        let mut site = example_site();
        site.nodes.truncate(1);
        let mut client = overlay(
            CLIENT,
            &[
                ("plain", Content::Folder),
                ("plain/a", text("")),
                ("empty", Content::Folder),
                ("shut", Content::Folder),
                ("shut/a", text("")),
            ],
        );
        client.get_mut("shut").unwrap().mode = 0o700;
        let overlays = Overlays::from([(MASTER.to_owned(), Overlay::new()), (CLIENT.to_owned(), client)]);
        let layout = Composer::new(&site, &overlays).layout(Machine::Unlisted).unwrap();
        assert_eq!(names(&layout), ["empty", "plain/a", "shut", "shut/a"].map(|n| n));
    }

    #[test]
    fn a_node_with_two_cards_has_the_same_archive_under_both() {
        let mut site = example_site();
        site.nodes[0].macs.push("52:54:00:00:00:99".parse().unwrap());
        let overlays =
            Overlays::from([(MASTER.to_owned(), Overlay::new()), (CLIENT.to_owned(), overlay(CLIENT, &[("motd", text("x"))]))]);
        let tree = Composer::new(&site, &overlays).archives().unwrap();
        assert_eq!(tree.0[&paths::archive("52:54:00:00:00:99")], tree.0[&paths::archive(&site.nodes[0].macs[0].to_string())]);
        assert_eq!(tree.0.len(), 6, "master, default, three nodes, one of them twice");
    }
}
