//! What a client was told of each task: enough to see what changed, and to say the last of
//! a task that is gone.

use std::num::NonZeroU64;

/// Places in a chunk.
const CHUNK: usize = 256;

/// What was told last, by the task's place in the table. Memory follows the places in use,
/// in small chunks.
#[derive(Default)]
pub(super) struct SentTasks {
    chunks: Vec<Chunk>,
}

#[derive(Default)]
struct Chunk {
    /// Empty while none of its places is used.
    places: Box<[Option<Sent>]>,
    used: usize,
}

/// What was told last of one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) id: NonZeroU64,
    /// [`LiveTask::stamp`](crate::engine::live::LiveTask::stamp) at that moment.
    pub(super) stamp: u64,
    /// Nanoseconds since the epoch.
    pub(super) spawned_at_ns: u64,
    pub(super) busy_ns: u64,
}

impl Sent {
    /// Polls that had started.
    pub(super) fn polls(&self) -> u64 {
        self.stamp.div_ceil(2)
    }
}

impl SentTasks {
    pub(super) fn get(&self, place: usize) -> Option<Sent> {
        let chunk = self.chunks.get(place / CHUNK)?;
        *chunk.places.get(place % CHUNK)?
    }

    /// Notes what is told of the task in this place, `None` that it is gone.
    pub(super) fn set(&mut self, place: usize, sent: Option<Sent>) {
        let number = place / CHUNK;
        if sent.is_some() && self.chunks.len() <= number {
            self.chunks.resize_with(number + 1, Chunk::default);
        }
        if let Some(chunk) = self.chunks.get_mut(number) {
            chunk.set(place % CHUNK, sent);
        }
    }
}

impl Chunk {
    fn set(&mut self, place: usize, sent: Option<Sent>) {
        if sent.is_some() && self.places.is_empty() {
            self.places = vec![None; CHUNK].into_boxed_slice();
        }
        let Some(slot) = self.places.get_mut(place) else {
            return;
        };
        self.used += usize::from(sent.is_some());
        self.used -= usize::from(slot.is_some());
        *slot = sent;
        if self.used == 0 {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(id: u64) -> Sent {
        Sent {
            id: NonZeroU64::new(id).unwrap(),
            stamp: 0,
            spawned_at_ns: 0,
            busy_ns: 0,
        }
    }

    #[test]
    fn memory_follows_the_places_in_use() {
        let mut tasks = SentTasks::default();
        assert_eq!(tasks.get(5_000), None);
        tasks.set(5_000, None);
        assert!(tasks.chunks.is_empty());
        tasks.set(5_000, Some(sent(1)));
        tasks.set(5_001, Some(sent(2)));
        tasks.set(5_000, Some(sent(3)));
        assert_eq!(tasks.get(5_000), Some(sent(3)));
        let held = |tasks: &SentTasks| -> usize {
            tasks.chunks.iter().map(|chunk| chunk.places.len()).sum()
        };
        assert_eq!(held(&tasks), CHUNK);
        tasks.set(5_000, None);
        assert_eq!(tasks.get(5_001), Some(sent(2)));
        tasks.set(5_001, None);
        assert_eq!(held(&tasks), 0);
        // A few tens of bytes a task.
        assert_eq!(size_of::<Option<Sent>>(), 32);
    }
}
