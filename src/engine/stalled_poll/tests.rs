//! Stalls, driven by hand.

use super::*;

const T: Duration = ms(10);
const SITE: SiteId = SiteId(4);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// One worker and its account with the scheduler.
#[derive(Default)]
struct Machine {
    lint: StalledPoll,
    slow: Option<FinishedSlowPoll>,
    stat: Option<SchedStat>,
    handed_on: bool,
}

struct Answers {
    reading: Option<Reading>,
    drives_worker: Option<bool>,
}

impl Threads for Answers {
    fn account(&mut self, _: &Watched) -> Option<Reading> {
        self.reading
    }

    fn drives_worker(&mut self, _: &Watched) -> Option<bool> {
        self.drives_worker
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
            polling,
            slow: self.slow,
        };
        let reading = self.stat.map(|stat| Reading { stat, read_by: now });
        let drives_worker = Some(!self.handed_on);
        self.lint.look(
            now,
            &[watched],
            &mut Answers {
                reading,
                drives_worker,
            },
        );
    }

    fn account(&mut self, ran: u64, waited: u64, runnable: bool) {
        self.stat = Some(SchedStat {
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

    fn evidence(&self) -> Option<StallEvidence> {
        self.lint
            .sites()
            .next()
            .map(|(_, stalls)| stalls.evidence())
    }
}

#[test]
fn a_sleeping_poll_is_a_stall_while_it_lasts_and_after() {
    let mut machine = Machine::default();
    machine.account(1, 0, false);
    for at in [1, 5, 9] {
        machine.look(ms(at), Some(ms(0)));
        assert_eq!(machine.evidence(), None);
    }
    machine.look(ms(11), Some(ms(0)));
    let evidence = machine.evidence().unwrap();
    assert_eq!((evidence.stalls, evidence.worst), (1, ms(11)));
    assert_eq!(evidence.running.len(), 1);
    machine.look(ms(16), Some(ms(0)));
    assert_eq!(machine.evidence().unwrap().stalls, 1);
    machine.finish(ms(0), ms(18));
    machine.look(ms(20), None);
    let evidence = machine.evidence().unwrap();
    assert_eq!(
        (evidence.stalls, evidence.total, evidence.worst),
        (1, ms(18), ms(18))
    );
    assert!(evidence.running.is_empty());
    machine.look(ms(25), None);
    assert_eq!(machine.evidence().unwrap().stalls, 1);
}

#[test]
fn a_descheduled_poll_is_not_a_stall() {
    let mut machine = Machine::default();
    machine.account(1, 0, true);
    machine.look(ms(4), Some(ms(0)));
    // It is runnable, and the wait is not booked yet.
    machine.account(3, 0, true);
    machine.look(ms(20), Some(ms(0)));
    assert_eq!(machine.evidence(), None);
    // It ran again and returned; now the wait is booked.
    machine.account(3, 18, true);
    machine.finish(ms(0), ms(24));
    machine.look(ms(25), None);
    assert_eq!(machine.evidence(), None);
    assert_eq!(machine.lint.unjudged(), 0);
}

#[test]
fn a_busy_poll_is_a_stall_even_on_a_busy_machine() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(3), Some(ms(0)));
    // A tick's worth may have been run before the poll.
    machine.account(19, 5, true);
    machine.look(ms(28), Some(ms(0)));
    assert_eq!(machine.evidence(), None);
    machine.account(20, 10, true);
    machine.look(ms(34), Some(ms(0)));
    assert_eq!(machine.evidence().unwrap().worst, ms(34));
    // It also holds when it has returned.
    machine.account(22, 12, true);
    machine.finish(ms(0), ms(36));
    machine.look(ms(37), None);
    assert_eq!(machine.evidence().unwrap().total, ms(36));
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
    assert_eq!(machine.evidence(), None);
    assert_eq!(machine.lint.unjudged(), 0);
}

#[test]
fn a_stall_that_turns_out_to_be_a_wait_is_acquitted() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(3), Some(ms(0)));
    machine.account(0, 0, false);
    machine.look(ms(20), Some(ms(0)));
    assert!(machine.evidence().is_some());
    machine.account(1, 30, true);
    machine.finish(ms(0), ms(33));
    machine.look(ms(35), None);
    assert_eq!(machine.evidence(), None);
}

#[test]
fn a_stall_between_two_looks_is_judged_when_it_returned() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(4), Some(ms(0)));
    machine.account(10, 0, false);
    machine.finish(ms(0), ms(12));
    machine.look(ms(13), Some(ms(12)));
    assert_eq!(machine.evidence().unwrap().total, ms(12));
}

#[test]
fn what_was_never_seen_running_is_not_judged_but_counted() {
    let mut machine = Machine::default();
    machine.finish(ms(0), ms(12));
    machine.finish(ms(20), ms(32));
    machine.look(ms(40), None);
    assert_eq!(machine.evidence(), None);
    assert_eq!(machine.lint.unjudged(), 2);
}

#[test]
fn a_stall_outlives_its_thread() {
    let mut machine = Machine::default();
    machine.account(1, 0, false);
    machine.look(ms(4), Some(ms(0)));
    machine.look(ms(30), Some(ms(0)));
    // The runtime was shut down: the worker is gone before it was read again.
    let mut answers = Answers {
        reading: None,
        drives_worker: None,
    };
    machine.lint.look(ms(40), &[], &mut answers);
    let evidence = machine.evidence().unwrap();
    assert_eq!(
        (evidence.stalls, evidence.total, evidence.worst),
        (1, ms(30), ms(30))
    );
    assert!(evidence.running.is_empty());
}

#[test]
fn a_thread_that_handed_its_worker_on_stalls_nobody() {
    let mut machine = Machine::default();
    machine.account(1, 0, false);
    machine.look(ms(4), Some(ms(0)));
    machine.look(ms(12), Some(ms(0)));
    assert!(machine.evidence().is_some());
    // The thread that takes the worker over was slow to start.
    machine.handed_on = true;
    machine.look(ms(17), Some(ms(0)));
    assert_eq!(machine.evidence(), None);
    // It got its worker back before it returned.
    machine.handed_on = false;
    machine.look(ms(22), Some(ms(0)));
    machine.finish(ms(0), ms(25));
    machine.look(ms(27), None);
    assert_eq!(machine.evidence(), None);
    assert_eq!(machine.lint.unjudged(), 0);
}

#[test]
fn a_reading_that_fails_judges_nobody() {
    let mut machine = Machine::default();
    machine.account(0, 0, true);
    machine.look(ms(3), Some(ms(0)));
    machine.stat = None;
    machine.look(ms(12), Some(ms(0)));
    machine.finish(ms(0), ms(40));
    machine.look(ms(41), None);
    assert_eq!(machine.evidence(), None);
    assert_eq!(machine.lint.unjudged(), 1);
}

#[test]
fn without_an_account_the_wall_clock_decides() {
    let mut machine = Machine::default();
    machine.lint.wall_clock_only = true;
    machine.look(ms(3), Some(ms(0)));
    machine.look(ms(12), Some(ms(0)));
    assert_eq!(machine.evidence().unwrap().stalls, 1);
}
