//! What the open spans of one layer are called, by id.
//!
//! They are not kept in the spans' own extensions, where a reader would have to wait
//! for other layers, which lock them while they call the program's `Debug`; and would,
//! if a span closed meanwhile, have to finish that in the thread's place.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::lock_soon;
use super::text::{Kept, Text};
use crate::heap;
use crate::lockfree::index::Lookup;

/// Spans are spread over this many locks.
const SHARDS: usize = 32;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Labels {
    shards: [Shard; SHARDS],
}

#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<HashMap<u64, Label, BuildHasherDefault<IdHasher>>>);

/// The name of a span and its fields.
#[derive(Clone)]
pub(super) struct Label {
    pub(super) name: &'static str,
    pub(super) fields: Kept,
}

impl Labels {
    pub(super) fn insert(&self, id: u64, name: &'static str, fields: &Text) {
        // No allocation of the program's: its task is not to be blamed for it.
        heap::as_plumber(|| {
            let fields = fields.keep();
            self.shard(id).lock().insert(id, Label { name, fields });
        });
    }

    /// Adds fields that were recorded later.
    pub(super) fn add(&self, id: u64, fields: &Text) {
        heap::as_plumber(|| {
            if let Some(label) = self.shard(id).lock().get_mut(&id) {
                label.fields.add(fields);
            }
        });
    }

    pub(super) fn remove(&self, id: u64) {
        let removed = self.shard(id).lock().remove(&id);
        // Freed outside of the lock.
        drop(removed);
    }

    /// What a span is called. It is absent if the span has closed, or is older than the
    /// layer.
    pub(super) fn get(&self, id: u64) -> Lookup<Label> {
        match lock_soon(&self.shard(id).0) {
            Some(labels) => labels
                .get(&id)
                .cloned()
                .map_or(Lookup::Absent, Lookup::Found),
            None => Lookup::Disturbed,
        }
    }

    fn shard(&self, id: u64) -> &Shard {
        #[allow(clippy::cast_possible_truncation)] // It is below the length.
        &self.shards[(mixed(id) >> 32) as usize % SHARDS]
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Label, BuildHasherDefault<IdHasher>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hashes ids, which the subscriber makes and nobody chooses.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = mixed(self.0 ^ id);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A number all of whose bits depend on all of the id's.
fn mixed(id: u64) -> u64 {
    let id = (id ^ id >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    id ^ id >> 32
}
