//! Recordings: pictures kept in a file, and shown later with time travel.
//!
//! [`Recorder`] writes a recording while it happens, [`Reader`] finds the frames in one,
//! and [`Playback`] travels in it. What a frame holds is a message of our protocol, whole
//! or a change to the one before, which [`Pictures`] understands.
//! [`hdr_log`] writes poll latencies as other tools read them.
//!
//! # The format
//!
//! All numbers are unsigned and little-endian.
//!
//! | bytes | of the file | |
//! | --- | --- | --- |
//! | 8 | magic | `89 50 4C 52 0D 0A 1A 0A`, as PNG does it: a transfer as text breaks it |
//! | 2 | version | 1; another number means another layout of all that follows |
//! | 4 | checksum | of the rest of the header |
//! | 4 | length | of the description, at most 65,536 |
//! | | description | JSON, the fields of [`Header`]; more of them are no new version |
//!
//! Then come frames, one after the other up to the end of the file:
//!
//! | bytes | of a frame | |
//! | --- | --- | --- |
//! | 4 | checksum | of the rest of the frame |
//! | 4 | length | of the message, at most 16 MiB |
//! | 8 | time | nanoseconds since the start of the recording; never less than before |
//! | 1 | kind | 1: a whole picture; 0: a change to the one before |
//! | | message | |
//!
//! The checksum is CRC-32 as in zlib and Ethernet: polynomial `04C11DB7`, reflected,
//! started and ended with all bits inverted. The first frame is whole, and one
//! [every few seconds](WHOLE_EVERY), so that any moment is found without reading all
//! that was before.
//!
//! # Damage
//!
//! A file may be cut anywhere, since its recorder was killed, and any byte may be wrong.
//! The frames before that are shown, and [`Damage`] names the place. Nothing behind it is:
//! a change to a picture that is not known means nothing.

mod error;
mod format;
mod hdr_log;
mod pictures;
mod playback;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{Cause, Damage, OpenError};
pub use format::{Header, MOST_BYTES, VERSION};
pub use hdr_log::{Logged, hdr_log};
pub use pictures::{Pictures, Recorder};
pub use playback::{Decode, Playback};
pub use reader::{Entry, Reader};
pub use writer::{WHOLE_EVERY, Writer};
