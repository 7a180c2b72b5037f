//! Travelling in recordings whose pictures are a number: how many tasks are alive.

use std::io::Cursor;
use std::time::Duration;

use proptest::prelude::*;

use super::super::Cause;
use super::super::tests::{Frame, file, open};
use super::{Decode, Playback};
use crate::report::fixture;
use crate::snapshot::Snapshot;

/// A message is a byte: the number, or how much is added to it. 255 means nothing, and
/// with 254 there is no picture until a whole one comes.
#[derive(Default)]
struct Adder {
    sum: u64,
    blank: bool,
    applied: usize,
}

impl Decode for Adder {
    fn apply(&mut self, whole: bool, message: &[u8]) -> Result<(), String> {
        let number = match message {
            [255] => return Err("no number".to_owned()),
            [number] => u64::from(*number),
            other => panic!("{other:?}"),
        };
        self.sum = if whole { number } else { self.sum + number };
        self.blank = number == 254 || (self.blank && !whole);
        self.applied += 1;
        Ok(())
    }

    fn picture(&self) -> Result<Snapshot, String> {
        if self.blank {
            return Err("no picture".to_owned());
        }
        let mut picture = fixture::full();
        picture.process.live_tasks = self.sum;
        Ok(picture)
    }
}

type Film<'a> = Playback<Cursor<&'a [u8]>, Adder>;

fn film(bytes: &[u8]) -> Film<'_> {
    Playback::new(open(bytes).unwrap(), Adder::default()).unwrap()
}

/// So many frames, one a second; the picture of second `n` is `n`.
fn counting(frames: u64, whole_every: u64) -> Vec<Frame> {
    let frame = |second| {
        let whole = second % whole_every == 0;
        let number = if whole {
            u8::try_from(second).unwrap()
        } else {
            1
        };
        (second * 1_000, whole, vec![number])
    };
    (0..frames).map(frame).collect()
}

fn sees(film: &Film<'_>) -> u64 {
    film.picture().process.live_tasks
}

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn it_plays_to_the_end_and_stops() {
    let (bytes, _) = file(&counting(30, 10));
    let mut film = film(&bytes);
    assert_eq!((sees(&film), film.at()), (0, Duration::ZERO));
    assert!(film.is_playing());
    film.advance(s(1.9));
    assert_eq!((sees(&film), film.at()), (1, s(1.9)));
    film.change_speed(true);
    film.change_speed(true);
    film.advance(s(1.0));
    assert_eq!((sees(&film), film.at()), (5, s(5.9)));
    film.play(false);
    film.advance(s(60.0));
    assert_eq!(sees(&film), 5);
    film.play(true);
    film.advance(Duration::MAX);
    assert_eq!((sees(&film), film.at()), (29, s(29.0)));
    assert!(!film.is_playing());
    assert_eq!(film.damage(), None);
}

#[test]
fn speeds_stay_between_a_quarter_and_64() {
    let (bytes, _) = file(&counting(3, 1));
    let mut film = film(&bytes);
    for _ in 0..20 {
        film.change_speed(false);
    }
    assert!((film.speed() - 0.25).abs() < f64::EPSILON);
    film.advance(s(4.0));
    assert_eq!(film.at(), s(1.0));
    for _ in 0..20 {
        film.change_speed(true);
    }
    assert!((film.speed() - 64.0).abs() < f64::EPSILON);
}

#[test]
fn steps_go_from_picture_to_picture() {
    let (bytes, _) = file(&counting(30, 10));
    let mut film = film(&bytes);
    film.step(false);
    assert_eq!((sees(&film), film.at()), (0, s(0.0)));
    film.seek(s(11.7));
    film.step(true);
    assert_eq!((sees(&film), film.at()), (12, s(12.0)));
    film.step(false);
    film.step(false);
    film.step(false);
    assert_eq!((sees(&film), film.at()), (9, s(9.0)));
    film.seek(s(99.0));
    film.step(true);
    assert_eq!((sees(&film), film.at()), (29, s(29.0)));
}

#[test]
fn pictures_of_one_moment_are_stepped_through() {
    let frames: Vec<Frame> = (0..4).map(|at| (500, at == 0, vec![1])).collect();
    let (bytes, _) = file(&frames);
    let mut film = film(&bytes);
    film.step(true);
    assert_eq!((sees(&film), film.at()), (2, s(0.5)));
    film.step(false);
    assert_eq!(sees(&film), 1);
    // Before the first picture there is none.
    film.seek(s(0.1));
    assert_eq!((sees(&film), film.at()), (1, s(0.1)));
}

#[test]
fn a_jump_reads_from_the_last_whole_picture_only() {
    let (bytes, _) = file(&counting(200, 10));
    let mut film = film(&bytes);
    let mut costs = |to: f64| {
        let before = film.decoder.applied;
        film.seek(s(to));
        film.decoder.applied - before
    };
    assert_eq!(costs(155.0), 6);
    assert_eq!(costs(157.0), 2);
    assert_eq!(costs(157.5), 0);
    assert_eq!(costs(3.0), 4);
    assert_eq!(costs(10.0), 1);
}

#[test]
fn a_message_that_means_nothing_ends_the_recording_there() {
    let mut frames = counting(30, 10);
    frames[14].2 = vec![255];
    let (bytes, ends) = file(&frames);
    let mut film = film(&bytes);
    assert_eq!(film.length(), s(29.0));
    film.advance(s(17.0));
    assert_eq!(
        (sees(&film), film.at(), film.length()),
        (13, s(13.0), s(13.0))
    );
    let damage = film.damage().unwrap();
    assert_eq!(damage.byte, ends[14] as u64);
    assert_eq!(damage.frames_before, 14);
    assert_eq!(damage.cause, Cause::Message("no number".to_owned()));
    film.seek(s(29.0));
    assert_eq!(sees(&film), 13);
    film.seek(s(2.0));
    assert_eq!(sees(&film), 2);
}

#[test]
fn messages_that_make_no_picture_end_the_recording_there() {
    let mut frames = counting(30, 10);
    frames[14].2 = vec![254];
    let (bytes, _) = file(&frames);
    let mut film = film(&bytes);
    film.seek(s(14.0));
    assert_eq!((sees(&film), film.at()), (13, s(13.0)));
    let damage = film.damage().unwrap();
    assert_eq!(damage.cause, Cause::Message("no picture".to_owned()));
    film.step(false);
    assert_eq!(sees(&film), 12);
}

#[test]
fn all_pictures_come_once() {
    let mut frames = counting(30, 10);
    let told = |frames: &[Frame]| -> Vec<u64> {
        let (bytes, _) = file(frames);
        let mut film = film(&bytes);
        film.seek(s(17.0));
        let pictures = film.pictures().map(|picture| picture.process.live_tasks);
        pictures.collect()
    };
    let all: Vec<u64> = (0..30).collect();
    assert_eq!(told(&frames), all);
    // Two of the first moment.
    frames[1].0 = 0;
    assert_eq!(told(&frames), all);
    frames[14].2 = vec![255];
    assert_eq!(told(&frames), all[..14]);
}

#[test]
fn without_a_first_picture_there_is_nothing_to_play() {
    let error = |bytes: &[u8]| {
        let film = Playback::new(open(bytes).unwrap(), Adder::default());
        film.map(drop).unwrap_err()
    };
    let (bytes, ends) = file(&[(0, true, vec![255])]);
    let expected = format!(
        "the recording is damaged at byte {} of {}: a picture means nothing: no number; there \
         is no picture before it",
        ends[0],
        bytes.len()
    );
    assert_eq!(error(&bytes), expected);
    let before = &bytes[..ends[0]];
    assert_eq!(
        error(before),
        "the recording ended before its first picture"
    );
    let cut = error(&bytes[..=ends[0]]);
    assert!(cut.contains("the file ends within a picture"), "{cut}");
}

proptest! {
    /// However one gets to a moment, it looks the same.
    #[test]
    fn a_moment_has_one_picture(
        whole_every in 1..40_u64,
        damaged in prop::option::of((1..60_usize, 254..=255_u8)),
        moves in prop::collection::vec((0..6_u8, 0..70_000_u64), 1..60),
    ) {
        let mut frames = counting(60, whole_every);
        if let Some((damaged, message)) = damaged {
            frames[damaged].2 = vec![message];
        }
        let last = damaged.map_or(59, |(damaged, _)| damaged - 1) as u64;
        let (bytes, _) = file(&frames);
        let mut film = film(&bytes);
        for (what, ms) in moves {
            match what {
                0 => film.step(true),
                1 => film.step(false),
                2 => film.play(true),
                3 => film.change_speed(ms % 2 == 0),
                4 => film.advance(Duration::from_millis(ms)),
                _ => film.seek(Duration::from_millis(ms)),
            }
            let second = film.at().as_secs();
            // What is wrong with a message is known once it is wanted.
            prop_assert!(second <= film.damage().map_or(59, |_| last));
            prop_assert_eq!(sees(&film), second);
        }
    }
}
