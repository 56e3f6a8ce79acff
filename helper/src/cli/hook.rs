//! What the scripts of our packages call.

use clap::Subcommand;

/// Entry points for package scripts.
#[derive(Debug, Subcommand)]
pub enum Hook {
    /// After a package of ours was installed or upgraded
    #[command(after_help = "Example:\n  voidclust -r . hook post-install cluster-overlays")]
    PostInstall {
        /// The package; of several in one transaction, one does the work of all
        package: Option<String>,
    },
    /// After a kernel was installed
    #[command(after_help = "Example:\n  voidclust -r . hook kernel-install 6.12.94_1")]
    KernelInstall {
        /// The kernel's version
        version: String,
    },
    /// After a kernel was removed
    #[command(after_help = "Example:\n  voidclust -r . hook kernel-remove 6.12.94_1")]
    KernelRemove {
        /// The kernel's version
        version: String,
    },
    /// On a node, for capture: print what was changed in memory, as an archive
    #[command(after_help = "Example:\n  ssh node1 voidclust hook changed | tar -t")]
    Changed,
    /// After the lower tree of this running master was changed from a chroot
    #[command(after_help = "Example:\n  voidclust hook live")]
    Live,
    /// When this master boots, and after a change of its /etc/overlays: each node is served what is its own
    #[command(after_help = "Example:\n  voidclust hook serve")]
    Serve,
    /// After `voidclust shell`: the machine takes over what was done there
    #[command(after_help = "Example:\n  voidclust hook shell-ended")]
    ShellEnded,
    /// Take away what we rendered and nobody edited; never images
    #[command(after_help = "Example:\n  voidclust -r . hook remove")]
    Remove,
}
