//! Every path we read or write, relative to the root: the one place that spells them.

/// The site's configuration.
pub const CONFIG: &str = "etc/voidclust.conf";
/// Drop-ins, read after it in name order.
pub const CONFIG_DROPINS: &str = "etc/voidclust.d";
/// The overlays that our packages ship.
pub const PACKAGE_OVERLAYS: &str = "usr/share/voidclust/overlays";
/// The overlays of the site.
pub const SITE_OVERLAYS: &str = "etc/voidclust/overlays";
/// What the nodes lay over their /etc.
pub const OVERLAYS: &str = "etc/overlays";
/// How the archives that we render end; whatever else is in [`OVERLAYS`] is the administrator's.
pub const ARCHIVE_SUFFIX: &str = ".00-voidclust.tar";
/// The name under which machines that are not listed find their overlay.
pub const DEFAULT_NODE: &str = "default";
/// Our own state.
pub const STATE: &str = "var/lib/voidclust";
/// The files we wrote and their hashes.
pub const MANIFEST: &str = "var/lib/voidclust/manifest.toml";
/// The files we are about to write: there while a run is under way, or after one was killed.
pub const PENDING: &str = "var/lib/voidclust/pending.toml";
/// One run at a time.
pub const LOCK: &str = "var/lib/voidclust/lock";
/// What TFTP serves.
pub const BOOT_TREE: &str = "srv/tftp";
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
/// Where the lower tree is seen on a node that runs from its overlay.
pub const LOWER: &str = "/run/rootfs/lower";
/// What a node that runs from its overlay has changed: in memory only.
pub const UPPER: &str = "/run/rootfs/cowspace/upper";
/// Lays overlays over /etc, at boot and again later.
pub const LAY_OVERLAYS: &str = "usr/libexec/voidclust/lay-overlays";
/// Put behind the name of a file that somebody edited: the text we would have written.
pub const NEW_SUFFIX: &str = ".new-voidclust";
/// Before the name of a file being written; leftovers of a killed run are swept by it.
pub const TEMP_PREFIX: &str = ".voidclust-";

/// The archive of a node, by its MAC or [`DEFAULT_NODE`].
#[must_use]
pub fn archive(name: &str) -> String {
    format!("{OVERLAYS}/{name}{ARCHIVE_SUFFIX}")
}
