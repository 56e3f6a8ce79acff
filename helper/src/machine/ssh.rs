//! Commands on nodes, over ssh(1) as root: with keys and never with a question.

use std::time::Duration;

use crate::site::{Node, Site};
use crate::tools::Tool;

/// How long a node may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a node is found: at its address, or else by its name.
#[must_use]
pub fn host(site: &Site, node: &Node) -> String {
    node.address.map_or_else(|| site.fqdn(&node.name), |address| address.to_string())
}

/// A command on a node. The far shell reads the words again, so each is in quotes.
#[must_use]
pub fn on(host: &str, words: &[&str]) -> Tool {
    let patience = format!("ConnectTimeout={}", PATIENCE.as_secs());
    let far: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    let tool = Tool::new("ssh").args(["-o", "BatchMode=yes", "-o", patience.as_str(), "-l", "root", host]);
    tool.arg(far.join(" ")).called(format!("ssh {host} {}", words.join(" ")))
}
