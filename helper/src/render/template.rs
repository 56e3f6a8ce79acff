//! Rendering: the values that templates see, and minijinja with strict undefined variables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use minijinja::value::{Enumerator, Object, Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;
use serde_json::json;

use crate::disk::tree::Bytes;
pub use crate::render::jinja::environment;
use crate::render::layers::Machine;
use crate::render::view::{Asked, View};
use crate::render::{exports, view};
use crate::site::{Dhcp, Home, Node, Site};
use crate::types::lower::Lower;
use crate::types::{Problem, shown};

/// Above this many nodes a node's `peers` is empty: a line for every node in the archive of every node grows with the
/// square, 4 GB for ten thousand. A cluster of that size wants DNS (`network.dns` with the master's address).
pub const PEERS_MAX: usize = 256;

/// The largest text that a template may render to, in bytes. What a master of 65,000 nodes exports takes a third of it.
const TEXT_MAX: usize = 32 << 20;

/// A template that failed: where, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The line in the template, from 1; 0 when there is none.
    pub line: usize,
    /// What went wrong.
    pub why: String,
}

impl From<minijinja::Error> for Failure {
    fn from(error: minijinja::Error) -> Self {
        let why = match error.kind() {
            minijinja::ErrorKind::OutOfFuel => {
                "takes too many steps or too much memory; look for a loop without an end, or a width or repetition that is too large"
                    .to_owned()
            }
            minijinja::ErrorKind::UndefinedError => {
                let written = error.range().and_then(|range| error.template_source()?.get(range));
                let what = written.map_or_else(String::new, |name| format!(": `{}`", shown(name)));
                format!("a variable is not defined{what}; voidclust.conf(5) lists those there are")
            }
            minijinja::ErrorKind::UnknownMethod => {
                format!("{}; voidclust(8) lists the methods there are", error.detail().unwrap_or("there is no such method"))
            }
            minijinja::ErrorKind::TemplateNotFound => "a template includes no other; write here what is to be in this file".to_owned(),
            kind => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
        };
        Self { line: error.line().unwrap_or(0), why }
    }
}

impl Failure {
    /// The problem that it is in a file.
    #[must_use]
    pub fn in_file(self, file: &str) -> Problem {
        let (what, remedy) = self.why.split_once("; ").map_or((self.why.as_str(), None), |(what, rest)| (what, Some(rest)));
        let problem = Problem::new(file, what).line(self.line);
        if let Some(remedy) = remedy { problem.remedy(remedy) } else { problem }
    }
}

/// The failure that a value of the site's own is not set, if it is that. The expression is known, and what is set: so the
/// one that is missing is, too, but for those of other nodes.
fn unset(error: &minijinja::Error, scope: &Value) -> Option<Failure> {
    let undefined = error.kind() == minijinja::ErrorKind::UndefinedError;
    let written = error.template_source().filter(|_| undefined)?.get(error.range()?)?;
    let vars = scope.get_attr("vars").ok()?;
    let word = |rest: &'_ str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let names: Vec<&str> = written.split("vars.").skip(1).map(|rest| &rest[..word(rest)]).collect();
    let missing = names.iter().find(|name| vars.get_attr(name).is_ok_and(|value| value.is_undefined()));
    let name = missing.or(names.first())?;
    let why = format!(
        "`vars.{name}` is not set for every machine of this overlay; write `{name} = …` under [vars], or for its profile or node"
    );
    Some(Failure { line: error.line().unwrap_or(0), why })
}

/// The templates of one run, compiled once and rendered for each machine.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// What all machines see.
    all: Value,
    site: Arc<Site>,
    /// Those that there are, each with what it became when it asked nothing of the machine it was rendered for.
    alike: BTreeMap<String, OnceLock<Rendered>>,
}

/// What a template became: a file, or none when there was nothing but blanks.
type Rendered = Result<Option<Bytes>, Failure>;

/// What templates became that asked nothing which is one machine's alone: it holds for all machines of its kind.
pub type OfKind = BTreeMap<String, Rendered>;

/// All that the templates of a machine see.
#[derive(Debug)]
pub struct Scope {
    /// What all machines see.
    all: Value,
    node: Arc<View>,
}

impl Object for Scope {
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "node" => Some(Value::from_dyn_object(self.node.clone())),
            "vars" => Some(self.node.vars()),
            _ => self.all.get_attr(key).ok().filter(|value| !value.is_undefined()),
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let all = self.all.try_iter().into_iter().flatten();
        Enumerator::Values(all.chain(["node", "vars"].map(Value::from)).collect())
    }
}

/// How many machines the boot server must be ready for at once, as a power of two: adding a node seldom changes it, and
/// with it a file that only a restart reads. Twice the listed ones, since firmware that tries again leaves a dead load.
#[must_use]
pub fn machines(site: &Site) -> u32 {
    let pool = match site.network.dhcp {
        Dhcp::Server(Some(range)) => u32::from(range.last).saturating_sub(u32::from(range.first)).saturating_add(1),
        _ => 0,
    };
    let listed = u32::try_from(site.nodes.len()).unwrap_or(u32::MAX);
    // More loads than dnsmasq has memory and descriptors for help nobody; who comes later tries again.
    listed.saturating_mul(2).saturating_add(pool).clamp(512, 16384).next_power_of_two()
}

/// What stands in the hosts that we render: the names of the master and of `nodes`.
fn names<'site>(site: &'site Site, nodes: &'site [Node]) -> BTreeSet<String> {
    let machines = nodes.iter().map(|node| &node.name).chain([&site.master.name]);
    machines.flat_map(|name| [name.short().to_ascii_lowercase(), site.fqdn(name).to_ascii_lowercase()]).collect()
}

/// The part of a configuration file of the lower tree that ours begins with, so that nothing of it is lost.
fn said_by(lower: &Lower, path: &str) -> String {
    lower.lines(path).map(|line| format!("{line}\n")).collect()
}

fn site_value(site: &Arc<Site>) -> Value {
    let net = &site.network;
    let (dhcp, range) = match net.dhcp {
        Dhcp::Proxy => ("proxy", None),
        Dhcp::Server(range) => ("server", range.map(|range| json!({ "first": range.first, "last": range.last }))),
        Dhcp::Off => ("off", None),
    };
    let home = match &site.nfs.home {
        Home::None => json!({ "from": "none" }),
        Home::Master { path, root_squash, apart } => json!({
            "from": "master",
            "path": path,
            "device": format!("{}:/home", net.address.address),
            "fstype": "nfs4",
            "root_squash": root_squash,
            "apart": apart,
        }),
        Home::Server { device, fstype, path } => {
            json!({ "from": "server", "path": path, "device": device, "fstype": fstype })
        }
    };
    let (root_server, root_path) = site.root_source(None, site.root_of(None));
    let nfs = values(json!({
        "root_options": site.nfs.root_options,
        "home_options": site.nfs.home_options,
        "threads": site.nfs_threads(),
        "exports_root": site.nfs.root_server.is_none(),
        "root_server": root_server,
        "root_path": root_path,
        "home": home,
        "exports": site.nfs.exports.iter().map(|export| json!({
            "path": export.path,
            "read_only": export.read_only,
            "root_squash": export.root_squash,
            "apart": export.apart,
            "fsid": exports::file_system_id(export.path.as_str()),
        })).collect::<Vec<_>>(),
        "clients": exports::nfs_clients(site),
        "head_clients": exports::head_clients(site),
        "generations": if site.nfs.root_server.is_none() { exports::exported(site) } else { Vec::new() },
    }));
    let rest = values(json!({
        "cluster": { "domain": site.domain },
        "network": {
            "interface": net.interface,
            "address": net.address.address,
            "prefix": net.address.prefix,
            "netmask": net.address.netmask(),
            "network": net.address.network(),
            "broadcast": net.address.broadcast(),
            "gateway": net.gateway,
            "dns": net.dns,
            "answers_dns": site.answers_dns(),
            "dhcp": dhcp,
            "range": range,
            "machines": machines(site),
        },
        "boot": { "bios": site.boot.bios, "uefi": site.boot.uefi, "timeout": site.boot.timeout, "transfer": site.transfer() },
        "lower": {
            "hosts": site.lower.hosts(&names(site, if is_small(site) { &site.nodes } else { &[] })),
            "chrony": site.lower.services.contains_key("chronyd").then(|| said_by(&site.lower, "chrony.conf")),
            "dnsmasq": said_by(&site.lower, "sv/dnsmasq/conf"),
            "netmount": said_by(&site.lower, "sv/netmount/conf"),
            "nfs_server": said_by(&site.lower, "sv/nfs-server/conf"),
            "nfsdcld": said_by(&site.lower, "sv/nfsdcld/conf"),
        },
    }));
    let (nodes, own) = (view::nodes(site), view::own(site));
    let peers = if is_small(site) { nodes.clone() } else { Value::from(Vec::<Value>::new()) };
    context! {
        nodes => nodes,
        peers => peers,
        master => Value::from_object(view::machine(site, Machine::Master)),
        nfs => context! { own => own, ..nfs },
        ..rest
    }
}

/// Whether every node knows every other by name.
pub(super) fn is_small(site: &Site) -> bool {
    site.nodes.len() <= PEERS_MAX
}

/// Anything that serde can write, as a template sees it.
pub fn values(of: impl Serialize) -> Value {
    Value::from(Serde(of))
}

impl Templates {
    /// Prepares the values of the site.
    #[must_use]
    pub fn new(site: &Arc<Site>) -> Self {
        Self { environment: environment().unwrap_or_default(), all: site_value(site), site: site.clone(), alike: BTreeMap::new() }
    }

    /// All that the templates of a machine see.
    #[must_use]
    pub fn scope(&self, machine: Machine<'_>) -> Arc<Scope> {
        Arc::new(Scope { all: self.all.clone(), node: Arc::new(view::machine(&self.site, machine)) })
    }

    /// Compiles a template under a name.
    ///
    /// # Errors
    /// When its syntax is wrong.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), Failure> {
        self.environment.add_template_owned(name.to_owned(), text.to_owned())?;
        self.alike.insert(name.to_owned(), OnceLock::new());
        Ok(())
    }

    /// Renders a compiled template in the [`Templates::scope`] of a machine; `of_kind` is of machines of the same kind. What
    /// it asks of the machine says for which others it becomes the same.
    ///
    /// # Errors
    /// When it fails: an undefined variable, a wrong operation, no end.
    pub fn render(&self, name: &str, scope: &Arc<Scope>, of_kind: &mut OfKind) -> Rendered {
        let alike = self.alike.get(name);
        if let Some(rendered) = alike.and_then(OnceLock::get).or_else(|| of_kind.get(name)) {
            return rendered.clone();
        }
        scope.node.asked();
        let rendered = self.rendered(name, &Value::from_dyn_object(scope.clone()));
        match (scope.node.asked(), alike) {
            (Asked::Nothing, Some(alike)) => _ = alike.set(rendered.clone()),
            (Asked::Own, _) => {}
            _ => _ = of_kind.insert(name.to_owned(), rendered.clone()),
        }
        rendered
    }

    fn rendered(&self, name: &str, scope: &Value) -> Rendered {
        let failed = |error| unset(&error, scope).unwrap_or_else(|| error.into());
        let text = self.environment.get_template(name)?.render(scope.clone()).map_err(failed)?;
        if text.len() > TEXT_MAX {
            let why = format!(
                "renders to {} MiB, and a file of /etc may have {}; look for what repeats",
                text.len() >> 20,
                TEXT_MAX >> 20
            );
            return Err(Failure { line: 0, why });
        }
        Ok((!text.trim().is_empty()).then(|| text.into()))
    }
}

#[cfg(test)]
mod tests;
