//! Recordings and lost connections: what the screen says of the picture as a whole.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::driver::{self, Feed};
use super::model::Model;
use super::tests::{User, assert_screen, text};
use super::theme::Theme;
use super::{Caveat, Player, Position, Source, fixture, view};
use crate::snapshot::{SiteId, Snapshot, TaskSelection};

const PICTURE_EVERY: Duration = Duration::from_secs(1);

/// A recording with a picture a second, all of them the same but for their time.
struct Film(Position);

impl Film {
    fn at(second: u64) -> Self {
        Self(Position {
            at: Duration::from_secs(second),
            length: Duration::from_secs(300),
            playing: true,
            speed: 2.0,
            recorded_unix_ms: 1_795_403_340_000,
        })
    }
}

impl Source for Film {
    fn snapshot(&mut self, _: TaskSelection) -> Snapshot {
        let mut snapshot = fixture::snapshot();
        snapshot.taken_at = self.0.at;
        snapshot
    }

    fn player(&mut self) -> Option<&mut dyn Player> {
        Some(self)
    }
}

impl Player for Film {
    fn position(&self) -> Position {
        self.0
    }

    fn advance(&mut self, passed: Duration) {
        if self.0.playing {
            self.seek(self.0.at + passed.mul_f64(self.0.speed));
            self.0.playing = self.0.at < self.0.length;
        }
    }

    fn play(&mut self, playing: bool) {
        self.0.playing = playing;
    }

    fn step(&mut self, forward: bool) {
        self.seek(if forward {
            self.0.at + PICTURE_EVERY
        } else {
            self.0.at.saturating_sub(PICTURE_EVERY)
        });
    }

    fn seek(&mut self, to: Duration) {
        self.0.at = to.min(self.0.length);
    }

    fn change_speed(&mut self, faster: bool) {
        self.0.speed *= if faster { 2.0 } else { 0.5 };
    }
}

/// A user in front of a recording, and the clock on the wall.
struct Viewer {
    model: Model,
    feed: Feed<Film>,
    now: Instant,
}

impl Viewer {
    fn of(film: Film) -> Self {
        let mut viewer = Self {
            model: Model::default(),
            feed: Feed::new(film),
            now: Instant::now(),
        };
        viewer.waits_ms(0);
        viewer
    }

    fn waits_ms(&mut self, ms: u64) -> &mut Self {
        self.now += Duration::from_millis(ms);
        self.feed.refresh(&mut self.model, self.now);
        self
    }

    /// Presses a key, and sees the next frame, which is so soon that no time passes.
    fn presses(&mut self, key: char) -> &mut Self {
        let event = Event::Key(KeyEvent::from(KeyCode::Char(key)));
        driver::handle(&mut self.model, &mut self.feed, &event);
        self.waits_ms(0)
    }

    fn position(&self) -> Position {
        self.model.position.expect("a recording")
    }

    fn at_ms(&self) -> u128 {
        let position = self.position();
        assert_eq!(self.model.taken_at(), position.at, "it is what is shown");
        position.at.as_millis()
    }

    fn sees(&self, width: u16, height: u16) -> String {
        text(&draw(&self.model, width, height, Theme::COLOURED))
    }
}

fn draw(model: &Model, width: u16, height: u16, theme: Theme) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    view::draw(&mut buffer, area, model, theme);
    buffer
}

fn lost() -> Caveat {
    Caveat::new(
        "NOT LIVE",
        "127.0.0.1:6669, connection refused for 3 s, trying again in 2 s; the picture is from then",
    )
}

#[test]
fn a_recording_says_where_it_is() {
    let mut viewer = Viewer::of(Film::at(72));
    assert_screen!("playing_80x24", viewer.sees(80, 24));
    assert_screen!("playing_200x50", viewer.sees(200, 50));
    assert_screen!("playing_40x10", viewer.sees(40, 10));
    viewer.presses(' ');
    assert_screen!("paused_80x24", viewer.sees(80, 24));
    viewer.presses('$');
    assert_screen!("at_the_end_80x24", viewer.sees(80, 24));
    assert_screen!("at_the_end_40x10", viewer.sees(40, 10));
    viewer.presses('?');
    assert_screen!("help_of_a_recording_80x24", viewer.sees(80, 24));
    assert_screen!("help_of_a_recording_40x10", viewer.sees(40, 10));
}

#[test]
fn a_live_picture_has_nothing_of_a_recording() {
    let mut user = User::new();
    user.presses("?");
    let help = user.sees(200, 100);
    assert!(help.contains("freeze") && !help.contains("recording"));
}

#[test]
fn time_passes_as_fast_as_it_should() {
    let mut viewer = Viewer::of(Film::at(10));
    assert_eq!(viewer.waits_ms(1_000).at_ms(), 12_000);
    assert_eq!(viewer.presses('+').waits_ms(1_000).at_ms(), 16_000);
    viewer.presses('-').presses('-').presses('-');
    assert_eq!(viewer.waits_ms(1_000).at_ms(), 16_500);
    // What passes while it is paused is not made up for.
    assert_eq!(viewer.presses(' ').waits_ms(60_000).at_ms(), 16_500);
    assert_eq!(viewer.presses(' ').waits_ms(1_000).at_ms(), 17_000);
}

#[test]
fn the_user_travels_in_time() {
    let mut viewer = Viewer::of(Film::at(72));
    assert_eq!(viewer.presses('>').at_ms(), 82_000);
    assert_eq!(viewer.presses(']').at_ms(), 142_000);
    assert_eq!(viewer.presses('<').presses('[').at_ms(), 72_000);
    assert!(viewer.position().playing, "a jump does not pause");
    assert_eq!(viewer.presses('.').at_ms(), 73_000);
    assert!(!viewer.position().playing, "a step does");
    assert_eq!(viewer.presses(',').presses(',').at_ms(), 71_000);
    assert_eq!(viewer.presses('[').presses('[').at_ms(), 0);
    assert_eq!(viewer.presses(',').at_ms(), 0);
    assert_eq!(viewer.presses('$').at_ms(), 300_000);
    assert_eq!(viewer.presses('>').at_ms(), 300_000);
    assert_eq!(viewer.presses('0').at_ms(), 0);
}

#[test]
fn what_has_ended_plays_from_the_start() {
    let mut viewer = Viewer::of(Film::at(299));
    assert_eq!(viewer.waits_ms(9_000).at_ms(), 300_000);
    assert!(!viewer.position().playing);
    assert_eq!(viewer.presses('f').at_ms(), 0);
    assert!(viewer.position().playing);
}

#[test]
fn an_old_picture_is_not_taken_for_a_live_one() {
    let mut user = User::new();
    user.model.caveat = Some(lost());
    assert_screen!("not_live_80x24", user.sees(80, 24));
    assert_screen!("not_live_200x50", user.sees(200, 50));
    assert_screen!("not_live_40x10", user.sees(40, 10));
    for keys in ["enter", "esc n", "esc ?", "esc f"] {
        user.presses(keys);
        for (width, height) in [(80, 24), (40, 10), (12, 3)] {
            assert!(user.sees(width, height).contains("NOT LIVE"));
        }
    }
    // In reverse and bold, where there is no colour.
    let buffer = draw(&user.model, 80, 24, Theme::PLAIN);
    assert_eq!(buffer[(1, 0)].style(), buffer[(8, 0)].style());
    assert_ne!(buffer[(1, 0)].style(), buffer[(0, 23)].style());
}

#[test]
fn a_caveat_goes_when_its_cause_does() {
    struct Shaky(Option<Caveat>);
    impl Source for Shaky {
        fn snapshot(&mut self, _: TaskSelection) -> Snapshot {
            fixture::snapshot()
        }
        fn caveat(&mut self) -> Option<Caveat> {
            self.0.take()
        }
    }
    let mut feed = Feed::new(Shaky(Some(lost())));
    let mut model = Model {
        frozen: true,
        ..Model::default()
    };
    let start = Instant::now();
    feed.refresh(&mut model, start);
    assert_eq!(model.caveat, Some(lost()), "a frozen picture has it, too");
    feed.refresh(&mut model, start);
    assert_eq!(model.caveat, None);
}

#[test]
fn every_size_has_room_for_both() {
    let mut viewer = Viewer::of(Film::at(72));
    viewer.model.caveat = Some(Caveat::new("DAMAGED", "東京 ".repeat(40)));
    for key in ['.', '?'] {
        viewer.presses(key);
        for width in 0..=90 {
            for height in 0..=30 {
                draw(&viewer.model, width, height, Theme::PLAIN);
            }
        }
    }
    viewer.model.position = Some(Position::default());
    draw(&viewer.model, 80, 24, Theme::PLAIN);
}

#[test]
fn pages_of_a_process_that_is_gone_are_left() {
    let mut user = User::new();
    user.presses("enter");
    assert_eq!(user.model.pages.len(), 1);
    user.snapshot.process.pid += 1;
    user.waits();
    assert!(user.model.pages.is_empty());
}

#[test]
fn tasks_of_a_recording_are_those_that_it_has() {
    let mut user = User::new();
    user.presses("enter");
    let mut snapshot = user.snapshot.clone();
    snapshot.tasks_selected = TaskSelection::Oldest(100);
    snapshot.tasks = fixture::tasks();
    // Of other sites: the first is an ancestor of tasks of this one, the second is not.
    snapshot.tasks.push(fixture::task(900, 2, None));
    user.model.absorb(snapshot);
    let screen = user.sees(80, 24);
    assert!(screen.contains("oldest 7, 1,272 more"), "{screen}");
    assert!(screen.contains("· 12 ") && !screen.contains("900"));
    assert_eq!(user.model.leads_to(), Some(SiteId(2)));
}
