//! `voidclust reboot`: nodes are told over ssh to reboot, and waited for.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::node::{numbers_of, of_profile};
use super::{NO_MACHINE, Status};
use crate::cli::{Global, Reboot};
use crate::machine::{clock, ssh};
use crate::print::{say, say_err};
use crate::site::{Node, Site};
use crate::stages::restart::{Outcome, Rounds};
use crate::stages::status::{self, NodeStatus, State};
use crate::stages::target::Target;
use crate::stages::wanted;
use crate::words::{counted, roughly};

/// How often is looked who is up again.
const AGAIN: Duration = Duration::from_secs(2);
/// What a node is told: when it goes down ssh has ended already, and that it did is no failure.
const REBOOT: &str = "nohup sh -c 'sleep 1; reboot' >/dev/null 2>&1 &";

/// Reboots nodes.
///
/// # Errors
/// When there is no such node, or this is no machine that serves any.
pub fn run(global: &Global, order: &Reboot) -> Result<Status> {
    let target = Target::open(global)?;
    let wanted = wanted::read(&target, global.config.as_deref())?;
    let machine = target.machine().context(NO_MACHINE)?;
    let site = &wanted.site;
    let (_, seen) = status::now(&target, &wanted, machine)?;
    let chosen = chosen(site, order, &seen)?;
    if chosen.is_empty() {
        say!("no node to reboot");
        return Ok(Status::Done);
    }
    if order.dry_run {
        chosen.iter().for_each(|number| say!("{}: {}", seen[*number].name, what(&seen[*number])));
        say!("{} to reboot", counted(chosen.len(), "node"));
        return Ok(Status::Differs);
    }
    let count = chosen.len();
    let batch = if order.wait { usize::from(order.batch) } else { usize::MAX };
    let mut rounds = Rounds::new(chosen, batch, order.max_failures.into());
    let mut up = 0;
    while !rounds.is_over() {
        while let Some(number) = rounds.next_node() {
            let node = &site.nodes[number];
            match tell(site, node) {
                Ok(()) => {
                    say!("{}: reboots", node.name);
                    if order.wait {
                        rounds.told(number, clock::now()?);
                    }
                }
                Err(error) => {
                    say_err!("{}: {error:#}", node.name);
                    rounds.failed();
                }
            }
        }
        if rounds.is_over() {
            break;
        }
        std::thread::sleep(AGAIN);
        let (sight, nodes) = status::now(&target, &wanted, machine)?;
        for (number, outcome) in rounds.look(&nodes, sight.now) {
            let name = &site.nodes[number].name;
            match outcome {
                Outcome::Up(seconds) => {
                    up += 1;
                    say!("{name}: up again after {} ({up} of {count})", roughly(seconds));
                }
                Outcome::Failed(why) => say_err!("{name}: {why}"),
            }
        }
    }
    if rounds.failures() == 0 {
        return Ok(Status::Done);
    }
    let left = if rounds.left().is_empty() { String::new() } else { format!("; {} not rebooted", rounds.left().len()) };
    bail!("{} failed{left}", counted(rounds.failures(), "node"));
}

/// Those that are meant, in the order of the site or of the names.
fn chosen(site: &Site, order: &Reboot, seen: &[NodeStatus]) -> Result<Vec<usize>> {
    let mut chosen = numbers_of(site, &order.nodes)?;
    if let Some(profile) = &order.profile {
        let of_profile = of_profile(site, Some(profile))?;
        let numbers = of_profile.iter().filter_map(|node| site.nodes.iter().position(|other| std::ptr::eq(other, *node)));
        let new: Vec<usize> = numbers.filter(|number| !chosen.contains(number)).collect();
        chosen.extend(new);
    }
    if !order.stale {
        return Ok(chosen);
    }
    let is_stale = |number: &usize| !seen[*number].changes().is_empty();
    let all = order.nodes.is_empty() && order.profile.is_none();
    Ok(if all { (0..seen.len()).filter(is_stale).collect() } else { chosen.into_iter().filter(is_stale).collect() })
}

/// What is said of a node that would be rebooted.
fn what(node: &NodeStatus) -> String {
    match (node.state, node.changes()) {
        (State::Up, changes) if changes.is_empty() => "would run what it runs".to_owned(),
        (State::Up, changes) => format!("would change {}", changes.join(", ")),
        (state, _) => state.word().to_owned(),
    }
}

fn tell(site: &Site, node: &Node) -> Result<()> {
    let host = ssh::host(site, node);
    ssh::on(&host, &["sh", "-c", REBOOT]).called(format!("ssh {host} reboot")).output().map(drop)
}
