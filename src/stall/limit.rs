//! How often stacks are read: often enough to see what goes on, seldom enough to cost
//! next to nothing where everything stalls.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Lets some through, of all and of each kind.
pub(super) struct Limiter<K> {
    all: Bucket,
    each: HashMap<K, Bucket>,
}

/// A reading costs some 0.1 ms, so this is one percent of a core.
const ALL: Rate = Rate {
    per_second: 100.0,
    burst: 200.0,
};

/// Of one kind. A stall of ten seconds takes eleven.
const EACH: Rate = Rate {
    per_second: 25.0,
    burst: 50.0,
};

/// Kinds that are told apart; with more, all start anew.
const KINDS: usize = 4_096;

#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    /// How many may come at once.
    burst: f64,
}

/// Tokens, refilled at a rate.
#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

impl<K: Eq + Hash> Limiter<K> {
    pub(super) fn new() -> Self {
        Self {
            all: Bucket::full(ALL),
            each: HashMap::new(),
        }
    }

    /// Whether one of this kind may pass now. A `repeat` leaves half of what there is to
    /// others, which were not seen at all yet.
    pub(super) fn allows(&mut self, kind: K, now: Duration, repeat: bool) -> bool {
        if self.each.len() >= KINDS {
            self.each.clear();
        }
        let each = self.each.entry(kind);
        let each = each.or_insert_with(|| Bucket::full(EACH));
        // One that a full bucket of its kind stops takes nothing from the others.
        each.refill(now, EACH);
        self.all.refill(now, ALL);
        let least = |rate: Rate| if repeat { rate.burst / 2.0 } else { 1.0 };
        if each.tokens < least(EACH) || self.all.tokens < least(ALL) {
            return false;
        }
        each.tokens -= 1.0;
        self.all.tokens -= 1.0;
        true
    }
}

impl Bucket {
    fn full(rate: Rate) -> Self {
        Self {
            tokens: rate.burst,
            at: Duration::ZERO,
        }
    }

    fn refill(&mut self, now: Duration, rate: Rate) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate.per_second).min(rate.burst);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(limiter: &mut Limiter<u32>, kind: u32, from_ms: u64, to_ms: u64) -> u32 {
        (from_ms..to_ms)
            .map(|at| u32::from(limiter.allows(kind, Duration::from_millis(at), false)))
            .sum()
    }

    #[test]
    fn a_kind_has_its_burst_and_then_its_rate() {
        let mut limiter = Limiter::new();
        assert_eq!(passed(&mut limiter, 1, 0, 1), 1);
        // 49 at once, and those that come meanwhile.
        let near = |passed: u32, expected: u32| passed.abs_diff(expected) <= 1;
        assert!(near(passed(&mut limiter, 1, 1, 1_001), 49 + 25));
        assert!(near(passed(&mut limiter, 1, 1_001, 11_001), 250));
        // After a rest there is a burst again.
        assert_eq!(passed(&mut limiter, 1, 60_000, 60_050), 50);
    }

    #[test]
    fn repeats_leave_room_for_what_is_new() {
        let mut limiter = Limiter::new();
        let mut passes = |repeat| limiter.allows(1, Duration::ZERO, repeat);
        assert_eq!((0..100).filter(|_| passes(true)).count(), 26);
        assert_eq!((0..100).filter(|_| passes(false)).count(), 24);
    }

    #[test]
    fn many_kinds_share_a_limit_and_none_starves_another() {
        let mut limiter = Limiter::new();
        assert!(passed(&mut limiter, 1, 0, 1_000) < 80);
        let others = (2..400).map(|kind| passed(&mut limiter, kind, 1_000, 1_001));
        let others: Vec<u32> = others.collect();
        assert!(others[..190].iter().all(|passed| *passed == 1));
        assert!(others.iter().sum::<u32>() <= 200);
    }
}
