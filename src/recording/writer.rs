//! Writing a recording while it happens.

use std::io::{self, Write};
use std::time::Duration;

use super::format::{self, Header, MOST_BYTES};

/// How often a recording has a whole picture. Going to any moment reads at most the
/// changes of so much time; more often would make the file larger.
pub const WHOLE_EVERY: Duration = Duration::from_secs(10);

/// Writes a recording, frame by frame.
///
/// A frame is one write and one flush, so a recorder that is killed loses at most the
/// frame that it is in.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    buffer: Vec<u8>,
    bytes: u64,
    frames: u64,
    /// The time of the last frame.
    last: Duration,
    last_whole: Option<Duration>,
    /// Half a frame may be in the file: nothing can follow it.
    broken: bool,
}

impl<W: Write> Writer<W> {
    /// Starts a recording.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn new(mut out: W, header: &Header) -> io::Result<Self> {
        let bytes = format::header(header)?;
        out.write_all(&bytes)?;
        out.flush()?;
        Ok(Self {
            out,
            buffer: Vec::new(),
            bytes: bytes.len() as u64,
            frames: 0,
            last: Duration::ZERO,
            last_whole: None,
            broken: false,
        })
    }

    /// Whether the frame at `now` should be a whole picture: it is the first, or the last
    /// whole one is [`WHOLE_EVERY`] ago.
    pub fn wants_whole(&self, now: Duration) -> bool {
        self.last_whole
            .is_none_or(|last| now.saturating_sub(last) >= WHOLE_EVERY)
    }

    /// Writes a frame of the moment `at`, since the start of the recording. One that is
    /// earlier than the frame before is put at its time.
    ///
    /// # Errors
    ///
    /// Where the message is longer than [`MOST_BYTES`] or is a change with nothing before
    /// it: that one is left out. Where writing fails: then nothing more can be written.
    pub fn frame(&mut self, at: Duration, whole: bool, message: &[u8]) -> io::Result<()> {
        let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        if self.broken {
            return Err(io::Error::other("writing to the recording failed before"));
        }
        if !whole && self.last_whole.is_none() {
            return refused("the first frame must be a whole picture".to_owned());
        }
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
        if length > MOST_BYTES {
            let length = message.len();
            return refused(format!(
                "a picture of {length} bytes, and {MOST_BYTES} are the most"
            ));
        }
        let at = at.max(self.last);
        format::frame(&mut self.buffer, at, whole, length, message);
        self.broken = true;
        self.out.write_all(&self.buffer)?;
        self.out.flush()?;
        self.broken = false;
        self.bytes += self.buffer.len() as u64;
        self.frames += 1;
        self.last = at;
        if whole {
            self.last_whole = Some(at);
        }
        Ok(())
    }

    /// How many bytes were written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many frames were written so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The time of the last frame.
    pub fn length(&self) -> Duration {
        self.last
    }
}
