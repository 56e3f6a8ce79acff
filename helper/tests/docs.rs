//! The documents and the program agree: what one of them names, the other has.
//!
//! The keys of the configuration are compared in src/config/raw.rs, where they can be seen.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use clap::CommandFactory;
use voidclust::cli::Cli;
use voidclust::commands::Status;
use voidclust::config::{Outcome, parse};
use voidclust::machine::facts::Facts;
use voidclust::render::layers::Machine;
use voidclust::render::reader::{FILE_MAX, TOTAL_MAX};
use voidclust::render::template::{OfKind, PEERS_MAX, Templates};
use voidclust::site::Site;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document(name: &str) -> String {
    let path = repository().join("docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text of a `.Sh` section.
fn section<'page>(page: &'page str, name: &str) -> &'page str {
    let (_, rest) = page.split_once(&format!("\n.Sh {name}\n")).unwrap_or_else(|| panic!("no section {name}"));
    rest.split("\n.Sh ").next().unwrap_or_default()
}

/// The words after an mdoc macro, one for each time it is used.
fn arguments<'text>(text: &'text str, name: &str) -> BTreeSet<&'text str> {
    let lines = text.lines().filter(|line| line.starts_with('.'));
    let words = lines.flat_map(|line| {
        let words: Vec<&str> = line[1..].split_whitespace().collect();
        words.windows(2).filter(|pair| pair[0] == name).map(|pair| pair[1]).collect::<Vec<_>>()
    });
    words.collect()
}

/// Every command that does something, as it is typed.
fn leaves(command: &clap::Command, before: &str, found: &mut Vec<(String, clap::Command)>) {
    for sub in command.get_subcommands() {
        let name = format!("{before} {}", sub.get_name()).trim().to_owned();
        if sub.has_subcommands() {
            leaves(sub, &name, found);
        } else {
            found.push((name, sub.clone()));
        }
    }
}

/// The options of a command as mdoc spells them: `f`, `-force`. What is for tests only is in no page.
fn options(command: &clap::Command) -> BTreeSet<String> {
    let of = |arg: &clap::Arg| {
        let long = arg.get_long().map(|long| format!("-{long}"));
        long.into_iter().chain(arg.get_short().map(String::from)).collect::<Vec<_>>()
    };
    command.get_arguments().filter(|arg| !arg.is_hide_set()).flat_map(of).collect()
}

#[test]
fn the_page_has_every_command_and_option_and_no_other() {
    let page = document("voidclust.8");
    let commands = section(&page, "COMMANDS");
    let blocks: Vec<String> = commands.split("\n.It Cm ").skip(1).map(|block| format!(".It Cm {block}")).collect();
    let mut found = Vec::new();
    leaves(&Cli::command(), "", &mut found);
    assert_eq!(blocks.len(), found.len(), "as many entries as commands");
    for (name, command) in found {
        let begins = |block: &&String| block.split_whitespace().skip(2).take(name.split(' ').count()).eq(name.split(' '));
        let at = blocks.iter().find(begins);
        let block = at.unwrap_or_else(|| panic!("no entry for `{name}`"));
        let named: BTreeSet<String> = arguments(block, "Fl").into_iter().map(ToOwned::to_owned).collect();
        assert_eq!(named, options(&command), "options of `{name}`");
        for positional in command.get_positionals() {
            assert!(arguments(block, "Ar").contains(positional.get_id().as_str()), "`{name}` lacks {}", positional.get_id());
        }
    }

    let named: BTreeSet<String> = arguments(section(&page, "OPTIONS"), "Fl").into_iter().map(ToOwned::to_owned).collect();
    let mut everywhere = options(&Cli::command());
    everywhere.extend(["h", "-help", "V", "-version"].map(ToOwned::to_owned));
    assert_eq!(named, everywhere);
}

#[test]
fn the_exit_statuses_are_those_of_the_program() {
    let page = document("voidclust.8");
    let listed: Vec<i32> =
        section(&page, "EXIT STATUS").lines().filter_map(|line| line.strip_prefix(".It ")?.parse().ok()).collect();
    // A status that is added must be added here, and so to the page.
    let name = |status: Status| match status {
        Status::Done | Status::Failed | Status::Usage | Status::Differs => i32::from(status as u8),
    };
    let usage = Cli::command().try_get_matches_from(["voidclust", "--no-such-option"]).unwrap_err().exit_code();
    assert_eq!(usage, name(Status::Usage));
    assert_eq!(listed, [name(Status::Done), name(Status::Failed), usage, name(Status::Differs)]);
}

/// The blocks of code in a Markdown document that say they are in `language`, without their common indentation.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix(&format!("```{language}")) else { continue };
        let block = lines.by_ref().take_while(|line| line.trim() != "```");
        found.push(block.map(|line| format!("{}\n", line.strip_prefix(indent).unwrap_or(line))).collect());
    }
    found
}

fn markdown() -> Vec<(&'static str, String)> {
    let names = ["../README.md", "guide.md", "security.md", "compared.md", "design.md", "contributing.md", "news.md"];
    names.iter().map(|name| (*name, document(name))).collect()
}

#[test]
fn every_configuration_in_the_documents_is_right() {
    let page = document("voidclust.conf.5");
    let (_, example) = section(&page, "EXAMPLES").split_once("\n.Bd -literal -offset indent\n").unwrap();
    let mut examples = vec![example.split("\n.Ed").next().unwrap_or_default().to_owned()];
    examples.extend(markdown().iter().flat_map(|(_, text)| blocks(text, "toml")));
    assert!(examples.len() > 5, "{examples:?}");
    let facts = Facts {
        kernels: ["6.12.93_1", "6.12.94_1"].map(ToOwned::to_owned).into(),
        overlays: ["master", "client", "compute", "desk", "keys", "node1"].map(ToOwned::to_owned).into(),
        ..Facts::default()
    };
    for mut example in examples {
        // Most show one table only; what each configuration must have is added.
        for (table, needed) in [("[network]", "address = \"172.23.199.225/24\""), ("[master]", "mac = \"52:54:00:17:c7:e1\"")] {
            if !example.contains(table) {
                example.push_str(&format!("\n{table}\n{needed}\n"));
            }
        }
        if let Outcome::Wrong(messages) = parse(&vec![("example".to_owned(), example)], &facts) {
            panic!("{}", messages.iter().map(|message| format!("{message}\n")).collect::<String>());
        }
    }
}

#[test]
fn every_command_in_the_documents_is_one() {
    let mut count = 0;
    for (name, text) in markdown() {
        for line in blocks(&text, "sh").iter().flat_map(|block| block.lines()) {
            let line = line.split(" #").next().unwrap_or_default();
            let line = line.split(['|', '&', ';', '>']).next().unwrap_or_default();
            let Some(at) = line.find("voidclust ").filter(|at| *at == 0 || line[..*at].ends_with(' ')) else { continue };
            let words = line[at..].split_whitespace();
            Cli::command().try_get_matches_from(words).unwrap_or_else(|error| panic!("{name}: {line}: {error}"));
            count += 1;
        }
    }
    assert!(count > 5, "{count}");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for (name, text) in markdown() {
        let folder = repository().join("docs").join(name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.contains("://") && !link.starts_with('#') {
                let (file, heading) = link.split_once('#').unwrap_or((link, ""));
                let file = folder.parent().unwrap().join(file);
                assert!(file.exists(), "{name}: {link}");
                let text = if heading.is_empty() { String::new() } else { std::fs::read_to_string(&file).unwrap() };
                let named = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-") == heading;
                assert!(heading.is_empty() || text.lines().any(named), "{name}: {link}");
            }
        }
    }
}

fn site(more: &str, nodes: usize) -> Site {
    let mut text = format!("[network]\naddress = \"10.0.0.1/16\"\n{more}\n[master]\nmac = \"52:54:00:00:00:00\"\n");
    for node in 1..=nodes {
        let (high, low) = (node / 250, node % 250 + 2);
        text.push_str(&format!(
            "[[node]]\nname = \"n{node}\"\nmac = \"52:54:00:00:{high:02x}:{low:02x}\"\naddress = \"10.0.{high}.{low}\"\n"
        ));
    }
    match parse(&vec![("test".to_owned(), text)], &Facts::default()) {
        Outcome::Site(site) => *site,
        other => panic!("{other:?}"),
    }
}

fn render(site: &Site, template: &str) -> Result<String, String> {
    let site = Arc::new(site.clone());
    let mut templates = Templates::new(&site);
    templates.add("test", template).map_err(|failure| failure.why)?;
    let scope = templates.scope(Machine::Node(&site.nodes[0]));
    let rendered = templates.render("test", &scope, &mut OfKind::new()).map_err(|failure| failure.why)?;
    Ok(rendered.map_or_else(String::new, |bytes| String::from_utf8(bytes.whole().into_owned()).unwrap()))
}

/// Every variable that templates of this site see, with its members: `network.range.first`.
fn variables(site: &Site) -> BTreeSet<String> {
    // The names at the top come out of minijinja's own debug(): eight blanks, a quoted name, a colon.
    let state = render(site, "{{ debug() }}").unwrap();
    let top: Vec<&str> =
        state.lines().filter_map(|line| line.strip_prefix("        \"")?.split_once("\": ")).map(|(name, _)| name).collect();
    assert!(top.len() > 5, "{state}");
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = top.into_iter().map(ToOwned::to_owned).collect();
    while let Some(name) = open.pop() {
        let members = render(site, &format!("{{% if {name} is mapping %}}{{{{ {name} | list | join(' ') }}}}{{% endif %}}"));
        let members = members.unwrap();
        open.extend(members.split_whitespace().map(|member| format!("{name}.{member}")));
        found.insert(name);
    }
    found
}

#[test]
fn every_template_variable_is_documented_and_no_other() {
    let page = document("voidclust.conf.5");
    let documented: BTreeSet<&str> = arguments(section(&page, "TEMPLATE VARIABLES"), "Va").into_iter().collect();
    let kinds = [
        site("dhcp = \"server\"\nrange = \"10.0.9.1 - 10.0.9.9\"", 1),
        site("[nfs]\nhome_server = \"nas:/home\"", 1),
        site("[nfs]\nhome = \"none\"", 1),
    ];
    let real: BTreeSet<String> = kinds.iter().flat_map(variables).collect();
    for name in &real {
        // `master` and the entries of `nodes` have the members of `node`, and a table is there when its members are.
        let own = name.strip_prefix("master.").map_or_else(|| name.clone(), |member| format!("node.{member}"));
        let as_table = documented.iter().any(|known| known.starts_with(&format!("{own}.")));
        assert!(documented.contains(own.as_str()) || as_table, "{name} is not documented");
    }
    for name in documented {
        assert!(real.contains(name), "{name} is documented, but templates do not see it");
    }
}

#[test]
fn the_largest_cluster_with_peers_is_as_large_as_the_page_says() {
    let says = format!("more than {PEERS_MAX} clients");
    assert!(section(&document("voidclust.conf.5"), "TEMPLATE VARIABLES").contains(&says));
    let peers = |nodes| render(&site("", nodes), "{{ peers | length }}").unwrap();
    assert_eq!((peers(PEERS_MAX), peers(PEERS_MAX + 1)), (PEERS_MAX.to_string(), "0".to_owned()));
}

#[test]
fn the_largest_overlays_are_as_large_as_the_page_says() {
    let says =
        |file: u64, all: u64| format!("A file has {} MiB at most, and all overlays together {} MiB", file >> 20, all >> 20);
    assert!(document("voidclust.8").contains(&says(FILE_MAX, TOTAL_MAX)));
}

#[test]
fn the_pages_are_sound_mdoc() {
    for page in ["voidclust.8", "voidclust.conf.5"] {
        let path = repository().join("docs").join(page);
        #[allow(clippy::disallowed_methods, reason = "a test runs what it tests")]
        let run =
            std::process::Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(path).stdin(Stdio::null()).output();
        match run {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success() && said.is_empty(), "{said}");
            }
            // Past the macros, whose output libtest keeps from those who run tests that pass.
            Err(error) => {
                let _ = std::io::stderr().write_all(format!("\nskip: {page}: mandoc cannot be run: {error}\n").as_bytes());
            }
        }
    }
}
