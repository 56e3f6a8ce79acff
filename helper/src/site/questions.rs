//! What several rooms ask of the Site.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Home, Node, Profile, Root, Site, Transfer};
use crate::types::identity::Identity;
use crate::types::mount::Mount;
use crate::types::scratch::Scratch;
use crate::types::{AbsolutePath, CommandLine, HostName, Kernel, Mac, OverlayName, Var, VarName};

/// The service of the master that serves the boot tree by HTTP.
pub const HTTP_SERVICE: &str = "darkhttpd";

/// The table that a value for templates is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarsFrom<'site> {
    /// `[vars]`
    Site,
    /// That of a profile.
    Profile(&'site OverlayName),
    /// That of the node.
    Node,
}

/// The connections that `threads` of the kernel's NFS server hold before Linux 6.14 (`svc_check_conn_limits` of
/// `net/sunrpc/svc_xprt.c`): it closes the oldest when there are more.
#[must_use]
pub fn connections(threads: u16) -> usize {
    (usize::from(threads) + 3) * 20
}

/// The threads that the NFS server has for a few nodes, and for as many as there may be.
pub const THREADS: (u16, u16) = (8, 1024);

/// So many threads that each node may have a connection, and one that was left open when it crashed. As a power of two: adding
/// a node seldom changes it.
#[must_use]
pub fn threads_for(nodes: usize) -> u16 {
    let (usual, most) = THREADS;
    if connections(usual) >= nodes * 2 {
        return usual;
    }
    u16::try_from(nodes.div_ceil(10).next_power_of_two()).unwrap_or(most).min(most)
}

impl Site {
    /// The threads of the master's NFS server.
    #[must_use]
    pub fn nfs_threads(&self) -> u16 {
        self.nfs.threads.unwrap_or_else(|| threads_for(self.nodes.len()))
    }

    /// The overlays that the configuration names, each as often as it is named.
    pub fn overlay_names(&self) -> impl Iterator<Item = &str> {
        let profiles = self.profiles.values().map(|profile| &profile.overlays);
        let lists = [&self.master.overlays, &self.client.overlays].into_iter().chain(profiles);
        lists.chain(self.nodes.iter().map(|node| &node.overlays)).flatten().map(OverlayName::as_str)
    }

    /// Who may read what is laid on a node: its address, or everybody in the subnet when it has none of its own, and so for
    /// machines that are not listed (`None`).
    #[must_use]
    pub fn reader_of(&self, node: Option<&Node>) -> String {
        let subnet = || format!("{}/{}", self.network.address.network(), self.network.address.prefix);
        node.and_then(|node| node.address).map_or_else(subnet, |address| address.to_string())
    }

    /// The folders that the master exports for writing, or may: the home and the others, and whether each is a file system of
    /// its own.
    pub fn exported(&self) -> impl Iterator<Item = (&AbsolutePath, bool)> {
        let home = match &self.nfs.home {
            Home::Master { path, apart, .. } => Some((path, *apart)),
            _ => None,
        };
        home.into_iter().chain(self.nfs.exports.iter().map(|export| (&export.path, export.apart)))
    }

    /// What was made to be a node's own.
    #[must_use]
    pub fn identity_of(&self, node: &Node) -> Option<&Identity> {
        self.identities.get(node.name.as_str()).filter(|_| self.client.identity)
    }

    /// Whether the master answers DNS: only when the clients are told to ask it.
    #[must_use]
    pub fn answers_dns(&self) -> bool {
        self.network.dns.contains(&self.network.address.address)
    }

    /// How kernels and images come to BIOS nodes: by HTTP only when the lower tree has the service that does it.
    #[must_use]
    pub fn transfer(&self) -> Transfer {
        if self.lower.services.contains_key(HTTP_SERVICE) { self.boot.transfer } else { Transfer::Tftp }
    }

    /// A name with the cluster's domain behind it, unless it has one.
    #[must_use]
    pub fn fqdn(&self, name: &HostName) -> String {
        name.fqdn(self.domain.as_ref())
    }

    /// The profiles of a node, in order.
    pub fn profiles_of<'site>(
        &'site self,
        node: &'site Node,
    ) -> impl DoubleEndedIterator<Item = (&'site OverlayName, &'site Profile)> {
        node.profiles.iter().filter_map(|name| self.profiles.get_key_value(name))
    }

    /// What a client mounts besides its root (`None`: a machine that is not listed), by path and so parents first: the
    /// node's own word on a path counts, else its last profile's, else the clients'.
    #[must_use]
    pub fn mounts_of(&self, node: Option<&Node>) -> BTreeMap<String, Mount> {
        let mut mounts = vec![Mount::tmp()];
        mounts.extend(self.home_mount());
        mounts.extend(self.client.mounts.iter().cloned());
        if let Some(node) = node {
            mounts.extend(self.profiles_of(node).flat_map(|(_, profile)| &profile.mounts).cloned());
            mounts.extend(node.mounts.iter().cloned());
        }
        mounts.into_iter().map(|mount| (mount.path.clone(), mount)).collect()
    }

    /// The disks that a node has for itself: its own word, else its last profile's. Machines that are not listed have none,
    /// so that no disk of a stranger is formatted.
    #[must_use]
    pub fn scratch_of<'site>(&'site self, node: &'site Node) -> Option<&'site Scratch> {
        let profiles = self.profiles_of(node).rev().find_map(|(_, profile)| profile.scratch.as_ref());
        node.scratch.as_ref().or(profiles)
    }

    /// The values for templates of a machine (`None`: the master, or one that is not listed), each with the table that says
    /// it: the node's own word counts, else its last profile's, else that of `[vars]`.
    #[must_use]
    pub fn vars_of<'site>(&'site self, node: Option<&'site Node>) -> BTreeMap<&'site VarName, (&'site Var, VarsFrom<'site>)> {
        let profiles = node.into_iter().flat_map(|node| self.profiles_of(node));
        let profiles = profiles.map(|(name, profile)| (&profile.vars, VarsFrom::Profile(name)));
        let tables = [(&self.vars, VarsFrom::Site)].into_iter().chain(profiles);
        let tables = tables.chain(node.map(|node| (&node.vars, VarsFrom::Node)));
        tables.flat_map(|(vars, from)| vars.iter().map(move |(name, var)| (name, (var, from)))).collect()
    }

    /// How clients mount the home.
    fn home_mount(&self) -> Option<Mount> {
        let (device, path, fstype) = match &self.nfs.home {
            Home::None => return None,
            Home::Master { path, .. } => (format!("{}:/home", self.network.address.address), path, "nfs4"),
            Home::Server { device, fstype, path } => (device.to_string(), path, fstype.as_str()),
        };
        Some(Mount::remote(device, path.to_string(), fstype.to_owned(), self.nfs.home_options.as_str()))
    }

    /// The kernel of a node: its own wish, else its last profile's, else the clients'.
    #[must_use]
    pub fn kernel_of<'site>(&'site self, node: &'site Node) -> &'site Kernel {
        let profiles = self.profiles_of(node).rev().find_map(|(_, profile)| profile.kernel.as_ref());
        node.kernel.as_ref().or(profiles).unwrap_or(&self.client.kernel)
    }

    /// The site's kernel parameters for a node (`None`: a machine that is not listed), general first.
    #[must_use]
    pub fn parameters_of<'site>(&'site self, node: Option<&'site Node>) -> Vec<&'site CommandLine> {
        let mut parameters: Vec<&CommandLine> = self.client.cmdline.iter().collect();
        if let Some(node) = node {
            parameters.extend(self.profiles_of(node).filter_map(|(_, profile)| profile.cmdline.as_ref()));
            parameters.extend(&node.cmdline);
        }
        parameters.retain(|parameter| !parameter.as_str().trim().is_empty());
        parameters
    }

    /// The kernel's command line of a node (`None`: a machine that is not listed) for a root, but for what the loader adds.
    ///
    /// `ip=` has four fields exactly: the `net` hook of mkinitcpio-nfs-utils appends `::DEVICE` once it has found the card of
    /// BOOTIF. Without `rootdelay=0` mkinitcpio's init waits ten seconds for a block device /dev/nfs, and without `panic=` a
    /// node that panics stays dead until somebody walks up to it. `nfsown=` is where each node fetches what is its own: from the
    /// master, whoever serves the root.
    #[must_use]
    pub fn command_line(&self, node: Option<&Node>, root: Root) -> String {
        let address = node.and_then(|node| node.address).map(|address| address.to_string());
        self.command_line_at(address.as_deref(), node, root)
    }

    /// The same with a word for the address, if the node has one.
    #[must_use]
    pub fn command_line_at(&self, address: Option<&str>, node: Option<&Node>, root: Root) -> String {
        let net = &self.network;
        let (server, path) = self.root_source(node, root);
        let ip = address.map_or_else(
            || ":::".to_owned(),
            |address| {
                let gateway = net.gateway.map_or_else(String::new, |gateway| gateway.to_string());
                format!("{address}:{server}:{gateway}:{}", net.address.netmask())
            },
        );
        let own = format!("{}:/node", net.address.address);
        let mut line = format!("nfsroot={server}:{path},{} nfsown={own} ip={ip} rootdelay=0 panic=30", self.root_options(root));
        for parameter in self.parameters_of(node) {
            line.push(' ');
            line.push_str(parameter.as_str().trim());
        }
        line
    }

    /// The node that `text` names: by host name (short or whole), MAC or address.
    #[must_use]
    pub fn node(&self, text: &str) -> Option<&Node> {
        let lower = text.to_ascii_lowercase();
        // Most are named so, and to make the long name of each costs more than to compare all short ones.
        let by_name = self.nodes.iter().find(|node| node.name.as_str() == lower);
        let mac = text.parse::<Mac>().ok();
        let address = text.parse::<Ipv4Addr>().ok();
        by_name.or_else(|| {
            self.nodes.iter().find(|node| {
                self.fqdn(&node.name) == lower
                    || mac.is_some_and(|mac| node.macs.contains(&mac))
                    || (address.is_some() && node.address == address)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::example_site;

    #[test]
    fn a_node_with_an_address_gets_it_statically() {
        let mut site = example_site();
        site.network.gateway = Some([172, 23, 199, 1].into());
        assert_eq!(
            site.command_line(Some(&site.nodes[0]), Root::Head),
            "nfsroot=172.23.199.225:/head,ro,nfsvers=4,retrans=10,rsize=32768,wsize=32768 nfsown=172.23.199.225:/node \
             ip=172.23.199.226:172.23.199.225:172.23.199.1:255.255.255.0 rootdelay=0 panic=30 loglevel=4"
        );
        assert!(site.command_line(None, Root::Head).contains(" ip=::: "));
    }

    #[test]
    fn parameters_come_from_client_profiles_and_node_in_order() {
        let mut site = example_site();
        site.profiles
            .insert("p".parse().unwrap(), Profile { cmdline: Some("from=profile".parse().unwrap()), ..Default::default() });
        site.nodes[0].profiles = vec!["p".parse().unwrap()];
        site.nodes[0].cmdline = Some(" from=node ".parse().unwrap());
        assert!(site.command_line(Some(&site.nodes[0]), Root::Head).ends_with(" loglevel=4 from=profile from=node"));
    }

    #[test]
    fn another_root_server_is_named_on_the_command_line() {
        let mut site = example_site();
        site.nfs.root_server = Some("10.9.9.9:/void".parse().unwrap());
        assert!(site.command_line(None, Root::Head).starts_with("nfsroot=10.9.9.9:/void,ro,"));
    }
}
