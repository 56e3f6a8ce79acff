//! One module per command: each prints its result and returns the exit status.

pub mod apply;
pub mod capture;
mod change;
pub mod check;
pub mod diff;
pub mod generation;
pub mod hook;
pub mod image;
pub mod init;
pub mod node;
pub mod power;
pub mod publish;
pub mod reboot;
pub mod refresh;
mod screen;
pub mod shell;
pub mod show;
pub mod status;

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::{Cli, Command, OF_THE_DAY};
use crate::print::say_err;
use crate::site::Site;
use crate::stages::wanted::Unready;
use crate::types::{Problem, nearest, shown};

/// How a run ended; the numbers are an interface (voidclust(8), EXIT STATUS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done, or in sync.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// No command was given; the parser ends with the same when one is wrong.
    Usage = 2,
    /// Checked, and it differs.
    Differs = 3,
}

/// Runs a command.
///
/// # Errors
/// Whatever went wrong, in a message that names the thing and the way out.
pub fn run(cli: &Cli) -> Result<Status> {
    let global = &cli.global;
    let Some(command) = &cli.command else {
        say_err!("{OF_THE_DAY}");
        return Ok(Status::Usage);
    };
    match command {
        Command::Check { json } => check::run(global, *json),
        Command::Diff { json } => diff::run(global, *json),
        Command::Apply { dry_run, force } => apply::run(global, *dry_run, *force),
        Command::Show { node, path, json } => show::run(global, node, path.as_deref(), *json),
        Command::Init { yes, dry } => init::run(global, *yes, *dry),
        Command::Node(command) => node::run(global, command),
        Command::Status(look) => status::run(global, look),
        Command::Reboot(order) => reboot::run(global, order),
        Command::Wake { nodes } => power::wake(global, nodes),
        Command::Power(order) => power::power(global, order),
        Command::Image(command) => image::run(global, command),
        Command::Publish { only, dry_run: true, .. } => publish::preview(global, only),
        Command::Publish { only, message, .. } => publish::run(global, only, message),
        Command::Rollback { head: true, .. } => publish::back_to_snapshots(global),
        Command::Rollback { number, only, .. } => publish::roll_back(global, *number, only),
        Command::Generation(command) => generation::run(global, command),
        Command::Shell { no_snapshot, command } => shell::run(global, *no_snapshot, command),
        Command::Capture { node, paths, overlay, dry } => capture::run(global, node, paths, overlay, *dry),
        Command::Refresh => refresh::run(global),
        Command::Hook(hook) => hook::run(global, hook),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "voidclust", &mut std::io::stdout());
            Ok(Status::Done)
        }
    }
}

/// What is said where only a master can do something.
const NO_MACHINE: &str = "this is not the root of a running machine, so there is nobody to ask; run this on the master";

/// The error that nothing is called so: what may have been meant, and what there is. `besides` are words that stand for
/// machines, too.
fn no_such_node(site: &Site, name: &str, besides: &[&str]) -> anyhow::Error {
    let nodes = || site.nodes.iter().map(|node| node.name.as_str());
    let hint = nearest(name, nodes().chain(besides.iter().copied()));
    let hint = hint.map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
    let known: Vec<&str> = besides.iter().copied().chain(nodes().take(8)).collect();
    let more = if site.nodes.len() > 8 { ", …" } else { "" };
    let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    anyhow::anyhow!("there is no node `{}`; {hint}there are {known}{more}", shown(name))
}

/// An error as the list that `--json` prints.
fn problems(error: &anyhow::Error) -> Vec<Problem> {
    let unready = error.downcast_ref::<Unready>().map(Unready::problems);
    unready.unwrap_or_else(|| vec![Problem::from(format!("{error:#}"))])
}
