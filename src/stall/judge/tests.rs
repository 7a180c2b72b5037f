//! Stalls, driven by hand.

use super::*;
use crate::probe::cells::{Between, Polling};

const T: Duration = ms(10);
const SITE: SiteId = SiteId(4);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One worker, its account with the scheduler, and what was said about it.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // Each is set alone.
struct Machine {
    judge: Judge,
    slow: Option<FinishedSlowPoll>,
    account: Option<Account>,
    no_accounts: bool,
    handed_on: bool,
    /// It is not in a poll, but between two.
    between: bool,
    turns: u64,
    denies: bool,
    running: Vec<StallId>,
    ended: Vec<Duration>,
    waited: Vec<Duration>,
    /// Ages at which a sample was asked for, in milliseconds.
    samples: Vec<u64>,
    slept: Vec<bool>,
    next: Option<Duration>,
}

struct Answers {
    reading: Reading,
    drives_worker: Option<bool>,
    turns: Option<u64>,
    may_look: bool,
}

impl Threads for Answers {
    fn account(&mut self, _: &Watched) -> Reading {
        self.reading
    }

    fn drives_worker(&mut self, _: &Watched) -> Option<bool> {
        self.drives_worker
    }

    fn may_look(&mut self, _: Duration, _: &Hold, _: bool) -> bool {
        self.may_look
    }

    fn turns(&mut self, _: &Watched) -> Option<u64> {
        self.turns
    }
}

impl Machine {
    fn look(&mut self, now: Duration, since: Option<Duration>) {
        let polling = since.map(|since| Polling {
            task: TaskId(9),
            site: SITE,
            since,
            ticks: 1,
        });
        let watched = Watched {
            runtime: RuntimeId(1),
            worker: 0,
            thread: std::thread::current().id(),
            tid: Some(1),
            stack: None,
            cell: Box::leak(Box::default()),
            threshold: T,
            polling: polling.filter(|_| !self.between),
            between: polling.filter(|_| self.between).map(|polling| Between {
                since: polling.since,
                ticks: polling.ticks,
            }),
            slow: self.slow,
        };
        let reading = match self.account {
            _ if self.no_accounts => Reading::NotKept,
            Some(account) => Reading::Read(account, now),
            None => Reading::Failed,
        };
        let drives_worker = Some(!self.handed_on);
        let mut answers = Answers {
            reading,
            drives_worker,
            turns: Some(self.turns),
            may_look: !self.denies,
        };
        self.look_at(now, &[watched], &mut answers);
    }

    fn look_at(&mut self, now: Duration, watched: &[Watched], answers: &mut Answers) {
        let Self {
            judge,
            running,
            ended,
            waited,
            samples,
            slept,
            ..
        } = self;
        self.next = judge.look(now, watched, answers, &mut |event| match event {
            Event::Begins(id, ..) => running.push(id),
            Event::Sample(id, _, hold, spent) => {
                assert!(running.contains(&id));
                let age = now.saturating_sub(hold.since).as_millis();
                samples.push(u64::try_from(age).unwrap());
                slept.push(spent.mostly_asleep);
            }
            Event::Waited(id, it) => {
                assert!(running.contains(&id));
                waited.push(it);
            }
            Event::Ends(id, took) => {
                assert!(running.contains(&id));
                running.retain(|it| *it != id);
                ended.push(took);
            }
            Event::Denied(id) => assert!(running.contains(&id)),
            Event::Acquitted(id) => {
                assert!(running.contains(&id));
                running.retain(|it| *it != id);
            }
        });
    }

    fn account(&mut self, ran: u64, waited: u64, runnable: bool) {
        self.account = Some(Account {
            ran: ms(ran),
            waited: ms(waited),
            runnable,
        });
    }

    fn finish(&mut self, start: Duration, end: Duration) {
        let number = self.slow.map_or(1, |slow| slow.number + 1);
        self.slow = Some(FinishedSlowPoll {
            number,
            task: TaskId(9),
            site: SITE,
            start,
            end,
        });
    }

    /// Stalls that go on, and the lengths of those that are over, in milliseconds.
    fn stalls(&self) -> (usize, Vec<u128>) {
        let ended = self.ended.iter().map(Duration::as_millis);
        (self.running.len(), ended.collect())
    }
}

const NONE: (usize, Vec<u128>) = (0, Vec::new());

#[test]
fn a_sleeping_poll_is_a_stall_while_it_lasts_and_after() {
    let mut machine = Machine::default();
    machine.account(1, 0, false);
    for at in [1, 5, 9] {
        machine.look(ms(at), Some(ms(0)));
        assert_eq!(machine.stalls(), NONE);
    }
    assert_eq!(machine.next, Some(T));
    machine.look(ms(11), Some(ms(0)));
    assert_eq!(machine.stalls(), (1, vec![]));
    assert_eq!(machine.next, Some(2 * T));
    machine.look(ms(16), Some(ms(0)));
    assert_eq!(machine.stalls(), (1, vec![]));
    machine.finish(ms(0), ms(18));
    machine.look(ms(20), None);
    assert_eq!(machine.stalls(), (0, vec![18]));
    machine.look(ms(25), None);
    assert_eq!(machine.stalls(), (0, vec![18]));
    assert_eq!((machine.samples, machine.slept), (vec![11], vec![true]));
}

#[test]
fn a_stall_is_sampled_whenever_it_is_twice_as_old() {
    let mut machine = Machine::default();
    for at in 1..=100 {
        machine.account(at, 0, true);
        machine.look(ms(at), Some(ms(0)));
    }
    assert_eq!(machine.samples, [10, 20, 40, 80]);
    assert!(machine.slept.iter().all(|slept| !slept));
    // One sample for all that were missed.
    machine.account(700, 0, true);
    machine.look(ms(700), Some(ms(0)));
    machine.look(ms(1_279), Some(ms(0)));
    machine.look(ms(1_280), Some(ms(0)));
    assert_eq!(machine.samples[4..], [700, 1_280]);
}

#[test]
fn looks_come_when_they_are_needed() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(1), Some(ms(0)));
    // For the baseline, and then for the verdict.
    assert_eq!(machine.next, Some(T / 2));
    machine.look(ms(5), Some(ms(0)));
    assert_eq!(machine.next, Some(T));
    // It did not get to run.
    machine.look(ms(10), Some(ms(0)));
    assert_eq!(machine.next, Some(ms(10) + T / 4));
    machine.look(ms(13), None);
    assert_eq!(machine.next, None);
}

#[test]
fn a_descheduled_poll_is_not_a_stall() {
    let mut machine = Machine::default();
    machine.account(1, 0, true);
    machine.look(ms(4), Some(ms(0)));
    // It is runnable, and the wait is not booked yet.
    machine.account(3, 0, true);
    machine.look(ms(20), Some(ms(0)));
    assert_eq!(machine.stalls(), NONE);
    // It ran again and returned; now the wait is booked.
    machine.account(3, 18, true);
    machine.finish(ms(0), ms(24));
    machine.look(ms(25), None);
    assert_eq!(machine.stalls(), NONE);
    assert_eq!(machine.judge.unjudged(), 0);
}

#[test]
fn a_busy_poll_is_a_stall_even_on_a_busy_machine() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(3), Some(ms(0)));
    // Some of the time it waited, and that may go on.
    machine.account(9, 5, true);
    machine.look(ms(28), Some(ms(0)));
    assert_eq!(machine.stalls(), NONE);
    machine.account(10, 10, true);
    machine.look(ms(34), Some(ms(0)));
    assert_eq!(machine.stalls(), (1, vec![]));
    // It also holds when it has returned.
    machine.account(12, 12, true);
    machine.finish(ms(0), ms(36));
    machine.look(ms(37), None);
    assert_eq!(machine.stalls(), (0, vec![36]));
    assert_eq!(machine.waited, [ms(12)]);
}

/// Whoever tolerates so much must not blame the code for what the machine did.
#[test]
fn a_stall_is_told_for_how_much_of_it_its_thread_was_kept_waiting() {
    let mut machine = Machine::default();
    // Nobody looked for long, so nobody knows what it did.
    machine.account(0, 0, true);
    machine.look(ms(40), Some(ms(0)));
    machine.account(20, 30, true);
    machine.finish(ms(0), ms(90));
    machine.look(ms(91), None);
    assert_eq!(machine.stalls(), (0, vec![90]));
    assert_eq!(machine.waited, [ms(70)]);
    // Between two polls it is the same.
    let mut machine = Machine {
        between: true,
        ..Machine::default()
    };
    machine.account(0, 0, true);
    machine.look(ms(3), Some(ms(0)));
    machine.look(ms(6), Some(ms(0)));
    machine.account(12, 0, true);
    machine.look(ms(16), Some(ms(0)));
    machine.account(12, 30, true);
    machine.look(ms(50), Some(ms(0)));
    machine.look(ms(51), None);
    assert_eq!(machine.stalls(), (0, vec![47]));
    assert_eq!(machine.waited, [ms(30)]);
}

#[test]
fn a_poll_that_waited_needs_the_threshold_of_its_own() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(3), Some(ms(0)));
    // 7 ms of work stretched to 30.
    machine.account(7, 20, true);
    machine.finish(ms(0), ms(30));
    machine.look(ms(31), None);
    assert_eq!(machine.stalls(), NONE);
    assert_eq!(machine.judge.unjudged(), 0);
}

#[test]
fn a_stall_stays_one_when_it_is_kept_waiting_afterwards() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(3), Some(ms(0)));
    machine.account(7, 0, true);
    machine.look(ms(10), Some(ms(0)));
    assert_eq!(machine.stalls(), (1, vec![]));
    machine.account(8, 30, true);
    machine.finish(ms(0), ms(41));
    machine.look(ms(42), None);
    assert_eq!(machine.stalls(), (0, vec![41]));
}

#[test]
fn a_stall_between_two_looks_is_judged_when_it_returned() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(4), Some(ms(0)));
    machine.account(10, 0, false);
    machine.finish(ms(0), ms(12));
    machine.look(ms(13), Some(ms(12)));
    assert_eq!(machine.stalls(), (0, vec![12]));
}

#[test]
fn what_was_never_seen_running_is_not_judged_but_counted() {
    let mut machine = Machine::default();
    machine.finish(ms(0), ms(12));
    machine.finish(ms(20), ms(32));
    machine.look(ms(40), None);
    assert_eq!(machine.stalls(), NONE);
    assert_eq!(machine.judge.unjudged(), 2);
}

#[test]
fn a_stall_outlives_its_thread() {
    let mut machine = Machine::default();
    machine.account(1, 0, false);
    machine.look(ms(4), Some(ms(0)));
    machine.look(ms(30), Some(ms(0)));
    // The runtime was shut down: the worker is gone before it was read again.
    let mut answers = Answers {
        reading: Reading::Failed,
        drives_worker: None,
        turns: None,
        may_look: true,
    };
    machine.look_at(ms(40), &[], &mut answers);
    assert_eq!(machine.stalls(), (0, vec![30]));
}

#[test]
fn a_thread_that_handed_its_worker_on_stalls_nobody() {
    let mut machine = Machine::default();
    machine.account(1, 0, false);
    machine.look(ms(4), Some(ms(0)));
    machine.look(ms(12), Some(ms(0)));
    assert_eq!(machine.stalls(), (1, vec![]));
    // The thread that takes the worker over was slow to start.
    machine.handed_on = true;
    machine.look(ms(20), Some(ms(0)));
    assert_eq!(machine.stalls(), NONE);
    // It got its worker back before it returned.
    machine.handed_on = false;
    machine.look(ms(22), Some(ms(0)));
    machine.finish(ms(0), ms(25));
    machine.look(ms(27), None);
    assert_eq!(machine.stalls(), NONE);
    assert_eq!(machine.judge.unjudged(), 0);
}

#[test]
fn a_reading_that_fails_judges_nobody() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(3), Some(ms(0)));
    machine.account = None;
    machine.look(ms(12), Some(ms(0)));
    machine.finish(ms(0), ms(40));
    machine.look(ms(41), None);
    assert_eq!(machine.stalls(), NONE);
    assert_eq!(machine.judge.unjudged(), 1);
}

#[test]
fn without_an_account_the_wall_clock_decides() {
    let mut machine = Machine {
        no_accounts: true,
        ..Machine::default()
    };
    machine.look(ms(3), Some(ms(0)));
    machine.look(ms(12), Some(ms(0)));
    assert_eq!(machine.stalls(), (1, vec![]));
}

#[test]
fn block_on_stalls_only_within_a_turn_of_its_loop() {
    let mut machine = Machine {
        between: true,
        ..Machine::default()
    };
    machine.account(0, 0, false);
    // Busy for long, in short turns.
    for at in 1..100 {
        machine.turns += 1;
        machine.look(ms(at), Some(ms(0)));
    }
    assert_eq!(machine.stalls(), NONE);
    // And then in one that does not end.
    for at in 100..130 {
        machine.look(ms(at), Some(ms(0)));
    }
    assert_eq!(machine.stalls(), (1, vec![]));
    assert_eq!(machine.samples, [10, 20, 30][..2]);
    machine.turns += 1;
    machine.look(ms(130), Some(ms(0)));
    assert_eq!(machine.stalls(), (0, vec![30]));
}

#[test]
fn a_long_hold_before_a_worker_is_handed_on_counts() {
    let mut machine = Machine::default();
    machine.account(1, 0, false);
    for at in [4, 12, 24, 50] {
        machine.look(ms(at), Some(ms(0)));
    }
    assert_eq!(machine.stalls(), (1, vec![]));
    machine.handed_on = true;
    machine.look(ms(80), Some(ms(0)));
    assert_eq!(machine.stalls(), (0, vec![50]));
    machine.finish(ms(0), ms(90));
    machine.look(ms(91), None);
    assert_eq!(machine.stalls(), (0, vec![50]));
}

#[test]
fn a_reading_that_fails_is_tried_again_and_not_at_once() {
    let mut machine = Machine::default();
    for at in [4, 12, 5_000] {
        machine.look(ms(at), Some(ms(0)));
        assert!(machine.next.is_some_and(|next| next > ms(at)));
    }
}

/// Its worker went idle, or on to another poll, and nobody says that it was slow.
#[test]
fn a_poll_that_was_over_in_time_is_no_stall() {
    for then in [None, Some(ms(40))] {
        let mut machine = Machine::default();
        machine.account(1, 0, false);
        machine.look(ms(4), Some(ms(0)));
        machine.look(ms(11), Some(ms(0)));
        assert_eq!(machine.stalls(), (1, vec![]));
        machine.look(ms(41), then);
        machine.look(ms(42), then);
        assert_eq!(machine.stalls(), NONE);
    }
}

#[test]
fn a_stall_whose_duration_was_overwritten_is_counted_once() {
    let mut machine = Machine::default();
    machine.account(1, 0, false);
    machine.look(ms(4), Some(ms(0)));
    machine.look(ms(11), Some(ms(0)));
    machine.finish(ms(0), ms(15));
    machine.finish(ms(20), ms(35));
    machine.look(ms(60), Some(ms(58)));
    assert_eq!(machine.stalls(), (0, vec![11]));
    // The other one was never seen.
    assert_eq!(machine.judge.unjudged(), 1);
}

#[test]
fn a_stall_that_was_denied_a_look_is_tried_again() {
    let mut machine = Machine {
        denies: true,
        ..Machine::default()
    };
    machine.account(0, 0, false);
    for at in (5..400).step_by(5) {
        machine.denies = at < 290;
        machine.look(ms(at), Some(ms(0)));
    }
    assert_eq!(machine.stalls(), (1, vec![]));
    assert_eq!(machine.samples, [310]);
}
