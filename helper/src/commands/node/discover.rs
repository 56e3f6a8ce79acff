//! `voidclust node discover`: machines that asked the boot server for something, and are no nodes.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::keys;
use crate::cli::Keys;
use crate::commands::Status;
use crate::edit::draft::Draft;
use crate::machine::requests::{Request, Requests, vendors};
use crate::print::say;
use crate::site::Site;
use crate::stages::target::Target;
use crate::words::counted;

/// Who asked and is no node, and the files that tell it.
pub(super) fn asked(target: &Target, site: Option<&Site>, log: Option<&Path>) -> Result<Requests> {
    let mut requests = match (log, target.machine()) {
        (None, Some(machine)) => Requests::of(machine)?,
        (None, None) => {
            bail!("this is not the root of a running machine, so there is nobody to ask; name a log of dnsmasq with --log")
        }
        (Some(log), _) => {
            let bytes = std::fs::read(log).with_context(|| format!("{}: cannot read", log.display()))?;
            let mut requests = Requests::default();
            requests.add_log(&log.display().to_string(), &String::from_utf8_lossy(&bytes));
            requests
        }
    };
    if requests.read.is_empty() {
        bail!("dnsmasq has left no log and no leases here; install and enable socklog-void, or name its log with --log");
    }
    let is_known = |request: &Request| {
        let node = |site: &Site| site.nodes.iter().any(|node| node.macs.contains(&request.mac)) || site.master.mac == request.mac;
        site.is_some_and(node)
    };
    requests.found.retain(|request| !is_known(request));
    Ok(requests)
}

/// Lists them.
pub(super) fn print(target: &Target, requests: &Requests, json: bool) -> Result<Status> {
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

/// A node for each of them, in the order in which they asked, with the first names that are not taken. Addresses count with
/// the names, so that a rack that is filled in two parts is numbered as one.
pub(super) fn drafts(requests: &Requests, site: Option<&Site>, names: &[String], keys: &Keys, all: bool) -> Result<Vec<Draft>> {
    let new: Vec<&Request> = requests.found.iter().filter(|request| all || request.firmware.is_some()).collect();
    let drafts = keys::drafts(keys, names.len())?;
    let is_free = |name: &String| site.is_none_or(|site| site.node(name).is_none());
    let free: Vec<(&String, Draft)> = names.iter().zip(drafts).filter(|(name, _)| is_free(name)).collect();
    if free.len() < new.len() {
        let (names, machines) = (counted(free.len(), "name"), counted(new.len(), "machine"));
        bail!("--add: {names} not taken, and {machines} asked; give more names");
    }
    let draft = |(request, (name, mut draft)): (&Request, (&String, Draft))| {
        draft.first("mac", &request.mac.to_string());
        draft.named(name)
    };
    Ok(new.into_iter().zip(free).map(draft).collect())
}
