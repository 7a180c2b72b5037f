//! Which spans a thread is in, for another thread to read at any time.
//!
//! Written as polls are [published](super::published): one thread stores and never
//! waits; a reader that met a change in the middle gets nothing and looks again.

use crate::lockfree::sync::{Acquire, AtomicU64, Relaxed, Release};

/// Spans of one thread that are told apart; deeper ones are counted.
pub(crate) const KEPT: usize = 64;

/// The ids of the spans that one thread has entered and not exited.
#[repr(align(128))]
pub(crate) struct Entered<const N: usize = KEPT> {
    state: AtomicU64,
    /// Outermost first; those below `state`'s [`kept`](State::kept) count.
    ids: [AtomicU64; N],
}

/// How many spans there are, and a number that no other state close in time has.
///
/// All in one word, so that one store both changes it and tells readers.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u64);

/// In the place of [`State::kept`] while ids move.
const MOVING: usize = u8::MAX as usize;

/// The most spans beyond the kept ones that are counted.
const MOST_MORE: u64 = (1 << 24) - 1;

impl State {
    /// Spans whose ids are there.
    fn kept(self) -> u64 {
        self.0 & 0xff
    }

    /// Spans beyond them.
    fn more(self) -> u64 {
        self.0 >> 8 & MOST_MORE
    }

    /// The state after this one. A reader is misled if exactly four billion changes
    /// pass while it reads: a minute at the least, to the change.
    fn next(self, kept: u64, more: u64) -> Self {
        let number = (self.0 >> 32).wrapping_add(1) << 32;
        Self(number | more << 8 | kept)
    }
}

impl<const N: usize> Default for Entered<N> {
    fn default() -> Self {
        const { assert!(N < MOVING) };
        Self {
            state: AtomicU64::new(0),
            ids: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

/// The owner's side: one thread, plain stores.
///
/// A reader counts on two things. What it sees of a state was stored before that
/// state, so every change of state is a release. And a place that counts is written
/// only after a state in which it does not, so every id is stored with release, too:
/// a reader that sees the id also sees that the state is another.
impl<const N: usize> Entered<N> {
    /// A span is entered.
    #[inline]
    pub(crate) fn enter(&self, id: u64) {
        let state = self.state();
        match self.ids.get(place(state.kept())) {
            Some(place) => {
                place.store(id, Release);
                self.publish(state.next(state.kept() + 1, state.more()));
            }
            None => {
                let more = (state.more() + 1).min(MOST_MORE);
                self.publish(state.next(state.kept(), more));
            }
        }
    }

    /// A span is exited; nothing happens if it was not entered here.
    #[inline]
    pub(crate) fn exit(&self, id: u64) {
        let state = self.state();
        let last = state.kept().wrapping_sub(1);
        match self.ids.get(place(last)) {
            Some(place) if place.load(Relaxed) == id => {
                self.publish(state.next(last, state.more()));
            }
            _ => self.exit_other(id),
        }
    }

    /// Exits a span that is not the last of those kept: spans may overlap.
    #[cold]
    #[inline(never)]
    fn exit_other(&self, id: u64) {
        let state = self.state();
        let ids = self.ids.get(..place(state.kept())).unwrap_or_default();
        // The innermost, if it was entered more than once, as tracing's registry does.
        match ids.iter().rposition(|place| place.load(Relaxed) == id) {
            Some(at) => {
                let moving = state.next(MOVING as u64, 0);
                self.publish(moving);
                for (to, from) in ids[at..].iter().zip(&ids[at + 1..]) {
                    to.store(from.load(Relaxed), Release);
                }
                self.publish(moving.next(state.kept() - 1, state.more()));
            }
            None if state.more() > 0 => {
                self.publish(state.next(state.kept(), state.more() - 1));
            }
            None => {}
        }
    }

    /// Forgets all spans; only the owner, or while there is none.
    pub(crate) fn reset(&self) {
        self.publish(self.state().next(0, 0));
    }

    fn state(&self) -> State {
        State(self.state.load(Relaxed))
    }

    fn publish(&self, state: State) {
        self.state.store(state.0, Release);
    }
}

/// The readers' side: any thread.
impl<const N: usize> Entered<N> {
    /// Adds the ids of the spans to `ids`, outermost first, and returns how many more
    /// there are inside of them; `None` if they just changed, and `ids` is as it was.
    pub(crate) fn read(&self, ids: &mut Vec<u64>) -> Option<u64> {
        let state = State(self.state.load(Acquire));
        let places = self.ids.get(..place(state.kept()))?;
        let before = ids.len();
        ids.extend(places.iter().map(|place| place.load(Acquire)));
        if self.state() == state {
            return Some(state.more());
        }
        ids.truncate(before);
        None
    }
}

/// A number of spans as a place among them; out of bounds if it is none.
#[inline]
fn place(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(all(test, not(loom_model)))]
mod tests {
    use super::*;

    fn read<const N: usize>(entered: &Entered<N>) -> (Vec<u64>, u64) {
        let mut ids = Vec::new();
        let more = entered.read(&mut ids).unwrap();
        (ids, more)
    }

    #[test]
    fn exits_come_in_any_order() {
        let entered = Entered::<4>::default();
        for id in [1, 2, 1, 3] {
            entered.enter(id);
        }
        entered.exit(1);
        assert_eq!(read(&entered), (vec![1, 2, 3], 0));
        entered.exit(7);
        entered.exit(1);
        assert_eq!(read(&entered), (vec![2, 3], 0));
        entered.exit(3);
        entered.exit(2);
        entered.exit(2);
        assert_eq!(read(&entered), (vec![], 0));
    }

    #[test]
    fn deeper_spans_are_counted() {
        let entered = Entered::<2>::default();
        for id in 1..=5 {
            entered.enter(id);
        }
        assert_eq!(read(&entered), (vec![1, 2], 3));
        // One that is kept, then all others in order.
        entered.exit(1);
        assert_eq!(read(&entered), (vec![2], 3));
        for id in [5, 4, 3] {
            entered.exit(id);
        }
        assert_eq!(read(&entered), (vec![2], 0));
        entered.enter(6);
        assert_eq!(read(&entered), (vec![2, 6], 0));
        entered.reset();
        assert_eq!(read(&entered), (vec![], 0));
    }
}
