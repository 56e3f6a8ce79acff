//! Which root each client boots: a generation, or the live tree.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use serde::{Serialize, Serializer};

use super::{Node, Site};
use crate::types::generation::{Number, RootWish};
use crate::types::{Kernel, RootServer};

/// What clients never ask again of a tree that does not change: whether a file is still the same (nfs(5)).
const UNCHANGING: &str = "nocto,actimeo=3600";

/// The root that a client boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// The live tree.
    Head,
    /// A generation.
    Generation(Number),
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("the live tree"),
            Self::Generation(number) => write!(f, "generation {number}"),
        }
    }
}

/// As the configuration spells it.
impl Serialize for Root {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Head => RootWish::Head,
            Self::Generation(number) => RootWish::Number(number),
        }
        .serialize(serializer)
    }
}

impl Site {
    /// All clients, with those that are not listed (`None`).
    pub fn clients(&self) -> impl Iterator<Item = Option<&Node>> {
        self.nodes.iter().map(Some).chain([None])
    }

    /// Another server that a client has its root from: that of its own word, else its last profile's, else the site's; `None`
    /// is the master.
    #[must_use]
    pub fn root_server_of<'site>(&'site self, node: Option<&'site Node>) -> Option<&'site RootServer> {
        let of_profiles = |node| self.profiles_of(node).rev().find_map(|(_, profile)| profile.root_server.as_ref());
        node.and_then(|node| node.root_server.as_ref().or_else(|| of_profiles(node))).or(self.nfs.root_server.as_ref())
    }

    /// Whether generations have anything to do with what a client boots: another server may have one root for all times.
    #[must_use]
    pub fn uses_generations(&self, node: Option<&Node>) -> bool {
        self.root_server_of(node).is_none_or(RootServer::has_generations)
    }

    /// Whether the root of a client is nowhere: another server has generations alone.
    #[must_use]
    pub fn lacks_root(&self, node: Option<&Node>) -> bool {
        self.root_of(node) == Root::Head && self.root_server_of(node).is_some_and(RootServer::has_generations)
    }

    /// Whether a client mounts the live tree of the master.
    #[must_use]
    pub fn boots_live_tree(&self, node: Option<&Node>) -> bool {
        self.root_of(node) == Root::Head && self.root_server_of(node).is_none()
    }

    /// What is in no generation of this site: what it lists, and what lies below the mounts that all clients have, where
    /// nobody sees it and it may be very much.
    #[must_use]
    pub fn private(&self) -> Vec<String> {
        let listed = self.root.private.iter().map(ToString::to_string);
        let mounts = self.mounts_of(None).into_values().filter(|mount| !mount.options.split(',').any(|word| word == "noauto"));
        listed.chain(mounts.map(|mount| format!("{}/*", mount.path))).collect()
    }

    /// What a client (`None`: a machine that is not listed) wishes: its own word, else its last profile's, else the clients'.
    #[must_use]
    pub fn wish_of(&self, node: Option<&Node>) -> RootWish {
        let of_profiles = |node| self.profiles_of(node).rev().find_map(|(_, profile)| profile.generation);
        node.and_then(|node| node.generation.or_else(|| of_profiles(node))).unwrap_or(self.client.generation)
    }

    /// The generation that was published last for a client; `None` before the first.
    #[must_use]
    pub fn published_to(&self, node: Option<&Node>) -> Option<Number> {
        let published = &self.generations.published;
        let of_profiles = |node| self.profiles_of(node).rev().find_map(|(name, _)| published.profiles.get(name.as_str()));
        let own = node.and_then(|node| published.nodes.get(node.name.as_str()).or_else(|| of_profiles(node)));
        let number = own.copied().unwrap_or(published.all);
        self.generations.made.contains_key(&number).then_some(number)
    }

    /// The root of a client. Before anything was published that is the live tree, as the wish may have it. A kernel that
    /// the published generation has lost is booted with the newest one that has it.
    #[must_use]
    pub fn root_of(&self, node: Option<&Node>) -> Root {
        if !self.uses_generations(node) {
            return Root::Head;
        }
        match (self.wish_of(node), self.published_to(node)) {
            (RootWish::Head, _) | (RootWish::Newest, None) => Root::Head,
            (RootWish::Number(number), _) => Root::Generation(number),
            (RootWish::Newest, Some(published)) => {
                let older = |kernel: &str| {
                    let mut older = self.generations.made.range(..=published).rev();
                    older.find(|(number, _)| self.generations.has_kernel(**number, kernel)).map(|(number, _)| *number)
                };
                match self.kernel_wish(node) {
                    Kernel::Version(version) => Root::Generation(older(version).unwrap_or(published)),
                    Kernel::Newest => Root::Generation(published),
                }
            }
        }
    }

    /// The kernel that a client (`None`: a machine that is not listed) wishes.
    #[must_use]
    pub fn kernel_wish<'site>(&'site self, node: Option<&'site Node>) -> &'site Kernel {
        node.map_or(&self.client.kernel, |node| self.kernel_of(node))
    }

    /// The kernels that a root has modules of, oldest first; `installed` are those of the live tree.
    #[must_use]
    pub fn kernels_in<'site>(&'site self, root: Root, installed: &'site [String]) -> &'site [String] {
        match root {
            Root::Head => installed,
            Root::Generation(number) => self.generations.made.get(&number).map_or(&[], |made| &made.kernels),
        }
    }

    /// The kernels that some machine boots: of each the one that is asked for, or the newest of its root. `installed` are those
    /// of the live tree, the oldest first.
    #[must_use]
    pub fn booted_kernels(&self, installed: &[String]) -> BTreeSet<String> {
        let of = |node: Option<&Node>| match self.kernel_wish(node) {
            Kernel::Newest => self.kernels_in(self.root_of(node), installed).last().cloned(),
            Kernel::Version(version) => Some(version.clone()),
        };
        self.clients().filter_map(of).collect()
    }

    /// The roots of all clients, with those that are not listed.
    #[must_use]
    pub fn roots(&self) -> BTreeSet<Root> {
        self.clients().map(|node| self.root_of(node)).collect()
    }

    /// The generations that some menu names: those that clients boot, and behind each the one before; and those that are
    /// published or wished for, whoever boots them today.
    #[must_use]
    pub fn named_generations(&self) -> BTreeSet<Number> {
        let wishes = self.profiles.values().filter_map(|profile| profile.generation);
        let wishes = wishes.filter_map(|wish| if let RootWish::Number(number) = wish { Some(number) } else { None });
        let booted =
            self.roots().into_iter().filter_map(|root| if let Root::Generation(number) = root { Some(number) } else { None });
        let mut named: BTreeSet<Number> = booted.chain(wishes).chain(self.generations.published.numbers()).collect();
        let before = named.iter().filter_map(|number| self.generations.before(*number)).collect::<Vec<_>>();
        named.extend(before);
        named
    }

    /// The addresses of the nodes that mount the live tree; `None` when it may be any machine of the subnet.
    #[must_use]
    pub fn on_head(&self) -> Option<Vec<Ipv4Addr>> {
        if self.boots_live_tree(None) {
            return None;
        }
        self.nodes.iter().filter(|node| self.boots_live_tree(Some(node))).map(|node| node.address).collect()
    }

    /// The address of the server that a client mounts a root from, and the path there.
    #[must_use]
    pub fn root_source(&self, node: Option<&Node>, root: Root) -> (Ipv4Addr, String) {
        let path = match root {
            Root::Head => "head".to_owned(),
            Root::Generation(number) => format!("root/{number}"),
        };
        match (self.root_server_of(node), root) {
            (None, _) => (self.network.address.address, format!("/{path}")),
            (Some(server), Root::Head) => (server.address, server.path.clone()),
            (Some(server), Root::Generation(number)) => (server.address, server.path_of(number)),
        }
    }

    /// The options with which clients mount a root: with those of an unchanging tree, unless the site speaks of them itself.
    #[must_use]
    pub fn root_options(&self, root: Root) -> String {
        let own = self.nfs.root_options.as_str();
        let speaks = own.split(',').any(|option| option.starts_with("ac") || matches!(option, "noac" | "cto" | "nocto"));
        if root == Root::Head || speaks { own.to_owned() } else { format!("{own},{UNCHANGING}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Profile;
    use crate::testing::{example_site, generation};

    fn site() -> Site {
        let mut site = example_site();
        for (number, kernels) in [(1, ["6.12.9_1"].as_slice()), (2, &["6.12.9_1", "6.12.10_1"]), (3, &["6.12.10_1"])] {
            site.generations.made.insert(number, generation(number, kernels));
        }
        site.generations.published.all = 3;
        site
    }

    #[test]
    fn what_clients_mount_over_is_not_copied_for_them() {
        let mut site = example_site();
        site.root.private = vec!["/srv/own".parse().unwrap()];
        assert_eq!(site.private(), ["/srv/own", "/home/*", "/tmp/*"]);
        site.nfs.home = crate::site::Home::None;
        assert_eq!(site.private(), ["/srv/own", "/tmp/*"]);
    }

    #[test]
    fn before_anything_is_published_all_boot_the_live_tree() {
        let site = example_site();
        assert_eq!((site.root_of(None), site.on_head()), (Root::Head, None));
        assert_eq!(site.root_source(None, Root::Head).1, "/head");
    }

    #[test]
    fn the_nearest_word_counts() {
        let mut site = site();
        site.profiles.insert("p".parse().unwrap(), Profile { generation: Some(RootWish::Number(1)), ..Default::default() });
        site.nodes[0].profiles = vec!["p".parse().unwrap()];
        site.nodes[1].generation = Some(RootWish::Head);
        assert_eq!(site.root_of(Some(&site.nodes[0])), Root::Generation(1));
        assert_eq!(site.root_of(Some(&site.nodes[1])), Root::Head);
        assert_eq!(site.on_head(), Some(vec![site.nodes[1].address.unwrap()]));
        site.nodes[1].address = None;
        assert_eq!((site.root_of(None), site.on_head()), (Root::Generation(3), None));
    }

    #[test]
    fn what_was_published_to_a_node_or_its_profile_is_its_newest() {
        let mut site = site();
        site.profiles.insert("p".parse().unwrap(), Profile::default());
        site.nodes[0].profiles = vec!["p".parse().unwrap()];
        site.generations.published.all = 1;
        site.generations.published.profiles.insert("p".to_owned(), 2);
        assert_eq!(site.published_to(Some(&site.nodes[0])), Some(2));
        let name = site.nodes[0].name.to_string();
        site.generations.published.nodes.insert(name, 3);
        assert_eq!(site.published_to(Some(&site.nodes[0])), Some(3));
        assert_eq!(site.published_to(Some(&site.nodes[1])), Some(1));
    }

    #[test]
    fn a_pinned_kernel_boots_the_newest_generation_that_has_it() {
        let mut site = site();
        site.nodes[0].kernel = Some("6.12.9_1".parse().unwrap());
        assert_eq!(site.root_of(Some(&site.nodes[0])), Root::Generation(2));
        assert_eq!(site.root_of(Some(&site.nodes[1])), Root::Generation(3));
    }

    #[test]
    fn another_server_has_one_root_or_the_generation_in_its_path() {
        let mut site = site();
        site.nfs.root_server = Some("10.9.9.9:/void".parse().unwrap());
        assert_eq!((site.root_of(None), site.root_source(None, site.root_of(None)).1), (Root::Head, "/void".to_owned()));
        site.nfs.root_server = Some("10.9.9.9:/void/{generation}".parse().unwrap());
        assert_eq!(site.root_source(None, site.root_of(None)).1, "/void/3");
    }

    #[test]
    fn a_node_has_its_root_from_the_nearest_server_that_is_named() {
        let mut site = site();
        let server = |text: &str| Some(text.parse::<RootServer>().unwrap());
        let room = Profile { root_server: server("10.9.9.8:/void/{generation}"), ..Default::default() };
        site.profiles.insert("room".parse().unwrap(), room);
        site.nodes[0].profiles = vec!["room".parse().unwrap()];
        site.nodes[1].root_server = server("10.9.9.9:/void");
        let from = |site: &Site, node: Option<&Node>| {
            let (address, path) = site.root_source(node, site.root_of(node));
            format!("{address}:{path}")
        };
        let of_all = |site: &Site| site.clients().map(|node| from(site, node)).collect::<Vec<_>>();
        assert_eq!(of_all(&site)[..2], ["10.9.9.8:/void/3", "10.9.9.9:/void"]);
        assert_eq!(from(&site, None), "172.23.199.225:/root/3");
        site.nodes[0].root_server = server("10.9.9.7:/{generation}");
        site.nfs.root_server = server("10.9.9.6:/all");
        assert_eq!(of_all(&site)[..2], ["10.9.9.7:/3", "10.9.9.9:/void"]);
        assert_eq!(from(&site, None), "10.9.9.6:/all");
    }

    #[test]
    fn whose_root_is_elsewhere_does_not_mount_the_live_tree() {
        let mut site = site();
        site.nodes[0].root_server = Some("10.9.9.9:/void".parse().unwrap());
        assert_eq!((site.root_of(Some(&site.nodes[0])), site.on_head()), (Root::Head, Some(vec![])));
        site.nodes[0].root_server = Some("10.9.9.9:/void/{generation}".parse().unwrap());
        assert!(!site.lacks_root(Some(&site.nodes[0])));
        site.nodes[0].generation = Some(RootWish::Head);
        assert!(site.lacks_root(Some(&site.nodes[0])) && !site.lacks_root(None));
        assert_eq!(site.on_head(), Some(vec![]));
    }

    #[test]
    fn an_unchanging_tree_is_not_asked_again() {
        let mut site = site();
        assert!(site.root_options(Root::Generation(1)).ends_with(",nocto,actimeo=3600"));
        assert!(!site.root_options(Root::Head).contains("nocto"));
        site.nfs.root_options = "ro,actimeo=5".parse().unwrap();
        assert_eq!(site.root_options(Root::Generation(1)), "ro,actimeo=5");
    }
}
