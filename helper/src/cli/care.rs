//! The types of the commands that look at running nodes, and restart them.

use clap::Args;

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
