//! The Site: what the configuration says, checked and with every default filled in. The rest of the program runs on it.

mod questions;
mod roots;

pub use questions::{HTTP_SERVICE, THREADS, VarsFrom, connections, threads_for};
pub use roots::Root;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use crate::types::generation::{Generations, RootWish};
use crate::types::identity::Identities;
use crate::types::lower::Lower;
use crate::types::mount::Mount;
use crate::types::scratch::Scratch;
use crate::types::{
    AbsolutePath, AddressRange, CommandLine, Compression, FileSystemType, HostName, HostNet, InterfaceName, Kernel, Mac,
    ModuleName, MountOptions, OverlayName, PowerCommand, PrivatePath, RemoteDevice, RootServer, Service, Vars,
};

/// A whole cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The DNS domain that host names without a dot get.
    pub domain: Option<HostName>,
    /// The cluster's network.
    pub network: Network,
    /// The machine that serves all others.
    pub master: Master,
    /// What all clients share.
    pub client: Client,
    /// What generations hold, and how many stay.
    pub root: Generalised,
    /// Where the root and the home come from.
    pub nfs: Nfs,
    /// The boot tree.
    pub boot: Boot,
    /// What switches nodes on and off.
    pub power: Option<PowerCommand>,
    /// Values for the templates of all machines.
    pub vars: Vars,
    /// The profiles, by name.
    pub profiles: BTreeMap<OverlayName, Profile>,
    /// The listed clients, in the order of the configuration.
    pub nodes: Vec<Node>,
    /// What the lower tree has of its own that concerns the nodes.
    pub lower: Lower,
    /// The generations there are, and who boots which.
    pub generations: Generations,
    /// What makes each node itself, as far as it was made, by name.
    pub identities: Identities,
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
    /// By what that image is compressed.
    pub compression: Compression,
    /// Overlays after the built-in `client`.
    pub overlays: Vec<OverlayName>,
    /// Services on or off.
    pub services: Vec<Service>,
    /// The kernel that clients boot.
    pub kernel: Kernel,
    /// The root that clients boot.
    pub generation: RootWish,
    /// Whether each listed node has host keys and ids of its own.
    pub identity: bool,
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

/// What generations hold, and how many stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generalised {
    /// How many of the newest stay, whether anybody boots them or not.
    pub keep: u16,
    /// What is in none, besides what voidclust leaves out by itself.
    pub private: Vec<PrivatePath>,
}

/// Where the root and the home come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nfs {
    /// NFS options of the root.
    pub root_options: MountOptions,
    /// Mount options of the home.
    pub home_options: MountOptions,
    /// Threads of the master's NFS server, when the site says how many.
    pub threads: Option<u16>,
    /// Who serves the root, unless profile or node names another; `None` is the master.
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
    /// Whether it is known to be a file system of its own, so that a handle of a file in it leads to none beside it.
    pub apart: bool,
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
        /// Whether it is known to be a file system of its own, as for an [`Export`].
        apart: bool,
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
    /// How kernels and images come to the nodes, if it can be: [`Site::transfer`].
    pub transfer: Transfer,
}

/// How kernels and images come to the nodes. Loaders and menus come by TFTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transfer {
    /// By HTTP, and by TFTP for a node where that fails.
    Http,
    /// By TFTP alone: a load that stands still is tried again, which PXELINUX does not do by HTTP.
    #[default]
    Tftp,
}

/// What several nodes share.
#[derive(Debug, Clone, PartialEq, Default)]
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
    /// The root, if another than the clients'.
    pub generation: Option<RootWish>,
    /// Who serves it, if another than the site's.
    pub root_server: Option<RootServer>,
    /// What is mounted besides; the later word on a path wins.
    pub mounts: Vec<Mount>,
    /// Disks that each node has for itself; the later word wins.
    pub scratch: Option<Scratch>,
    /// Values for templates; the later word wins.
    pub vars: Vars,
}

/// A listed client.
#[derive(Debug, Clone, PartialEq)]
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
    /// The root, if another than its profiles'.
    pub generation: Option<RootWish>,
    /// Who serves it, if another than its profiles'.
    pub root_server: Option<RootServer>,
    /// What is mounted besides; the later word on a path wins.
    pub mounts: Vec<Mount>,
    /// Disks of its own, in place of those that its profiles say.
    pub scratch: Option<Scratch>,
    /// Values for templates; the later word wins.
    pub vars: Vars,
}
