//! Tokio's ids of tasks, as numbers.

use std::hash::{Hash, Hasher};

use tokio::task;

/// The number in a task id. Tokio gives no access to it, but hashes nothing
/// else; the compiler reduces this to a move.
#[inline]
pub(crate) fn id(id: task::Id) -> u64 {
    let mut number = Number(0);
    id.hash(&mut number);
    number.0
}

/// Keeps the number that is hashed.
struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not how Tokio hashes an id today; still one number for one id.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_an_id_is_the_one_that_is_displayed() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let task = runtime.spawn(async {});
        assert_eq!(id(task.id()).to_string(), task.id().to_string());
    }
}
