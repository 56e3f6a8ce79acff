//! The types of the commands that look at running nodes, and restart them.

use clap::{ArgGroup, Args, ValueEnum};

/// What is shown of nodes.
#[derive(Debug, Clone, Args)]
pub struct Look {
    /// Only these: names, MACs or addresses, node1 or n[01-16]
    pub nodes: Vec<String>,
    /// Every node, also where there are many and nothing is to be said of them
    #[arg(short, long)]
    pub all: bool,
    /// Show it again every five seconds
    #[arg(short, long, conflicts_with_all = ["json", "metrics"])]
    pub watch: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "metrics")]
    pub json: bool,
    /// Print it as Prometheus reads it, for a textfile collector
    #[arg(long)]
    pub metrics: bool,
}

/// Which nodes are rebooted, and how.
#[derive(Debug, Clone, Args)]
#[command(group = ArgGroup::new("whom").args(["nodes", "stale", "profile"]).required(true).multiple(true))]
pub struct Reboot {
    /// Names, MACs or addresses: node1, or n[01-16]
    pub nodes: Vec<String>,
    /// Those of a profile
    #[arg(short, long, value_name = "P")]
    pub profile: Option<String>,
    /// Of these, or of all, only those that a reboot would change
    #[arg(long)]
    pub stale: bool,
    /// Wait until each is up again on what it should run
    #[arg(short, long)]
    pub wait: bool,
    /// So many at a time
    #[arg(short, long, value_name = "N", default_value_t = 8, requires = "wait", value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,
    /// Tell no more nodes when so many have failed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_failures: u16,
    /// Only say which; exit status 3 if there are any
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Which nodes are switched, and how.
#[derive(Debug, Clone, Args)]
pub struct Power {
    /// Names, MACs or addresses: node1, or n[01-16]
    #[arg(required = true)]
    pub nodes: Vec<String>,
    /// What to do
    #[arg(value_enum)]
    pub action: Action,
}

/// What is done with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// Switch it on
    On,
    /// Switch it off, at once
    Off,
    /// Off and on again
    Cycle,
    /// Say whether it is on
    Status,
}

impl Action {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Cycle => "cycle",
            Self::Status => "status",
        }
    }
}
