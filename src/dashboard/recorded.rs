//! A recording as the dashboard sees it.

use std::io::{Read, Seek};
use std::time::Duration;

use super::{Caveat, Player, Position, Source};
use crate::recording::{Decode, Playback};
use crate::snapshot::{Snapshot, TaskSelection};

impl<R: Read + Seek, D: Decode> Source for Playback<R, D> {
    /// The tasks are those that the recorder asked for.
    fn snapshot(&mut self, _: TaskSelection) -> Snapshot {
        self.picture().clone()
    }

    fn caveat(&mut self) -> Option<Caveat> {
        let damage = self.damage()?.to_string();
        // The badge has said so.
        let says = damage.strip_prefix("damaged ").unwrap_or(&damage);
        Some(Caveat::new("DAMAGED", says))
    }

    fn player(&mut self) -> Option<&mut dyn Player> {
        Some(self)
    }
}

impl<R: Read + Seek, D: Decode> Player for Playback<R, D> {
    fn position(&self) -> Position {
        Position {
            at: self.at(),
            length: self.length(),
            playing: self.is_playing(),
            speed: self.speed(),
            recorded_unix_ms: self.header().recorded_unix_ms,
        }
    }

    fn advance(&mut self, passed: Duration) {
        self.advance(passed);
    }

    fn play(&mut self, playing: bool) {
        self.play(playing);
    }

    fn step(&mut self, forward: bool) {
        self.step(forward);
    }

    fn seek(&mut self, to: Duration) {
        self.seek(to);
    }

    fn change_speed(&mut self, faster: bool) {
        self.change_speed(faster);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::time::Instant;

    use crossterm::event::{Event, KeyCode, KeyEvent};
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    use super::*;
    use crate::dashboard::driver::{self, Feed};
    use crate::dashboard::model::Model;
    use crate::dashboard::tests::{assert_screen, text};
    use crate::dashboard::theme::Theme;
    use crate::dashboard::{fixture, view};
    use crate::recording::{Header, Reader, Writer};

    /// A message is a count of live tasks.
    #[derive(Default)]
    struct Count(u8);

    impl Decode for Count {
        fn apply(&mut self, _: bool, message: &[u8]) -> Result<(), String> {
            self.0 = *message.first().ok_or("empty")?;
            Ok(())
        }

        fn picture(&self) -> Result<Snapshot, String> {
            let mut picture = fixture::snapshot();
            picture.process.live_tasks = self.0.into();
            Ok(picture)
        }
    }

    /// Sixty seconds with a picture in each, its count that of the second.
    fn file() -> Vec<u8> {
        let header = Header {
            recorded_unix_ms: 1_795_403_340_000,
            address: "127.0.0.1:6669".into(),
            process: "aggregator".into(),
            pid: 4711,
            crate_version: "0.1.0".into(),
        };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &header).unwrap();
        for second in 0..=60_u8 {
            let at = Duration::from_secs(second.into());
            let whole = writer.wants_whole(at);
            writer.frame(at, whole, &[second]).unwrap();
        }
        bytes
    }

    fn screen(model: &Model, width: u16, height: u16) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        view::draw(&mut buffer, area, model, Theme::COLOURED);
        text(&buffer)
    }

    #[test]
    fn a_damaged_file_is_shown_up_to_the_damage() {
        let bytes = file();
        let cut = Reader::open(Cursor::new(&bytes[..bytes.len() - 200])).unwrap();
        let playback = Playback::new(cut, Count::default()).unwrap();
        let mut feed = Feed::new(playback);
        let mut model = Model::default();
        let start = Instant::now();
        feed.refresh(&mut model, start);
        feed.refresh(&mut model, start + Duration::from_secs(7));
        assert!(screen(&model, 80, 24).contains("live 7 "));
        let end = Event::Key(KeyEvent::from(KeyCode::Char('$')));
        driver::handle(&mut model, &mut feed, &end);
        feed.refresh(&mut model, start + Duration::from_secs(7));
        assert_screen!("damaged_80x24", screen(&model, 80, 24));
        assert_screen!("damaged_40x10", screen(&model, 40, 10));
    }
}
