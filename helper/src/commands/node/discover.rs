//! `voidclust node discover`: machines that asked the boot server for something, and are no nodes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{keys, named};
use crate::cli::{Discover, Global, Keys};
use crate::commands::Status;
use crate::commands::change::finish;
use crate::config;
use crate::disk::lock::Busy;
use crate::edit;
use crate::edit::draft::Draft;
use crate::machine::requests::{Request, Requests, vendors};
use crate::machine::{Machine, logs};
use crate::print::{self, say};
use crate::site::Site;
use crate::stages::edits::{self, Standing};
use crate::stages::target::Target;
use crate::words::counted;

const NO_LOG: &str = "dnsmasq has left no log and no leases here; install and enable socklog-void, or name its log with --log";
const NO_MACHINE: &str = "this is not the root of a running machine, so there is nobody to ask; name a log of dnsmasq with --log";
/// How often it is asked who asks.
const AGAIN: Duration = Duration::from_secs(1);

/// Lists who asked, or makes nodes of them.
pub(super) fn run(global: &Global, target: &Target, standing: &Standing, order: &Discover) -> Result<Status> {
    let Some(names) = &order.add else {
        let mut asked = asked(target, order)?;
        asked.found.retain(|request| !is_known(standing, request));
        return print(target, &asked, order.json);
    };
    let names = named(names)?;
    if order.wait {
        return wait(global, target, order, &names);
    }
    let mut new = asked(target, order)?.found;
    new.retain(|request| is_meant(order, request) && !is_known(standing, request));
    add(global, target, standing, order, &names, &new)
}

/// What tells who asked.
enum Log<'a> {
    /// A file that was named.
    File(&'a Path),
    /// What the boot server of this machine says.
    OfMachine(&'a Machine),
}

impl<'a> Log<'a> {
    fn of(target: &'a Target, order: &'a Discover) -> Result<Self> {
        match (&order.log, target.machine()) {
            (Some(log), _) => Ok(Self::File(log)),
            (None, Some(machine)) => Ok(Self::OfMachine(machine)),
            (None, None) => bail!(NO_MACHINE),
        }
    }

    fn text(&self) -> Result<String> {
        match self {
            Self::File(log) => read(log),
            Self::OfMachine(machine) => logs::boot_server(machine)?.context(NO_LOG),
        }
    }

    /// How large its files are: while all are as they were, it has told nothing new.
    fn sizes(&self) -> Result<Vec<(String, u64)>> {
        match self {
            Self::File(log) => Ok(vec![(log.display().to_string(), log.metadata().map_or(0, |meta| meta.len()))]),
            Self::OfMachine(machine) => logs::boot_server_sizes(machine),
        }
    }
}

/// Who asked, and the files that tell it.
fn asked(target: &Target, order: &Discover) -> Result<Requests> {
    let requests = match Log::of(target, order)? {
        Log::OfMachine(machine) => Requests::of(machine)?,
        Log::File(log) => {
            let mut requests = Requests::default();
            requests.add_log(&log.display().to_string(), &read(log)?);
            requests
        }
    };
    if requests.read.is_empty() {
        bail!(NO_LOG);
    }
    Ok(requests)
}

fn read(log: &Path) -> Result<String> {
    let bytes = std::fs::read(log).with_context(|| format!("{}: cannot read", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn is_known(standing: &Standing, request: &Request) -> bool {
    let node = |site: &Site| site.nodes.iter().any(|node| node.macs.contains(&request.mac)) || site.master.mac == request.mac;
    standing.site.as_ref().is_some_and(node)
}

/// Whether a node is to be made of whoever asked this.
fn is_meant(order: &Discover, request: &Request) -> bool {
    order.all || request.firmware.is_some()
}

/// Lists them.
fn print(target: &Target, requests: &Requests, json: bool) -> Result<Status> {
    let vendors = target.machine().map(|machine| vendors(machine, &requests.found)).transpose()?.unwrap_or_default();
    if json {
        let with_vendor = |request: &Request| {
            let mut entry = json!(request);
            entry["vendor"] = json!(vendors.get(&request.mac));
            entry
        };
        say!("{:#}", requests.found.iter().map(with_vendor).collect::<Value>());
        return Ok(Status::Done);
    }
    say!("read: {}", requests.read.join(", "));
    for request in &requests.found {
        let address = request.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        let wants = request.firmware.unwrap_or("-");
        let name = request.name.as_deref().unwrap_or("-");
        let time = request.time.as_deref().unwrap_or("-");
        let vendor = vendors.get(&request.mac).map_or("", String::as_str);
        let line = format!("{}  {wants:5}  {address:15}  {name:12}  {time}  {vendor}", request.mac);
        say!("{}", line.trim_end());
    }
    let boots = requests.found.iter().filter(|request| request.firmware.is_some()).count();
    let hint = if boots > 0 { "; make nodes of them with: voidclust node discover --add NAMES" } else { "" };
    say!("{} asked, {boots} for a boot{hint}", counted(requests.found.len(), "machine"));
    Ok(Status::Done)
}

/// Makes a node of each of them.
fn add(
    global: &Global,
    target: &Target,
    standing: &Standing,
    order: &Discover,
    names: &[String],
    new: &[Request],
) -> Result<Status> {
    let keys = Keys { address: order.address.clone(), profile: order.profile.clone(), ..Keys::default() };
    let drafts = drafts(new, standing.site.as_ref(), names, &keys)?;
    let edit = standing.changed(edit::add(&standing.texts, &drafts), &[])?;
    finish(target, global, order.dry, edit, &format!("{} added", counted(drafts.len(), "node")), "voidclust apply")
}

/// A node for each of them, in the order in which they asked, with the first names that are not taken. Addresses count with
/// the names, so that a rack that is filled in two parts is numbered as one.
fn drafts(new: &[Request], site: Option<&Site>, names: &[String], keys: &Keys) -> Result<Vec<Draft>> {
    let drafts = keys::drafts(keys, names.len())?;
    let free: Vec<(&String, Draft)> = names.iter().zip(drafts).filter(|(name, _)| is_free(site, name)).collect();
    if free.len() < new.len() {
        let (names, machines) = (counted(free.len(), "name"), counted(new.len(), "machine"));
        bail!("--add: {names} not taken, and {machines} asked; give more names");
    }
    let draft = |(request, (name, mut draft)): (&Request, (&String, Draft))| {
        draft.first("mac", &request.mac.to_string());
        draft.named(name)
    };
    Ok(new.iter().zip(free).map(draft).collect())
}

fn is_free(site: Option<&Site>, name: &str) -> bool {
    site.is_none_or(|site| site.node(name).is_none())
}

/// Makes a node of each machine that asks from now on, when it does, until all names are taken.
fn wait(global: &Global, target: &Target, order: &Discover, names: &[String]) -> Result<Status> {
    let log = Log::of(target, order)?;
    let before = log.text()?;
    let (mut told, mut added, mut known) = (None, BTreeSet::new(), None);
    loop {
        // To read all of it takes a part of each second; most of the time nobody asks, and nobody edits.
        let now = Some((log.sizes()?, config::load(&target.root, global.config.as_deref())?));
        if now == known && !print::is_unread() {
            std::thread::sleep(AGAIN);
            continue;
        }
        known = now;
        let standing = edits::read(target, global.config.as_deref())?;
        let left = names.iter().filter(|name| is_free(standing.site.as_ref(), name)).count();
        match told {
            None if left == 0 => bail!("--add: all of these names are taken; give more names"),
            Some(_) if left == 0 => return Ok(Status::Done),
            Some(told) if told == left => {}
            _ => say!("{} left; waiting for the next machine that asks (Ctrl-C ends this)", counted(left, "name")),
        }
        told = Some(left);
        let mut new = Requests::default();
        new.add_log("", logs::since(&log.text()?, before.lines().rfind(|line| !line.is_empty())));
        // Who was made a node and is none any more, was not meant.
        new.found.retain(|request| is_meant(order, request) && !is_known(&standing, request) && !added.contains(&request.mac));
        // What was done before may be served while the next machine is switched on.
        let is_busy = || target.lock().err().is_some_and(|error| error.is::<Busy>());
        match new.found.first() {
            Some(request) if !is_busy() => {
                added.insert(request.mac);
                add(global, target, &standing, order, names, std::slice::from_ref(request))?;
            }
            _ if print::is_unread() => return Ok(Status::Done),
            Some(_) => {
                known = None;
                std::thread::sleep(AGAIN);
            }
            None => {}
        }
    }
}
