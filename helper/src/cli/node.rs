//! The types of `voidclust node`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What can be done with nodes.
#[derive(Debug, Subcommand)]
pub enum Node {
    /// List the nodes
    #[command(after_help = "Example:\n  clush -w \"$(voidclust node list --names --profile gpu)\" uptime")]
    List {
        /// Only those of this profile
        #[arg(short, long, value_name = "P")]
        profile: Option<String>,
        /// Only the names, in one line as clush and pdsh read them
        #[arg(long, conflicts_with = "json")]
        names: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show all that is configured for a node, and where
    #[command(after_help = "Example:\n  voidclust node show node1")]
    Show {
        /// A node's name, MAC or address
        node: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add nodes; names and addresses count together
    #[command(after_help = "Example:\n  voidclust node add n1 --mac 52:54:00:12:34:56 --profile compute\n  \
voidclust node add 'n[01-16]' --mac 52:54:00:00:00:01+ --address 10.0.0.11+")]
    Add {
        /// Their names: node1, or n[01-16]
        names: String,
        /// What is said of them
        #[command(flatten)]
        keys: Keys,
        /// Whether to write
        #[command(flatten)]
        dry: Dry,
    },
    /// Change what is configured for nodes
    #[command(after_help = "Example:\n  voidclust node set 'n[01-16]' --kernel 6.12.94_1 --var rack=a1")]
    Set {
        /// Names, MACs or addresses: node1, or n[01-16]
        #[arg(required = true)]
        nodes: Vec<String>,
        /// Another name
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// What is said of them
        #[command(flatten)]
        keys: Keys,
        /// Remove this key; once for each
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
        /// Whether to write
        #[command(flatten)]
        dry: Dry,
    },
    /// Add the machines of a list that another program keeps
    #[command(after_help = "Example:\n  voidclust node import machines.csv -n")]
    Import {
        /// The list
        file: PathBuf,
        /// How it is written, when that cannot be told from it
        #[arg(short, long, value_enum)]
        format: Option<Format>,
        /// For ethers: the addresses of its names, instead of /etc/hosts
        #[arg(long, value_name = "FILE")]
        hosts: Option<PathBuf>,
        /// Whether to write
        #[command(flatten)]
        dry: Dry,
    },
    /// List machines that asked for an address or a boot, and are no nodes
    #[command(after_help = "Example:\n  voidclust node discover --add 'n[01-16]' --address 10.0.0.11+\n  \
voidclust node discover --add 'n[01-16]' --address 10.0.0.11+ --wait")]
    Discover(Discover),
    /// Make apply give nodes, also removed ones, new host keys and ids
    #[command(after_help = "Example:\n  voidclust node forget-keys n1 && voidclust apply\n\n\
Host keys, machine id and host id are of a name: a node that is removed and\n\
added again has those it had, whatever its network card, until they are\n\
forgotten.")]
    ForgetKeys {
        /// Names as they are configured, or were: node1, or n[01-16]
        #[arg(required = true)]
        names: Vec<String>,
        /// Only list what would be forgotten; exit status 3
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
    /// Remove nodes
    #[command(after_help = "Example:\n  voidclust node remove 'n[01-16]'")]
    Remove {
        /// Names, MACs or addresses: node1, or n[01-16]
        #[arg(required = true)]
        nodes: Vec<String>,
        /// Whether to write
        #[command(flatten)]
        dry: Dry,
    },
}

/// Who asked, and what becomes of them.
#[derive(Debug, Args)]
pub struct Discover {
    /// Add those that asked for a boot, named in the order in which they
    /// first did
    #[arg(long, value_name = "NAMES")]
    pub add: Option<String>,
    /// Add those too that asked for an address only
    #[arg(long, requires = "add")]
    pub all: bool,
    /// Add those that ask from now on, each when it does, until every name
    /// is taken
    #[arg(short, long, requires = "add", conflicts_with = "dry_run")]
    pub wait: bool,
    /// The address of the first of the names, and a + for the others
    #[arg(short, long, requires = "add")]
    pub address: Option<String>,
    /// A profile of theirs; once for each
    #[arg(short, long, value_name = "P", requires = "add")]
    pub profile: Vec<String>,
    /// The log of dnsmasq, instead of that of the machine
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Print JSON
    #[arg(long, conflicts_with = "add")]
    pub json: bool,
    /// Whether to write
    #[command(flatten)]
    pub dry: Dry,
}

/// How a list of machines is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Commas, below a line with: name, mac, address, profiles and so on
    Csv,
    /// Lines of ethers(5); the addresses are in hosts(5)
    Ethers,
    /// The leases of dnsmasq(8)
    Leases,
    /// Warewulf's nodes.conf
    Warewulf,
}

/// What is said of nodes.
#[derive(Debug, Clone, Default, Args)]
pub struct Keys {
    /// A network card: one for each node, separated by commas, or the first
    /// one and a + to count; once more for a second card
    #[arg(short, long)]
    pub mac: Vec<String>,
    /// The address; of several nodes the first one and a +
    #[arg(short, long)]
    pub address: Option<String>,
    /// A profile; once for each, in place of all
    #[arg(short, long, value_name = "P")]
    pub profile: Vec<String>,
    /// An overlay, likewise
    #[arg(short, long, value_name = "O")]
    pub overlay: Vec<String>,
    /// A service, likewise
    #[arg(short, long, value_name = "S")]
    pub service: Vec<String>,
    /// The kernel
    #[arg(short, long, value_name = "V")]
    pub kernel: Option<String>,
    /// The generation of the root: its number, newest, or head
    #[arg(short, long, value_name = "G")]
    pub generation: Option<String>,
    /// Kernel parameters
    #[arg(long, value_name = "TEXT")]
    pub cmdline: Option<String>,
    /// A value for templates; once for each
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
}

/// Whether to write.
#[derive(Debug, Clone, Copy, Args)]
pub struct Dry {
    /// Only show the change; exit status 3 if there is any
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}
