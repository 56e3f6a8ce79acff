//! `voidclust generation`: which there are, what they have, who boots them.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Status;
use super::screen::{Screen, print_report};
use crate::cli::{Generation as Command, Global};
use crate::generation::{self, Became, Client, Difference};
use crate::paths;
use crate::print::say;
use crate::stages::generations;
use crate::stages::target::Target;
use crate::stages::wanted::{self, Wanted};
use crate::stages::whom;
use crate::types::generation::{Generation, Number};
use crate::words::{bytes, counted, date, some};

/// Runs a command about generations.
///
/// # Errors
/// When there is no such generation, or something cannot be read.
pub fn run(global: &Global, command: &Command) -> Result<Status> {
    let target = Target::open(global)?;
    target.is_no_client()?;
    match command {
        Command::List { json } => list(&target, global, *json),
        Command::Show { number, diff, json } => show(&target, global, *number, *diff, *json),
        Command::Remove { number } => remove(&target, global, *number),
        Command::Verify { json } => verify(&target, *json),
    }
}

/// A generation with what only the machine and the site know.
struct Known {
    made: Generation,
    own: Option<u64>,
    booted_by: Vec<String>,
    used_by: Vec<Client>,
}

/// Who uses which; nobody where no machine runs that could serve any.
fn used(target: &Target, wanted: &Wanted) -> Result<BTreeMap<Number, Vec<Client>>> {
    Ok(target.machine().map(|machine| whom::in_use(target, &wanted.site, machine)).transpose()?.unwrap_or_default())
}

fn know(target: &Target, wanted: &Wanted, made: &Generation, used: &BTreeMap<Number, Vec<Client>>) -> Result<Known> {
    Ok(Known {
        own: generation::own_size(&target.root, made)?,
        booted_by: whom::booted_by(&wanted.site, made.number),
        used_by: used.get(&made.number).cloned().unwrap_or_default(),
        made: made.clone(),
    })
}

impl Known {
    fn json(&self) -> Value {
        json!({
            "number": self.made.number,
            "made": self.made.made,
            "text": self.made.text,
            "storage": self.made.storage.to_string(),
            "kernels": self.made.kernels,
            "own_bytes": self.own,
            "booted_by": self.booted_by,
            "used_by": self.used_by.iter().map(|client| json!({
                "address": client.address,
                "name": client.name,
                "certain": client.certain,
            })).collect::<Vec<_>>(),
        })
    }

    /// Who uses it, as far as that is known.
    fn users(&self, wanted: &Wanted) -> Vec<String> {
        let name = |client: &Client| {
            let node = wanted.site.node(&client.address).map_or(client.address.clone(), |node| node.name.to_string());
            if client.certain { node } else { format!("{node}?") }
        };
        self.used_by.iter().map(name).collect()
    }
}

fn list(target: &Target, global: &Global, as_json: bool) -> Result<Status> {
    let wanted = wanted::read(target, global.config.as_deref())?;
    let used = used(target, &wanted)?;
    let made = wanted.site.generations.made.values();
    let all: Vec<Known> = made.map(|made| know(target, &wanted, made, &used)).collect::<Result<_>>()?;
    if as_json {
        let list: Vec<Value> = all.iter().map(Known::json).collect();
        say!("{}", serde_json::to_string_pretty(&list)?);
        return Ok(Status::Done);
    }
    if all.is_empty() {
        say!("no generation yet; make one with: voidclust publish");
    }
    for one in &all {
        let own = one.own.map_or_else(|| "-".to_owned(), bytes);
        let text = if one.made.text.is_empty() { String::new() } else { format!("  {}", one.made.text) };
        say!("{:>4}  {}  {:>9}  {}{text}", one.made.number, date(one.made.made), own, newest(&one.made));
        print_names("boots on", &one.booted_by);
        print_names("used by", &one.users(&wanted));
    }
    Ok(Status::Done)
}

/// Many nodes are counted: the list is for a screen.
fn print_names(what: &str, names: &[String]) {
    const SHOWN: usize = 12;
    if !names.is_empty() {
        say!("      {what} {}", some(names, SHOWN, " "));
    }
}

fn newest(made: &Generation) -> &str {
    made.kernels.last().map_or("no kernel", String::as_str)
}

fn show(target: &Target, global: &Global, number: Number, diff: Option<Option<Number>>, as_json: bool) -> Result<Status> {
    let wanted = wanted::read(target, global.config.as_deref())?;
    let made = &wanted.site.generations;
    let one = know(target, &wanted, made.find(number)?, &used(target, &wanted)?)?;
    let older = match diff {
        None => None,
        Some(Some(other)) => Some(made.find(other)?.number),
        Some(None) => Some(made.before(number).context("there is no generation before it; name one: --diff M")?),
    };
    let (mut packages, mut etc) = (Vec::new(), Vec::new());
    if let Some(older) = older {
        let (from, to) = (paths::generation_tree(older), paths::generation_tree(number));
        packages = generation::differences(&target.root, &from, &to)?;
        etc = generation::changed_in_etc(&target.root, &from, &to)?;
    }
    if as_json {
        let mut value = one.json();
        if let Some(older) = older {
            value["differs_from"] = json!({
                "number": older,
                "packages": packages.iter()
                    .map(|one| json!({ "package": one.package, "from": one.from, "to": one.to })).collect::<Vec<_>>(),
                "etc": etc.iter().map(|(path, became)| json!({ "path": path, "became": became.to_string() })).collect::<Vec<_>>(),
            });
        }
        say!("{}", serde_json::to_string_pretty(&value)?);
        return Ok(Status::Done);
    }
    say!("generation {number}, made {} ({})", date(one.made.made), one.made.storage);
    if !one.made.text.is_empty() {
        say!("text: {}", one.made.text);
    }
    say!("kernels: {}", one.made.kernels.join(" "));
    say!("of its own: {}", one.own.map_or_else(|| "this storage does not tell".to_owned(), bytes));
    say!("boots on: {}", or_nobody(&one.booted_by));
    say!("used by: {}", or_nobody(&one.users(&wanted)));
    if let Some(older) = older {
        let count = print_differences(&packages, &etc);
        say!("from generation {older} differ: {count}");
    }
    Ok(Status::Done)
}

/// A line for each package and file of /etc that differs; returns how many of each.
pub(super) fn print_differences(packages: &[Difference], etc: &[(String, Became)]) -> String {
    packages.iter().for_each(|difference| say!("package {difference}"));
    etc.iter().for_each(|(path, became)| say!("/{path}: {became}"));
    format!("{}, {} in /etc", counted(packages.len(), "package"), counted(etc.len(), "file"))
}

fn or_nobody(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(" ") }
}

fn remove(target: &Target, global: &Global, number: Number) -> Result<Status> {
    let (lock, wanted) = wanted::locked(target, global.config.as_deref())?;
    let made = wanted.site.generations.find(number)?;
    if wanted.site.named_generations().contains(&number) {
        bail!("generation {number}: a menu names it, or it is the one to fall back to; nothing was changed");
    }
    let one = know(target, &wanted, made, &used(target, &wanted)?)?;
    if !one.used_by.is_empty() {
        bail!(
            "generation {number}: in use by {}; reboot them first, or wait until their leases end",
            one.users(&wanted).join(" ")
        );
    }
    let report = generations::without(target, wanted, &lock, &[number], &mut Screen::terse())?;
    print_report(&report);
    report.is_done()?;
    Ok(Status::Done)
}

fn verify(target: &Target, as_json: bool) -> Result<Status> {
    let generations = crate::disk::generations::load(&target.root)?;
    let findings = generation::verify(&target.root, &generations)?;
    if as_json {
        let list: Vec<Value> =
            findings.iter().map(|finding| json!({ "generation": finding.generation, "problem": finding.what })).collect();
        say!("{}", serde_json::to_string_pretty(&list)?);
    } else {
        findings.iter().for_each(|finding| say!("generation {}: {}", finding.generation, finding.what));
        say!("{} looked at", counted(generations.made.len(), "generation"));
    }
    Ok(if findings.is_empty() { Status::Done } else { Status::Failed })
}
