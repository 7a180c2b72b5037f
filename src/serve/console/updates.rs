//! All tasks once, then what changed.
//!
//! Every second is a *round*: a walk over the table of live tasks that compares each place
//! with what this client was told of it. A round is cut into messages, and each is made
//! when the transport asks for it; what happens while a client does not read is told in
//! its next round, once. A task that came and went between two rounds is not told, and
//! one that is gone is told as it was seen last.

use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::time::Duration;

use console_api::instrument::Update;
use console_api::tasks::TaskUpdate;
use prost::Message;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::messages::{TaskWriter, WallClock, last_stats, metadata, stats};
use super::sent::{Sent, SentTasks};
use super::sessions::Session;
use super::stream::Next;
use crate::engine::live::{self, LiveTask};
use crate::serve::Seat;
use crate::snapshot::{Task, as_ns};

/// Time between two rounds; console-subscriber's default.
pub(super) const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);

/// A message is closed once it is so long: about ten thousand new tasks. The client refuses
/// 4 MiB, and longer messages take more memory; but it draws all its tasks anew after each,
/// so with shorter ones it takes minutes to show a hundred thousand.
const MESSAGE_BYTES: usize = 2 * 1024 * 1024;

/// Key, tags and lengths around a task and around its stats, at most.
const FRAMING_BYTES: usize = 32;

/// What one client is told. See the [module](self).
pub(super) struct Updates {
    _seat: Option<Seat>,
    session: Session,
    rounds: Interval,
    clock: WallClock,
    sent: SentTasks,
    writer: TaskWriter,
    /// Where the round goes on, `None` between two rounds.
    at: Option<usize>,
    /// The client knows what its tasks' metadata are.
    introduced: bool,
}

/// A tick every [`PUBLISH_INTERVAL`], the first at once; none is made up for.
pub(super) fn rounds() -> Interval {
    let mut rounds = interval(PUBLISH_INTERVAL);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rounds
}

impl Updates {
    pub(super) fn new(session: Session, seat: Option<Seat>) -> Self {
        Self {
            _seat: seat,
            session,
            rounds: rounds(),
            clock: WallClock::tie(),
            sent: SentTasks::default(),
            writer: TaskWriter::default(),
            at: None,
            introduced: false,
        }
    }

    /// The next message, when it is due.
    pub(super) async fn next(mut self) -> Next<Update, Self> {
        if self.at.is_none() {
            self.rounds.tick().await;
        }
        self.session.live().await;
        let update = self.message();
        Some((update, self))
    }

    /// Goes on with the round until it ends or the message is long enough.
    fn message(&mut self) -> Update {
        let now = live::now();
        let mut message = OpenMessage::default();
        let Self {
            clock,
            sent,
            writer,
            at,
            ..
        } = self;
        *at = live::walk_tasks(now, at.unwrap_or(0), |place, task| {
            let told = sent.get(place);
            let same = told.filter(|told| task.as_ref().is_some_and(|task| is_same(told, task)));
            if let Some(gone) = told.filter(|_| same.is_none()) {
                message.add_stats(gone.id.get(), last_stats(*clock, now, &gone));
                sent.set(place, None);
            }
            let news = task.filter(|task| same.is_none_or(|told| told.stamp != task.stamp()));
            if let Some(live) = news {
                let task = live.task();
                if same.is_none() {
                    message.add_task(writer.write(&task));
                }
                message.add_stats(task.id.0, stats(*clock, &task));
                sent.set(place, note(&live, &task));
            }
            message.wants_more()
        });
        let first = !std::mem::replace(&mut self.introduced, true);
        Update {
            now: Some(self.clock.at(now)),
            task_update: Some(message.update),
            new_metadata: first.then(metadata),
            ..Update::default()
        }
    }
}

fn is_same(told: &Sent, task: &LiveTask<'_>) -> bool {
    told.id.get() == task.id().0
}

fn note(live: &LiveTask<'_>, task: &Task) -> Option<Sent> {
    Some(Sent {
        // Tokio's ids are not zero.
        id: NonZeroU64::new(task.id.0)?,
        stamp: live.stamp(),
        spawned_at_ns: as_ns(task.spawned_at),
        busy_ns: as_ns(task.busy),
    })
}

/// A message that is being filled.
#[derive(Default)]
struct OpenMessage {
    update: TaskUpdate,
    bytes: usize,
}

impl OpenMessage {
    fn add_task(&mut self, task: console_api::tasks::Task) {
        self.bytes += task.encoded_len() + FRAMING_BYTES;
        self.update.new_tasks.push(task);
    }

    fn add_stats(&mut self, id: u64, stats: console_api::tasks::Stats) {
        self.bytes += stats.encoded_len() + FRAMING_BYTES;
        self.update.stats_update.insert(id, stats);
    }

    fn wants_more(&self) -> ControlFlow<()> {
        if self.bytes < MESSAGE_BYTES {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_did_not_read_is_told_once() {
        let mut rounds = rounds();
        rounds.tick().await;
        advance(60 * PUBLISH_INTERVAL).await;
        rounds.tick().await;
        assert!(timeout(PUBLISH_INTERVAL / 2, rounds.tick()).await.is_err());
    }
}
