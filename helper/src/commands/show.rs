//! `voidclust show`: what a node lays over /etc, and where each file comes from.

use std::io::Write;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::Status;
use crate::cli::Global;
use crate::disk::archive::Member;
use crate::disk::tree::Item;
use crate::paths;
use crate::render::compose::{Composer, Layout, Machine, Reason};
use crate::render::overlay::MASTER;
use crate::site::Site;
use crate::stages::target::Target;
use crate::stages::wanted;
use crate::types::nearest;

/// Lists the layout of a node, or prints one file of it.
///
/// # Errors
/// When there is no such node or file, or the site is wrong.
pub fn run(global: &Global, node: &str, path: Option<&str>, json: bool) -> Result<Status> {
    let target = Target::open(global)?;
    let wanted = wanted::read(&target, global.config.as_deref())?;
    let machine = machine(&wanted.site, node)?;
    let layout = Composer::new(&wanted.site, &wanted.overlays).layout(machine);
    let layout = layout.map_err(|complaints| anyhow::anyhow!(complaints.join("\n")))?;
    match path {
        Some(path) => print_file(&layout, node, path)?,
        None if json => anstream::println!("{:#}", as_json(&layout)),
        None => print_listing(&layout),
    }
    Ok(Status::Done)
}

fn machine<'site>(site: &'site Site, name: &str) -> Result<Machine<'site>> {
    let is_master = name == MASTER || name == site.master.name.as_str() || name.parse().is_ok_and(|mac| site.master.mac == mac);
    if let Some(node) = site.node(name) {
        Ok(Machine::Node(node))
    } else if is_master {
        Ok(Machine::Master)
    } else if name == paths::DEFAULT_NODE {
        Ok(Machine::Unlisted)
    } else {
        let known: Vec<&str> = site.nodes.iter().take(8).map(|node| node.name.as_str()).collect();
        let more = if site.nodes.len() > known.len() { ", …" } else { "" };
        let names = site.nodes.iter().map(|node| node.name.as_str()).chain([MASTER, paths::DEFAULT_NODE]);
        let hint = nearest(name, names).map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
        bail!("there is no node `{name}`; {hint}there are {MASTER}, {}, {}{more}", paths::DEFAULT_NODE, known.join(", "))
    }
}

fn print_file(layout: &Layout, node: &str, path: &str) -> Result<()> {
    let path = path.strip_prefix("/etc/").or_else(|| path.strip_prefix("etc/")).unwrap_or(path).trim_end_matches('/');
    let found = layout.get(path);
    let (member, _) = found.with_context(|| format!("{node} lays no file `{path}` over /etc; see voidclust show {node}"))?;
    match member {
        Member::Item(Item::File { bytes, .. }) => std::io::stdout().write_all(bytes).context("cannot print")?,
        Member::Item(Item::Link(target)) => anstream::println!("-> {target}"),
        Member::Folder(_) => bail!("`{path}` is a folder"),
    }
    Ok(())
}

fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Base => "base".to_owned(),
        Reason::Role(table) => format!("[{table}]"),
        Reason::Profile(name) => format!("profile {name}"),
        Reason::Node => "node".to_owned(),
    }
}

fn shape(member: &Member) -> (String, String) {
    match member {
        Member::Item(Item::File { mode, .. }) => (format!("{mode:04o}"), String::new()),
        Member::Item(Item::Link(target)) => ("link".to_owned(), format!(" -> {target}")),
        Member::Folder(mode) => (format!("{mode:04o}"), "/".to_owned()),
    }
}

fn print_listing(layout: &Layout) {
    let rows: Vec<(String, String, String, &str)> = layout
        .iter()
        .map(|(path, (member, from))| {
            let (mode, tail) = shape(member);
            (mode, format!("{path}{tail}"), format!("{}, {}", from.origin, reason(&from.reason)), from.source.as_str())
        })
        .collect();
    let paths = rows.iter().map(|row| row.1.chars().count()).max().unwrap_or(0);
    let origins = rows.iter().map(|row| row.2.chars().count()).max().unwrap_or(0);
    for (mode, path, origin, source) in &rows {
        anstream::println!("{mode:4}  {path:paths$}  {origin:origins$}  {source}");
    }
}

fn as_json(layout: &Layout) -> serde_json::Value {
    let entry = |(path, (member, from)): (&String, &(Member, crate::render::compose::From))| {
        let mut entry = json!({ "path": path, "origin": from.origin, "reason": from.reason, "source": from.source });
        match member {
            Member::Item(Item::File { mode, bytes }) => {
                entry["type"] = "file".into();
                entry["mode"] = format!("{mode:04o}").into();
                entry["size"] = bytes.len().into();
            }
            Member::Item(Item::Link(target)) => {
                entry["type"] = "link".into();
                entry["target"] = target.clone().into();
            }
            Member::Folder(mode) => {
                entry["type"] = "folder".into();
                entry["mode"] = format!("{mode:04o}").into();
            }
        }
        entry
    };
    layout.iter().map(entry).collect()
}
