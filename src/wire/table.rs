//! Tables of rows that both ends keep, and what changes in them.

use std::collections::BTreeMap;
use std::mem;

/// A message that stands for one thing, under a key that never changes.
pub(super) trait Row: Clone + PartialEq {
    type Key: Ord + Clone;

    fn key(&self) -> Self::Key;

    /// What must be told to someone who knows `before` for him to know `self`.
    fn since(&self, before: &Self) -> Self {
        let _ = before;
        self.clone()
    }

    /// Takes in what [`since`](Self::since) told.
    fn merge(&mut self, change: Self) {
        *self = change;
    }
}

/// The rows that the peer knows, or that it told of.
#[derive(Debug)]
pub(super) struct Table<R: Row>(BTreeMap<R::Key, R>);

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R: Row> Table<R> {
    /// Becomes `rows`; returns what changed, and the keys of those that are gone.
    pub(super) fn replace(&mut self, rows: impl IntoIterator<Item = R>) -> (Vec<R>, Vec<R::Key>) {
        let mut before = mem::take(&mut self.0);
        let mut changed = Vec::new();
        for row in rows {
            match before.remove(&row.key()) {
                None => changed.push(row.clone()),
                Some(before) if before != row => changed.push(row.since(&before)),
                Some(_) => {}
            }
            self.0.insert(row.key(), row);
        }
        (changed, before.into_keys().collect())
    }

    /// Takes in what changed.
    pub(super) fn apply(&mut self, changed: Vec<R>, gone: impl IntoIterator<Item = R::Key>) {
        for key in gone {
            self.0.remove(&key);
        }
        for change in changed {
            match self.0.get_mut(&change.key()) {
                Some(row) => row.merge(change),
                None => {
                    self.0.insert(change.key(), change);
                }
            }
        }
    }

    pub(super) fn get(&self, key: &R::Key) -> Option<&R> {
        self.0.get(key)
    }

    /// Keeps those whose keys are asked for.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&R::Key) -> bool) {
        self.0.retain(|key, _| keep(key));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// By key.
    pub(super) fn rows(&self) -> impl Iterator<Item = &R> {
        self.0.values()
    }
}

/// How a list whose oldest points leave and whose newest arrive went from `before` to
/// `now`: how many left, and which arrived.
pub(super) fn moved_on<T: Clone + PartialEq>(before: &[T], now: &[T]) -> (u32, Vec<T>) {
    // Few at a time: it is looked at more often than points arrive.
    for left in 0..before.len() {
        let kept = &before[left..];
        if now.starts_with(kept) {
            return (count(left), now[kept.len()..].to_vec());
        }
    }
    (count(before.len()), now.to_vec())
}

/// The other way round.
pub(super) fn move_on<T>(list: &mut Vec<T>, left: u32, arrived: Vec<T>) {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    list.drain(..left.min(list.len()));
    list.extend(arrived);
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_new_of_a_past_is_told() {
        assert_eq!(moved_on(&[1, 2, 3], &[2, 3, 4]), (1, vec![4]));
        assert_eq!(moved_on(&[1, 2], &[1, 2]), (0, vec![]));
        assert_eq!(moved_on(&[], &[7]), (0, vec![7]));
        assert_eq!(moved_on(&[1, 2], &[9]), (2, vec![9]));
        assert_eq!(moved_on(&[1, 2], &[]), (2, vec![]));
    }

    proptest! {
        #[test]
        fn what_moved_on_arrives(before: Vec<u8>, now: Vec<u8>) {
            let (left, arrived) = moved_on(&before, &now);
            let mut list = before;
            move_on(&mut list, left, arrived);
            prop_assert_eq!(list, now);
        }
    }
}
