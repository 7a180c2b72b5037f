//! What may be wrong with a recording, in words.

use std::error::Error;
use std::fmt;
use std::io;

use super::format::{MOST_BYTES, VERSION};
use crate::format;

/// Why nothing of a file can be shown.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// It has no byte.
    Empty,
    /// It starts with something else than a recording does.
    NotARecording,
    /// It ends before its first frame.
    CutInHeader,
    /// Its header cannot be right.
    DamagedHeader(String),
    /// It was written in another version of the format.
    OtherVersion(u16),
    /// It cannot be read.
    Io(io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the file is empty, so it is no recording"),
            Self::NotARecording => f.write_str("the file is not a recording of plumber's"),
            Self::CutInHeader => {
                f.write_str("the recording is cut off in its header: there is no picture in it")
            }
            Self::DamagedHeader(why) => write!(f, "the recording's header is damaged: {why}"),
            Self::OtherVersion(found) if *found > VERSION => write!(
                f,
                "the recording is in version {found} of the format, and this plumber reads \
                 version {VERSION}: a newer one is needed"
            ),
            Self::OtherVersion(found) => write!(
                f,
                "the recording's header is damaged: there is no version {found} of the format"
            ),
            Self::Io(error) => write!(f, "the recording cannot be read: {error}"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutInHeader,
            _ => Self::Io(error),
        }
    }
}

/// Where a recording stops to make sense. What is before is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Where the first frame starts that is not right, from the start of the file.
    pub byte: u64,
    /// How long the file is.
    pub of: u64,
    /// How many frames are before it.
    pub frames_before: usize,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The file ends within it, as it does when a recorder was killed.
    CutOff,
    /// It is not as it was written.
    ChecksumDiffers,
    /// It claims to have so many bytes.
    TooLong(u32),
    /// It is before the frame before.
    BackInTime,
    /// It is neither a whole picture nor a change.
    UnknownKind(u8),
    /// It changes a picture, and there was none.
    NothingToChange,
    /// Its message means nothing to the decoder.
    Message(String),
    /// It cannot be read.
    Io(String),
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // It was longer when it was opened.
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Io(error.to_string()),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (byte, of) = (format::count(self.byte), format::count(self.of));
        write!(f, "damaged at byte {byte} of {of}: {}; ", self.cause)?;
        match self.frames_before {
            0 => f.write_str("there is no picture before it"),
            1 => f.write_str("the one picture before it is shown"),
            many => {
                let many = format::count(many as u64);
                write!(f, "the {many} pictures before it are shown")
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff => f.write_str("the file ends within a picture"),
            Self::ChecksumDiffers => f.write_str("checksum differs"),
            Self::TooLong(claimed) => write!(
                f,
                "a picture claims to have {}, and {} are the most",
                format::bytes(u64::from(*claimed)),
                format::bytes(u64::from(MOST_BYTES)),
            ),
            Self::BackInTime => f.write_str("a picture is older than the one before"),
            Self::UnknownKind(kind) => write!(f, "there is no picture of kind {kind}"),
            Self::NothingToChange => f.write_str("it starts with a change, and not with a picture"),
            Self::Message(error) => write!(f, "a picture means nothing: {error}"),
            Self::Io(error) => write!(f, "cannot be read: {error}"),
        }
    }
}
