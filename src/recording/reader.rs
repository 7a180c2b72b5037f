//! Finding the frames of a recording.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::time::Duration;

use super::error::{Cause, Damage, OpenError};
use super::format::{
    BEFORE_DESCRIPTION, CHANGE, CHECKSUM, FRAME_HEAD, FrameHead, Header, MAGIC, MOST_BYTES,
    MOST_DESCRIPTION, START, VERSION, WHOLE,
};

/// A recording, of which only the places of its frames are in memory.
#[derive(Debug)]
pub struct Reader<R> {
    input: BufReader<R>,
    size: u64,
    header: Header,
    entries: Vec<Entry>,
    damage: Option<Damage>,
}

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The moment that it shows, since the start of the recording.
    pub at: Duration,
    /// Whether it is a whole picture, and not a change to the one before.
    pub whole: bool,
    byte: u64,
}

impl<R: Read + Seek> Reader<R> {
    /// Reads a file through once, up to its end or to the first damage.
    ///
    /// # Errors
    ///
    /// Where the file is no recording, or one of which nothing can be shown.
    pub fn open(input: R) -> Result<Self, OpenError> {
        let mut input = BufReader::new(input);
        let size = input.seek(SeekFrom::End(0))?;
        input.rewind()?;
        let header = read_header(&mut input, size)?;
        let mut reader = Self {
            input,
            size,
            header,
            entries: Vec::new(),
            damage: None,
        };
        let mut byte = reader.input.stream_position()?;
        while byte < size {
            match reader.scan(byte) {
                Ok((entry, next)) => {
                    reader.entries.push(entry);
                    byte = next;
                }
                Err(cause) => {
                    reader.damage = Some(reader.damage_at(byte, reader.entries.len(), cause));
                    break;
                }
            }
        }
        Ok(reader)
    }

    /// What was recorded, when and by whom.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The frames that are right, in the order of time.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where the recording stops to make sense, if it does before its end.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Reads the message of a frame, one of [`entries`](Self::entries).
    ///
    /// # Errors
    ///
    /// Where there is no such frame any more: the file may be another one by now.
    pub fn read(&mut self, index: usize) -> Result<Vec<u8>, Damage> {
        let Some(entry) = self.entries.get(index).copied() else {
            return Err(self.damage_at(self.size, self.entries.len(), Cause::CutOff));
        };
        self.message(entry.byte)
            .map_err(|cause| self.damage_at(entry.byte, index, cause))
    }

    /// Says that the frame at `index` means nothing.
    pub(super) fn means_nothing(&self, index: usize, why: String) -> Damage {
        let byte = self
            .entries
            .get(index)
            .map_or(self.size, |entry| entry.byte);
        self.damage_at(byte, index, Cause::Message(why))
    }

    fn damage_at(&self, byte: u64, frames_before: usize, cause: Cause) -> Damage {
        Damage {
            byte,
            of: self.size,
            frames_before,
            cause,
        }
    }

    /// Judges the frame at `byte`, where the input is, and finds the next one.
    fn scan(&mut self, byte: u64) -> Result<(Entry, u64), Cause> {
        let (head, mut checksum) = self.head(byte)?;
        // In pieces: a message may be large, and nobody wants it yet.
        let mut left = u64::from(head.length);
        let mut piece = [0; 4096];
        while left > 0 {
            let most = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            self.input.read_exact(&mut piece[..most])?;
            checksum.update(&piece[..most]);
            left -= most as u64;
        }
        if checksum.finalize() != head.checksum {
            return Err(Cause::ChecksumDiffers);
        }
        let whole = self.kind(head)?;
        let at = head.at;
        Ok((Entry { at, whole, byte }, byte + frame_bytes(head)))
    }

    /// Whether a frame is a whole picture, if it can follow those before.
    fn kind(&self, head: FrameHead) -> Result<bool, Cause> {
        match (self.entries.last(), head.kind) {
            (Some(last), _) if head.at < last.at => Err(Cause::BackInTime),
            (_, WHOLE) => Ok(true),
            (Some(_), CHANGE) => Ok(false),
            (None, CHANGE) => Err(Cause::NothingToChange),
            (_, kind) => Err(Cause::UnknownKind(kind)),
        }
    }

    /// Reads what stands before a message, and starts its checksum.
    fn head(&mut self, byte: u64) -> Result<(FrameHead, crc32fast::Hasher), Cause> {
        let mut bytes = [0; FRAME_HEAD];
        self.input.read_exact(&mut bytes)?;
        let head = FrameHead::read(&bytes);
        if head.length > MOST_BYTES {
            return Err(Cause::TooLong(head.length));
        }
        if self.size.saturating_sub(byte) < frame_bytes(head) {
            return Err(Cause::CutOff);
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&bytes[CHECKSUM..]);
        Ok((head, checksum))
    }

    fn message(&mut self, byte: u64) -> Result<Vec<u8>, Cause> {
        self.input.seek(SeekFrom::Start(byte))?;
        let (head, mut checksum) = self.head(byte)?;
        // The file has so many bytes, so they may be allocated.
        let mut message = vec![0; usize::try_from(head.length).map_err(|_| Cause::CutOff)?];
        self.input.read_exact(&mut message)?;
        checksum.update(&message);
        if checksum.finalize() == head.checksum {
            Ok(message)
        } else {
            Err(Cause::ChecksumDiffers)
        }
    }
}

fn frame_bytes(head: FrameHead) -> u64 {
    FRAME_HEAD as u64 + u64::from(head.length)
}

fn read_header(input: &mut impl Read, size: u64) -> Result<Header, OpenError> {
    if size == 0 {
        return Err(OpenError::Empty);
    }
    let mut start = Vec::new();
    input.by_ref().take(START as u64).read_to_end(&mut start)?;
    let magic = &start[..start.len().min(MAGIC.len())];
    if !MAGIC.starts_with(magic) {
        return Err(OpenError::NotARecording);
    }
    let version = start
        .get(MAGIC.len()..START)
        .ok_or(OpenError::CutInHeader)?;
    let version = u16::from_le_bytes([version[0], version[1]]);
    if version != VERSION {
        return Err(OpenError::OtherVersion(version));
    }
    let damaged = |why: String| Err(OpenError::DamagedHeader(why));
    let mut before = [0; BEFORE_DESCRIPTION];
    input.read_exact(&mut before)?;
    let [c0, c1, c2, c3, length @ ..] = before;
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&length);
    let length = u32::from_le_bytes(length);
    let Some(length) = usize::try_from(length)
        .ok()
        .filter(|l| *l <= MOST_DESCRIPTION)
    else {
        return damaged(format!(
            "it claims to have {length} bytes, and {MOST_DESCRIPTION} are the most"
        ));
    };
    let mut description = vec![0; length];
    input.read_exact(&mut description)?;
    checksum.update(&description);
    if checksum.finalize() != u32::from_le_bytes([c0, c1, c2, c3]) {
        return damaged("checksum differs".to_owned());
    }
    serde_json::from_slice(&description).or_else(|error| damaged(error.to_string()))
}
