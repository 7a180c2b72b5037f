//! A verdict as a test suite: a case for each limit, as CI systems show it.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use tokio_plumber::check::{Outcome, Rule, Verdict, Violation};

pub(crate) fn written(verdict: &Verdict) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new("plumber check");
    suite.set_time(verdict.watched);
    for rule in &verdict.rules {
        suite.add_test_case(case(verdict, rule));
    }
    suite.add_test_case(watch(verdict));
    let notes = verdict.not_judged.iter();
    let notes = notes.map(|note| format!("not judged: {}: {}\n", note.what, note.why));
    let notes: String = notes.collect();
    if !notes.is_empty() {
        suite.set_system_out(notes);
    }
    let mut report = Report::new("plumber");
    report.add_test_suite(suite);
    report.to_string()
}

fn case(verdict: &Verdict, rule: &Rule) -> TestCase {
    let violations = verdict.violations.iter();
    let violations: Vec<_> = violations.filter(|it| it.limit == rule.limit).collect();
    let status = match (violations.as_slice(), &rule.not_judged) {
        ([], None) => TestCaseStatus::success(),
        ([], Some(why)) => unjudged(rule.asked, why),
        ([first, ..], _) => {
            let mut failure = TestCaseStatus::non_success(NonSuccessKind::Failure);
            failure.set_message(first.figures());
            failure.set_type(rule.limit.name());
            failure.set_description(violations.into_iter().map(described).collect::<String>());
            failure
        }
    };
    let mut case = TestCase::new(rule.limit.subject(), status);
    case.set_classname(&verdict.process);
    case
}

/// Whether the process was seen for long enough.
fn watch(verdict: &Verdict) -> TestCase {
    let judged = verdict.rules.iter().all(|rule| rule.not_judged.is_none());
    let status = match verdict.outcome {
        Outcome::NotJudged if judged => unjudged(true, &verdict.sentence()),
        _ => TestCaseStatus::success(),
    };
    let mut case = TestCase::new("the watch", status);
    case.set_classname(&verdict.process);
    case.set_time(verdict.watched);
    case
}

/// What was asked for and not judged is an error; what is looked at anyway is skipped.
fn unjudged(asked: bool, why: &str) -> TestCaseStatus {
    let mut status = if asked {
        TestCaseStatus::non_success(NonSuccessKind::Error)
    } else {
        TestCaseStatus::skipped()
    };
    status.set_message(why);
    status
}

fn described(violation: &Violation) -> String {
    let place = violation.place.as_deref().unwrap_or("the whole process");
    let since = violation
        .since
        .map_or_else(String::new, |since| format!("; {since}"));
    format!(
        "{place}\n  {}{since}\n  {}\n",
        violation.figures(),
        violation.message
    )
}
