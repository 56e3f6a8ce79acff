//! Machines as templates see them. What a template asks for is made then: for ten thousand nodes, to make all of it in
//! advance took more memory than all else, and longer than to render the files.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};

use crate::render::exports;
use crate::render::layers::Machine;
use crate::render::template::values;
use crate::site::{Node, Site};
use crate::types::HostName;

/// The name of a machine that is not listed.
const UNLISTED: &str = "unlisted";

/// What a template sees of a machine: the attributes of `node`, of `master` and of each of the `nodes`.
const ATTRIBUTES: [&str; 13] = [
    "name",
    "short",
    "fqdn",
    "mac",
    "macs",
    "address",
    "profiles",
    "modules",
    "mounts",
    "scratch",
    "vars",
    "listed",
    "is_master",
];

#[derive(Debug)]
enum Who {
    Master,
    Unlisted,
    /// Which of the site's nodes.
    Node(usize),
}

/// How far what a template asked of its machine tells that one from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    /// It asked nothing: all machines are the same to it.
    Nothing,
    /// What machines of one [`kind`](super::layers::kind) have in common.
    Kind,
    /// What is this machine's alone, or may be.
    Own,
}

#[derive(Debug)]
pub(super) struct View {
    site: Arc<Site>,
    who: Who,
    asked: AtomicU8,
}

/// A machine of this very site.
pub(super) fn machine(site: &Arc<Site>, machine: Machine<'_>) -> View {
    let who = match machine {
        Machine::Master => Who::Master,
        Machine::Unlisted => Who::Unlisted,
        // One that is not of the site has no attributes, and so no file.
        Machine::Node(node) => Who::Node(site.nodes.element_offset(node).unwrap_or(usize::MAX)),
    };
    View::new(site, who)
}

/// The nodes of the site.
pub(super) fn nodes(site: &Arc<Site>) -> Value {
    let (of, length) = (site.clone(), site.nodes.len());
    list(length, move |number| Value::from_object(View::new(&of, Who::Node(number))))
}

/// What is exported to single machines.
pub(super) fn own(site: &Arc<Site>) -> Value {
    let (of, folders) = (site.clone(), exports::own_folders(site));
    list(folders.len(), move |number| values(exports::own(&of, folders[number])))
}

impl View {
    fn new(site: &Arc<Site>, who: Who) -> Self {
        Self { site: site.clone(), who, asked: AtomicU8::new(Asked::Nothing as u8) }
    }

    /// What was asked since the last time that this was called.
    pub(super) fn asked(&self) -> Asked {
        match self.asked.swap(Asked::Nothing as u8, Ordering::Relaxed) {
            asked if asked == Asked::Nothing as u8 => Asked::Nothing,
            asked if asked == Asked::Kind as u8 => Asked::Kind,
            _ => Asked::Own,
        }
    }

    /// The values of the site's own.
    pub(super) fn vars(&self) -> Value {
        self.attribute("vars").unwrap_or_default()
    }

    fn attribute(&self, key: &str) -> Option<Value> {
        let asked = match key {
            "profiles" | "modules" | "mounts" | "listed" | "is_master" => Asked::Kind,
            _ => Asked::Own,
        };
        self.asked.fetch_max(asked as u8, Ordering::Relaxed);
        let site = &*self.site;
        let none = (None::<&HostName>, &[][..], None, None::<&Node>);
        let (name, macs, address, node) = match self.who {
            Who::Master => {
                (Some(&site.master.name), std::slice::from_ref(&site.master.mac), Some(site.network.address.address), None)
            }
            Who::Unlisted => none,
            Who::Node(number) => {
                let node = site.nodes.get(number)?;
                (Some(&node.name), &node.macs[..], node.address, Some(node))
            }
        };
        let profiles = || node.into_iter().flat_map(|node| site.profiles_of(node));
        let is_master = matches!(self.who, Who::Master);
        Some(match key {
            "name" => name.map_or(UNLISTED, HostName::as_str).into(),
            "short" => name.map_or(UNLISTED, HostName::short).into(),
            "fqdn" => name.map_or_else(|| UNLISTED.to_owned(), |name| site.fqdn(name)).into(),
            "mac" => values(macs.first()),
            "macs" => values(macs),
            "address" => values(address),
            "profiles" => values(node.map(|node| &node.profiles[..]).unwrap_or_default()),
            "modules" => values(profiles().flat_map(|(_, profile)| &profile.modules).collect::<Vec<_>>()),
            "mounts" if is_master => Value::from(Vec::<Value>::new()),
            "mounts" => values(site.mounts_of(node).into_values().collect::<Vec<_>>()),
            "scratch" => values(node.and_then(|node| site.scratch_of(node))),
            "vars" => {
                let vars = site.vars_of(node).into_iter().map(|(name, (var, _))| (name, var));
                values(vars.collect::<BTreeMap<_, _>>())
            }
            "listed" => (!matches!(self.who, Who::Unlisted)).into(),
            "is_master" => is_master.into(),
            _ => return None,
        })
    }
}

impl Object for View {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.attribute(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.attribute(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&ATTRIBUTES)
    }
}

struct List<Make> {
    length: usize,
    make: Make,
}

/// A list of so many, each made by its number.
fn list(length: usize, make: impl Fn(usize) -> Value + Send + Sync + 'static) -> Value {
    Value::from_object(List { length, make })
}

impl<Make> fmt::Debug for List<Make> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of {}", self.length)
    }
}

impl<Make: Fn(usize) -> Value + Send + Sync> Object for List<Make> {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        key.as_usize().filter(|number| *number < self.length).map(&self.make)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.length)
    }
}
