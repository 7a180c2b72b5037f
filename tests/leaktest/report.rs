//! The report of a real test, as a person with a failing build reads it.

use std::future::pending;
use std::time::Duration;

use tokio_plumber::leaktest::{self, Units};

use crate::caught;

mod upload {
    use super::{Duration, pending};

    pub(super) fn start() {
        tokio::spawn(async {
            tokio::spawn(pending::<()>());
            std::thread::sleep(Duration::from_millis(150));
        });
    }
}

/// Numbers, which differ from run to run, and the spelling of paths.
fn without_figures(report: &str) -> String {
    let mut out = String::new();
    for line in report.lines() {
        // The stack is another one in each version of Rust, and the path of this machine.
        let is_stack = line.contains("frames") || line.trim_start().starts_with("stack");
        if is_stack || line.starts_with("For machines:") {
            continue;
        }
        // A number is as wide as it is, and so are columns.
        let words = line.split_whitespace().map(without_number);
        let line = words.collect::<Vec<_>>().join(" ");
        // A busy machine takes seconds in the place of milliseconds.
        out.push_str(&line.replace("# s ", "# ms ").replace("# s;", "# ms;"));
        out.push('\n');
    }
    // On a busy machine it takes longer.
    out.replace("# s ago", "# ms ago")
}

/// `12.5` and `report.rs:12:5:` as `#` and `report.rs:#:#:`.
fn without_number(word: &str) -> String {
    let mut out = String::new();
    let mut in_number = false;
    for c in word.chars() {
        let is_digit = c.is_ascii_digit() || (in_number && c == '.');
        if is_digit && !in_number {
            out.push('#');
        } else if !is_digit {
            out.push(c);
        }
        in_number = is_digit;
    }
    out
}

#[test]
fn a_person_reads_it() {
    let report = caught::multi_thread(async {
        leaktest::budget()
            .settle(300.ms())
            .ignore("src/other.rs", "not met here");
        upload::start();
        tokio::time::sleep(Duration::from_millis(5)).await;
    });
    insta::assert_snapshot!(without_figures(&report.unwrap()));
}
