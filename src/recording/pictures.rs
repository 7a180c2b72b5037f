//! The messages of a recording: those of our protocol.

use std::io::{self, Write};
use std::time::Duration;

use prost::Message;

use super::format::Header;
use super::playback::Decode;
use super::writer::Writer;
use crate::snapshot::Snapshot;
use crate::wire::{Decoder, Encoder, proto};

/// Records pictures, one after the other.
#[derive(Debug)]
pub struct Recorder<W> {
    writer: Writer<W>,
    encoder: Encoder,
    /// The last picture is not in the file, so a change to it means nothing.
    left_out: bool,
}

impl<W: Write> Recorder<W> {
    /// Starts a recording.
    ///
    /// # Errors
    ///
    /// Where writing fails.
    pub fn new(out: W, header: &Header) -> io::Result<Self> {
        Ok(Self {
            writer: Writer::new(out, header)?,
            encoder: Encoder::default(),
            left_out: false,
        })
    }

    /// Records a picture that came at `at`, since the start of the recording.
    ///
    /// # Errors
    ///
    /// As [`Writer::frame`].
    pub fn record(&mut self, at: Duration, snapshot: &Snapshot) -> io::Result<()> {
        let whole = self.left_out || self.writer.wants_whole(at);
        if whole {
            self.encoder = Encoder::default();
        }
        let message = self.encoder.encode(snapshot).encode_to_vec();
        let written = self.writer.frame(at, whole, &message);
        self.left_out = written.is_err();
        written
    }

    /// What was written so far.
    pub fn writer(&self) -> &Writer<W> {
        &self.writer
    }
}

/// Understands what a [`Recorder`] wrote.
#[derive(Debug, Default)]
pub struct Pictures(Decoder);

impl Decode for Pictures {
    fn apply(&mut self, whole: bool, message: &[u8]) -> Result<(), String> {
        let update = proto::Update::decode(message).map_err(|error| error.to_string())?;
        if update.whole != whole {
            return Err("it is not of the kind that its frame says".to_owned());
        }
        self.0.apply(update).map_err(|error| error.to_string())
    }

    fn picture(&self) -> Result<Snapshot, String> {
        self.0.snapshot().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::{Playback, Reader};
    use super::*;
    use crate::report::fixture::full;

    fn header() -> Header {
        Header {
            recorded_unix_ms: 1_795_403_340_000,
            address: "127.0.0.1:6669".to_owned(),
            process: "aggregator".to_owned(),
            pid: 4711,
            crate_version: "0.1.0".to_owned(),
        }
    }

    /// Half a minute with a picture a second, which counts them.
    fn film() -> Vec<u8> {
        let mut file = Vec::new();
        let mut recorder = Recorder::new(&mut file, &header()).unwrap();
        let mut picture = full();
        for second in 0..30 {
            picture.process.spawned = second;
            let at = Duration::from_secs(second);
            recorder.record(at, &picture).unwrap();
        }
        file
    }

    type Film = Playback<Cursor<Vec<u8>>, Pictures>;

    fn playback(file: Vec<u8>) -> Result<Film, String> {
        let reader = Reader::open(Cursor::new(file)).map_err(|error| error.to_string())?;
        Playback::new(reader, Pictures::default())
    }

    #[test]
    fn what_was_recorded_is_shown() {
        let mut film = playback(film()).unwrap();
        let spawned: Vec<u64> = film.pictures().map(|it| it.process.spawned).collect();
        assert_eq!(spawned, (0..30).collect::<Vec<_>>());
        for second in [29, 3, 10, 9] {
            film.seek(Duration::from_secs(second));
            assert_eq!(film.picture().process.spawned, second);
        }
        assert_eq!(film.damage(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_before_the_damage_is_shown(at: prop::sample::Index, with: Option<u8>) {
            let mut file = film();
            let at = at.index(file.len());
            match with {
                Some(0) | None => file.truncate(at),
                Some(with) => file[at] ^= with,
            }
            // A header that is damaged is an error in a sentence.
            if let Ok(mut film) = playback(file) {
                let spawned: Vec<u64> = film.pictures().map(|it| it.process.spawned).collect();
                prop_assert_eq!(&spawned, &(0..spawned.len() as u64).collect::<Vec<_>>());
                prop_assert!(spawned.len() == 30 || film.damage().is_some() || with.is_none() || with == Some(0));
            }
        }
    }

    #[test]
    fn what_follows_a_picture_that_is_left_out_is_whole() {
        let mut huge = full();
        huge.process.name = "x".repeat(65 << 20);
        let mut file = Vec::new();
        let mut recorder = Recorder::new(&mut file, &Header::default()).unwrap();
        recorder.record(Duration::from_secs(0), &full()).unwrap();
        recorder.record(Duration::from_secs(1), &huge).unwrap_err();
        recorder.record(Duration::from_secs(2), &full()).unwrap();
        let reader = Reader::open(Cursor::new(file)).unwrap();
        assert!(reader.entries().iter().all(|entry| entry.whole));
        let mut playback = Playback::new(reader, Pictures::default()).unwrap();
        let pictures: Vec<_> = playback.pictures().collect();
        assert_eq!(pictures, [full(), full()]);
    }
}
