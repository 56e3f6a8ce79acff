//! Parses the command line, runs, prints the error once, chooses the exit status.

use std::process::ExitCode;

use clap::Parser;
use voidclust::cli::{Cli, Color};
use voidclust::commands::{Status, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.global.color {
        // anstream looks at NO_COLOR and at whether there is a terminal.
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let status = run(&cli).unwrap_or_else(|error| {
        anstream::eprintln!("voidclust: {error:#}");
        Status::Failed
    });
    ExitCode::from(status as u8)
}
