//! Others who use the signal, and a process that lets itself not be read.

use std::ffi::c_int;
use std::{mem, ptr};

use super::super::{Missing, Refusal, signal};
use super::*;

extern "C" fn foreign(_: c_int) {}

/// Sets the signal's action, and returns the one before.
fn set_action(action: &libc::sigaction) -> libc::sigaction {
    // SAFETY: both are actions that outlive the call, and what handles does nothing.
    unsafe {
        let mut before: libc::sigaction = mem::zeroed();
        assert_eq!(libc::sigaction(libc::SIGURG, action, &raw mut before), 0);
        before
    }
}

fn action(handler: usize) -> libc::sigaction {
    // SAFETY: no signal and no flag is a valid action.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action
}

fn is_refused(seen: &Seen) -> bool {
    matches!(
        seen,
        Seen::Running {
            stack: Err(Missing::Refused(Refusal::SignalTaken))
        }
    )
}

#[test]
fn a_foreign_handler_stays() {
    let _alone = alone();
    let foreign = action(foreign as extern "C" fn(c_int) as usize);
    let before = set_action(&foreign);
    let worker = Worker::start(spin);
    let mut capture = Capture::new();
    assert!(is_refused(&capture.see(&worker.target, true)));
    assert_eq!(capture.refusals(), [Refusal::SignalTaken]);
    println!("{}", capture.refusals()[0]);
    assert_eq!(set_action(&foreign).sa_sigaction, foreign.sa_sigaction);

    // It may go, and another one come.
    set_action(&action(libc::SIG_DFL));
    see_until(&mut capture, &worker.target, running);
    assert!(capture.refusals().is_empty());
    assert!(signal::is_ours());
    let ours = set_action(&foreign);
    assert!(is_refused(&capture.see(&worker.target, true)));
    assert_eq!(set_action(&foreign).sa_sigaction, foreign.sa_sigaction);
    worker.end();
    // As it was, or ours, which does no harm.
    let is_ours = before.sa_sigaction == ours.sa_sigaction;
    set_action(if is_ours { &before } else { &ours });
}

#[test]
fn a_stray_signal_does_nothing() {
    let _shared = shared();
    let worker = Worker::start(spin);
    let mut capture = Capture::new();
    see_until(&mut capture, &worker.target, running);
    let pid = std::process::id().cast_signed();
    let tid = worker.target.tid;
    for value in [0, 1, 15, 16, u64::MAX, 1 << 32, 99 << 32 | 3] {
        signal::send(tid, value).unwrap();
        // SAFETY: the signal's handler is ours, which ignores this one.
        unsafe {
            assert_eq!(libc::kill(pid, libc::SIGURG), 0);
            assert_eq!(libc::raise(libc::SIGURG), 0);
            let sent = libc::syscall(libc::SYS_tgkill, pid, tid, libc::SIGURG);
            assert_eq!(sent, 0);
        }
        see_until(&mut capture, &worker.target, running);
    }
    worker.end();
}

/// Blocks the signal in this thread, or lets it through.
fn block(how: c_int) {
    // SAFETY: a set of one signal, which outlives the calls.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGURG);
        let done = libc::pthread_sigmask(how, &raw const set, ptr::null_mut());
        assert_eq!(done, 0);
    }
}

fn asked(seen: Seen) -> Option<super::super::Request> {
    match seen {
        Seen::Asked(request) => Some(request),
        _ => None,
    }
}

#[test]
fn a_question_can_be_withdrawn() {
    let _shared = shared();
    let worker = Worker::start(|says, stop| {
        block(libc::SIG_BLOCK);
        says.within(0, || spin(says, stop));
        stop.store(false, SeqCst);
        block(libc::SIG_UNBLOCK);
        says.within(0, || spin(says, stop));
    });
    while worker.says.now().is_none() {
        thread::yield_now();
    }
    let first = worker.says.now();
    let mut capture = Capture::new();
    let request = asked(capture.see(&worker.target, true)).unwrap();
    let request = asked(capture.answer(request)).unwrap();
    drop(request);
    // The first signal is still to come, so this one is lost.
    let request = asked(capture.see(&worker.target, true)).unwrap();
    worker.stop.store(true, SeqCst);
    while worker.says.now().is_none_or(|now| Some(now) == first) {
        thread::yield_now();
    }
    // The first one has come by now, and found nothing to do.
    let request = asked(capture.answer(request)).unwrap();
    see_until(&mut capture, &worker.target, running);
    drop(request);
    see_until(&mut capture, &worker.target, running);
    worker.end();
}

#[test]
fn a_thread_can_end_before_it_answers() {
    // It takes all mailboxes.
    let _alone = alone();
    let mut capture = Capture::new();
    let requests: Vec<_> = (0..40)
        .filter_map(|_| {
            let worker = Worker::start(|says, stop| {
                block(libc::SIG_BLOCK);
                says.within(0, || spin(says, stop));
            });
            while worker.says.now().is_none() {
                thread::yield_now();
            }
            let target = worker.target;
            let seen = capture.see(&target, true);
            worker.end();
            // A thread may be read after its poll, at any time.
            assert!(matches!(capture.see(&target, true), Seen::Over));
            target.cell.enter(2, SiteId(0), target.ticks);
            let over = |seen| matches!(seen, Seen::Over).then_some(());
            see_until(&mut capture, &target, over);
            match seen {
                Seen::Asked(request) => Some(request),
                // There is no mailbox left.
                Seen::Running {
                    stack: Err(Missing::Busy),
                } => None,
                _ => panic!("the signal is blocked"),
            }
        })
        .collect();
    assert_eq!(requests.len(), 16);
    drop(requests);
    let worker = Worker::start(spin);
    see_until(&mut capture, &worker.target, running);
    worker.end();
}

#[test]
fn a_process_may_let_itself_not_be_read() {
    let _alone = alone();
    let sleeper = Worker::start(|_, stop| {
        while !stop.load(SeqCst) {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let runner = Worker::start(spin);
    let mut capture = Capture::new();
    see_until(&mut capture, &sleeper.target, asleep);
    let (sleeping, running_still) = thread::scope(|scope| {
        let looks = || {
            // SAFETY: it takes the rights of root from this thread, which ends soon, and
            // those of debuggers from the process.
            unsafe {
                libc::syscall(libc::SYS_setfsuid, 65_534);
                libc::prctl(libc::PR_SET_DUMPABLE, 0);
            }
            let mut capture = Capture::new();
            let sleeping = see_until(&mut capture, &sleeper.target, |seen| match seen {
                Seen::Asleep { call, stack } => Some((call.is_none(), stack.err())),
                _ => None,
            });
            let running = see_until(&mut capture, &runner.target, running);
            assert_eq!(capture.refusals(), [Refusal::NotDumpable]);
            (sleeping, running)
        };
        let looked = scope.spawn(looks).join();
        // SAFETY: as it was before.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) };
        looked.unwrap()
    });
    let refused = Some(Missing::Refused(Refusal::NotDumpable));
    assert_eq!(sleeping, (true, refused));
    assert!(!running_still.truncated);
    see_until(&mut capture, &sleeper.target, asleep);
    sleeper.end();
    runner.end();
}

/// A stack that is not the thread's own is read, and said to be cut short.
#[test]
fn a_foreign_stack_is_cut_short() {
    let _shared = shared();
    let mut worker = Worker::start(spin);
    worker.target.stack = Some((4096, 8192));
    let mut capture = Capture::new();
    let stack = see_until(&mut capture, &worker.target, running);
    assert!(stack.truncated && stack.addresses.len() > 3, "{stack:x?}");
    worker.target.stack = None;
    let stack = see_until(&mut capture, &worker.target, running);
    assert!(stack.truncated && stack.addresses.len() > 3, "{stack:x?}");
    worker.end();

    let mut worker = Worker::start(|_, _| thread::sleep(Duration::from_millis(300)));
    worker.target.stack = None;
    let stack = see_until(&mut capture, &worker.target, asleep);
    assert!(stack.truncated && stack.addresses.len() > 3, "{stack:x?}");
    worker.end();
}
