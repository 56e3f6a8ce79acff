//! `voidclust wake` and `voidclust power`: nodes that are off, or do not answer.

use anyhow::{Context, Result, anyhow, bail};

use super::node::numbers_of;
use super::{NO_MACHINE, Status};
use crate::cli::{Global, Power};
use crate::machine::wake;
use crate::print::{say, say_err};
use crate::site::{Node, Site};
use crate::stages::target::Target;
use crate::stages::wanted;
use crate::tools::Tool;
use crate::types::Var;
use crate::words::counted;

/// Wakes nodes by all of their cards.
///
/// # Errors
/// When there is no such node, or nothing can be sent.
pub fn wake(global: &Global, nodes: &[String]) -> Result<Status> {
    let target = Target::open(global)?;
    let wanted = wanted::read(&target, global.config.as_deref())?;
    target.machine().context(NO_MACHINE)?;
    let site = &wanted.site;
    let numbers = numbers_of(site, nodes)?;
    for number in &numbers {
        wake::wake(site.network.address, &site.nodes[*number].macs)?;
    }
    say!("called {}; whether they wake up tells: voidclust status", counted(numbers.len(), "node"));
    Ok(Status::Done)
}

/// Has the site's own command switch nodes.
///
/// # Errors
/// When there is no such node or no command, or it fails: all nodes are tried.
pub fn power(global: &Global, order: &Power) -> Result<Status> {
    let target = Target::open(global)?;
    let wanted = wanted::read(&target, global.config.as_deref())?;
    let site = &wanted.site;
    let numbers = numbers_of(site, &order.nodes)?;
    // What one of them lacks is told before the first is switched.
    let commands: Vec<(&Node, Tool)> = numbers
        .into_iter()
        .map(|number| Ok((&site.nodes[number], tool(site, &site.nodes[number], order)?)))
        .collect::<Result<_>>()?;
    let mut failed = 0;
    for (node, tool) in &commands {
        let said = tool.lines(|line| say!("{}: {line}", node.name));
        if let Err(error) = said {
            say_err!("{}: {error:#}", node.name);
            failed += 1;
        }
    }
    if failed > 0 {
        bail!("{} of {} failed", failed, counted(commands.len(), "node"));
    }
    Ok(Status::Done)
}

/// The command for a node.
fn tool(site: &Site, node: &Node, order: &Power) -> Result<Tool> {
    let command = site.power.as_ref().context("no command is known by which nodes are switched; set `command` under [power]")?;
    let vars = site.vars_of(Some(node));
    let var = |name: &str| vars.iter().find(|(known, _)| known.as_str() == name).and_then(|(_, (var, _))| single(var));
    let value = |name: &str| match name {
        "node" => Some(node.name.to_string()),
        "address" => node.address.map(|address| address.to_string()),
        "mac" => node.macs.first().map(ToString::to_string),
        "action" => Some(order.action.word().to_owned()),
        _ => name.strip_prefix("vars.").and_then(var),
    };
    let words = command.words(value);
    let words =
        words.map_err(|lacking| anyhow!("{}: has no `{lacking}`, which `command` under [power] wants; set it", node.name))?;
    let (program, arguments) = words.split_first().context("`command` under [power] is empty; name a program")?;
    // Its other words may have a password among them.
    Ok(Tool::new(program.as_str()).args(arguments.iter().map(String::as_str)).called(program))
}

/// A value that is one word or number.
fn single(var: &Var) -> Option<String> {
    match var {
        Var::List(_) => None,
        Var::Text(text) => Some(text.as_str().to_owned()),
        Var::Flag(_) | Var::Number(_) | Var::Fraction(_) => Some(var.to_string()),
    }
}
