//! Travelling in a recording. Nothing here asks a clock for the time.

#[cfg(test)]
mod tests;

use std::io::{Read, Seek};
use std::iter;
use std::time::Duration;

use super::error::Damage;
use super::format::Header;
use super::reader::Reader;
use crate::snapshot::Snapshot;

/// Speeds are counted in quarters, so that all of them are exact.
const QUARTERS: u32 = 4;

/// The slowest speed, a quarter.
const SLOWEST: u32 = 1;

/// The fastest speed. Faster than this, a step to the end is as good.
const FASTEST: u32 = 64 * QUARTERS;

/// Makes pictures of the messages in a recording.
pub trait Decode {
    /// Takes the next message; a whole one makes all before it forgotten.
    ///
    /// # Errors
    ///
    /// With the reason, where it means nothing. A whole one follows then.
    fn apply(&mut self, whole: bool, message: &[u8]) -> Result<(), String>;

    /// The picture after the last message; called after one only.
    ///
    /// # Errors
    ///
    /// With the reason, where all messages together make none.
    fn picture(&self) -> Result<Snapshot, String>;
}

/// A recording that is played, like a film.
#[derive(Debug)]
pub struct Playback<R, D> {
    reader: Reader<R>,
    decoder: D,
    picture: Snapshot,
    /// The frame that the decoder is at; `None` after it failed.
    decoded: Option<usize>,
    /// The frame that `picture` shows.
    shown: usize,
    /// How many frames can be shown.
    frames: usize,
    damage: Option<Damage>,
    at: Duration,
    playing: bool,
    speed_quarters: u32,
}

impl<R: Read + Seek, D: Decode> Playback<R, D> {
    /// Shows the first picture; it plays from there.
    ///
    /// # Errors
    ///
    /// In a sentence, where there is no picture to show.
    pub fn new(mut reader: Reader<R>, mut decoder: D) -> Result<Self, String> {
        let none = |damage: &Damage| format!("the recording is {damage}");
        if reader.entries().is_empty() {
            return Err(reader.damage().map_or_else(
                || "the recording ended before its first picture".to_owned(),
                none,
            ));
        }
        let picture = apply(&mut reader, &mut decoder, 0)
            .and_then(|()| picture(&reader, &decoder, 0))
            .map_err(|damage| none(&damage))?;
        Ok(Self {
            picture,
            decoder,
            decoded: Some(0),
            shown: 0,
            frames: reader.entries().len(),
            damage: reader.damage().cloned(),
            at: Duration::ZERO,
            playing: true,
            speed_quarters: QUARTERS,
            reader,
        })
    }

    /// The picture at the moment that is shown.
    pub fn picture(&self) -> &Snapshot {
        &self.picture
    }

    /// What was recorded, when and by whom.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// Where the recording stops to make sense, as far as that is known by now.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// The moment that is shown, since the start of the recording.
    pub fn at(&self) -> Duration {
        self.at
    }

    /// The moment of the last picture.
    pub fn length(&self) -> Duration {
        self.time_of(self.frames - 1)
    }

    /// Whether it goes on by itself.
    pub fn is_playing(&self) -> bool {
        self.playing
    }

    /// How much faster than it was recorded.
    pub fn speed(&self) -> f64 {
        f64::from(self.speed_quarters) / f64::from(QUARTERS)
    }

    /// Lets it go on, if it plays: as much time has passed for who looks at it. It
    /// stops at the end.
    pub fn advance(&mut self, passed: Duration) {
        if self.playing {
            let passed = passed.saturating_mul(self.speed_quarters) / QUARTERS;
            self.seek(self.at.saturating_add(passed));
            self.playing = self.at < self.length();
        }
    }

    /// Plays, or pauses.
    pub fn play(&mut self, playing: bool) {
        self.playing = playing;
    }

    /// Twice as fast, or half as fast, from a quarter up to 64 times.
    pub fn change_speed(&mut self, faster: bool) {
        let changed = if faster {
            self.speed_quarters * 2
        } else {
            self.speed_quarters / 2
        };
        self.speed_quarters = changed.clamp(SLOWEST, FASTEST);
    }

    /// Goes to the next picture, or to the one before, where there is one.
    pub fn step(&mut self, forward: bool) {
        let to = if forward {
            (self.shown + 1).min(self.frames - 1)
        } else {
            self.shown.saturating_sub(1)
        };
        self.show(to);
        self.at = self.time_of(self.shown);
    }

    /// Goes to a moment, or to the end where that is later.
    pub fn seek(&mut self, to: Duration) {
        let up_to = self.reader.entries()[..self.frames].partition_point(|entry| entry.at <= to);
        // Before the first picture there is none, so it is that one.
        self.show(up_to.saturating_sub(1));
        self.at = to.min(self.length());
    }

    /// All pictures from the first to the last, or up to the damage, one after the other.
    /// It is then at the last one taken.
    pub fn pictures(&mut self) -> impl Iterator<Item = Snapshot> {
        let mut next = 0;
        iter::from_fn(move || {
            self.show(next.min(self.frames - 1));
            self.at = self.time_of(self.shown);
            let there = self.shown == next;
            next += 1;
            there.then(|| self.picture.clone())
        })
    }

    fn time_of(&self, frame: usize) -> Duration {
        self.reader.entries()[frame].at
    }

    /// Shows a frame, or the last one that can be shown before it.
    fn show(&mut self, wanted: usize) {
        let mut frame = wanted;
        while let Err(damage) = self.try_to_show(frame) {
            // It cannot be shown, and so nothing behind it can. The first one was shown
            // before, so it is left, whatever became of the file.
            self.frames = damage.frames_before.max(1);
            self.damage = Some(damage);
            self.decoded = None;
            if frame == 0 {
                return;
            }
            frame = self.frames - 1;
        }
    }

    fn try_to_show(&mut self, frame: usize) -> Result<(), Damage> {
        self.decode(frame)?;
        if frame != self.shown {
            self.picture = picture(&self.reader, &self.decoder, frame)?;
            self.shown = frame;
        }
        Ok(())
    }

    /// Brings the decoder to `frame`: from where it is, if that is on the way, or else
    /// from the last whole picture before.
    fn decode(&mut self, frame: usize) -> Result<(), Damage> {
        let entries = &self.reader.entries()[..=frame];
        let whole = entries.iter().rposition(|entry| entry.whole).unwrap_or(0);
        let from = match self.decoded {
            Some(at) if (whole..=frame).contains(&at) => at + 1,
            _ => whole,
        };
        for next in from..=frame {
            self.decoded = None;
            apply(&mut self.reader, &mut self.decoder, next)?;
            self.decoded = Some(next);
        }
        Ok(())
    }
}

/// What the decoder makes of all up to `frame`.
fn picture<R: Read + Seek>(
    reader: &Reader<R>,
    decoder: &impl Decode,
    frame: usize,
) -> Result<Snapshot, Damage> {
    let picture = decoder.picture();
    picture.map_err(|why| reader.means_nothing(frame, why))
}

/// Hands one frame to the decoder.
fn apply<R: Read + Seek>(
    reader: &mut Reader<R>,
    decoder: &mut impl Decode,
    frame: usize,
) -> Result<(), Damage> {
    let message = reader.read(frame)?;
    decoder
        .apply(reader.entries()[frame].whole, &message)
        .map_err(|why| reader.means_nothing(frame, why))
}
