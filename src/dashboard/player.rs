//! Travelling in time, where the pictures come from a recording.

use std::time::Duration;

/// A short jump.
const JUMP: Duration = Duration::from_secs(10);

/// A long jump.
const LONG_JUMP: Duration = Duration::from_secs(60);

/// A recording that is being shown. Its time stands still but for
/// [`advance`](Self::advance), so that it needs no clock.
pub trait Player {
    /// Where it is.
    fn position(&self) -> Position;

    /// This much time has passed for the user. Where it plays, it goes on by as much,
    /// times its speed, and stops at the end.
    fn advance(&mut self, passed: Duration);

    /// Plays, or pauses.
    fn play(&mut self, playing: bool);

    /// Goes to the next picture, or to the one before.
    fn step(&mut self, forward: bool);

    /// Goes to the moment `to`, or to the end where that is later.
    fn seek(&mut self, to: Duration);

    /// Plays at the next higher speed, or at the next lower one, where there is one.
    fn change_speed(&mut self, faster: bool);
}

/// Where a recording is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// The moment that is shown, since the start of the recording.
    pub at: Duration,
    /// How long the recording is.
    pub length: Duration,
    /// Whether it goes on by itself.
    pub playing: bool,
    /// How much faster than it was recorded; below one it is slower.
    pub speed: f64,
    /// Wall-clock time of the start of the recording, in milliseconds since 1970 (UTC).
    pub recorded_unix_ms: u64,
}

impl Position {
    /// Whether there is nothing left to play.
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.length
    }
}

/// What the user wants of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    PlayOrPause,
    StepForward,
    StepBack,
    JumpForward,
    JumpBack,
    LongJumpForward,
    LongJumpBack,
    ToStart,
    ToEnd,
    Faster,
    Slower,
}

/// Does to `player` what the user wants.
pub(super) fn carry_out(player: &mut dyn Player, control: Control) {
    let position = player.position();
    let at = position.at;
    match control {
        Control::PlayOrPause if !position.playing && position.is_at_end() => {
            // As every player of films does it.
            player.seek(Duration::ZERO);
            player.play(true);
        }
        Control::PlayOrPause => player.play(!position.playing),
        Control::StepForward | Control::StepBack => {
            // Else the picture that was asked for would be gone at once.
            player.play(false);
            player.step(control == Control::StepForward);
        }
        Control::JumpForward => player.seek(at.saturating_add(JUMP)),
        Control::JumpBack => player.seek(at.saturating_sub(JUMP)),
        Control::LongJumpForward => player.seek(at.saturating_add(LONG_JUMP)),
        Control::LongJumpBack => player.seek(at.saturating_sub(LONG_JUMP)),
        Control::ToStart => player.seek(Duration::ZERO),
        Control::ToEnd => player.seek(position.length),
        Control::Faster => player.change_speed(true),
        Control::Slower => player.change_speed(false),
    }
}
