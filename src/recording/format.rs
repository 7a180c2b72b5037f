//! The bytes of a recording, as the module's page describes them.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::snapshot::as_ns;

/// How a recording starts.
pub(super) const MAGIC: [u8; 8] = *b"\x89PLR\r\n\x1a\n";

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u16 = 1;

/// The longest message of a frame, in bytes; what claims to be longer is damaged.
pub const MOST_BYTES: u32 = 16 << 20;

/// The longest description, in bytes.
pub(super) const MOST_DESCRIPTION: usize = 64 << 10;

/// Magic and version.
pub(super) const START: usize = MAGIC.len() + 2;

/// Checksum and length of the description.
pub(super) const BEFORE_DESCRIPTION: usize = 8;

/// What stands before the message of a frame.
pub(super) const FRAME_HEAD: usize = 17;

/// The checksum covers all behind it.
pub(super) const CHECKSUM: usize = 4;

/// What was recorded, when and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Wall-clock time of the start of the recording, in milliseconds since 1970 (UTC).
    pub recorded_unix_ms: u64,
    /// The address that the recorder was attached to.
    pub address: String,
    /// Name of the recorded process.
    pub process: String,
    /// Its process id.
    pub pid: u32,
    /// The version of this crate that recorded it.
    pub crate_version: String,
}

/// The start of the file up to the first frame.
pub(super) fn header(header: &Header) -> io::Result<Vec<u8>> {
    let description = serde_json::to_vec(header)?;
    let length = u32::try_from(description.len()).unwrap_or(u32::MAX);
    if description.len() > MOST_DESCRIPTION {
        let why = format!("a description of {length} bytes, and {MOST_DESCRIPTION} are the most");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let mut rest = length.to_le_bytes().to_vec();
    rest.extend(description);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(crc32fast::hash(&rest).to_le_bytes());
    bytes.extend(rest);
    Ok(bytes)
}

/// What stands before the message of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) checksum: u32,
    pub(super) length: u32,
    pub(super) at: Duration,
    pub(super) kind: u8,
}

/// A change to the picture before.
pub(super) const CHANGE: u8 = 0;

/// A whole picture.
pub(super) const WHOLE: u8 = 1;

impl FrameHead {
    pub(super) fn read(bytes: &[u8; FRAME_HEAD]) -> Self {
        let [c0, c1, c2, c3, l0, l1, l2, l3, at @ .., kind] = *bytes;
        Self {
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            at: Duration::from_nanos(u64::from_le_bytes(at)),
            kind,
        }
    }
}

/// Writes a frame over `buffer`. The message is at most [`MOST_BYTES`] long.
pub(super) fn frame(buffer: &mut Vec<u8>, at: Duration, whole: bool, length: u32, message: &[u8]) {
    let at_ns = as_ns(at);
    buffer.clear();
    buffer.extend([0; CHECKSUM]);
    buffer.extend(length.to_le_bytes());
    buffer.extend(at_ns.to_le_bytes());
    buffer.push(if whole { WHOLE } else { CHANGE });
    buffer.extend(message);
    let checksum = crc32fast::hash(&buffer[CHECKSUM..]);
    buffer[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}
