//! The Site: what the configuration says, checked and with every default filled in. The rest of the program runs on it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use crate::types::lower::Lower;
use crate::types::mount::Mount;
use crate::types::{
    AbsolutePath, AddressRange, CommandLine, FileSystemType, HostName, HostNet, InterfaceName, Kernel, Mac, ModuleName,
    MountOptions, OverlayName, RemoteDevice, RootServer, Service,
};

/// A whole cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The DNS domain that host names without a dot get.
    pub domain: Option<HostName>,
    /// The cluster's network.
    pub network: Network,
    /// The machine that serves all others.
    pub master: Master,
    /// What all clients share.
    pub client: Client,
    /// Where the root and the home come from.
    pub nfs: Nfs,
    /// The boot tree.
    pub boot: Boot,
    /// The profiles, by name.
    pub profiles: BTreeMap<OverlayName, Profile>,
    /// The listed clients, in the order of the configuration.
    pub nodes: Vec<Node>,
    /// What the lower tree has of its own that concerns the nodes.
    pub lower: Lower,
}

/// The cluster's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The master's interface; its MAC is read from it, and dnsmasq answers there only.
    pub interface: Option<InterfaceName>,
    /// The master's address and the subnet.
    pub address: HostNet,
    /// The router, for addresses outside the subnet.
    pub gateway: Option<Ipv4Addr>,
    /// DNS servers for the clients; with the master's own address among them, the master answers DNS.
    pub dns: Vec<Ipv4Addr>,
    /// Who gives out addresses.
    pub dhcp: Dhcp,
}

/// Who gives out addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dhcp {
    /// Another server; the master adds only what to boot.
    Proxy,
    /// The master; machines that are not listed get an address of the pool, if there is one.
    Server(Option<AddressRange>),
    /// Another server, which names the boot files too.
    Off,
}

/// How the master mounts the shared root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// A ZFS data set: the image needs the hook of mkinitcpio-zfs.
    Zfs,
    /// A file system that mkinitcpio's own hooks mount.
    Plain,
}

/// The machine that serves all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    /// Its host name.
    pub name: HostName,
    /// The MAC by which it finds its overlay.
    pub mac: Mac,
    /// How it mounts the shared root.
    pub storage: Storage,
    /// Kernel modules loaded from its own image.
    pub modules: Vec<ModuleName>,
    /// Overlays after the built-in `master`.
    pub overlays: Vec<OverlayName>,
    /// Services on or off.
    pub services: Vec<Service>,
}

/// What all clients share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Client {
    /// Kernel parameters of every client.
    pub cmdline: Option<CommandLine>,
    /// Kernel modules loaded from the client image.
    pub modules: Vec<ModuleName>,
    /// Which network drivers the client image holds.
    pub drivers: Drivers,
    /// Overlays after the built-in `client`.
    pub overlays: Vec<OverlayName>,
    /// Services on or off.
    pub services: Vec<Service>,
    /// The kernel that clients boot.
    pub kernel: Kernel,
    /// What every client mounts besides root and home.
    pub mounts: Vec<Mount>,
}

/// Which network drivers the client image holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Drivers {
    /// Every one: the machines may be unlike.
    #[default]
    All,
    /// Those that this master needs: the machines are alike.
    Autodetect,
}

/// Where the root and the home come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nfs {
    /// NFS options of the root.
    pub root_options: MountOptions,
    /// Mount options of the home.
    pub home_options: MountOptions,
    /// Threads of the master's NFS server.
    pub threads: u16,
    /// Who serves the root; `None` is the master.
    pub root_server: Option<RootServer>,
    /// Where the home comes from.
    pub home: Home,
    /// What the master exports besides root and home.
    pub exports: Vec<Export>,
}

/// A folder of the master that is exported under its own path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// The folder.
    pub path: AbsolutePath,
    /// Whether clients may not write.
    pub read_only: bool,
    /// Whether root on a client is nobody in there.
    pub root_squash: bool,
}

/// Where the home comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// Clients have none but what the shared root holds.
    None,
    /// This path of the master, over NFSv4.
    Master {
        /// The path on the master, and on the clients.
        path: AbsolutePath,
        /// Whether root on a client is nobody in there.
        root_squash: bool,
    },
    /// Another server or a cluster file system.
    Server {
        /// The device for fstab(5).
        device: RemoteDevice,
        /// Its type for fstab(5).
        fstype: FileSystemType,
        /// Where it is mounted.
        path: AbsolutePath,
    },
}

/// The boot tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Whether BIOS machines are served.
    pub bios: bool,
    /// Whether UEFI machines are served.
    pub uefi: bool,
    /// How many images stay, for fallback.
    pub keep: u16,
    /// Seconds the menu waits; 0 shows none.
    pub timeout: u16,
}

/// What several nodes share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// Overlays, in order.
    pub overlays: Vec<OverlayName>,
    /// Services on or off.
    pub services: Vec<Service>,
    /// Kernel parameters.
    pub cmdline: Option<CommandLine>,
    /// Kernel modules loaded by the booted node.
    pub modules: Vec<ModuleName>,
    /// The kernel, if another than the clients'.
    pub kernel: Option<Kernel>,
    /// What is mounted besides; the later word on a path wins.
    pub mounts: Vec<Mount>,
}

/// A listed client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its host name.
    pub name: HostName,
    /// Its network cards; it boots from any of them.
    pub macs: Vec<Mac>,
    /// Its address; without one it asks DHCP.
    pub address: Option<Ipv4Addr>,
    /// Its profiles, in order.
    pub profiles: Vec<OverlayName>,
    /// Its own overlays, after those of its profiles.
    pub overlays: Vec<OverlayName>,
    /// Services on or off.
    pub services: Vec<Service>,
    /// Kernel parameters.
    pub cmdline: Option<CommandLine>,
    /// The kernel, if another than its profiles'.
    pub kernel: Option<Kernel>,
    /// What is mounted besides; the later word on a path wins.
    pub mounts: Vec<Mount>,
}

impl Site {
    /// The overlays that the configuration names, each as often as it is named.
    pub fn overlay_names(&self) -> impl Iterator<Item = &str> {
        let profiles = self.profiles.values().map(|profile| &profile.overlays);
        let lists = [&self.master.overlays, &self.client.overlays].into_iter().chain(profiles);
        lists.chain(self.nodes.iter().map(|node| &node.overlays)).flatten().map(OverlayName::as_str)
    }

    /// The address of the server that clients mount their root from, and the path there.
    #[must_use]
    pub fn root_source(&self) -> (Ipv4Addr, &str) {
        let own = (self.network.address.address, "/root");
        self.nfs.root_server.as_ref().map_or(own, |server| (server.address, &server.path))
    }

    /// Whether the master exports anything over NFS.
    #[must_use]
    pub fn exports(&self) -> bool {
        self.nfs.root_server.is_none() || matches!(self.nfs.home, Home::Master { .. }) || !self.nfs.exports.is_empty()
    }

    /// Whether the master answers DNS: only when the clients are told to ask it.
    #[must_use]
    pub fn answers_dns(&self) -> bool {
        self.network.dns.contains(&self.network.address.address)
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

    /// The kernel's command line for a node (`None`: a machine that is not listed), but for what the loader adds.
    ///
    /// `ip=` has four fields exactly: the `net` hook of mkinitcpio-nfs-utils appends `::DEVICE` once it has found the card of
    /// BOOTIF. Without `rootdelay=0` mkinitcpio's init waits ten seconds for a block device /dev/nfs, and without `panic=` a
    /// node that panics stays dead until somebody walks up to it.
    #[must_use]
    pub fn command_line(&self, node: Option<&Node>) -> String {
        let net = &self.network;
        let (server, path) = self.root_source();
        let ip = node.and_then(|node| node.address).map_or_else(
            || ":::".to_owned(),
            |address| {
                let gateway = net.gateway.map_or_else(String::new, |gateway| gateway.to_string());
                format!("{address}:{server}:{gateway}:{}", net.address.netmask())
            },
        );
        let mut line = format!("nfsroot={server}:{path},{} ip={ip} rootdelay=0 panic=30", self.nfs.root_options);
        for parameter in self.parameters_of(node) {
            line.push(' ');
            line.push_str(parameter.as_str().trim());
        }
        line
    }

    /// The node that `text` names: by host name (short or whole), MAC or address.
    #[must_use]
    pub fn node(&self, text: &str) -> Option<&Node> {
        let mac = text.parse::<Mac>().ok();
        let lower = text.to_ascii_lowercase();
        self.nodes.iter().find(|node| {
            node.name.as_str() == lower
                || self.fqdn(&node.name) == lower
                || mac.is_some_and(|mac| node.macs.contains(&mac))
                || node.address.is_some_and(|address| address.to_string() == text)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::example_site;

    #[test]
    fn a_node_with_an_address_gets_it_statically() {
        let mut site = example_site();
        site.network.gateway = Some([172, 23, 199, 1].into());
        assert_eq!(
            site.command_line(Some(&site.nodes[0])),
            "nfsroot=172.23.199.225:/root,ro,nfsvers=4,retrans=10,rsize=32768,wsize=32768 \
             ip=172.23.199.226:172.23.199.225:172.23.199.1:255.255.255.0 rootdelay=0 panic=30 loglevel=4"
        );
        assert!(site.command_line(None).contains(" ip=::: "));
    }

    #[test]
    fn parameters_come_from_client_profiles_and_node_in_order() {
        let mut site = example_site();
        site.profiles.insert(
            "p".parse().unwrap(),
            super::Profile { cmdline: Some("from=profile".parse().unwrap()), ..Default::default() },
        );
        site.nodes[0].profiles = vec!["p".parse().unwrap()];
        site.nodes[0].cmdline = Some(" from=node ".parse().unwrap());
        assert!(site.command_line(Some(&site.nodes[0])).ends_with(" loglevel=4 from=profile from=node"));
    }

    #[test]
    fn another_root_server_is_named_on_the_command_line() {
        let mut site = example_site();
        site.nfs.root_server = Some("10.9.9.9:/void".parse().unwrap());
        assert!(site.command_line(None).starts_with("nfsroot=10.9.9.9:/void,ro,"));
    }
}
