//! A service that leaks and clogs in every classic way, and its cures, watched
//! by `tokio-plumber`. `demo --help` says how to run it; the library's
//! `scenarios` are what to read.

mod cli;
mod heap;
mod heap_profile;
mod latency;
mod load;
mod panics;
mod progress;
mod report;
mod run;
mod stop;
mod watch;

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::TcpListener;
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use demo::service;
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio_plumber::dashboard::{self, Exit};
use tokio_plumber::snapshot::TaskSelection;
use tokio_plumber::{Config, serve};

use crate::cli::{Options, ReportFormat};
use crate::panics::Panics;
use crate::progress::Progress;
use crate::run::{Outcome, Runner};
use crate::stop::{AskOnDrop, Stop};

/// The demo could not go on.
const FAILED: u8 = 1;

/// The command line or the environment asks for what there is not.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = match Options::read(env::args_os()) {
        Ok(options) => options,
        Err(error) => {
            return match cli::one_line(&error) {
                Some(line) => complain(&line, USAGE),
                None => print(&error.render().to_string()),
            };
        }
    };
    if options.list {
        return print(&cli::list());
    }
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return complain(&format!("error: {error}"), USAGE),
    };
    // Before there is a thread or a handler to lose.
    if let Err(error) = heap::use_dhat(options.dhat.is_some()) {
        return complain(
            &format!("error: cannot start again with the other allocator: {error}"),
            FAILED,
        );
    }
    match demonstrate(&options, &config) {
        Ok(code) => code,
        Err(error) => complain(&format!("error: {error:#}"), FAILED),
    }
}

fn demonstrate(options: &Options, config: &Config) -> Result<ExitCode> {
    let plan = options.plan();
    let planned = plan.scenarios.len();
    // First of all, so that a taken port is said before the screen changes.
    let port = service::listen(plan.service_port)?;
    let with_dashboard = options.report.is_none()
        && options.dhat.is_none()
        && options.heap_profile.is_none()
        && io::stdout().is_terminal();
    let dashboard_is_open = Arc::new(AtomicBool::new(with_dashboard));
    let stop = Stop::new();
    stop.on_signals(Arc::clone(&dashboard_is_open))
        .context("cannot handle signals")?;
    let progress = Progress::new(!with_dashboard);
    progress.attach(serve::start(&config.serve));
    let panics = Panics::keep();
    let runner = Runner {
        plan,
        panics,
        progress,
        stop: stop.clone(),
    };

    let mut outcomes = Vec::new();
    let ran = if with_dashboard {
        run_behind_dashboard(&runner, port, &dashboard_is_open, &mut outcomes)
    } else {
        runner.run(port, &mut outcomes)
    };
    if ran.is_err() && outcomes.is_empty() {
        // There is nothing to report but the error.
        return ran.map(|()| ExitCode::SUCCESS);
    }
    let interrupted =
        outcomes.len() < planned || outcomes.iter().any(|outcome| outcome.interrupted);
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    let printed = print(&match options.report {
        Some(ReportFormat::Json) => report::json(&outcomes, &snapshot, interrupted),
        Some(ReportFormat::Text) | None => report::text(&outcomes, &snapshot),
    });
    ran?;
    Ok(stop.signal_exit_code().map_or(printed, ExitCode::from))
}

/// Runs the scenarios on a thread of their own while this one, which owns the
/// terminal, shows the dashboard until it is left.
fn run_behind_dashboard(
    runner: &Runner,
    port: TcpListener,
    is_open: &AtomicBool,
    outcomes: &mut Vec<Outcome>,
) -> Result<()> {
    let failed = Arc::new(AtomicBool::new(false));
    let progress = runner.progress.clone();
    let options = dashboard::Options::new()
        .status(move || progress.status())
        .stop(Arc::clone(&failed))
        .host_reports_panics();
    thread::scope(|scope| {
        let running = scope.spawn(move || {
            let ran = runner.run(port, outcomes);
            // There is nothing to look at any more, and an error to be read.
            failed.store(ran.is_err(), Ordering::SeqCst);
            ran
        });
        // Leaving the dashboard, however that comes about, ends the run, or the
        // scope would wait for all that is left of it.
        let ask = AskOnDrop(&runner.stop);
        let left = dashboard::run(tokio_plumber::snapshot, options);
        is_open.store(false, Ordering::SeqCst);
        match &left {
            Ok(Exit::Interrupted) => runner.stop.ask_by(SIGINT),
            Ok(Exit::Terminated) => runner.stop.ask_by(SIGTERM),
            _ => {}
        }
        drop(ask);
        let ran = running.join().unwrap_or_else(|panic| resume_unwind(panic));
        left.context("cannot show the dashboard").and(ran)
    })
}

/// Prints on stdout. That its reader is gone is no failure, as with `head`.
fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(&format!("error: cannot print the report: {error}"), FAILED),
    }
}

/// Prints one line on stderr, if anybody can read it.
fn complain(line: &str, code: u8) -> ExitCode {
    let _written = writeln!(io::stderr(), "{line}");
    ExitCode::from(code)
}
