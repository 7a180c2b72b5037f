//! The demo as a user runs it: the binary, its exit codes, what it prints.
//!
//! Nothing here waits for a fixed time and hopes: a run ends by itself, or is
//! told to when its own output says that it is under way.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command
        .args(arguments)
        .env_remove("PLUMBER_STALL_MS")
        .env_remove("PLUMBER_INSTRUMENT")
        // They run side by side, and there is one default port.
        .env("PLUMBER_BIND", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    demo(arguments).output().expect("the demo runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the demo prints UTF-8")
}

/// Runs to the end and returns the JSON report.
fn report(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--report", "json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    json(&output.stdout)
}

fn json(stdout: &[u8]) -> Value {
    serde_json::from_slice(stdout).unwrap_or_else(|error| panic!("{error}: {}", text(stdout)))
}

fn only_scenario(report: &Value) -> &Value {
    let scenarios = report["scenarios"].as_array().expect("an array");
    assert_eq!(scenarios.len(), 1, "{report:#}");
    &scenarios[0]
}

/// Lint, file and line of the spawn site of every finding in an array of them that
/// has one.
fn findings(of: &Value) -> Vec<(&str, &str, u64)> {
    of["findings"]
        .as_array()
        .expect("an array")
        .iter()
        .filter(|finding| !finding["site"].is_null())
        .map(|finding| {
            let name = finding["lint"].as_str().expect("a lint");
            let file = finding["site"]["file"].as_str().expect("a file");
            let line = finding["site"]["line"].as_u64().expect("a line");
            (name, file, line)
        })
        .collect()
}

/// The evidence of the stall whose line is in this file.
fn stall_in<'a>(scenario: &'a Value, file: &str) -> &'a Value {
    let all = scenario["findings"].as_array().expect("an array");
    let evidence = all.iter().map(|finding| &finding["evidence"]);
    let is_in = |line: &Value| line.as_str().is_some_and(|path| path.ends_with(file));
    let mut stalls = evidence.filter(|evidence| is_in(&evidence["line"]["file"]));
    stalls
        .next()
        .unwrap_or_else(|| panic!("no stall in {file}: {all:#?}"))
}

/// The line of a file under `src/scenarios` that holds `needle`, from 1.
fn line_of(file: &str, needle: &str) -> u64 {
    line_in(&format!("src/scenarios/{file}"), needle)
}

/// The line of a file that holds `needle`, from 1.
fn line_in(file: &str, needle: &str) -> u64 {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(path).expect("the source is here");
    let index = source.lines().position(|line| line.contains(needle));
    index.expect("the source has such a line") as u64 + 1
}

/// The bodies of one answer: twenty, of 64 KiB to 1 MiB.
const BODIES: u64 = 20 * (64 + 1024) / 2 * 1024;

/// What the spawn site at this line keeps after a scenario.
fn keeper_at(scenario: &Value, file: &str, line: u64) -> Value {
    let keepers = scenario["keepers"].as_array().expect("a list");
    let at = |keeper: &&Value| {
        let in_file = keeper["file"].as_str().is_some_and(|it| it.ends_with(file));
        in_file && keeper["line"] == line
    };
    keepers
        .iter()
        .find(at)
        .expect("the site keeps bytes")
        .clone()
}

/// A cure is back where it was before the load, but for a few lists that the
/// libraries keep.
fn keeps_nothing(scenario: &Value) {
    assert_eq!(scenario["keepers"], Value::Array(Vec::new()));
    let kept = scenario["kept_bytes"].as_u64().expect("bytes");
    assert!(kept < 1 << 20, "{kept}");
}

/// Starts the demo and waits until its first scenario is under way.
fn start(arguments: &[&str]) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = demo(arguments).spawn().expect("the demo starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut seen = Vec::new();
    stderr.read_until(b']', &mut seen).expect("stderr is read");
    assert!(seen.starts_with(b"[1/"), "{}", text(&seen));
    (child, stderr)
}

fn signal(child: &Child, name: &str) {
    let kill = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(kill.expect("kill runs").success());
}

fn end(mut child: Child) -> (ExitStatus, Vec<u8>) {
    let mut stdout = Vec::new();
    let mut pipe = child.stdout.take().expect("stdout is piped");
    pipe.read_to_end(&mut stdout).expect("stdout is read");
    (child.wait().expect("the demo ends"), stdout)
}

#[test]
fn a_wrong_command_line_is_one_line_and_exit_code_2() {
    for (arguments, expected) in [
        (&["--scenario", "orphan"][..], "'orphan'"),
        (
            &["--scenario", "serial,nope"],
            "accepted are serial, concurrent, blocking",
        ),
        (&["--duration", "0s"], "'0s'"),
        (&["--duration", "fast"], "'fast'"),
        (&["--rate", "0"], "'0'"),
        (&["--rate", "-1"], "'-1'"),
        (&["--rate", "nan"], "'nan'"),
        (&["--report", "xml"], "'xml'"),
        (&["--dhat"], "--dhat takes exactly one scenario"),
        (&["--nonsense"], "'--nonsense'"),
    ] {
        let output = run(arguments);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(complaint.starts_with("error: "), "{complaint}");
        assert!(
            complaint.contains(expected),
            "{complaint}\nlacks {expected}"
        );
        assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    }
}

#[test]
fn a_malformed_variable_is_one_line_and_exit_code_2() {
    let output = demo(&["--report", "json"])
        .env("PLUMBER_STALL_MS", "soon")
        .output()
        .expect("the demo runs");
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(
        complaint.starts_with("error: PLUMBER_STALL_MS=\"soon\""),
        "{complaint}"
    );
}

#[test]
fn a_taken_port_is_one_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let output = run(&["--service-port", &port]);
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(
        complaint.contains(&format!("cannot open port {port}: ")),
        "{complaint}"
    );
}

#[test]
fn help_teaches_and_the_list_names_all() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(text(&help.stdout).contains("demo --scenario orphans,grouped"));
    let list = run(&["--list"]);
    assert!(list.status.success());
    let names: Vec<_> = text(&list.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        names,
        [
            "serial",
            "concurrent",
            "blocking",
            "offloaded",
            "orphans",
            "grouped",
            "hoarded",
            "drained",
            "nested-runtime",
            "handle",
            "cpu",
            "pooled"
        ]
    );
}

#[test]
fn concurrent_takes_a_second_and_leaves_nothing() {
    let report = report(&[
        "--scenario",
        "concurrent",
        "--duration",
        "2s",
        "--rate",
        "1",
    ]);
    let scenario = only_scenario(&report);
    assert_eq!(scenario["name"], "concurrent");
    assert_eq!(scenario["kind"], "cure");
    for (count, expected) in [
        ("requests", 2),
        ("ok", 2),
        ("failed", 0),
        ("unfinished", 0),
        ("shed", 0),
    ] {
        assert_eq!(scenario[count], expected, "{count} in {scenario:#}");
    }
    let p50 = scenario["latency_ms"]["p50"].as_f64().expect("a latency");
    assert!(
        (900.0..5_000.0).contains(&p50),
        "{p50} ms for 20 calls of 900 ms at once"
    );
    assert!(scenario["latency_ms"]["max"].as_f64().expect("a latency") >= p50);
    assert_eq!(scenario["live_tasks_left"], 0);
    assert_eq!(report["interrupted"], false);
    assert_eq!(report["findings"], report["report"]["findings"]);
    assert!(report["report"]["version"].is_u64());
}

#[test]
fn orphans_leak_and_the_line_that_spawns_them_is_named() {
    let report = report(&["--scenario", "orphans"]);
    let scenario = only_scenario(&report);
    let line = line_of("orphans.rs", "tokio::spawn(fetch_and_keep(");
    let leak = ("leaking_site", "demo/src/scenarios/orphans.rs", line);
    assert!(
        findings(scenario).contains(&leak),
        "{:#}",
        scenario["findings"]
    );
    assert!(
        findings(&report).contains(&leak),
        "{:#}",
        report["findings"]
    );
    // Answered in time all the same: that is what makes it so hard to notice.
    let answered = scenario["ok"].as_u64().expect("a count");
    assert_eq!(scenario["requests"], answered);
    assert_eq!(scenario["live_tasks_left"], 20 * answered);
    // What they retain is what was downloaded.
    let keeper = keeper_at(scenario, "orphans.rs", line);
    let retained = keeper["retained_bytes"].as_f64().expect("bytes");
    let bodies = (answered * BODIES) as f64;
    assert!((0.95..1.05).contains(&(retained / bodies)), "{keeper:#}");
    assert_eq!(keeper["live_tasks"], 20 * answered);
}

#[test]
fn hoarded_shows_what_finished_tasks_keep_at_the_line_that_spawns_them() {
    let report = report(&["--scenario", "hoarded", "--duration", "5s"]);
    let scenario = only_scenario(&report);
    let line = line_of("hoarded.rs", "let task = tokio::spawn(async move {");
    let keeper = keeper_at(scenario, "hoarded.rs", line);
    let retained = keeper["retained_by_finished_bytes"]
        .as_f64()
        .expect("bytes");
    // One call in sixty is refused and has no body, maybe one of the largest.
    let requests = scenario["requests"].as_u64().expect("a count");
    let bodies = (requests * BODIES) as f64;
    assert!((0.95..1.05).contains(&(retained / bodies)), "{keeper:#}");
    assert_eq!(keeper["finished_retaining"], 20 * requests);
    assert_eq!(keeper["live_tasks"], 0);
}

#[test]
fn grouped_leaks_nothing() {
    let report = report(&["--scenario", "grouped"]);
    let scenario = only_scenario(&report);
    let leaks = |of: &Value| {
        findings(of)
            .iter()
            .any(|(lint, ..)| *lint == "leaking_site")
    };
    assert!(
        !leaks(scenario) && !leaks(&report),
        "{:#}",
        report["findings"]
    );
    assert_eq!(scenario["ok"], scenario["requests"]);
    assert_eq!(scenario["live_tasks_left"], 0);
    keeps_nothing(scenario);
}

#[test]
fn drained_keeps_nothing() {
    let report = report(&["--scenario", "drained", "--duration", "5s"]);
    keeps_nothing(only_scenario(&report));
}

#[test]
fn a_blocking_client_stalls_the_loop_and_stopping_does_not_wait_for_it() {
    let (child, mut stderr) = start(&["--scenario", "blocking", "--report", "json"]);
    // Its first line stays unfinished until the scenario ends; the signal comes
    // when the first upstream call has been under way for a while.
    std::thread::sleep(std::time::Duration::from_secs(2));
    signal(&child, "TERM");
    let asked = std::time::Instant::now();
    let (status, stdout) = end(child);
    assert!(asked.elapsed().as_secs() < 10, "took {:?}", asked.elapsed());
    assert_eq!(status.code(), Some(143));
    let report = json(&stdout);
    assert_eq!(report["interrupted"], true);
    let scenario = only_scenario(&report);
    assert_eq!(scenario["interrupted"], true);
    assert!(scenario["unfinished"].as_u64() >= Some(1), "{scenario:#}");
    let line = line_of("blocking.rs", "tokio::spawn(");
    let stall = ("stalled_poll", "demo/src/scenarios/blocking.rs", line);
    assert!(
        findings(scenario).contains(&stall),
        "{:#}",
        scenario["findings"]
    );
    // And the line that blocks, in another file.
    let stall = stall_in(scenario, "fetch.rs");
    assert_eq!(stall["cause"]["kind"], "socket", "{stall:#}");
    assert_eq!(
        stall["line"]["line"],
        line_in("src/fetch.rs", "        .call()")
    );
    let on = &stall["running"][0]["target"];
    assert!(
        on.as_str().is_some_and(|on| on.starts_with("127.0.0.1:")),
        "{stall:#}"
    );
    assert!(
        scenario["worst_stall_ns"].as_u64() > Some(1_000_000_000),
        "{scenario:#}"
    );
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("stderr is read");
    assert!(
        rest.contains("interrupted") && !rest.contains("panicked"),
        "{rest}"
    );
}

#[test]
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn work_in_a_task_stalls_the_loop_and_the_function_is_named() {
    let report = report(&["--scenario", "cpu", "--duration", "3s"]);
    let stall = stall_in(only_scenario(&report), "scenarios/cpu.rs");
    assert_eq!(stall["cause"]["kind"], "cpu", "{stall:#}");
    let function = stall["line"]["function"].as_str().expect("a name");
    assert!(function.contains("digest"), "{stall:#}");
}

#[test]
fn panics_go_into_the_report_and_not_onto_the_screen() {
    let arguments = [
        "--scenario",
        "nested-runtime",
        "--duration",
        "1s",
        "--report",
        "json",
    ];
    let output = run(&arguments);
    assert!(output.status.success());
    assert!(
        !text(&output.stderr).contains("panicked"),
        "{}",
        text(&output.stderr)
    );
    let report = json(&output.stdout);
    let scenario = only_scenario(&report);
    assert_eq!(scenario["failed"], scenario["requests"]);
    let all = scenario.to_string();
    for message in [
        "Cannot start a runtime from within a runtime",
        "there is no reactor running",
    ] {
        assert_eq!(
            all.matches(message).count(),
            2,
            "an error and a panic: {scenario:#}"
        );
    }
    let line = line_of("nested_runtime.rs", ".block_on(fetch_all(service))");
    assert!(
        all.contains(&format!("demo/src/scenarios/nested_runtime.rs:{line}")),
        "{all}"
    );
}

#[test]
fn ctrl_c_still_prints_the_report_and_a_second_one_does_not_wait() {
    let (child, _stderr) = start(&["--scenario", "serial,concurrent", "--report", "json"]);
    signal(&child, "INT");
    let (status, stdout) = end(child);
    assert_eq!(status.code(), Some(130));
    let report = json(&stdout);
    assert_eq!(report["interrupted"], true);
    assert_eq!(only_scenario(&report)["name"], "serial");

    let (child, _stderr) = start(&["--scenario", "orphans", "--report", "json"]);
    signal(&child, "INT");
    signal(&child, "INT");
    let (status, _) = end(child);
    assert_eq!(status.code(), Some(130));
}

/// A heap profile that a test makes, not there yet, and the argument for it.
fn profile(name: &str) -> (PathBuf, String) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _stale = std::fs::remove_file(&file);
    let argument = format!("--dhat={}", file.display());
    (file, argument)
}

/// Bytes at the end of a heap profile, over all stacks that go through a line.
fn bytes_at_end(profile: &Path, file: &str, line: u64) -> u64 {
    let profile = json(&std::fs::read(profile).expect("the profile is there"));
    let place = format!("/{file}:{line}:");
    let through = |frame: &Value| {
        let frame = frame.as_u64().and_then(|it| usize::try_from(it).ok());
        let frame = &profile["ftbl"][frame.expect("an index")];
        frame.as_str().expect("a frame").contains(&place)
    };
    let stacks = profile["pps"].as_array().expect("a list of stacks");
    stacks
        .iter()
        .filter(|stack| {
            stack["fs"]
                .as_array()
                .is_some_and(|it| it.iter().any(through))
        })
        .map(|stack| stack["eb"].as_u64().expect("bytes at the end"))
        .sum()
}

#[test]
fn samples_name_the_line_that_spawned_and_who_allocated_what_is_kept() {
    let (file, _) = profile("hoarded.pb.gz");
    let argument = format!("--heap-profile={}", file.display());
    let arguments = ["--scenario", "hoarded", "--rate", "2", "--duration", "1s"];
    let output = demo(&[&arguments[..], &[&argument, "--report", "json"]].concat())
        .env("PLUMBER_HEAP_PROFILE", "64KiB")
        .output()
        .expect("the demo runs");
    let told = text(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("go tool pprof -http=: "), "{told}");
    let pprof = std::fs::read(&file).expect("the profile is there");
    assert!(pprof.starts_with(&[0x1F, 0x8B]), "gzipped");
    let folded = std::fs::read_to_string(format!("{}.folded", file.display()));
    let folded = folded.expect("the stacks are there");
    let line = line_of("hoarded.rs", "let task = tokio::spawn(");
    let site = format!("task spawned at demo/src/scenarios/hoarded.rs:{line}:");
    let kept: u64 = folded
        .lines()
        .filter(|row| row.starts_with(&site) && row.contains("to_bytes"))
        .filter_map(|row| row.rsplit(' ').next()?.parse::<u64>().ok())
        .sum();
    // Half a mebibyte for each of forty calls, less those that were refused.
    assert!(kept > 10 << 20, "{kept} of\n{folded}");
}

#[test]
fn dhat_names_the_line_that_fetched_what_is_kept() {
    let (file, dhat) = profile("orphans-heap.json");
    let arguments = ["--scenario", "orphans", "--rate", "1", "--duration", "1s"];
    let output = run(&[&arguments[..], &[&dhat, "--report", "json"]].concat());
    let told = text(&output.stderr);
    assert!(output.status.success(), "{told}");
    for expected in [
        file.to_str().expect("UTF-8"),
        "https://nnethercote.github.io/dh_view/dh_view.html",
    ] {
        assert!(told.contains(expected), "{told}\nlacks {expected}");
    }
    // Ten mebibytes for each request, taken while they are still kept.
    let report = json(&output.stdout);
    let scenario = only_scenario(&report);
    let bodies = scenario["ok"].as_u64().expect("a count") * (10 << 20);
    let line = line_of("orphans.rs", "match fetch(client, upstream).await");
    let found = bytes_at_end(&file, "scenarios/orphans.rs", line);
    assert!(bodies > 0 && found >= bodies, "{found} of {bodies} bytes");
    assert!(scenario["kept_bytes"].as_u64() >= Some(found));
    // Who counts bytes by task is not there.
    assert!(report["report"]["process"]["retained_bytes"].is_null());
    assert!(report["report"]["process"]["heap_accounting"].is_null());
}

#[test]
fn ctrl_c_still_writes_the_heap_profile() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let (file, dhat) = profile(&format!("{name}-heap.json"));
        let (child, _stderr) = start(&["--scenario", "serial", "--report", "json", &dhat]);
        signal(&child, name);
        let (status, stdout) = end(child);
        assert_eq!(status.code(), Some(code));
        assert_eq!(json(&stdout)["interrupted"], true);
        let profile = json(&std::fs::read(&file).expect("the profile is there"));
        assert_eq!(profile["mode"], "rust-heap");
    }
}

#[test]
fn a_heap_profile_that_cannot_be_written_is_one_line_and_exit_code_1() {
    let (file, dhat) = profile("no-such-folder/heap.json");
    let output = run(&["--scenario", "serial", &dhat]);
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    let expected = format!("error: cannot write the heap profile {}: ", file.display());
    assert!(complaint.starts_with(&expected), "{complaint}");
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
}

#[test]
fn a_reader_that_is_gone_is_no_failure() {
    let arguments = [
        "--scenario",
        "handle",
        "--duration",
        "1s",
        "--report",
        "text",
    ];
    let mut child = demo(&arguments).spawn().expect("the demo starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the demo ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        !text(&output.stderr).contains("panicked"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn where_to_attach_is_said_and_a_taken_port_ends_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address");
    let run = |bind: &str| {
        let arguments = [
            "--scenario",
            "concurrent",
            "--duration",
            "1s",
            "--report",
            "text",
        ];
        let output = demo(&arguments).env("PLUMBER_BIND", bind).output();
        let output = output.expect("the demo runs");
        assert!(output.status.success());
        let first = text(&output.stderr).lines().next();
        first.expect("a line").to_owned()
    };
    let line = run("127.0.0.1:0");
    assert!(
        line.starts_with("watch it from another terminal: plumber 127.0.0.1:"),
        "{line}"
    );
    let line = run(&taken.to_string());
    let expected = format!("nobody can attach: {taken} is taken by another process; PLUMBER_BIND=");
    assert!(line.starts_with(&expected), "{line}");
}
