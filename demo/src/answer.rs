//! What the service makes of twenty bodies: their total length and a checksum
//! over them in upstream order, whatever the order they came in.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The body of one upstream.
#[derive(Debug)]
pub(crate) struct Part {
    /// The body itself, the memory that the pitfalls keep.
    pub(crate) body: Bytes,
    /// All that the merge needs of it.
    pub(crate) summary: Summary,
}

/// What the merge needs of a body, a few bytes instead of up to a mebibyte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    /// The number of the upstream it is from.
    pub(crate) upstream: usize,
    length: u64,
    crc32: u32,
}

impl Part {
    /// Checksums a body. At most 1 MiB, far below a millisecond: cheap enough
    /// for the event loop.
    pub(crate) fn new(upstream: usize, body: Bytes) -> Self {
        let summary = Summary {
            upstream,
            length: body.len() as u64,
            crc32: crc32fast::hash(&body),
        };
        Self { body, summary }
    }
}

/// Parts put together in any order.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    parts: Vec<Summary>,
}

impl Merge {
    pub(crate) fn add(&mut self, part: Summary) {
        self.parts.push(part);
    }

    /// The answer over the parts so far.
    pub(crate) fn finish(mut self) -> Answer {
        self.parts.sort_unstable_by_key(|part| part.upstream);
        let mut whole = crc32fast::Hasher::new();
        let mut bytes = 0;
        for part in &self.parts {
            whole.combine(&crc32fast::Hasher::new_with_initial_len(
                part.crc32,
                part.length,
            ));
            bytes += part.length;
        }
        Answer {
            upstreams: self.parts.len(),
            bytes,
            crc32: whole.finalize(),
            sha256: None,
        }
    }
}

impl FromIterator<Summary> for Merge {
    fn from_iter<I: IntoIterator<Item = Summary>>(parts: I) -> Self {
        Self {
            parts: parts.into_iter().collect(),
        }
    }
}

/// The body of a successful response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How many upstreams it covers.
    pub upstreams: usize,
    /// The length of their bodies.
    pub bytes: u64,
    /// CRC-32 of their bodies, one after another.
    pub crc32: u32,
    /// What `cpu` and `pooled` compute on top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Answer {
    /// Whether this answer is right, given the complete one.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the report.
    pub fn check(&self, complete: &Self) -> Result<(), String> {
        if self.upstreams < complete.upstreams {
            return Err(format!(
                "answered 200 with {} of {} upstreams",
                self.upstreams, complete.upstreams
            ));
        }
        if (self.bytes, self.crc32) != (complete.bytes, complete.crc32) {
            return Err("answered 200 with a wrong checksum".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> [Part; 3] {
        [
            Part::new(0, Bytes::from_static(b"upon ")),
            Part::new(1, Bytes::from_static(b"a ")),
            Part::new(2, Bytes::from_static(b"time")),
        ]
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let forwards: Merge = parts().iter().map(|part| part.summary).collect();
        let backwards: Merge = parts().iter().rev().map(|part| part.summary).collect();
        let answer = forwards.finish();
        assert_eq!(answer, backwards.finish());
        assert_eq!(answer.bytes, 11);
        assert_eq!(answer.crc32, crc32fast::hash(b"upon a time"));
    }

    #[test]
    fn a_missing_part_is_noticed_and_a_digest_is_welcome() {
        let complete = parts()
            .iter()
            .map(|part| part.summary)
            .collect::<Merge>()
            .finish();
        let short = parts()[..2]
            .iter()
            .map(|part| part.summary)
            .collect::<Merge>()
            .finish();
        assert_eq!(
            short.check(&complete),
            Err("answered 200 with 2 of 3 upstreams".to_owned())
        );
        let with_digest = Answer {
            sha256: Some("00".to_owned()),
            ..complete.clone()
        };
        assert_eq!(with_digest.check(&complete), Ok(()));
        let wrong = Answer {
            crc32: 1,
            ..complete.clone()
        };
        assert!(wrong.check(&complete).is_err());
    }
}
