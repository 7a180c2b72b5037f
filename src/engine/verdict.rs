//! A verdict of a lint, from when it was first reached to when it last held.

use std::time::Duration;

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Verdict<E> {
    pub(super) first_seen: Duration,
    pub(super) last_seen: Duration,
    pub(super) ongoing: bool,
    pub(super) evidence: E,
}

impl<E> Verdict<E> {
    /// It is reached, again or for the first time.
    pub(super) fn reach(verdict: &mut Option<Self>, now: Duration, evidence: E) {
        let first_seen = verdict.as_ref().map_or(now, |verdict| verdict.first_seen);
        *verdict = Some(Self {
            first_seen,
            last_seen: now,
            ongoing: true,
            evidence,
        });
    }
}
