//! Every path we read or write: the one place that spells them. Those of a tree are relative to its root, those of the
//! running machine to the machine's.

/// The site's configuration.
pub const CONFIG: &str = "etc/voidclust.conf";
/// Drop-ins, read after it in name order.
pub const CONFIG_DROPINS: &str = "etc/voidclust.d";
/// The overlays that our packages ship.
pub const PACKAGE_OVERLAYS: &str = "usr/share/voidclust/overlays";
/// The overlays of the site.
pub const SITE_OVERLAYS: &str = "etc/voidclust/overlays";
/// What the administrator keeps for single machines, to be laid over what we render.
pub const OVERLAYS: &str = "etc/overlays";
/// The archives that we render for single machines. Only root may enter.
pub const NODES: &str = "var/lib/voidclust/nodes";
/// Where machines find what they lay over /etc. Before the first apply of this version, and after those of an older one,
/// the archives lie in the last: of one name, that in the first is meant.
pub const LAID: [&str; 2] = [NODES, OVERLAYS];
/// Behind a MAC, how the names of the archives that we render go on.
const ARCHIVE: &str = ".00-voidclust";
/// The name under which machines that are not listed find their overlay.
pub const DEFAULT_NODE: &str = "default";
/// Our own state.
pub const STATE: &str = "var/lib/voidclust";
/// The files we wrote and their hashes.
pub const MANIFEST: &str = "var/lib/voidclust/manifest.toml";
/// The files we are about to write: there while a run is under way, or after one was killed.
pub const PENDING: &str = "var/lib/voidclust/pending.toml";
/// What makes each node itself, a folder each: made once, and never again by themselves. Only root may enter.
pub const IDENTITIES: &str = "var/lib/voidclust/identity";
/// How the files looked that we wrote.
pub const STAMPS: &str = "var/lib/voidclust/stamps";
/// What the master's own images were made from.
pub const MASTER_IMAGES: &str = "var/lib/voidclust/images.toml";
/// Since when each node would boot with its kernel command line.
pub const LINES: &str = "var/lib/voidclust/lines.toml";
/// Where the snapshots of the root lie that btrfs makes before a shell.
pub const SNAPSHOTS: &str = "var/lib/voidclust/snapshots";
/// The generations: a folder and a record each.
pub const GENERATIONS: &str = "var/lib/voidclust/generations";
/// Before the number in the name of a generation's marker.
pub const GENERATION_MARKER: &str = ".generation-";
/// What the site runs with a new generation before any menu names it.
pub const PUBLISH_HOOKS: &str = "etc/voidclust/publish.d";
/// Who boots which of them.
pub const PUBLISHED: &str = "var/lib/voidclust/generations/published.toml";
/// What mkinitcpio said in the last run that built images.
pub const BUILD_LOG: &str = "var/log/voidclust.log";
/// How the names begin of what [`CONFIG`] and its drop-ins were before the last change that we made in them.
pub const BEFORE: &str = "var/lib/voidclust/before-";
/// One run at a time.
pub const LOCK: &str = "var/lib/voidclust/lock";
/// What TFTP serves.
pub const BOOT_TREE: &str = "srv/tftp";
/// What PXELINUX reads: a menu for each card, and one for all others.
const PXELINUX_MENUS: &str = "srv/tftp/pxelinux.cfg";
/// What GRUB reads: our menus, its program, and what the site adds.
const GRUB_FOLDER: &str = "srv/tftp/grub";
/// How the names of GRUB's menus begin.
const GRUB_MENU: &str = "grub.cfg";
/// The folders in which loaders find menus, ours and the site's.
pub const MENU_FOLDERS: [&str; 2] = [PXELINUX_MENUS, GRUB_FOLDER];
/// One folder per kernel and initramfs that belong together.
pub const IMAGES: &str = "srv/tftp/images";
/// The drop-in for the master's own image.
pub const MASTER_INITCPIO: &str = "etc/mkinitcpio.conf.d/voidclust.conf";
/// The configuration of the clients' image.
pub const CLIENT_INITCPIO: &str = "etc/mkinitcpio.net.conf";
/// What the running machine told the last time: a chroot of it cannot look.
pub const REMEMBERED: &str = "var/lib/voidclust/master.toml";
/// Kernel modules, a folder a version.
pub const MODULES: &str = "usr/lib/modules";
/// The services that can be enabled, a folder each.
pub const SERVICES: &str = "etc/sv";
/// Kernels and the master's own images.
pub const BOOT: &str = "boot";
/// Programs.
pub const PROGRAMS: &str = "usr/bin";
/// What makes images.
pub const MKINITCPIO_PROGRAM: &str = "usr/bin/mkinitcpio";
/// The hooks that packages bring for images.
pub const INITCPIO_HOOKS: &str = "usr/lib/initcpio/hooks";
/// What mkinitcpio is told for the master's own image, by the machine's administrator.
pub const MKINITCPIO: &str = "etc/mkinitcpio.conf";
/// The run levels, a folder each, with a link for each service that is enabled.
pub const RUN_LEVELS: &str = "etc/runit/runsvdir";
/// Folders in /etc whose scripts every node runs at boot.
pub const BOOT_SCRIPTS: [&str; 2] = ["runit/core-services", "rc.local.d"];
/// Where a machine may have what the boot server tells the log: that of all services, that of its facility, or those of
/// other programs.
pub const BOOT_SERVER_LOGS: [&str; 5] = [
    "var/log/socklog/everything/current",
    "var/log/socklog/daemon/current",
    "var/log/messages",
    "var/log/syslog",
    "var/log/daemon.log",
];
/// Where Void's service of darkhttpd tells what it sent.
pub const HTTP_LOG: &str = "var/log/darkhttpd/darkhttpd.log";
/// What xbps knows of the packages.
pub const XBPS: &str = "var/db/xbps";
/// The leases that the boot server gave.
pub const LEASES: &str = "var/lib/misc/dnsmasq.leases";
/// The vendors of network cards, from the package hwdata.
pub const VENDORS: &str = "usr/share/hwdata/oui.txt";
/// Which name servers a machine asks.
pub const RESOLVERS: &str = "etc/resolv.conf";
/// What the DHCP client of Void is told.
pub const DHCPCD: &str = "etc/dhcpcd.conf";
/// The names of machines.
pub const HOSTS: &str = "etc/hosts";
/// What stage 1 mounts.
pub const FSTAB: &str = "etc/fstab";
/// Where the file systems lie that are nobody's but the machine's own, and those that clients get in a way of their own.
pub const OWN_MOUNTS: &[&str] = &["/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/boot", "/srv/nfs"];
/// The folders that we write into.
pub const WRITTEN: &[&str] =
    &[BOOT, "etc", "etc/mkinitcpio.conf.d", NODES, BOOT_TREE, IMAGES, PXELINUX_MENUS, GRUB_FOLDER, STATE];
/// Put behind the name of a file that somebody edited: the text we would have written.
pub const NEW_SUFFIX: &str = ".new-voidclust";
/// Before the name of a file being written; leftovers of a killed run are swept by it.
pub const TEMP_PREFIX: &str = ".voidclust-";

/// PXELINUX's menu of a card, by its [`crate::types::Mac::loader_name`]; of all others without one.
#[must_use]
pub fn pxelinux_menu(card: Option<&str>) -> String {
    format!("{PXELINUX_MENUS}/{}", card.unwrap_or("default"))
}

/// GRUB's menu of a card, likewise.
#[must_use]
pub fn grub_menu(card: Option<&str>) -> String {
    let card = card.map(|card| format!("-{card}")).unwrap_or_default();
    format!("{GRUB_FOLDER}/{GRUB_MENU}{card}")
}

/// Whether a path is that of a menu that we render. GRUB's program lies beside its menus.
#[must_use]
pub fn is_menu(path: &str) -> bool {
    let name_in = |folder: &str| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    name_in(PXELINUX_MENUS).is_some() || name_in(GRUB_FOLDER).is_some_and(|name| name.starts_with(GRUB_MENU))
}

/// Whether a file of [`MENU_FOLDERS`] may be a menu, of ours or of the site: what is not a program.
#[must_use]
pub fn may_be_menu(name: &str) -> bool {
    !name.ends_with(".efi")
}

/// The folder of what makes a node itself, by the name of the node.
#[must_use]
pub fn identity(node: &str) -> String {
    format!("{IDENTITIES}/{node}")
}

/// A file in there.
#[must_use]
pub fn identity_file(node: &str, file: &str) -> String {
    format!("{IDENTITIES}/{node}/{file}")
}

/// The record of a generation: written when it is whole, and gone before it goes.
#[must_use]
pub fn generation_record(number: u32) -> String {
    format!("{GENERATIONS}/{number}.toml")
}

/// What the files of the shared root were when this copy of it was made, by which the next one knows what changed.
#[must_use]
pub fn generation_index(number: u32) -> String {
    format!("{GENERATIONS}/{number}.index")
}

/// Where a generation is made, and where it is taken apart.
#[must_use]
pub fn generation_aside(number: u32) -> String {
    format!("{GENERATIONS}/{TEMP_PREFIX}{number}")
}

/// The file in the root of a generation that its clients keep open, so that the server can tell which one they use.
#[must_use]
pub fn generation_marker(number: u32) -> String {
    format!("{GENERATION_MARKER}{number}")
}

/// Where the tree of a generation is seen.
#[must_use]
pub fn generation_tree(number: u32) -> String {
    format!("{GENERATIONS}/{number}")
}

/// The archive of a node, by its MAC or [`DEFAULT_NODE`].
#[must_use]
pub fn archive(name: &str) -> String {
    format!("{NODES}/{name}{ARCHIVE}.tar")
}

/// The archive of what a node has of an overlay as all others have it. Nodes lay archives in the order of their names:
/// this one comes right after the node's own.
#[must_use]
pub fn shared_archive(name: &str, overlay: &str) -> String {
    format!("{NODES}/{name}{ARCHIVE}_{overlay}.tar")
}

/// The MAC (or [`DEFAULT_NODE`]) in the path of an archive that we render.
#[must_use]
pub fn archive_owner(path: &str) -> Option<&str> {
    let name = LAID.iter().find_map(|folder| path.strip_prefix(folder))?;
    let (name, rest) = name.strip_prefix('/')?.split_once(ARCHIVE)?;
    let rest = rest.strip_suffix(".tar")?;
    (rest.is_empty() || rest.starts_with('_')).then_some(name)
}

// --- the running machine -------------------------------------------------------------------------------------------------

/// What the first process sees as `/`.
pub const FIRST_ROOT: &str = "/proc/1/root";
/// There when /proc is mounted.
pub const OWN_PROCESS: &str = "proc/self";
/// Likewise for /dev.
pub const NULL: &str = "dev/null";
/// The mounts that this process sees.
pub const MOUNTS: &str = "proc/self/mountinfo";
/// A folder for each client of the NFS server.
pub const NFS_CLIENTS: &str = "proc/fs/nfsd/clients";
/// For how many seconds the server knows a client that does not speak.
pub const NFS_LEASE: &str = "proc/fs/nfsd/nfsv4leasetime";
/// What the boot loader told the kernel.
pub const COMMAND_LINE: &str = "proc/cmdline";
/// What the machine calls itself now.
pub const RUNNING_NAME: &str = "proc/sys/kernel/hostname";
/// A folder for each block device, by its name in the kernel.
pub const BLOCK_DEVICES: &str = "sys/class/block";
/// How much memory there is.
pub const MEMORY: &str = "proc/meminfo";
/// A folder for each network interface.
pub const INTERFACES: &str = "sys/class/net";
/// Every route, and among them each address of this machine.
pub const LOCAL_ADDRESSES: &str = "proc/net/fib_trie";
/// The routes, with the interfaces that they lead through.
pub const ROUTES: &str = "proc/net/route";
/// Where the lower tree is seen on a node that runs from its overlay.
pub const LOWER: &str = "run/rootfs/lower";
/// What a node that runs from its overlay has changed: in memory only.
pub const UPPER: &str = "run/rootfs/cowspace/upper";
/// What laying overlays, and what came of it, keeps for the next run: the records below lie in there.
pub const RECORDS: &str = "run/voidclust";
/// The MACs of this machine, as they were found first: cards change their address later (bonds take that of the first card).
pub const OWN_MACS: &str = "macs";
/// What was laid, a path a line: all that may be in /etc of overlays of the last run and those before.
pub const WAS_LAID: &str = "laid";
/// What each source brought when it could last be read: `NAME/PATH`.
pub const BROUGHT: &str = "brought";
/// What the last run changed.
pub const CHANGES: &str = "changes";
/// The services that read what was changed, and that nobody has told yet.
pub const UNTOLD: &str = "untold";
/// The changed files of /etc that wait for the next boot.
pub const WAITING: &str = "reboot";
/// What the runs said.
pub const LAY_LOG: &str = "overlays.log";
/// One run that lays at a time.
pub const LAY_LOCK: &str = "lock";
/// The NFSv4 root, a file system of its own.
pub const NFS_ROOT: &str = "srv/nfs";
/// What the master serves to single machines: a folder for each, by its MAC or [`DEFAULT_NODE`].
pub const NFS_NODES: &str = "srv/nfs/node";
/// In such a folder, all that the machine lays; it is there from the first moment on whole.
pub const OWN: &str = "own";
/// Where the live tree is served, for the nodes that boot it.
pub const NFS_HEAD: &str = "srv/nfs/head";
/// Where generations are served, a folder each.
const NFS_GENERATIONS: &str = "srv/nfs/root";
/// Takes the path of a file system whose files the NFS server is to let go.
pub const NFS_UNLOCK: &str = "proc/fs/nfsd/unlock_filesystem";
/// The services that run.
pub const RUNNING_SERVICES: &str = "etc/runit/runsvdir/current";
/// The boot server's process, where it may stand.
pub const BOOT_SERVER: [&str; 2] = ["run/runit/supervise.dnsmasq/pid", "etc/sv/dnsmasq/supervise/pid"];
/// Every UDP socket of the machine.
pub const UDP_SOCKETS: &str = "proc/net/udp";

/// One of [`RECORDS`] on a running machine.
#[must_use]
pub fn record(name: &str) -> String {
    format!("{RECORDS}/{name}")
}

/// The folder that is served to a machine.
#[must_use]
pub fn nfs_node(name: &str) -> String {
    format!("{NFS_NODES}/{name}")
}

/// Where a generation is served.
#[must_use]
pub fn nfs_generation(number: u32) -> String {
    format!("{NFS_GENERATIONS}/{number}")
}

/// Where the supervisor may tell whether a service runs.
#[must_use]
pub fn supervised(service: &str) -> [String; 2] {
    [format!("run/runit/supervise.{service}/stat"), format!("{SERVICES}/{service}/supervise/stat")]
}

/// What a process has open.
#[must_use]
pub fn open_files(process: &str) -> String {
    format!("proc/{process}/fd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archives_of_a_machine_are_known_by_their_names() {
        let mac = "52:54:00:00:00:0a";
        assert_eq!(archive_owner(&archive(mac)), Some(mac));
        assert_eq!(archive_owner(&shared_archive(DEFAULT_NODE, "x.tar_y")), Some(DEFAULT_NODE));
        assert!(archive(mac) < shared_archive(mac, "a"), "the node's own first");
        assert_eq!(archive_owner(&format!("{OVERLAYS}/{mac}{ARCHIVE}.tar")), Some(mac), "of an older version");
        for foreign in [".50.tar", ".00-voidclust2.tar", ".00-voidclust.tar.new-voidclust", "/00-voidclust.tar", ".tar"] {
            assert_eq!(archive_owner(&format!("{NODES}/{mac}{foreign}")), None, "{foreign}");
        }
    }

    #[test]
    fn menus_are_told_from_the_programs_beside_them() {
        for card in [None, Some("01-52-54-00-17-c7-e2")] {
            assert!(is_menu(&pxelinux_menu(card)) && is_menu(&grub_menu(card)));
        }
        for other in ["srv/tftp/grub/grubx64.efi", "srv/tftp/lpxelinux.0", "srv/tftp/pxelinux.cfg", "etc/default/grub"] {
            assert!(!is_menu(other), "{other}");
        }
    }
}
