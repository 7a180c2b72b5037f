//! A finished report, to all who want it.

use super::github::{self, Checkout};
use super::json;
use super::leak::LeakReport;
use super::mode::Mode;
use super::text;

/// Keeps a report for machines, annotates it under GitHub Actions, and returns its text.
pub(super) fn publish(report: &LeakReport, mode: Mode) -> String {
    let kept = json::keep(report);
    if let Some(checkout) = Checkout::from_env() {
        github::print(&github::github(report, mode, &checkout));
    }
    text::text(report, kept.as_deref())
}
