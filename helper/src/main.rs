//! Parses the command line, runs, prints the error once, chooses the exit status.

use std::process::ExitCode;

use clap::Parser;
use voidclust::cli::{Cli, Color};
use voidclust::commands::{Status, run};
use voidclust::print;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.global.color {
        // anstream looks at NO_COLOR and at whether there is a terminal.
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let mut status = run(&cli).unwrap_or_else(|error| {
        print::error_line(format_args!("voidclust: {error:#}"));
        Status::Failed
    });
    if let Some(error) = print::lost() {
        print::error_line(format_args!("voidclust: not all of this could be printed: {error}"));
        status = Status::Failed;
    }
    ExitCode::from(status as u8)
}
