//! Looking at one thread after the other; see the [module above](super).

use std::time::Duration;

use super::asleep::{self, Activity, Pointers, State};
use super::mailbox;
#[cfg(target_arch = "x86_64")]
use super::mailbox::{FOREIGN, MOST};
#[cfg(target_arch = "x86_64")]
use super::memory;
#[cfg(target_arch = "x86_64")]
use super::unwind::Registers;
use super::unwind::{At, Copy, Unwinder};
use super::{Missing, Refusal, Seen, Stack, SystemCall, Target, signal};
use crate::stacks::Generation;

/// A thread that sleeps and wakes is looked at so often before it is given up, and one
/// that runs before it is asked.
const LOOKS: u32 = 3;

/// How long the watchdog waits for an answer at once. A thread that has a processor
/// answers in a few microseconds.
const PATIENCE: Duration = Duration::from_micros(300);

/// What the watchdog reads stacks with.
pub(in crate::stall) struct Capture {
    unwinder: Unwinder,
    #[cfg_attr(target_arch = "aarch64", allow(dead_code))] // There a thread is asked.
    copy: Vec<u8>,
    /// Whether the signal's handler was installed.
    handles: bool,
    refused: Vec<Refusal>,
}

/// A thread was asked for its stack. Dropped, the question is withdrawn.
pub(in crate::stall) struct Request {
    question: mailbox::Request,
    target: Target,
    /// What it was asleep in.
    call: Option<SystemCall>,
    /// The modules that were loaded when it was asked.
    generation: Generation,
}

impl Capture {
    pub(in crate::stall) fn new() -> Self {
        Self {
            unwinder: Unwinder::new(),
            copy: Vec::new(),
            handles: false,
            refused: Vec::new(),
        }
    }

    /// What was found to keep stacks from being read.
    pub(in crate::stall) fn refusals(&self) -> &[Refusal] {
        &self.refused
    }

    /// Looks at a thread. One that runs is asked, if it may be. Takes some ten microseconds,
    /// and a few hundred at most if the thread does not answer.
    pub(in crate::stall) fn see(&mut self, target: &Target, ask: bool) -> Seen {
        let mut slept = None;
        for _ in 0..LOOKS {
            let generation = self.unwinder.refresh();
            let before = Activity::of(target.tid);
            let state = asleep::look(target.tid);
            if !target.is_polling() {
                return Seen::Over;
            }
            slept = None;
            match state {
                State::Running => {}
                State::Asleep(call, pointers) => {
                    let sleep = Sleep {
                        call,
                        pointers,
                        before,
                        generation,
                    };
                    match self.sleeping(target, &sleep) {
                        Some(seen) => return seen,
                        None => slept = Some(call),
                    }
                }
                State::Hidden => {
                    return Seen::Asleep {
                        call: None,
                        stack: Err(self.refuse(Refusal::NotDumpable)),
                    };
                }
                State::Gone => return Seen::Over,
                State::Untold => {
                    return Seen::Running {
                        stack: Err(self.refuse(Refusal::NoProc)),
                    };
                }
            }
        }
        if slept.is_some() {
            // It may sleep again when a signal arrives.
            return Seen::Asleep {
                call: slept,
                stack: Err(Missing::Moved),
            };
        }
        if !ask {
            return Seen::Running {
                stack: Err(Missing::Moved),
            };
        }
        self.ask(target, None)
    }

    /// The answer, if there is one by now; else the request again.
    pub(in crate::stall) fn answer(&mut self, request: Request) -> Seen {
        self.answer_within(request, Duration::ZERO)
    }

    /// Reads a thread that sleeps; `None` if it has not slept all the time.
    #[cfg(target_arch = "x86_64")]
    fn sleeping(&mut self, target: &Target, sleep: &Sleep) -> Option<Seen> {
        self.retract(Refusal::NotDumpable);
        let Pointers { sp, pc } = sleep.pointers;
        let (length, own) = match target.stack {
            Some((start, end)) if (start..end).contains(&sp) => {
                (usize::try_from(end - sp).unwrap_or(MOST), true)
            }
            _ => (FOREIGN, false),
        };
        self.copy.resize(MOST, 0);
        let copy = &mut self.copy[..length.min(MOST)];
        let length = if !own {
            memory::read_first(sp, copy)
        } else if memory::read(sp, copy) {
            copy.len()
        } else {
            0
        };
        let copy = &self.copy[..length];
        let is_same = sleep.before.is_some() && Activity::of(target.tid) == sleep.before;
        if !target.is_polling() {
            return Some(Seen::Over);
        }
        if !is_same {
            return None;
        }
        let generation = self.unwinder.refresh();
        let stack = if copy.is_empty() {
            Err(self.unreadable())
        } else if generation.unloads != sleep.generation.unloads {
            Err(Missing::Unloaded)
        } else {
            let registers = Registers {
                pc,
                sp,
                fp: None,
                lr: None,
            };
            let at = if sleep.call.number < 0 {
                At::Interrupted
            } else {
                At::Call
            };
            let copy = Copy {
                registers,
                at,
                bytes: copy,
            };
            let (addresses, all) = self.unwinder.unwind(&copy);
            Ok(Stack {
                addresses,
                truncated: !(all && own),
                generation,
            })
        };
        let call = Some(sleep.call);
        Some(Seen::Asleep { call, stack })
    }

    /// Asks a thread that sleeps, if that does it no harm; `None` if it has woken up.
    #[cfg(target_arch = "aarch64")]
    fn sleeping(&mut self, target: &Target, sleep: &Sleep) -> Option<Seen> {
        self.retract(Refusal::NotDumpable);
        let call = Some(sleep.call);
        if !asleep::goes_on(&sleep.call) {
            return Some(seen(call, Err(Missing::Disturbing)));
        }
        let is_same = sleep.before.is_some() && Activity::of(target.tid) == sleep.before;
        is_same.then(|| self.ask(target, call))
    }

    /// Asks a thread by a signal, and waits a little.
    pub(super) fn ask(&mut self, target: &Target, call: Option<SystemCall>) -> Seen {
        let handled = if self.handles && !signal::is_ours() {
            Err(Refusal::SignalTaken)
        } else {
            signal::install()
        };
        if let Err(refusal) = handled {
            return seen(call, Err(self.refuse(refusal)));
        }
        self.handles = true;
        self.retract(Refusal::SignalTaken);
        let generation = self.unwinder.refresh();
        let Some(question) = mailbox::Request::new(target) else {
            return seen(call, Err(Missing::Busy));
        };
        match signal::send(target.tid, question.value()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Seen::Over,
            Err(_) => return seen(call, Err(self.refuse(Refusal::SignalDenied))),
        }
        let request = Request {
            question,
            target: *target,
            call,
            generation,
        };
        self.answer_within(request, PATIENCE)
    }

    fn answer_within(&mut self, request: Request, most: Duration) -> Seen {
        if !request.question.wait(most) {
            return if request.target.is_polling() {
                Seen::Asked(request)
            } else {
                Seen::Over
            };
        }
        let Some((answer, bytes)) = request.question.answer() else {
            return Seen::Over;
        };
        let generation = self.unwinder.refresh();
        let stack = if bytes.is_empty() {
            Err(Missing::Unreadable)
        } else if generation.unloads != request.generation.unloads {
            Err(Missing::Unloaded)
        } else {
            let copy = Copy {
                registers: answer.registers,
                at: At::Interrupted,
                bytes,
            };
            let (addresses, all) = self.unwinder.unwind(&copy);
            Ok(Stack {
                addresses,
                truncated: !(all && answer.own),
                generation,
            })
        };
        seen(request.call, stack)
    }

    /// Why nothing could be read.
    #[cfg(target_arch = "x86_64")]
    fn unreadable(&mut self) -> Missing {
        let known = [1_u8];
        if memory::read(known.as_ptr().addr() as u64, &mut [0]) {
            Missing::Unreadable
        } else {
            self.refuse(Refusal::MemoryDenied)
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> Missing {
        if !self.refused.contains(&refusal) {
            self.refused.push(refusal);
        }
        Missing::Refused(refusal)
    }

    fn retract(&mut self, refusal: Refusal) {
        self.refused.retain(|&refused| refused != refusal);
    }
}

/// A thread that was found asleep.
struct Sleep {
    call: SystemCall,
    #[cfg_attr(target_arch = "aarch64", allow(dead_code))] // As above.
    pointers: Pointers,
    /// From before it was looked at.
    before: Option<Activity>,
    #[cfg_attr(target_arch = "aarch64", allow(dead_code))]
    generation: Generation,
}

/// What is seen of a thread that was asked.
fn seen(call: Option<SystemCall>, stack: Result<Stack, Missing>) -> Seen {
    match call {
        Some(_) => Seen::Asleep { call, stack },
        None => Seen::Running { stack },
    }
}
