//! `voidclust show`: what a node lays over /etc, and where each file comes from.

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::Status;
use crate::cli::Global;
use crate::disk::tree::{Content, Item};
use crate::paths;
use crate::print::{self, say};
use crate::render::compose::{Composer, Layout, Machine, Reason, Source};
use crate::render::overlay::MASTER;
use crate::site::{Site, VarsFrom};
use crate::stages::target::Target;
use crate::stages::wanted::{self, Unready};
use crate::types::did_you_mean;

/// Lists the layout of a node, or prints one file of it.
///
/// # Errors
/// When there is no such node or file, or the site is wrong.
pub fn run(global: &Global, node: &str, path: Option<&str>, json: bool) -> Result<Status> {
    let target = Target::open(global)?;
    let wanted = wanted::read(&target, global.config.as_deref())?;
    let machine = machine(&wanted.site, node)?;
    let layout = Composer::new(&wanted.site, &wanted.overlays).layout(machine);
    let layout = layout.map_err(Unready::Wrong)?;
    match path {
        Some(path) => print_file(&layout, node, path)?,
        None if json => say!("{:#}", as_json(&layout)),
        None => {
            print_listing(&layout);
            print_vars(&wanted.site, machine);
        }
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
        Err(super::no_such_node(site, name, &[MASTER, paths::DEFAULT_NODE]))
    }
}

fn print_file(layout: &Layout, node: &str, path: &str) -> Result<()> {
    let path = path.strip_prefix("/etc/").or_else(|| path.strip_prefix("etc/")).unwrap_or(path).trim_end_matches('/');
    let found = layout.get(path);
    let (item, _) = found.with_context(|| {
        let meant = did_you_mean(path, layout.keys().map(String::as_str));
        format!("{node} lays no file `{path}` over /etc; {meant}see voidclust show {node}")
    })?;
    match &item.content {
        Content::File(bytes) => print::bytes(&bytes.whole()),
        Content::Link(target) => say!("-> {}", target.display()),
        Content::Folder | Content::Other => bail!("`{path}` is a folder"),
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

fn print_listing(layout: &Layout) {
    let rows: Vec<[String; 5]> = layout
        .iter()
        .map(|(path, (item, source))| {
            let (mode, tail) = match &item.content {
                Content::Link(target) => ("link".to_owned(), format!(" -> {}", target.display())),
                Content::Folder => (format!("{:04o}", item.mode), "/".to_owned()),
                Content::File(_) | Content::Other => (format!("{:04o}", item.mode), String::new()),
            };
            let origin = format!("{}, {}", source.origin, reason(&source.reason));
            [mode, item.owner.to_string(), format!("{path}{tail}"), origin, source.file.clone()]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (owners, paths, origins) = (width(1), width(2), width(3));
    for [mode, owner, path, origin, file] in &rows {
        say!("{mode:4}  {owner:owners$}  {path:paths$}  {origin:origins$}  {file}");
    }
}

/// The site's own values, as templates see them.
fn print_vars(site: &Site, machine: Machine<'_>) {
    let node = if let Machine::Node(node) = machine { Some(node) } else { None };
    for (name, (var, from)) in site.vars_of(node) {
        let from = match from {
            VarsFrom::Site => "[vars]".to_owned(),
            VarsFrom::Profile(name) => format!("profile {name}"),
            VarsFrom::Node => "node".to_owned(),
        };
        say!("vars.{name} = {var}  {from}");
    }
}

fn as_json(layout: &Layout) -> serde_json::Value {
    let entry = |(path, (item, source)): (&String, &(Item, Source))| {
        let mut entry = json!(source);
        entry["path"] = path.as_str().into();
        entry["uid"] = item.owner.uid.into();
        entry["gid"] = item.owner.gid.into();
        match &item.content {
            Content::File(bytes) => {
                entry["type"] = "file".into();
                entry["size"] = bytes.len().into();
            }
            Content::Link(target) => {
                entry["type"] = "link".into();
                entry["target"] = target.to_string_lossy().into();
                return entry;
            }
            Content::Folder | Content::Other => entry["type"] = "folder".into(),
        }
        entry["mode"] = format!("{:04o}", item.mode).into();
        entry
    };
    layout.iter().map(entry).collect()
}
