//! The loop: keys in, snapshots in, frames out.

use std::io;
use std::time::Instant;

use crossterm::event::Event;

use super::input::{self, Input};
use super::keymap::{self, Action};
use super::model::Model;
use super::pace::{Pace, TASKS_EVERY, TICK};
use super::player::{self, Control};
use super::signals::Signals;
use super::terminal::Screen;
use super::theme::Theme;
use super::update::update;
use super::view;
use super::{Exit, Options, Source};
use crate::snapshot::TaskSelection;

/// Runs until somebody ends it.
pub(super) fn drive(
    source: impl Source,
    options: &Options,
    screen: &mut Screen,
    signals: &Signals,
) -> io::Result<Exit> {
    let theme = Theme::of(options.coloured);
    let mut model = Model::default();
    let mut feed = Feed::new(source);
    let mut pace = Pace::default();
    loop {
        if let Some(exit) = signals.exit() {
            return Ok(exit);
        }
        if options.stopped() {
            return Ok(Exit::Stopped);
        }
        let wait = pace.wait(Instant::now());
        if wait.is_zero() {
            feed.refresh(&mut model, Instant::now());
            if let Some(status) = &options.status {
                model.status = status();
            }
            if screen.spoiled() || model.redraw.take() {
                screen.terminal.clear()?;
            }
            screen.terminal.draw(|frame| {
                let area = frame.area();
                view::draw(frame.buffer_mut(), area, &model, theme);
            })?;
            pace.drawn(Instant::now());
            continue;
        }
        match input::next(wait)? {
            Input::Event(event) => {
                pace.changed();
                if let Some(exit) = handle(&mut model, &mut feed, &event) {
                    return Ok(exit);
                }
            }
            Input::Nothing => {}
            Input::Closed => return Ok(signals.exit().unwrap_or(Exit::Terminated)),
        }
    }
}

/// Events other than keys, such as a new size, are only a reason to draw.
pub(super) fn handle<S: Source>(
    model: &mut Model,
    feed: &mut Feed<S>,
    event: &Event,
) -> Option<Exit> {
    let key = event.as_key_event().filter(|key| !key.is_release())?;
    let action = keymap::action(model.scope(), model.pictures(), key)?;
    if let Action::Play(control) = action {
        feed.control(control);
    }
    update(model, action)
}

/// Takes snapshots: one a tick, with tasks only where they are looked at.
pub(super) struct Feed<S> {
    source: S,
    taken_at: Option<Instant>,
    tasks_taken_at: Option<Instant>,
    /// When the recording was last told how much time has passed.
    advanced_at: Option<Instant>,
}

impl<S: Source> Feed<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            taken_at: None,
            tasks_taken_at: None,
            advanced_at: None,
        }
    }

    /// Does to the recording what the user wants; the next frame shows it.
    pub(super) fn control(&mut self, control: Control) {
        if let Some(player) = self.source.player() {
            player::carry_out(player, control);
            self.taken_at = None;
        }
    }

    /// Lets a recording go on, and notes where it is.
    fn advance(&mut self, model: &mut Model, now: Instant) {
        let last = self.advanced_at.replace(now).unwrap_or(now);
        let passed = now.saturating_duration_since(last);
        model.position = self.source.player().map(|player| {
            player.advance(passed);
            player.position()
        });
    }

    /// Takes a snapshot into the model if one is due at `now`. Tasks that the
    /// user has just asked for are due at once.
    pub(super) fn refresh(&mut self, model: &mut Model, now: Instant) {
        model.caveat = self.source.caveat();
        self.advance(model, now);
        if model.frozen {
            return;
        }
        let elapsed = |since: Option<Instant>, pause| {
            since.is_none_or(|at| now.saturating_duration_since(at) >= pause)
        };
        let wanted = model.wanted_tasks();
        let tasks_due = wanted != TaskSelection::None
            && (model.misses_tasks() || elapsed(self.tasks_taken_at, TASKS_EVERY));
        if !tasks_due && !elapsed(self.taken_at, TICK) {
            return;
        }
        let asked_for = if tasks_due {
            wanted
        } else {
            TaskSelection::None
        };
        model.absorb(self.source.snapshot(asked_for));
        self.taken_at = Some(now);
        if tasks_due {
            self.tasks_taken_at = Some(now);
        }
    }
}
