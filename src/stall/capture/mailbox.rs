//! Where a thread that was asked by a signal puts its stack.
//!
//! There are a few mailboxes, made when they are first used and never freed, so that a
//! signal which arrives late, or never, does no harm: it carries the number of its
//! request, and finds the mailbox free or asked for something else.

use std::cell::UnsafeCell;
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::{Duration, Instant};

use super::Target;
use super::unwind::Registers;
use crate::heap;

/// Requests at the same moment.
const MAILBOXES: usize = 16;

/// The most that is copied of a stack.
pub(super) const MOST: usize = 128 * 1024;

/// The most that is read of a stack that is not the thread's own, as a coroutine's.
pub(super) const FOREIGN: usize = 32 * 1024;

/// What stacks usually have; so much is there before a handler writes to it.
const USUAL: usize = 32 * 1024;

/// The state is in the low bits of a mailbox's word, the request's number above.
const STATE: u32 = 3;
const FREE: u32 = 0;
const ASKED: u32 = 1;
const WRITING: u32 = 2;
const DONE: u32 = 3;

/// Numbers begin anew after this.
const NUMBER: u32 = u32::MAX >> 2;

static ALL: [OnceLock<Mailbox>; MAILBOXES] = [const { OnceLock::new() }; MAILBOXES];

struct Mailbox {
    word: AtomicU32,
    /// Whether there is a [`Request`].
    held: AtomicBool,
    question: UnsafeCell<Option<Target>>,
    answer: UnsafeCell<Option<Answer>>,
    /// [`MOST`] bytes, never freed.
    copy: *mut u8,
}

// SAFETY: the question is written by the holder while the word says neither that it
// asks nor that a handler writes, and read by the handler that has changed it from the
// one to the other. That handler alone writes the answer and the copy, until it says
// that it is done; then the holder reads them. All changes of the word go from one to
// the next by Release and Acquire, and the bytes are on no thread's stack.
unsafe impl Send for Mailbox {}
// SAFETY: as above.
unsafe impl Sync for Mailbox {}

/// What a handler found, beside the copy.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub(super) registers: Registers,
    /// Bytes that were copied, from the stack pointer on.
    pub(super) length: usize,
    /// Whether it is the thread's own stack.
    pub(super) own: bool,
}

impl Mailbox {
    fn new() -> Self {
        let mut copy = vec![0; MOST];
        // The system gives pages when they are written to.
        copy[..USUAL].fill(1);
        Self {
            word: AtomicU32::new(FREE),
            held: AtomicBool::new(false),
            question: UnsafeCell::new(None),
            answer: UnsafeCell::new(None),
            copy: Box::into_raw(copy.into_boxed_slice()).cast(),
        }
    }
}

/// A question to a thread; dropped, it is withdrawn.
pub(super) struct Request {
    mailbox: &'static Mailbox,
    index: u32,
    number: u32,
}

impl Request {
    /// Writes down what a thread is to be asked; `None` if no mailbox is free.
    pub(super) fn new(target: &Target) -> Option<Self> {
        ALL.iter().zip(0..).find_map(|(mailbox, index)| {
            let mailbox = mailbox.get_or_init(|| heap::as_plumber(Mailbox::new));
            if mailbox.held.swap(true, Acquire) {
                return None;
            }
            let word = mailbox.word.load(Acquire);
            // A handler may still write what nobody wants any more.
            if word & STATE == WRITING {
                mailbox.held.store(false, Release);
                return None;
            }
            let number = (word >> 2).wrapping_add(1) & NUMBER;
            // SAFETY: this thread holds the mailbox, and no handler changes what is
            // free or done.
            unsafe { *mailbox.question.get() = Some(*target) };
            mailbox.word.store(number << 2 | ASKED, Release);
            Some(Self {
                mailbox,
                index,
                number,
            })
        })
    }

    /// What the signal carries.
    pub(super) fn value(&self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.index)
    }

    fn is(&self, state: u32) -> bool {
        self.mailbox.word.load(Acquire) == self.number << 2 | state
    }

    /// Waits for the answer, for so long; returns whether it is there.
    pub(super) fn wait(&self, most: Duration) -> bool {
        let deadline = Instant::now() + most;
        while !self.is(DONE) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let state = if self.is(ASKED) { ASKED } else { WRITING };
            let left = libc::timespec {
                tv_sec: 0,
                // Less than a second, since the deadline is.
                tv_nsec: left.subsec_nanos().into(),
            };
            // SAFETY: the kernel compares a word that is never freed, and reads a time
            // that outlives the call.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.mailbox.word.as_ptr(),
                    libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                    self.number << 2 | state,
                    &raw const left,
                );
            }
        }
        true
    }

    /// The answer and the copy, once [it is there](Self::wait): `None` if the poll was
    /// over.
    pub(super) fn answer(&self) -> Option<(Answer, &[u8])> {
        if !self.is(DONE) {
            return None;
        }
        // SAFETY: the handler is done, and no other one writes before the next
        // request, which is made after this one is dropped.
        unsafe {
            let answer = (*self.mailbox.answer.get())?;
            Some((
                answer,
                slice::from_raw_parts(self.mailbox.copy, answer.length),
            ))
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let asked = self.number << 2 | ASKED;
        let free = self.number << 2 | FREE;
        // If a handler writes, it goes on, and the mailbox is free when it is done.
        let _ = self
            .mailbox
            .word
            .compare_exchange(asked, free, Relaxed, Relaxed);
        self.mailbox.held.store(false, Release);
    }
}

/// The handler's side: answers the request that this value names, if it stands; `take`
/// looks at the thread, with room for [`MOST`] bytes.
///
/// Takes no lock, allocates nothing, and waits for nobody.
pub(super) fn answer(value: u64, take: impl FnOnce(&Target, *mut u8) -> Option<Answer>) {
    // The low half.
    let index = usize::try_from(value & u64::from(u32::MAX));
    let number = u32::try_from(value >> 32);
    let (Ok(index), Ok(number)) = (index, number) else {
        return;
    };
    let Some(mailbox) = ALL.get(index).and_then(OnceLock::get) else {
        return;
    };
    let number = (number & NUMBER) << 2;
    let won = mailbox
        .word
        .compare_exchange(number | ASKED, number | WRITING, AcqRel, Relaxed);
    if won.is_err() {
        return;
    }
    // SAFETY: who has changed the word to this has the mailbox for itself.
    unsafe {
        let question = &*mailbox.question.get();
        *mailbox.answer.get() = question
            .as_ref()
            .and_then(|target| take(target, mailbox.copy));
    }
    mailbox.word.store(number | DONE, Release);
    // SAFETY: it wakes who waits on a word that is never freed.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            mailbox.word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            1,
        );
    }
}
