//! The command line: its types and nothing else.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

mod care;
mod hook;
mod node;

pub use care::{Look, Power, Reboot};
pub use hook::Hook;
pub use node::{Discover, Dry, Format, Keys, Node};

// Options are listed in --help in the order of declaration; keep help lines within 80 columns.

/// Reads the number of a generation.
fn generation(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "this is not the number of a generation; list them with: voidclust generation list".to_owned())
}

/// Render and rebuild what a diskless Void Linux cluster boots from
#[derive(Debug, Parser)]
#[command(name = "voidclust", version, max_term_width = 80)]
#[command(after_help = "Example:\n  vi /etc/voidclust.conf && voidclust diff && voidclust apply\n\n\
Exit status: 0 done or in sync, 1 failed, 2 usage, 3 differs.\n\
See voidclust(8) and voidclust.conf(5).")]
pub struct Cli {
    /// What every command takes
    #[command(flatten)]
    pub global: Global,
    /// What to do; nothing asks what there is
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What is said when no command is given: those of the day.
pub const OF_THE_DAY: &str = "Every day:

  voidclust status                      what each node runs, and what to do
  voidclust node add NAME --mac MAC     one more
  voidclust shell -- xbps-install -Su   update what all of them run
  voidclust publish                     let nodes boot that from now on
  voidclust apply                       do what the configuration says

All commands: voidclust help. Manuals: voidclust(8), voidclust.conf(5)";

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Work on the tree DIR instead of /
    #[arg(short, long, global = true, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Read FILE instead of /etc/voidclust.conf and its drop-ins
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A folder with the files of a machine (/proc, /sys, /run and the rest) in place of this machine: for tests, which
    /// must not touch the machine that they run on
    #[arg(long, global = true, hide = true, value_name = "DIR", conflicts_with = "root")]
    pub machine: Option<PathBuf>,
    /// Say more about what is done
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to colour the output; `NO_COLOR` is heeded
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the first configuration, of what this machine tells
    #[command(after_help = "Example:\n  voidclust init && voidclust node add node1 --mac 52:54:00:12:34:56")]
    Init {
        /// Take every proposal, ask nothing
        #[arg(short, long)]
        yes: bool,
        /// Whether to write
        #[command(flatten)]
        dry: Dry,
    },
    /// Check the configuration and the overlays; change nothing
    #[command(after_help = "Example:\n  voidclust check --config ./voidclust.conf")]
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what apply would change, as a unified diff
    #[command(after_help = "Example:\n  voidclust diff | less -R\n\nExit status: 0 in sync, 3 differs.")]
    Diff {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the files, build the images, tell the services
    #[command(after_help = "Example:\n  voidclust apply --dry-run && voidclust apply")]
    Apply {
        /// Only say what would be done; exit status 3 if there is anything
        #[arg(short = 'n', long)]
        dry_run: bool,
        /// Replace files that were edited by hand or are not ours
        #[arg(short, long)]
        force: bool,
    },
    /// List what a node lays over /etc and where it comes from
    #[command(after_help = "Example:\n  voidclust show node1\n  voidclust show node1 hosts\n  voidclust show default")]
    Show {
        /// A node's name, MAC or address, or \"master\" or \"default\"
        node: String,
        /// Print this file, as a path below /etc
        path: Option<String>,
        /// Print JSON
        #[arg(long, conflicts_with = "path")]
        json: bool,
    },
    /// List, show, add, change and remove nodes
    #[command(subcommand, after_help = "Example:\n  voidclust node add node1 --mac 52:54:00:12:34:56")]
    Node(Box<Node>),
    /// Show what each node runs, and what a reboot would change
    #[command(after_help = "Example:\n  voidclust status\n  voidclust status 'n[01-16]' --watch\n\n\
Exit status: 3 when a node is silent, a reboot would change one, or apply has\nwork; 0 otherwise, and always with --metrics.")]
    Status(Look),
    /// Reboot nodes over ssh, a few at a time
    #[command(after_help = "Example:\n  voidclust reboot --stale --wait --batch 8\n  voidclust reboot 'n[01-16]'")]
    Reboot(Reboot),
    /// Wake nodes that are off, by their network cards
    #[command(after_help = "Example:\n  voidclust wake 'n[01-16]'")]
    Wake {
        /// Names, MACs or addresses: node1, or n[01-16]
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Switch nodes on and off by the command of the site
    #[command(after_help = "Example:\n  voidclust power node1 cycle")]
    Power(Power),
    /// Build, list, check and prune the images that nodes boot
    #[command(subcommand, after_help = "Example:\n  voidclust image build --kernel 6.12.94_1")]
    Image(Image),
    /// Make a generation of the live tree, and let nodes boot it
    #[command(after_help = "Example:\n  voidclust publish --only node1 -m \"new kernel\"\n  voidclust publish\n\n\
Exit status of --dry-run: 3, for what it tells is still to be done.")]
    Publish {
        /// Only these nodes or profiles boot it, until it is published for all
        #[arg(long, value_name = "NODE|PROFILE", num_args = 1..)]
        only: Vec<String>,
        /// Only say what would be left out and what would change
        #[arg(short = 'n', long)]
        dry_run: bool,
        /// What the list of generations says of it
        #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        message: String,
    },
    /// Let nodes boot the generation before, or another one
    #[command(after_help = "Example:\n  voidclust rollback\n  voidclust rollback 12 --only node1")]
    Rollback {
        /// The generation; without it the one before
        #[arg(value_parser = generation)]
        number: Option<u32>,
        /// Only these nodes or profiles boot it
        #[arg(long, value_name = "NODE|PROFILE", num_args = 1..)]
        only: Vec<String>,
        /// Say how a snapshot of the live tree, as shell takes them, is brought back
        #[arg(long, conflicts_with_all = ["number", "only"])]
        head: bool,
    },
    /// List, compare, check and remove generations
    #[command(subcommand, after_help = "Example:\n  voidclust generation list")]
    Generation(Generation),
    /// A root shell, or a command, in the tree that is kept
    #[command(after_help = "Example:\n  voidclust shell -- xbps-install -Su\n\n\
Exit status: that of the command; 1 if it was 0 and what follows failed.")]
    Shell {
        /// Take no snapshot on btrfs or ZFS before
        #[arg(long)]
        no_snapshot: bool,
        /// The command and its arguments, instead of a shell
        #[arg(last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Make files of an overlay of what a node changed below /etc, in memory
    #[command(after_help = "Example:\n  voidclust capture node1 --overlay compute --dry-run\n  \
voidclust capture node1 /etc/cron.d --overlay compute")]
    Capture {
        /// A node's name, MAC or address
        node: String,
        /// Only these files and folders
        paths: Vec<String>,
        /// The overlay, in /etc/voidclust/overlays
        #[arg(short, long, value_name = "O")]
        overlay: String,
        /// Whether to write
        #[command(flatten)]
        dry: Dry,
    },
    /// Bring this running node up to date with its overlays
    #[command(after_help = "Example:\n  ssh node1 voidclust refresh")]
    Refresh,
    /// Print the completions for a shell
    #[command(after_help = "Example:\n  voidclust completions fish > voidclust.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// What package scripts and kernel hooks call; never prompts
    #[command(subcommand, after_help = "Example:\n  voidclust -r . hook kernel-install 6.12.94_1")]
    Hook(Hook),
}

/// What can be done with images.
#[derive(Debug, Subcommand)]
pub enum Image {
    /// Build what is missing or out of date
    #[command(after_help = "Example:\n  voidclust image build --force")]
    Build {
        /// Build for this kernel only
        #[arg(short, long, value_name = "V")]
        kernel: Option<String>,
        /// Build even if nothing changed
        #[arg(short, long)]
        force: bool,
    },
    /// List the images, newest first
    #[command(after_help = "Example:\n  voidclust image list")]
    List,
    /// Remove images that no loader names, but for the newest ones
    #[command(after_help = "Example:\n  voidclust image prune")]
    Prune,
    /// Compare every image with its checksums
    #[command(after_help = "Example:\n  voidclust image verify && echo sound")]
    Verify,
}

/// What can be done with generations.
#[derive(Debug, Subcommand)]
pub enum Generation {
    /// List the generations, oldest first, and who boots and uses them
    #[command(after_help = "Example:\n  voidclust generation list")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one, and what differs from another
    #[command(after_help = "Example:\n  voidclust generation show 13\n  voidclust generation show 13 --diff 12")]
    Show {
        /// Its number
        #[arg(value_parser = generation)]
        number: u32,
        /// Packages and files of /etc that differ from M, or from the one before
        #[arg(long, value_name = "M", value_parser = generation)]
        diff: Option<Option<u32>>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove one that no menu names and no node uses
    #[command(after_help = "Example:\n  voidclust generation remove 9")]
    Remove {
        /// Its number
        #[arg(value_parser = generation)]
        number: u32,
    },
    /// Look whether each is as it was made
    #[command(after_help = "Example:\n  voidclust generation verify && echo sound")]
    Verify {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    fn walk(command: &mut clap::Command, check: &mut impl FnMut(&str, &mut clap::Command)) {
        let name = command.get_name().to_owned();
        check(&name, command);
        for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            walk(sub, check);
        }
    }

    #[test]
    fn what_is_said_of_the_day_are_commands() {
        let lines: Vec<&str> = OF_THE_DAY.lines().filter(|line| line.starts_with("  voidclust ")).collect();
        assert_eq!(lines.len(), 5);
        for line in lines {
            let words = line.trim().split("  ").next().unwrap().split(' ');
            Cli::command().try_get_matches_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn help_fits_80_columns_and_has_an_example() {
        walk(&mut Cli::command(), &mut |name, command| {
            let help = command.render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
            assert!(help.contains("Example:"), "{name} has no example");
        });
    }
}
