//! Files as they are written, and as accidents leave them.

use std::io::{self, Cursor, Write};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::format::{CHECKSUM, FRAME_HEAD, MAGIC};
use super::{Cause, Damage, Header, MOST_BYTES, OpenError, Reader, VERSION, Writer};

pub(super) fn header() -> Header {
    Header {
        recorded_unix_ms: 1_795_403_340_000,
        address: "127.0.0.1:6669".into(),
        process: "aggregator".into(),
        pid: 4711,
        crate_version: "0.1.0".into(),
    }
}

/// A frame as a test names it: milliseconds, whole, message.
pub(super) type Frame = (u64, bool, Vec<u8>);

/// A file with these frames, and where each of them ends.
pub(super) fn file(frames: &[Frame]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header()).unwrap();
    let mut ends = vec![usize::try_from(writer.bytes()).unwrap()];
    for (ms, whole, message) in frames {
        let at = Duration::from_millis(*ms);
        writer.frame(at, *whole, message).unwrap();
        ends.push(usize::try_from(writer.bytes()).unwrap());
    }
    (bytes, ends)
}

pub(super) fn open(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, OpenError> {
    Reader::open(Cursor::new(bytes))
}

/// All that a reader can show.
fn shown(reader: &mut Reader<Cursor<&[u8]>>) -> Vec<Frame> {
    let entries = reader.entries().to_vec();
    let frame = |(index, entry): (usize, &super::Entry)| {
        let ms = u64::try_from(entry.at.as_millis()).unwrap();
        (ms, entry.whole, reader.read(index).expect("it was right"))
    };
    entries.iter().enumerate().map(frame).collect()
}

fn three() -> Vec<Frame> {
    vec![
        (0, true, b"whole".to_vec()),
        (200, false, Vec::new()),
        (10_000, true, b"another".to_vec()),
    ]
}

/// Frames as a recorder may write them: the first is whole, time does not go back.
fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame = (0..5_000_u64, any::<bool>(), vec(any::<u8>(), 0..40));
    vec(frame, 1..12).prop_map(|mut frames| {
        let mut now = 0;
        for (at, (ms, whole, _)) in frames.iter_mut().enumerate() {
            now += *ms;
            *ms = now;
            *whole |= at == 0;
        }
        frames
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(frames in frames()) {
        let (bytes, ends) = file(&frames);
        prop_assert_eq!(ends.last(), Some(&bytes.len()));
        let mut reader = open(&bytes).unwrap();
        prop_assert_eq!(reader.header(), &header());
        prop_assert_eq!(reader.damage(), None);
        prop_assert_eq!(shown(&mut reader), frames);
    }

    #[test]
    fn a_file_cut_anywhere_shows_what_is_before(frames in frames(), at in any::<prop::sample::Index>()) {
        let (bytes, ends) = file(&frames);
        let cut = at.index(bytes.len());
        let whole_frames = ends[1..].iter().filter(|end| **end <= cut).count();
        match open(&bytes[..cut]) {
            Err(OpenError::Empty) => prop_assert_eq!(cut, 0),
            Err(error) => {
                prop_assert!(matches!(error, OpenError::CutInHeader), "{}", error);
                prop_assert!(cut < ends[0]);
            }
            Ok(mut reader) => {
                prop_assert!(cut >= ends[0]);
                prop_assert_eq!(shown(&mut reader), &frames[..whole_frames]);
                let expected = (!ends.contains(&cut)).then(|| Damage {
                    byte: ends[whole_frames] as u64,
                    of: cut as u64,
                    frames_before: whole_frames,
                    cause: Cause::CutOff,
                });
                prop_assert_eq!(reader.damage(), expected.as_ref());
            }
        }
    }

    #[test]
    fn a_flipped_byte_is_found_and_what_is_before_is_shown(
        frames in frames(),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
    ) {
        let (mut bytes, ends) = file(&frames);
        let flipped = at.index(bytes.len());
        bytes[flipped] ^= flip;
        match open(&bytes) {
            Err(_) => prop_assert!(flipped < ends[0]),
            Ok(mut reader) => {
                prop_assert!(flipped >= ends[0]);
                let hit = ends[1..].iter().filter(|end| **end <= flipped).count();
                prop_assert_eq!(shown(&mut reader), &frames[..hit]);
                let damage = reader.damage().expect("it is damaged");
                prop_assert_eq!(damage.frames_before, hit);
                prop_assert_eq!(damage.byte, ends[hit] as u64);
            }
        }
    }

    #[test]
    fn rubbish_is_survived(header_too in any::<bool>(), rubbish in vec(any::<u8>(), 0..2_000)) {
        let mut bytes = if header_too { Vec::new() } else { file(&[]).0 };
        bytes.extend(rubbish);
        if let Ok(mut reader) = open(&bytes) {
            shown(&mut reader);
        }
    }
}

#[test]
fn every_single_cut_and_flip_of_a_small_file() {
    let (bytes, ends) = file(&three());
    for cut in 0..bytes.len() {
        let read = open(&bytes[..cut]);
        assert_eq!(read.is_ok(), cut >= ends[0], "cut at {cut}");
    }
    for flipped in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[flipped / 8] ^= 1 << (flipped % 8);
        let damaged = open(&bytes).map_or(true, |reader| reader.damage().is_some());
        assert!(damaged, "bit {flipped} flipped");
    }
}

#[test]
fn damage_is_named() {
    let (mut bytes, ends) = file(&three());
    bytes[ends[2] + FRAME_HEAD] ^= 1;
    let says = |bytes: &[u8]| open(bytes).unwrap().damage().unwrap().to_string();
    assert_eq!(
        says(&bytes),
        format!(
            "damaged at byte {} of {}: checksum differs; the 2 pictures before it are shown",
            ends[2],
            bytes.len()
        )
    );
    let cut = says(&bytes[..ends[1] + 3]);
    let expected = "the file ends within a picture; the one picture before it is shown";
    assert!(cut.ends_with(expected), "{cut}");
}

/// A frame with the right checksum that no writer of ours would write.
fn forged(length: u32, at_ns: u64, kind: u8, message: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; CHECKSUM];
    bytes.extend(length.to_le_bytes());
    bytes.extend(at_ns.to_le_bytes());
    bytes.push(kind);
    bytes.extend(message);
    let checksum = crc32fast::hash(&bytes[CHECKSUM..]);
    bytes[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn frames_that_cannot_follow_are_damage() {
    let cause = |frames: &[Frame], forged: Vec<u8>| {
        let (mut bytes, _) = file(frames);
        bytes.extend(forged);
        let reader = open(&bytes).unwrap();
        assert_eq!(reader.entries().len(), frames.len());
        reader.damage().expect("it is damaged").cause.clone()
    };
    assert_eq!(cause(&[], forged(0, 0, 0, b"")), Cause::NothingToChange);
    assert_eq!(cause(&three(), forged(0, 0, 1, b"")), Cause::BackInTime);
    let late = u64::MAX;
    assert_eq!(
        cause(&three(), forged(0, late, 2, b"")),
        Cause::UnknownKind(2)
    );
    let longer = MOST_BYTES + 1;
    assert_eq!(
        cause(&three(), forged(longer, late, 1, b"")),
        Cause::TooLong(longer)
    );
    // It says how much is there before anything of that size is allocated.
    let cut = cause(&three(), forged(MOST_BYTES, late, 1, b"short"));
    assert_eq!(cut, Cause::CutOff);
}

#[test]
fn files_of_another_kind_are_named() {
    let says = |bytes: &[u8]| open(bytes).unwrap_err().to_string();
    assert_eq!(says(b""), "the file is empty, so it is no recording");
    let other = "the file is not a recording of plumber's";
    assert_eq!(says(b"{\"version\":1}"), other);
    assert_eq!(says(b"\x89PNG\r\n\x1a\n and so on"), other);
    assert_eq!(says(b"x"), other);
    let cut = "the recording is cut off in its header: there is no picture in it";
    assert_eq!(says(&MAGIC[..3]), cut);
    let (bytes, _) = file(&[]);
    assert_eq!(open(&bytes).unwrap().entries(), []);
}

#[test]
fn a_recording_of_the_future_is_named() {
    let (mut bytes, _) = file(&three());
    bytes[MAGIC.len()] = 7;
    assert_eq!(
        open(&bytes).unwrap_err().to_string(),
        format!(
            "the recording is in version 7 of the format, and this plumber reads version \
             {VERSION}: a newer one is needed"
        )
    );
}

#[test]
fn a_header_may_have_more_fields_and_must_have_ours() {
    let with = |description: &str| {
        let mut rest = u32::try_from(description.len())
            .unwrap()
            .to_le_bytes()
            .to_vec();
        rest.extend(description.as_bytes());
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(crc32fast::hash(&rest).to_le_bytes());
        bytes.extend(rest);
        open(&bytes).map(|reader| reader.header().clone())
    };
    let mut fields = serde_json::to_value(header()).unwrap();
    fields["mood"] = "good".into();
    assert_eq!(with(&fields.to_string()).unwrap(), header());
    let error = with("{}").unwrap_err().to_string();
    let expected = "the recording's header is damaged: missing field `recorded_unix_ms`";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_whole_picture_is_wanted_every_ten_seconds() {
    let mut writer = Writer::new(io::sink(), &header()).unwrap();
    let mut wholes = Vec::new();
    for second in 0..35 {
        let now = Duration::from_secs(second);
        let whole = writer.wants_whole(now);
        writer.frame(now, whole, b"").unwrap();
        wholes.extend(whole.then_some(second));
    }
    assert_eq!(wholes, [0, 10, 20, 30]);
    assert_eq!(writer.frames(), 35);
    assert_eq!(writer.length(), Duration::from_secs(34));
}

#[test]
fn what_could_not_be_read_is_not_written() {
    let (empty, _) = file(&[]);
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header()).unwrap();
    assert!(writer.frame(Duration::ZERO, false, b"change").is_err());
    let too_long = vec![0; usize::try_from(MOST_BYTES).unwrap() + 1];
    let error = writer.frame(Duration::ZERO, true, &too_long).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a picture of 16777217 bytes, and 16777216 are the most"
    );
    assert_eq!(writer.bytes(), empty.len() as u64);
    assert_eq!(bytes, empty);
}

#[test]
fn time_never_goes_back_in_a_file() {
    let (bytes, _) = file(&[(500, true, Vec::new()), (300, false, Vec::new())]);
    let reader = open(&bytes).unwrap();
    assert_eq!(reader.damage(), None);
    assert_eq!(reader.entries()[1].at, Duration::from_millis(500));
}

/// A disk with room for so many bytes.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_follows_half_a_frame() {
    let (empty, _) = file(&[]);
    let mut writer = Writer::new(Disk(empty.len() + 5), &header()).unwrap();
    let first = writer.frame(Duration::ZERO, true, b"whole").unwrap_err();
    assert_eq!(first.kind(), io::ErrorKind::StorageFull);
    let second = writer.frame(Duration::ZERO, true, b"").unwrap_err();
    assert_eq!(second.to_string(), "writing to the recording failed before");
}
