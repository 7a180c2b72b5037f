//! The command `plumber`: watches another process, judges it, and explains what it says.
//!
//! It is thin: it reads the command line and settings, asks the library, and writes down
//! the answer. Everything that decides takes its clock, its process and its environment as
//! arguments, so that tests need none of them.

mod attach;
mod baseline;
mod check;
mod cli;
mod exit;
mod explain;
#[cfg(test)]
mod fake;
mod generate;
mod interrupt;
mod junit;
mod markdown;
mod output;
mod progress;
mod record;
mod remote;
mod replay;
mod settings;
mod snapshot;
mod units;
mod watch;

use std::env;
use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use clap::ColorChoice;

use cli::{Cli, Command};
use exit::{Failure, USAGE};
use remote::connect;
use settings::Sources;

fn main() -> ExitCode {
    let cli = match Cli::read(env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return said(&error),
    };
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::complain(&failure);
            ExitCode::from(failure.code)
        }
    }
}

/// Help and the version are no errors.
fn said(error: &clap::Error) -> ExitCode {
    match cli::one_line(error) {
        Some(line) => {
            output::complain(&line);
            ExitCode::from(USAGE)
        }
        None => {
            // Whoever has closed standard output has read enough.
            let _printed = error.print();
            ExitCode::SUCCESS
        }
    }
}

fn run(cli: Cli) -> Result<u8, Failure> {
    let global = cli.global.clone();
    let terminal = stdout().is_terminal();
    let variable = |name: &str| env::var_os(name);
    let here = || {
        let here = env::current_dir();
        here.map_err(|error| Failure::usage(format!("the current directory is not known: {error}")))
    };
    let sources = || Sources::read(&variable, &here()?);
    match cli.into_command() {
        Command::Attach(args) => attach::run(&args, &global, &sources()?, &connect, terminal),
        Command::Snapshot(args) => snapshot::run(&args, &global, &sources()?, &connect),
        Command::Check(args) => check::run(&args, &global, &sources()?, &connect),
        Command::Record(args) => record::run(&args, &global, &sources()?, &connect),
        Command::Replay(args) => replay::run(&args, &global, terminal),
        Command::Baseline(args) => baseline::run(&args, &here()?, &variable),
        Command::Explain(args) => {
            explain::run(args.lint, terminal, coloured(global.color, terminal))
        }
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { command } => generate::man(command.as_deref()),
    }
}

/// Whether to print colours, as <https://no-color.org> asks.
fn coloured(choice: ColorChoice, terminal: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}
