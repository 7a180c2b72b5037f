//! Heavy computing on the event loop, and off it.

use std::hint::black_box;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::serial::fetch_all;
use crate::answer::{Answer, Merge, Part};
use crate::service::Service;

/// What a digest costs on this machine, whatever machine it is.
const COST: Duration = Duration::from_millis(200);

/// **Pitfall.** "It is heavy, so it got a task of its own." But a task is not a
/// thread: it runs on a worker of the event loop, and without an `.await` in it
/// that worker does nothing else for 200 ms. Every other request and timer on
/// it is late by as much.
pub(super) async fn cpu(service: Arc<Service>) -> Result<Answer> {
    let parts = fetch_all(&service).await?;
    let hashing = service.hashing;
    let digest = tokio::spawn(async move { hashing.digest(&parts) });
    Ok(digest.await?)
}

/// **Cure.** A thread of the blocking pool computes. That pool grows to hundreds
/// of threads, meant for waiting and not for computing, so a semaphore keeps
/// them from taking the cores away from the workers.
///
/// The closure takes the permit along. Held out here, it would be given back
/// when the client hangs up, while the thread computes on.
pub(super) async fn pooled(service: Arc<Service>) -> Result<Answer> {
    let parts = fetch_all(&service).await?;
    let hashing = service.hashing;
    let permit = Arc::clone(&service.hashing_permits).acquire_owned().await?;
    let digest = spawn_blocking(move || {
        let _permit = permit;
        hashing.digest(&parts)
    });
    Ok(digest.await?)
}

/// How many may hash at once: half of the cores, at least one.
pub(crate) fn permits() -> usize {
    thread::available_parallelism().map_or(1, |cores| NonZero::get(cores).div_ceil(2))
}

/// How many bytes to hash so that it takes 200 ms on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Hashing {
    bytes: usize,
}

impl Hashing {
    /// Finds out how fast this machine hashes.
    pub fn calibrate() -> Self {
        let block = Bytes::from(vec![0x5a; 64 * 1024]);
        let rounds = |count: usize| {
            let started = Instant::now();
            for _ in 0..count {
                black_box(Sha256::digest(black_box(&block)));
            }
            started.elapsed()
        };
        // Grow until the measurement is long enough to trust, then take the
        // best of some: disturbances only ever make it slower than it is.
        let mut count = 1;
        while rounds(count) < Duration::from_millis(10) {
            count *= 2;
        }
        let best = (0..20).map(|_| rounds(count)).min().unwrap_or(COST);
        let bytes_per_second = (block.len() * count) as f64 / best.as_secs_f64();
        // Positive, and far below what an integer holds.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let bytes = (bytes_per_second * COST.as_secs_f64()) as usize;
        Self { bytes }
    }

    /// Hashes the bodies in upstream order, over and over, until it has cost
    /// what it should.
    fn digest(self, parts: &[Part]) -> Answer {
        let mut order: Vec<&Part> = parts.iter().collect();
        order.sort_unstable_by_key(|part| part.summary.upstream);
        let mut hash = Sha256::new();
        let mut left = self.bytes;
        for body in order.iter().map(|part| &part.body).cycle() {
            let take = left.min(body.len());
            hash.update(&body[..take]);
            left -= take;
            if left == 0 {
                break;
            }
        }
        let sha256 = hex(&hash.finalize());
        let merge: Merge = order.iter().map(|part| part.summary).collect();
        Answer {
            sha256: Some(sha256),
            ..merge.finish()
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(digits[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(upstream: usize, body: &'static [u8]) -> Part {
        Part::new(upstream, Bytes::from_static(body))
    }

    #[test]
    fn a_digest_goes_round_the_bodies_in_upstream_order() {
        let answer = Hashing { bytes: 8 }.digest(&[part(1, b"cd"), part(0, b"abc")]);
        let expected = hex(&Sha256::digest(b"abccdabc"));
        assert_eq!(answer.sha256, Some(expected));
        assert_eq!(answer.bytes, 5);
        assert_eq!(hex(&[0x00, 0x9f]), "009f");
    }

    #[test]
    fn calibration_finds_work_to_do() {
        // A machine that hashes 64 KiB in 200 ms would be broken.
        assert!(Hashing::calibrate().bytes > 64 * 1024);
    }
}
