//! Commands on other machines, over ssh(1): with keys and never with a question.

use std::time::Duration;

use crate::tools::Tool;

/// How long a machine may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// A command on a machine. The far shell reads the words again, so each is in quotes.
#[must_use]
pub fn on(host: &str, words: &[&str]) -> Tool {
    let patience = format!("ConnectTimeout={}", PATIENCE.as_secs());
    let far: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    let tool = Tool::new("ssh").args(["-o", "BatchMode=yes", "-o", patience.as_str(), "--", host]).arg(far.join(" "));
    tool.called(format!("ssh {host} {}", words.join(" ")))
}
