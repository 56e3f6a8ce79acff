//! `voidclust status`: what each node runs, what a reboot would change, and what apply would do.

use std::fmt::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::node::numbers_of;
use super::screen::print_notes;
use super::{NO_MACHINE, Status};
use crate::cli::{Global, Look};
use crate::machine::fetched::Fetched;
use crate::machine::services;
use crate::print::{self, say};
use crate::stages::preview::Preview;
use crate::stages::status::{self, NodeStatus, Sight, State};
use crate::stages::target::Target;
use crate::stages::wanted::{self, Wanted};
use crate::types::generation::Generations;
use crate::words::{counted, roughly};

/// Of more nodes than this, only those are listed that want attention: they are to fit on a screen.
const SCREEN: usize = 40;
/// How long `--watch` waits.
const AGAIN: Duration = Duration::from_secs(5);

/// Shows how the nodes are and, unless some are named, the site.
///
/// # Errors
/// When the configuration is wrong, or this is no machine that serves any.
pub fn run(global: &Global, look: &Look) -> Result<Status> {
    loop {
        let shown = show(global, look)?;
        if !look.watch || print::is_unread() {
            return Ok(shown);
        }
        std::thread::sleep(AGAIN);
    }
}

/// What is known of the site itself.
struct OfSite {
    preview: Preview,
    down: Vec<&'static str>,
    strangers: usize,
    /// How many images there are.
    images: usize,
    generations: Generations,
}

impl OfSite {
    fn of(target: &Target, wanted: Wanted, sight: &Sight) -> Result<Self> {
        let machine = target.machine().context(NO_MACHINE)?;
        Ok(Self {
            down: services::not_running(machine)?,
            strangers: status::strangers(&wanted.site, sight),
            images: crate::image::list(&target.root)?.len(),
            generations: wanted.site.generations.clone(),
            preview: Preview::of(target, wanted, false)?,
        })
    }

    /// How many files are to be written, and how many are not ours to write.
    fn files(&self) -> (usize, usize) {
        let kept = self.preview.changes.iter().filter(|change| !change.action.is_done()).count();
        (self.preview.changes.len() - kept, kept)
    }

    /// A line for each part of it.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let preview = &self.preview;
        let mut lines = Vec::new();
        let files = match self.files() {
            (0, 0) => "as they should be".to_owned(),
            (differ, 0) => format!("{} to write", counted(differ, "change")),
            (differ, edited) => format!("{} to write, {edited} edited by hand or not ours", counted(differ, "change")),
        };
        lines.push(("files", files));
        let build = preview.images.len() + preview.master_images.len();
        lines.push(("images", format!("{}, {build} to build, {} to prune", self.images, preview.prune.len())));
        if !self.generations.made.is_empty() {
            let published = &self.generations.published;
            let for_all =
                if published.all > 0 { format!("{} for all", published.all) } else { "none published for all".to_owned() };
            let whom = [vec![for_all], published.exceptions()].concat().join("; ");
            lines.push((
                "generations",
                format!("{}, {whom}, {} to remove", self.generations.made.len(), preview.prune_generations.len()),
            ));
        }
        let services = match &self.down[..] {
            [] => "all run".to_owned(),
            down => format!("{} not running; look with: sv status {}", down.join(" and "), down.join(" ")),
        };
        lines.push(("services", services));
        let apply = preview.summary();
        let apply = if preview.differs() { format!("{apply}; see: voidclust diff") } else { apply };
        lines.push(("apply", apply));
        lines
    }

    fn as_json(&self) -> Value {
        let (preview, generations, (write, keep)) = (&self.preview, &self.generations, self.files());
        json!({
            "in_sync": !preview.differs(),
            "summary": preview.summary(),
            "files": { "write": write, "keep": keep },
            "images": {
                "made": self.images,
                "build": preview.images,
                "build_for_master": preview.master_images,
                "prune": preview.prune,
            },
            "generations": {
                "made": generations.made.keys().collect::<Vec<_>>(),
                "published": generations.published,
                "prune": preview.prune_generations,
            },
            "services_down": self.down,
            "strangers": self.strangers,
            "notes": preview.notes,
        })
    }

    fn wants_attention(&self) -> bool {
        self.preview.differs() || !self.down.is_empty()
    }
}

fn show(global: &Global, look: &Look) -> Result<Status> {
    let target = Target::open(global)?;
    let wanted = wanted::read(&target, global.config.as_deref())?;
    let machine = target.machine().context(NO_MACHINE)?;
    let named = numbers_of(&wanted.site, &look.nodes)?;
    let (sight, mut nodes) = status::now(&target, &wanted, machine)?;
    if !look.nodes.is_empty() {
        nodes = named.into_iter().map(|number| nodes[number].clone()).collect();
    }
    let site = if look.nodes.is_empty() { Some(OfSite::of(&target, wanted, &sight)?) } else { None };
    let attention = nodes.iter().any(NodeStatus::wants_attention) || site.as_ref().is_some_and(OfSite::wants_attention);
    if look.metrics {
        say!("{}", metrics(&nodes, site.as_ref()).trim_end());
        return Ok(Status::Done);
    }
    if look.json {
        say!("{:#}", as_json(&nodes, site.as_ref(), attention));
    } else {
        if look.watch && print::width().is_some() {
            // To the upper left corner, and nothing below it.
            say!("\x1b[H\x1b[2J{}", crate::words::date(sight.now));
        }
        print(&nodes, &sight, look);
        if let Some(site) = &site {
            print_site(site);
        }
    }
    Ok(if attention { Status::Differs } else { Status::Done })
}

fn print(nodes: &[NodeStatus], sight: &Sight, look: &Look) {
    let is_listed = |node: &&NodeStatus| {
        look.all || !look.nodes.is_empty() || nodes.len() <= SCREEN || node.wants_attention() || node.state != State::Up
    };
    let listed: Vec<&NodeStatus> = nodes.iter().filter(is_listed).collect();
    let rows: Vec<[String; 5]> = listed.iter().map(|node| row(node, sight)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..4).map(width).collect();
    for (node, row) in listed.iter().zip(&rows) {
        let padded: Vec<String> = widths.iter().zip(row).map(|(width, cell)| format!("{cell:width$}")).collect();
        let line = [&padded[..], &row[4..]].concat().join("  ");
        let columns = print::width().unwrap_or(usize::MAX);
        let line: String = line.trim_end().chars().take(columns).collect();
        let style = match node.state {
            State::Silent => AnsiColor::Red.on_default(),
            State::Booting => AnsiColor::Cyan.on_default(),
            State::Up if node.wants_attention() => AnsiColor::Yellow.on_default(),
            State::Up => Style::new(),
        };
        say!("{style}{line}{style:#}");
    }
    say!("{}", summary(nodes));
    for what in ["kernel", "image", "generation", "command line", "overlay"] {
        let unknown = nodes.iter().filter(|node| node.unknown().contains(&what)).count();
        if unknown > 0 {
            say!("unknown: the {what} of {}; {}", counted(unknown, "node"), why_unknown(what, sight));
        }
    }
}

fn row(node: &NodeStatus, sight: &Sight) -> [String; 5] {
    let since = node.since.map_or_else(|| "-".to_owned(), |since| roughly(sight.now.saturating_sub(since)));
    let (kernel, root, what) = match node.state {
        State::Up => {
            let root = node.generation.map_or_else(|| "-".to_owned(), |number| format!("generation {number}"));
            let changes = node.changes();
            let what = if changes.is_empty() { String::new() } else { format!("reboot would change: {}", changes.join(", ")) };
            (node.kernel.clone().unwrap_or_else(|| "?".to_owned()), root, what)
        }
        State::Booting => {
            (String::new(), String::new(), node.sent.as_ref().map_or_else(String::new, |sent| format!("sent {}", sent.file)))
        }
        State::Silent => Default::default(),
    };
    [
        node.name.clone(),
        node.state.word().to_owned(),
        since,
        kernel,
        [root, what].into_iter().filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("  "),
    ]
}

fn summary(nodes: &[NodeStatus]) -> String {
    let count = |state: State| nodes.iter().filter(|node| node.state == state).count();
    let states = State::ALL.iter().map(|state| format!("{} {}", count(*state), state.word())).collect::<Vec<_>>().join(", ");
    let stale = nodes.iter().filter(|node| !node.changes().is_empty()).count();
    format!("{}: {states}; a reboot would change {stale}", counted(nodes.len(), "node"))
}

fn why_unknown(what: &str, sight: &Sight) -> &'static str {
    match what {
        "kernel" => "they mount with NFS 4.0, by which no client tells it",
        "image" | "command line" if sight.log.is_none() => {
            "neither dnsmasq nor darkhttpd has left a log here: install and enable socklog-void"
        }
        "image" | "command line" => "the log does not reach back so far",
        "generation" => "their images are older than this version, or they have just come up",
        _ => "they have fetched nothing since this master booted: voidclust refresh there, or a reboot, tells it",
    }
}

fn print_site(site: &OfSite) {
    if site.strangers > 0 {
        say!("besides: {} not listed; see: voidclust node discover", counted(site.strangers, "machine"));
    }
    for (what, text) in site.lines() {
        say!("{:13}{text}", format!("{what}:"));
    }
    print_notes(&site.preview.notes);
}

fn as_json(nodes: &[NodeStatus], site: Option<&OfSite>, attention: bool) -> Value {
    let of = |node: &NodeStatus| {
        let files = match &node.overlay {
            Some(Fetched::Behind(files)) => json!(files),
            Some(Fetched::Current) => json!([]),
            Some(Fetched::Unknown) | None => Value::Null,
        };
        json!({
            "name": node.name,
            "state": node.state.word(),
            "since": node.since,
            "kernel": node.kernel,
            "image": node.image,
            "generation": node.generation,
            "files": files,
            "sent": node.sent,
            "boots": node.boots.as_ref().map(|boots| json!({
                "kernel": boots.kernel, "image": boots.image, "generation": boots.root,
            })),
            "changes": node.changes(),
            "unknown": node.unknown(),
        })
    };
    json!({
        "attention": attention,
        "nodes": nodes.iter().map(of).collect::<Vec<_>>(),
        "site": site.map(OfSite::as_json),
    })
}

/// The text format of Prometheus. No name of ours needs quoting in there.
fn metrics(nodes: &[NodeStatus], site: Option<&OfSite>) -> String {
    let mut text = String::new();
    let mut add = |name: &str, help: &str, samples: Vec<(String, u64)>| {
        let _ = writeln!(text, "# HELP voidclust_{name} {help}\n# TYPE voidclust_{name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(text, "voidclust_{name}{labels} {value}");
        }
    };
    let label = |node: &NodeStatus| format!("{{node=\"{}\"}}", node.name);
    let state = |node: &NodeStatus| {
        let of =
            |state: &State| (format!("{{node=\"{}\",state=\"{}\"}}", node.name, state.word()), u64::from(node.state == *state));
        State::ALL.iter().map(of).collect::<Vec<_>>()
    };
    add("node_state", "Whether a node is in this state.", nodes.iter().flat_map(state).collect());
    let since = |node: &NodeStatus| Some((label(node), node.since?));
    add("node_since_seconds", "Since when it is, in seconds since 1970.", nodes.iter().filter_map(since).collect());
    let stale = |node: &NodeStatus| (label(node), u64::from(!node.changes().is_empty()));
    add("node_stale", "Whether a reboot would change what the node runs.", nodes.iter().map(stale).collect());
    let runs = |node: &NodeStatus| {
        let number = node.generation.map_or_else(String::new, |number| number.to_string());
        let kernel = node.kernel.as_ref()?;
        Some((format!("{{node=\"{}\",kernel=\"{kernel}\",generation=\"{number}\"}}", node.name), 1))
    };
    add("node_runs", "What a node runs that is up.", nodes.iter().filter_map(runs).collect());
    if let Some(site) = site {
        add("in_sync", "Whether apply has nothing to do.", vec![(String::new(), u64::from(!site.preview.differs()))]);
        add(
            "services_down",
            "How many services do not run without which no node boots.",
            vec![(String::new(), site.down.len() as u64)],
        );
        add("strangers", "How many machines are up that are not listed.", vec![(String::new(), site.strangers as u64)]);
    }
    text
}
