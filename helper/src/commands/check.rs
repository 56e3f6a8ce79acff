//! `voidclust check`: the configuration and the overlays, without a look at what is rendered.

use anyhow::Result;
use serde_json::json;

use super::Status;
use crate::cli::Global;
use crate::render::compose::Composer;
use crate::stages::session::{self, Configured, Target};
use crate::words::counted;

/// Checks, and prints what is wrong or a line that says how large the site is.
///
/// # Errors
/// When something could not be checked at all.
pub fn run(global: &Global, json: bool) -> Result<Status> {
    let target = Target::open(global)?;
    let (messages, complaints, summary) = match session::read(&target, global.config.as_deref())? {
        Configured::Not(file) => {
            let text = "not configured yet; set at least `address` under [network] and one [[node]]";
            (Vec::new(), vec![format!("{file}: {text}")], String::new())
        }
        Configured::Wrong(messages) => (messages, Vec::new(), String::new()),
        Configured::Yes(wanted) => {
            let complaints = Composer::new(&wanted.site, &wanted.overlays).archives().err().unwrap_or_default();
            let nodes = counted(wanted.site.nodes.len(), "node");
            let profiles = counted(wanted.site.profiles.len(), "profile");
            let summary = format!("ok: master {}, {nodes}, {profiles}", wanted.site.master.name);
            (Vec::new(), complaints, summary)
        }
    };
    let sound = messages.is_empty() && complaints.is_empty();
    if json {
        let report = json!({ "ok": sound, "problems": messages, "complaints": complaints });
        anstream::println!("{report:#}");
    } else if sound {
        anstream::println!("{summary}");
    } else {
        for message in &messages {
            anstream::eprintln!("{message}");
        }
        for complaint in &complaints {
            anstream::eprintln!("{complaint}");
        }
        anstream::eprintln!("{}", counted(messages.len() + complaints.len(), "problem"));
    }
    Ok(if sound { Status::Done } else { Status::Failed })
}
