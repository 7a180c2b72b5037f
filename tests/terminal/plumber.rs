//! The command `plumber`, in a terminal and without one.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use portable_pty::CommandBuilder;
use rustix::process::{Pid, Signal, kill_process};
use tokio_plumber::Address;
use tokio_plumber::runtime::{Builder, Runtime};
use tokio_plumber::serve::{Server, Settings};

use crate::screen::Terminal;

const PLUMBER: &str = env!("CARGO_BIN_EXE_plumber");

fn settings(bind: Option<Address>) -> Settings {
    let mut settings = Settings::default();
    settings.bind = bind;
    settings
}

fn server_at(address: &str) -> Server {
    Server::start(&settings(Some(address.parse().unwrap()))).unwrap()
}

fn server() -> Server {
    server_at("127.0.0.1:0")
}

/// An instrumented runtime, so that there is something to see.
fn service() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .name("service")
        .serve(settings(None))
        .build()
        .unwrap()
}

/// Attaches in a terminal, as somebody who types the address and nothing else.
fn attached(server: &Server) -> Terminal {
    let mut command = CommandBuilder::new(PLUMBER);
    command.arg(server.address().to_string());
    let mut terminal = Terminal::run(command, None);
    terminal.shows("the dashboard", |screen| screen.contains("q quit"));
    terminal
}

fn plumber(arguments: &[&str]) -> Command {
    let mut command = Command::new(PLUMBER);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code();
    (code, text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_picture_stays_while_the_server_is_away() {
    let _service = service();
    let first = server();
    let address = first.address().to_string();
    let mut terminal = attached(&first);
    let is_live = |screen: &str| !screen.contains("NOT LIVE") && screen.contains("q quit");
    terminal.shows("a live picture", is_live);
    drop(first);
    terminal.shows("that it is old", |screen| {
        screen.contains("NOT LIVE") && screen.contains("the connection was lost")
    });
    let _second = server_at(&address);
    terminal.shows("a live picture again", is_live);
    terminal.press("q");
    assert_eq!(terminal.exit_code(), 0);
}

#[test]
fn one_cell_is_enough_and_ctrl_c_ends_it() {
    let _service = service();
    let server = server();
    let mut terminal = attached(&server);
    terminal.resize(1, 1);
    terminal.shows("one cell", |screen| screen.trim() == "━");
    terminal.resize(24, 80);
    terminal.shows("all of it", |screen| screen.contains("q quit"));
    terminal.press("\x03");
    assert_eq!(terminal.exit_code(), 130);
}

#[test]
fn without_a_terminal_there_is_a_report() {
    let _service = service();
    let server = server();
    let address = server.address().to_string();
    let output = plumber(&[&address]).output().unwrap();
    let (code, report, complaints) = said(&output);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    assert!(
        report.contains("1 runtime") || report.contains("runtimes"),
        "{report}"
    );
    assert!(!report.contains('\x1b'), "{report}");

    let output = plumber(&["snapshot", &address, "--format", "json"]).output();
    let (code, report, _) = said(&output.unwrap());
    assert_eq!(code, Some(0));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["process"]["pid"], std::process::id());
}

#[test]
fn a_reader_that_has_left_is_no_error() {
    let server = server();
    let address = server.address().to_string();
    let mut command = plumber(&["snapshot", &address]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Before it has a picture to print.
    drop(child.stdout.take());
    let (code, _, complaints) = said(&child.wait_with_output().unwrap());
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
}

#[test]
fn where_nothing_listens_the_exit_code_is_three() {
    let server = server();
    let address = server.address().to_string();
    drop(server);
    for command in [
        &["attach", &address][..],
        &["check", &address, "--for", "1s"],
    ] {
        let (code, report, complaints) = said(&plumber(command).output().unwrap());
        assert_eq!((code, report.as_str()), (Some(3), ""));
        let expected = format!("error: nothing listens at {address}: is the program running");
        assert!(complaints.starts_with(&expected), "{complaints}");
    }
}

#[test]
fn a_check_is_clean_until_something_stalls() {
    let _turn = crate::my_turn_to_stall();
    let service = service();
    let server = server();
    let address = server.address().to_string();
    let check = || plumber(&["check", &address, "--for", "2s", "--max-stall", "500ms"]);
    let (code, verdict, _) = said(&check().output().unwrap());
    assert_eq!(code, Some(0), "{verdict}");

    let mut checking = check().stdout(Stdio::piped()).spawn().unwrap();
    // Longer than a check that starts late takes.
    service.spawn(async { std::thread::sleep(Duration::from_secs(6)) });
    let stalled = checking.wait().unwrap();
    assert_eq!(stalled.code(), Some(1));
}

/// Interrupts a check by a signal, and returns what it said on standard error, too.
fn interrupted(signal: Signal) -> (Option<i32>, String, String) {
    let _service = service();
    let server = server();
    let address = server.address().to_string();
    let mut command = plumber(&["check", &address, "--for", "1h"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says how it is going once it watches.
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    progress.read_line(&mut line).unwrap();
    assert!(line.contains("left"), "{line}");
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
    let mut complaints = String::new();
    progress.read_to_string(&mut complaints).unwrap();
    let (code, verdict, _) = said(&child.wait_with_output().unwrap());
    (code, verdict, complaints)
}

#[test]
fn a_check_that_is_interrupted_judges_what_it_saw() {
    let _turn = crate::my_turn_to_stall();
    let (code, verdict, complaints) = interrupted(Signal::INT);
    assert_eq!(code, Some(0), "{verdict}");
    assert!(verdict.contains("it was interrupted"), "{verdict}");
    assert!(complaints.contains("cut short"), "{complaints}");
}

#[test]
fn a_check_that_is_terminated_acquits_nothing() {
    let _turn = crate::my_turn_to_stall();
    let (code, verdict, complaints) = interrupted(Signal::TERM);
    assert_eq!(code, Some(143), "{verdict}");
    assert!(complaints.contains("cut short"), "{complaints}");
}

// Elsewhere there is no such file, which cannot be written to.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_standard_error_changes_no_exit_code() {
    for (arguments, expected) in [("explain no_such_lint", 2), ("replay no/such/file", 2)] {
        let mut command = Command::new("sh");
        let line = format!("exec '{PLUMBER}' {arguments} 2>/dev/full");
        let code = command.args(["-c", &line]).status().unwrap().code();
        assert_eq!(code, Some(expected), "{arguments}");
    }
}

#[test]
fn a_log_never_replaces_a_recording() {
    let _service = service();
    let server = server();
    let address = server.address().to_string();
    let path = std::env::temp_dir().join(format!("plumber-log-{}.plumb", std::process::id()));
    let file = path.to_str().unwrap();
    // The log was made first, and is gone again.
    let both = [
        "record",
        &address,
        "-o",
        file,
        "--hdr-log",
        file,
        "--for",
        "1s",
    ];
    assert_eq!(said(&plumber(&both).output().unwrap()).0, Some(2));
    assert!(!path.exists());
    let made = plumber(&["record", &address, "-o", file, "--for", "1s"]).output();
    assert_eq!(said(&made.unwrap()).0, Some(0));
    let recording = std::fs::read(&path).unwrap();
    let logged = plumber(&["replay", file, "--hdr-log", file]).output();
    let (code, _, complaints) = said(&logged.unwrap());
    assert_eq!(code, Some(2));
    assert!(complaints.contains("is there already"), "{complaints}");
    assert_eq!(std::fs::read(&path).unwrap(), recording);
    let moment = ["replay", file, "--at", "1s", "--hdr-log", "other"];
    assert_eq!(said(&plumber(&moment).output().unwrap()).0, Some(2));
    std::fs::remove_file(&path).unwrap();
}
