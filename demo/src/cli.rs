//! The command line. What is wrong with it is said in one line.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use demo::scenarios::{self, SCENARIOS, Scenario};

use crate::run::Plan;

/// Nothing that is shown changes after a minute; an hour is a soak test.
const LONGEST_DURATION: Duration = Duration::from_hours(1);

/// The load generator is one thread that shares two or more cores with the
/// service; beyond this it would measure itself.
const HIGHEST_RATE: f64 = 1000.0;

const EXAMPLES: &str = "\
Examples:
  demo                                     all scenarios in the dashboard, about three minutes
  demo --list                              what the scenarios are
  demo --scenario orphans,grouped          one pitfall and its cure
  demo --scenario blocking --rate 1        more load than a frozen loop can take
  demo --scenario orphans --duration 1m    watch the leak grow for a minute
  demo --scenario hoarded --heap-profile   which lines allocated what a pitfall keeps, sampled
  demo --scenario hoarded --dhat           the same, every block, at the price of speed
  demo --report text                       no dashboard, a table at the end
  demo --report json | jq '.scenarios[] | {name, latency_ms, live_tasks_left}'

In the dashboard, q ends the demo and prints the report of what ran so far; so does ctrl-c.
While it runs, the service can be called by hand: pass --service-port 8080, then
  curl http://127.0.0.1:8080/aggregate/concurrent

Exit codes: 0 the demo ended, 1 it could not go on, 2 the command line or a PLUMBER_ variable is
wrong, 130 ctrl-c, 143 SIGTERM.";

/// A service that leaks and clogs in every classic way, beside its cures, watched by tokio-plumber.
///
/// Twenty upstream APIs on loopback take 0.9 s each. The service aggregates them on
/// `GET /aggregate/<scenario>`, once for every way to get it wrong and to get it right, under
/// load from a generator that sends on schedule. In a terminal the dashboard shows it live;
/// otherwise, or with --report, it runs to its end and prints a report.
#[derive(Debug, Parser)]
#[command(name = "demo", version, verbatim_doc_comment, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Runs these scenarios, in this order; repeatable, or separated by commas [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = scenario)]
    scenario: Vec<&'static Scenario>,

    /// Sends requests for this long in each scenario, such as 15s [default: the scenario's own]
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    duration: Option<Duration>,

    /// Sends this many requests per second, such as 0.5 [default: the scenario's own]
    #[arg(long, value_name = "N", value_parser = rate, allow_hyphen_values = true)]
    rate: Option<f64>,

    /// Prints this report on stdout at the end, and shows no dashboard
    #[arg(long, value_name = "FORMAT")]
    pub(crate) report: Option<ReportFormat>,

    /// Writes a sampled heap profile of one scenario to FILE, or to heap.pb.gz
    ///
    /// It says which lines allocated what is in use at the scenario's end, and by whose tasks;
    /// `go tool pprof -http=: FILE`, <https://pprof.me> or Polar Signals' viewer shows it. Beside
    /// it, FILE.folded has the same stacks for flame graph tools. One allocation in 512 KiB is
    /// looked at, or in what `PLUMBER_HEAP_PROFILE` says, so the scenario runs as it always does.
    /// Takes exactly one --scenario and shows no dashboard.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "heap.pb.gz",
        conflicts_with = "dhat"
    )]
    pub(crate) heap_profile: Option<PathBuf>,

    /// Writes a dhat heap profile of one scenario to FILE, or to dhat-heap.json
    ///
    /// It says which lines allocated what is in use at the scenario's end, with their stacks;
    /// <https://nnethercote.github.io/dh_view/dh_view.html> shows it. Also written when ctrl-c or
    /// SIGTERM ends the scenario; a second ctrl-c gives it up. Takes exactly one --scenario and
    /// shows no dashboard. dhat's allocator takes the place of tokio-plumber's, so bytes per task
    /// are not measured, and every allocation takes microseconds: latencies and stalls are then
    /// partly dhat's.
    #[arg(
        long,
        verbatim_doc_comment,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "dhat-heap.json"
    )]
    pub(crate) dhat: Option<PathBuf>,

    /// Lists the scenarios with a sentence each, and ends
    #[arg(long)]
    pub(crate) list: bool,

    /// Opens the service on this port of 127.0.0.1; 0 lets the operating system choose
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    service_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    Text,
    Json,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// When it asks for help, or for what there is not.
    pub(crate) fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let options = Self::try_parse_from(arguments)?;
        for (asked, name) in [
            (options.dhat.is_some(), "--dhat"),
            (options.heap_profile.is_some(), "--heap-profile"),
        ] {
            if asked && options.scenario.len() != 1 {
                return Err(Self::command().error(
                    ErrorKind::WrongNumberOfValues,
                    format!("{name} takes exactly one scenario, such as --scenario orphans"),
                ));
            }
        }
        Ok(options)
    }

    /// What is to be run.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            scenarios: match self.scenario.as_slice() {
                [] => SCENARIOS.iter().collect(),
                chosen => chosen.to_vec(),
            },
            duration: self.duration,
            rate: self.rate,
            service_port: self.service_port,
            dhat: self.dhat.clone(),
            heap_profile: self.heap_profile.clone(),
        }
    }
}

/// What `--list` prints.
pub(crate) fn list() -> String {
    let mut list = String::new();
    for Scenario {
        name,
        kind,
        sentence,
        ..
    } in &SCENARIOS
    {
        // Writing into a string cannot fail.
        let _written = writeln!(list, "{name:<15} {kind:<8} {sentence}");
    }
    list
}

/// An error of clap's in one line; `None` when it is help or the version.
pub(crate) fn one_line(error: &clap::Error) -> Option<String> {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return None;
    }
    // Paragraphs: what is wrong, maybe a tip, the usage, where to find help.
    let message = error.to_string();
    let mut paragraphs = message.split("\n\n");
    let mut line = flat(paragraphs.next().unwrap_or_default());
    for tip in paragraphs
        .map(flat)
        .filter(|paragraph| paragraph.starts_with("tip: "))
    {
        line = format!("{line}; {tip}");
    }
    Some(line)
}

fn flat(paragraph: &str) -> String {
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn scenario(name: &str) -> Result<&'static Scenario, String> {
    scenarios::find(name)
        .ok_or_else(|| format!("no such scenario; accepted are {}", scenarios::names()))
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: Duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; accepted is a duration such as 15s or 2m"))?;
    if duration.is_zero() || duration > LONGEST_DURATION {
        return Err("accepted is more than zero and at most 1h".to_owned());
    }
    Ok(duration)
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= HIGHEST_RATE => Ok(rate),
        _ => Err(format!(
            "accepted is a number of requests per second above zero and at most {HIGHEST_RATE}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::read([&["demo"], arguments].concat())
            .map_err(|error| one_line(&error).expect("not help"))
    }

    #[test]
    fn the_definition_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn scenarios_come_repeated_or_separated_by_commas() {
        let options = parse(&["--scenario", "pooled,cpu", "--scenario", "serial"]).expect("valid");
        let names: Vec<_> = options.plan().scenarios.iter().map(|it| it.name).collect();
        assert_eq!(names, ["pooled", "cpu", "serial"]);
        assert_eq!(
            parse(&[]).expect("valid").plan().scenarios.len(),
            SCENARIOS.len()
        );
    }

    #[test]
    fn a_heap_profile_has_a_file_of_its_own_or_the_usual_one() {
        let dhat = |arguments: &[&str]| parse(arguments).expect("valid").plan().dhat;
        assert_eq!(dhat(&["--scenario", "orphans"]), None);
        assert_eq!(
            dhat(&["--dhat", "--scenario", "orphans"]).as_deref(),
            Some(Path::new("dhat-heap.json"))
        );
        assert_eq!(
            dhat(&["--dhat=a.json", "--scenario", "orphans"]).as_deref(),
            Some(Path::new("a.json"))
        );
        let sampled = parse(&["--heap-profile", "--scenario", "orphans"]).expect("valid");
        assert_eq!(
            sampled.plan().heap_profile.as_deref(),
            Some(Path::new("heap.pb.gz"))
        );
    }

    #[test]
    fn every_error_is_one_line_that_names_the_value() {
        for (arguments, expected) in [
            (&["--scenario", "orphan"][..], "'orphan'"),
            (
                &["--scenario", ""],
                "no such scenario; accepted are serial, concurrent",
            ),
            (
                &["--duration", "0s"],
                "'0s' for '--duration <DURATION>': accepted is more than zero",
            ),
            (&["--duration", "2h"], "at most 1h"),
            (&["--duration", "soon"], "'soon'"),
            (&["--duration", "-1s"], "'-1s'"),
            (
                &["--rate", "0"],
                "'0' for '--rate <N>': accepted is a number of requests",
            ),
            (&["--rate", "-2"], "'-2'"),
            (&["--rate", "NaN"], "'NaN'"),
            (&["--rate", "inf"], "'inf'"),
            (&["--rate", "1e9"], "at most 1000"),
            (
                &["--report", "xml"],
                "'xml' for '--report <FORMAT>' [possible values: text, json]",
            ),
            (&["--service-port", "70000"], "'70000'"),
            (
                &["--scenarios", "cpu"],
                "tip: a similar argument exists: '--scenario'",
            ),
            (&["--dhat"], "--dhat takes exactly one scenario, such as"),
            (
                &["--dhat", "--scenario", "orphans,grouped"],
                "--dhat takes exactly one scenario",
            ),
            (
                &["--dhat=", "--scenario", "orphans"],
                "a value is required for '--dhat",
            ),
            (
                &["--heap-profile"],
                "--heap-profile takes exactly one scenario, such as",
            ),
            (
                &["--heap-profile", "--dhat", "--scenario", "orphans"],
                "'--heap-profile[=<FILE>]' cannot be used with '--dhat[=<FILE>]'",
            ),
            (&["--rate"], "a value is required for '--rate <N>'"),
            (&["orphans"], "unexpected argument 'orphans'"),
        ] {
            let line = parse(arguments).expect_err(expected);
            assert!(line.starts_with("error: "), "{line}");
            assert!(line.contains(expected), "{line}\nlacks {expected}");
            assert!(!line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn the_list_has_a_line_for_each() {
        assert_eq!(list().lines().count(), SCENARIOS.len());
        assert!(list().contains("nested-runtime  pitfall  starts a runtime inside a task"));
    }
}
