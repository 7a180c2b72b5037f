//! The command line.

// Comments here are what `--help` prints, where marks of code would be seen.
#![allow(clippy::doc_markdown)]

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, ColorChoice, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tokio_plumber::check::Allowed;
use tokio_plumber::snapshot::Lint;
use tokio_plumber::{Address, DEFAULT_PORT};

use crate::units;
use help::{BASELINE_HELP, CHECK_HELP, EXAMPLES, EXIT_CODES, FOR_ALL, RECORD_HELP, SETTINGS};

mod help;
#[cfg(test)]
mod tests;

/// Finds the leaks and the clogs of a running Tokio program and names the line.
///
/// Without a command it attaches, and shows the dashboard.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "plumber",
    version,
    override_usage = "plumber [OPTIONS] [ADDR]\n       plumber [OPTIONS] <COMMAND>",
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{SETTINGS}\n\n{EXIT_CODES}"),
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    command: Option<Command>,
}

/// What is the same for all commands.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Reads the token that the process asks for from this file [env: PLUMBER_TOKEN, the token]
    #[arg(long, global = true, value_name = "FILE", help_heading = FOR_ALL)]
    pub(crate) token_file: Option<PathBuf>,

    /// Whether to colour what is printed; auto does in a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = FOR_ALL)]
    pub(crate) color: ColorChoice,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the dashboard of a running process, live (the default)
    ///
    /// If the connection is lost it says so, keeps the last picture and tries again.
    /// Where standard output is not a terminal, it prints one report instead.
    #[command(verbatim_doc_comment)]
    Attach(Attach),
    /// Prints one report of a running process
    Snapshot(Snapshot),
    /// Watches a running process under load, and judges it by exit code
    #[command(after_help = CHECK_HELP, after_long_help = format!("{CHECK_HELP}\n\n{SETTINGS}\n\n{EXIT_CODES}"))]
    Check(Check),
    /// Writes down what a running process does, to be replayed later
    #[command(after_help = RECORD_HELP)]
    Record(Record),
    /// Shows a recording in the dashboard: pause, step, seek
    Replay(Replay),
    /// Lists what plumber.toml allows leak tests to leave, and which of its entries should go
    #[command(after_help = BASELINE_HELP)]
    Baseline(Baseline),
    /// Says what a lint means, what a false positive looks like, and the cure
    Explain(Explain),
    /// Prints a script that completes this command in a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Prints a manual page: plumber man | man -l -
    Man {
        /// That of this command
        command: Option<String>,
    },
}

/// Which process, and how often.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Attach {
    /// The process [env: PLUMBER_ADDR] [default: 127.0.0.1:6669]
    #[arg(value_name = "ADDR")]
    pub(crate) addr: Option<Address>,

    /// Time between two pictures [env: PLUMBER_INTERVAL] [default: 200ms]
    #[arg(long, value_name = "DURATION", value_parser = units::interval)]
    pub(crate) interval: Option<Duration>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Snapshot {
    /// The process [env: PLUMBER_ADDR] [default: 127.0.0.1:6669]
    #[arg(value_name = "ADDR")]
    pub(crate) addr: Option<Address>,

    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,

    /// Lists this many of the oldest live tasks
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = units::tasks)]
    pub(crate) tasks: usize,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) attach: Attach,

    /// How long to watch [env: PLUMBER_FOR] [default: 60s]
    #[arg(long = "for", value_name = "DURATION", value_parser = units::watch)]
    pub(crate) lasts: Option<Duration>,

    /// The longest stall that is tolerated [env: PLUMBER_MAX_STALL] [default: none at all]
    #[arg(long, value_name = "DURATION", value_parser = units::stall)]
    pub(crate) max_stall: Option<Duration>,

    /// How many spawn sites may leak tasks [env: PLUMBER_MAX_LEAKING_SITES] [default: 0]
    #[arg(long, value_name = "N", value_parser = units::sites)]
    pub(crate) max_leaking_sites: Option<u64>,

    /// How fast live tasks may grow, such as 100/min [env: PLUMBER_MAX_PENDING_GROWTH]
    #[arg(long, value_name = "RATE", value_parser = units::tasks_per_minute)]
    pub(crate) max_pending_growth: Option<f64>,

    /// How fast the heap may grow, such as 1MiB/min [env: PLUMBER_MAX_RETAINED_GROWTH]
    #[arg(long, value_name = "RATE", value_parser = units::bytes_per_minute)]
    pub(crate) max_retained_growth: Option<f64>,

    /// Tolerates findings of a lint, where their place has PLACE in it; repeatable
    /// [env: PLUMBER_ALLOW, separated by commas]
    #[arg(long, value_name = "LINT[=PLACE]", value_parser = units::allowed)]
    pub(crate) allow: Vec<Allowed>,

    /// Tolerates that the process is restarted during the watch [env: PLUMBER_ALLOW_RESTART]
    #[arg(long)]
    pub(crate) allow_restart: bool,

    /// Ends the watch at the first violation [env: PLUMBER_FAIL_FAST]
    #[arg(long)]
    pub(crate) fail_fast: bool,

    /// How to write the verdict [env: PLUMBER_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<VerdictFormat>,

    /// Writes the verdict to FILE, and not to standard output [env: PLUMBER_OUTPUT]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Record {
    #[command(flatten)]
    pub(crate) attach: Attach,

    /// The recording
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// How long to record [default: until ctrl-c]
    #[arg(long = "for", value_name = "DURATION", value_parser = units::watch)]
    pub(crate) lasts: Option<Duration>,

    /// Keeps this many of the oldest live tasks in each picture
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = units::tasks)]
    pub(crate) tasks: usize,

    /// Also writes poll latencies as an HdrHistogram interval log
    #[arg(long, value_name = "FILE")]
    pub(crate) hdr_log: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Replay {
    /// The recording
    #[arg(value_name = "FILE")]
    pub(crate) recording: PathBuf,

    /// Starts so far into it; where standard output is not a terminal, reports that moment
    #[arg(long, value_name = "DURATION", value_parser = units::moment)]
    pub(crate) at: Option<Duration>,

    /// Writes its poll latencies as an HdrHistogram interval log, and shows nothing
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    pub(crate) hdr_log: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Baseline {
    /// Where leak tests have put their reports [default: plumber in CARGO_TARGET_DIR, else the
    /// nearest target/plumber]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) reports: Option<PathBuf>,

    /// How to write it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ReportFormat,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Explain {
    /// The lint; without one, all are listed
    #[arg(value_name = "LINT", value_parser = lint)]
    pub(crate) lint: Option<Lint>,
}

fn lint(name: &str) -> Result<Lint, String> {
    let error = |error: <Lint as std::str::FromStr>::Err| error.to_string();
    name.parse().map_err(error)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerdictFormat {
    /// For people
    Text,
    /// For machines
    Json,
    /// Annotations of GitHub Actions
    Github,
    /// A test suite, as CI systems read it
    Junit,
}

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// When it asks for help, or for what there is not.
    pub(crate) fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<Self, clap::Error> {
        let mut arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let error = match Self::try_parse_from(&arguments) {
            Ok(cli) => return Ok(cli),
            Err(error) => error,
        };
        // An address in the place of a command attaches to it.
        let place = word_for_command(&error)
            .filter(|word| is_address(word))
            .and_then(|word| arguments.iter().position(|it| *it == *word));
        let Some(place) = place else {
            return Err(error);
        };
        arguments.insert(place, "attach".into());
        Self::try_parse_from(&arguments)
    }

    /// What to do; without a command, it attaches.
    pub(crate) fn into_command(self) -> Command {
        self.command
            .unwrap_or_else(|| Command::Attach(Attach::default()))
    }
}

/// The definition, for what is made of it.
pub(crate) fn definition() -> clap::Command {
    let mut definition = Cli::command();
    definition.build();
    definition
}

/// What stands where a command should, if that is what is wrong.
fn word_for_command(error: &clap::Error) -> Option<String> {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => Some(word.clone()),
        _ => None,
    }
}

/// Whether it is meant as an address, and not as a command that is misspelt: a host alone
/// is not told from one, unless it is this one.
fn is_address(word: &str) -> bool {
    word == "localhost"
        || word.contains([':', '.', '/'])
        || word.bytes().all(|byte| byte.is_ascii_digit())
}

/// An error of clap's in one line; `None` when it is help or the version.
pub(crate) fn one_line(error: &clap::Error) -> Option<String> {
    if !error.use_stderr() {
        return None;
    }
    // Paragraphs: what is wrong, maybe tips, the usage, where to find help.
    let message = error.to_string();
    let flat = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = message.split("\n\n");
    let mut line = flat(paragraphs.next().unwrap_or_default());
    for paragraph in paragraphs {
        let tips = paragraph.lines().map(flat);
        for tip in tips.filter(|line| line.starts_with("tip: ")) {
            line.push_str("; ");
            line.push_str(tip.trim_start_matches("tip: "));
        }
    }
    if let (Some(word), None) = (
        word_for_command(error),
        error.get(ContextKind::SuggestedSubcommand),
    ) {
        let commands = definition();
        let names = commands.get_subcommands().map(|it| it.get_name());
        let names = names.collect::<Vec<_>>().join(", ");
        line = format!("{line}; there are {names}; a host is written {word}:{DEFAULT_PORT}");
    }
    Some(line)
}
