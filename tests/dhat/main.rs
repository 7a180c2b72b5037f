//! The recipe of `tokio_plumber::dhat`, followed: exact totals of a real process,
//! and the file that names the line.
//!
//! One test, because dhat has one profile per process and because whatever runs
//! beside it is counted, too.

#[cfg(tokio_unstable)]
mod leak_test;

use std::fs;
use std::io::ErrorKind;
use std::mem::size_of;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::task::JoinSet;
use tokio_plumber::dhat::{Alloc, Profile};

#[global_allocator]
static ALLOC: Alloc = Alloc;

const TASKS: usize = 10;
const BODY: usize = 3_570;
const ROUNDS: usize = 4;

/// Each worker of a multi-thread runtime has lists of its own, which grow when it
/// first gets to do what another did so far.
const LISTS_OF_WORKERS: u64 = 4_096;

const BODY_LINE: &str = "vec![7; BODY]";
const HOARD_LINE: &str = "hoard.push(body);";

/// What nobody looks at again.
static HOARD: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

async fn fetch() -> Vec<u8> {
    tokio::task::yield_now().await;
    body()
}

/// Its line is to be found. Its caller's would not do: there, a list of Tokio's may
/// have grown.
#[inline(never)]
fn body() -> Vec<u8> {
    vec![7; BODY]
}

/// Tasks in a group that owns them; their bodies are looked at and dropped.
async fn clean() {
    let mut group = JoinSet::new();
    for _ in 0..TASKS {
        group.spawn(fetch());
    }
    while let Some(body) = group.join_next().await {
        assert_eq!(body.expect("no panic").len(), BODY);
    }
}

/// The same tasks; their bodies are kept.
async fn leaking() {
    let mut group = JoinSet::new();
    for _ in 0..TASKS {
        group.spawn(fetch());
    }
    while let Some(body) = group.join_next().await {
        hoard(body.expect("no panic"));
    }
}

#[inline(never)]
fn hoard(body: Vec<u8>) {
    let mut hoard = HOARD.lock().unwrap_or_else(PoisonError::into_inner);
    hoard.push(body);
}

/// Bytes of the list itself, without the bodies.
fn table() -> u64 {
    let hoard = HOARD.lock().unwrap_or_else(PoisonError::into_inner);
    (hoard.capacity() * size_of::<Vec<u8>>()) as u64
}

fn file(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _stale = fs::remove_file(&file);
    file
}

/// Bytes at the end of the profile, over all stacks that go through this statement
/// of this file.
fn bytes_at_end(file: &Path, statement: &str) -> u64 {
    let mut lines = include_str!("main.rs").lines();
    let line = lines.position(|line| line.trim() == statement);
    let line = line.expect("the source has such a line") + 1;
    let place = format!("(tests/dhat/main.rs:{line}:");
    let text = fs::read_to_string(file).expect("the profile is there");
    let profile: Value = serde_json::from_str(&text).expect("the profile is JSON");
    assert_eq!(profile["mode"], "rust-heap");
    let frames = profile["ftbl"].as_array().expect("a table of frames");
    let names = |frame: &Value| {
        let frame = frame.as_u64().and_then(|it| usize::try_from(it).ok());
        let frame = frames[frame.expect("an index")].as_str();
        frame.expect("a frame").contains(&place)
    };
    let stacks = profile["pps"].as_array().expect("a list of stacks");
    stacks
        .iter()
        .filter(|stack| stack["fs"].as_array().expect("a stack").iter().any(names))
        .map(|stack| stack["eb"].as_u64().expect("bytes at the end"))
        .sum()
}

async fn nothing_is_left_by_clean_work(noise: u64) {
    let left = file("clean-heap.json");
    let profile = Profile::start(&left).expect("a profile");
    clean().await;
    let before = profile.settled().await;
    for _ in 0..ROUNDS {
        clean().await;
    }
    let after = profile.settled().await;
    assert!(after.abs_diff(before) <= noise, "{before}, then {after}");
    assert_eq!(profile.finish().expect("it is written"), left);
    assert_eq!(bytes_at_end(&left, BODY_LINE), 0);
}

async fn a_leak_is_found_and_its_line_is_named(noise: u64) {
    let left = file("leaking-heap.json");
    let profile = Profile::start(&left).expect("a profile");
    leaking().await;
    let (before, table_before) = (profile.settled().await, table());
    for _ in 0..ROUNDS {
        leaking().await;
    }
    let (after, table_after) = (profile.settled().await, table());
    let bodies = (ROUNDS * TASKS * BODY) as u64;
    let leaked = bodies + table_after - table_before;
    let seen = after - before;
    assert!(seen.abs_diff(leaked) <= noise, "{seen} of {leaked}");

    let all_bodies = bodies + (TASKS * BODY) as u64;
    assert_eq!(profile.finish().expect("it is written"), left);
    assert_eq!(bytes_at_end(&left, BODY_LINE), all_bodies);
    assert_eq!(bytes_at_end(&left, HOARD_LINE), table_after);
}

fn a_failed_assertion_writes_the_file() {
    let left = file("failed-heap.json");
    let failed = std::panic::catch_unwind(|| {
        let _profile = Profile::start(&left).expect("a profile");
        hoard(body());
        panic!("as if something were left");
    });
    assert!(failed.is_err());
    assert!(bytes_at_end(&left, BODY_LINE) >= BODY as u64);
}

fn what_cannot_work_is_said_at_the_start() {
    let nowhere = file("no-such-folder").join("heap.json");
    let error = Profile::start(&nowhere).expect_err("no such folder");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let path = nowhere.display().to_string();
    assert!(error.to_string().contains(&path), "{error}");

    let one = Profile::start(file("one-heap.json")).expect("a profile");
    let error = Profile::start(file("two-heap.json")).expect_err("there is one");
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    drop(one);
    assert!(!file("two-heap.json").exists());
}

#[test]
fn the_recipe_holds() {
    use tokio::runtime::Builder;

    for (mut runtime, noise) in [
        (Builder::new_current_thread(), 0),
        (Builder::new_multi_thread(), LISTS_OF_WORKERS),
    ] {
        // No timer, no I/O: `settled` needs neither.
        let runtime = runtime.worker_threads(2).build().expect("a runtime");
        runtime.block_on(nothing_is_left_by_clean_work(noise));
        runtime.block_on(a_leak_is_found_and_its_line_is_named(noise));
        *HOARD.lock().expect("nobody panics with it") = Vec::new();
    }
    #[cfg(tokio_unstable)]
    leak_test::growth_is_told_by_exact_totals();
    a_failed_assertion_writes_the_file();
    what_cannot_work_is_said_at_the_start();
}
