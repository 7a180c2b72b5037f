//! Asking a running thread for its stack, by a signal.
//!
//! `SIGURG`: what has no handler ignores it, debuggers pass it on without a word, and
//! profilers use others. Its value names a [mailbox](super::mailbox), so that the
//! handler needs no thread-local storage. It takes no lock, allocates nothing, neither
//! unwinds nor asks the loader, and has room on the small stacks that threads have for
//! handlers: it copies what the watchdog then reads.

use std::ffi::{c_int, c_void};
use std::{io, mem, ptr};

use super::mailbox::{self, Answer, FOREIGN, MOST};
use super::unwind::Registers;
use super::{Refusal, Target, memory};

/// What the kernel calls `siginfo_t`, of a signal that carries a value.
#[repr(C)]
struct Info {
    signal: c_int,
    errno: c_int,
    code: c_int,
    _unused: c_int,
    pid: libc::pid_t,
    uid: libc::uid_t,
    value: u64,
    _rest: [u64; 12],
}

const _: () = assert!(size_of::<Info>() == size_of::<libc::siginfo_t>());

type Handler = extern "C" fn(c_int, *mut Info, *mut c_void);

/// Has the signal handled, or finds that it is.
pub(super) fn install() -> Result<(), Refusal> {
    if is_ours() {
        return Ok(());
    }
    let refused = Err(Refusal::SignalTaken);
    // SAFETY: no signal and no flag is a valid action, which is filled in below.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    let mut before: libc::sigaction = action;
    action.sa_sigaction = (on_signal as Handler as *const ()).expose_provenance();
    // Calls that can go on after a handler do. Where a thread has a stack for handlers
    // this one runs there, since the other may be a coroutine's, and full.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: both are actions that outlive the calls. The handler may run at any
    // moment on any thread.
    unsafe {
        // No other handler on top of this one: the stack that both would share is
        // small, and one that never returns would leave a mailbox taken. What a fault
        // raises must go through, for whoever reports crashes.
        libc::sigfillset(&raw mut action.sa_mask);
        for fault in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGFPE,
            libc::SIGTRAP,
            libc::SIGABRT,
        ] {
            libc::sigdelset(&raw mut action.sa_mask, fault);
        }
        if libc::sigaction(libc::SIGURG, ptr::null(), &raw mut before) != 0 || is_taken(&before) {
            return refused;
        }
        if libc::sigaction(libc::SIGURG, &raw const action, &raw mut before) != 0 {
            return refused;
        }
        // Somebody else did the same, a moment earlier.
        if is_taken(&before) && before.sa_sigaction != action.sa_sigaction {
            libc::sigaction(libc::SIGURG, &raw const before, ptr::null_mut());
            return refused;
        }
    }
    Ok(())
}

fn is_taken(action: &libc::sigaction) -> bool {
    action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN
}

/// Whether the handler is the one that was [installed](install).
pub(super) fn is_ours() -> bool {
    // SAFETY: no signal and no flag is a valid action, and it outlives the call.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(libc::SIGURG, ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == (on_signal as Handler as *const ()).addr()
    }
}

/// Sends the signal to a thread, with a request's value.
pub(super) fn send(tid: u32, value: u64) -> io::Result<()> {
    // SAFETY: neither fails, nor needs anything.
    let (pid, uid) = unsafe { (libc::getpid(), libc::getuid()) };
    let info = Info {
        signal: libc::SIGURG,
        errno: 0,
        code: libc::SI_QUEUE,
        _unused: 0,
        pid,
        uid,
        value,
        _rest: [0; 12],
    };
    // SAFETY: the kernel reads an information of the size that it expects. The signal
    // has a handler of ours, which may run at any moment.
    let sent = unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            pid,
            tid,
            libc::SIGURG,
            &raw const info,
        )
    };
    if sent == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

extern "C" fn on_signal(_signal: c_int, info: *mut Info, context: *mut c_void) {
    // SAFETY: the kernel gives a handler with this flag both, and they are there until
    // it returns. `errno` is this thread's; what it interrupted may be about to read it.
    unsafe {
        let errno = *libc::__errno_location();
        let info = &*info;
        if info.code == libc::SI_QUEUE && info.pid == libc::getpid() {
            mailbox::answer(info.value, |target, copy| {
                take(target, &*context.cast::<libc::ucontext_t>(), copy)
            });
        }
        *libc::__errno_location() = errno;
    }
}

/// What this thread was doing before the handler.
///
/// # Safety
///
/// The context is that of a handler that runs on this thread, and [`MOST`] bytes can be
/// written to `copy`.
unsafe fn take(target: &Target, context: &libc::ucontext_t, copy: *mut u8) -> Option<Answer> {
    // SAFETY: it asks for a number. By its own: the C library's function is younger.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) };
    // Only its own thread ends a poll, and that is here.
    if u32::try_from(tid) != Ok(target.tid) || !target.is_polling() {
        return None;
    }
    let registers = registers(context);
    let sp = registers.sp;
    let (length, own) = match target.stack {
        Some((start, end)) if (start..end).contains(&sp) => {
            let length = usize::try_from(end - sp).unwrap_or(MOST).min(MOST) & !7;
            let from: *const u8 = ptr::with_exposed_provenance(usize::try_from(sp).ok()?);
            // SAFETY: from its stack pointer to its end this thread's stack is mapped,
            // and what has its frames there waits for this handler.
            unsafe { memory::copy(from, copy, length) };
            (length, true)
        }
        // SAFETY: there is room for more than that.
        _ => unsafe { (memory::read_some(sp, copy, FOREIGN), false) },
    };
    Some(Answer {
        registers,
        length,
        own,
    })
}

#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> Registers {
    let all = &context.uc_mcontext.gregs;
    let one = |which: c_int| {
        let at = usize::try_from(which).unwrap_or(0);
        all[at].cast_unsigned()
    };
    Registers {
        pc: one(libc::REG_RIP),
        sp: one(libc::REG_RSP),
        fp: Some(one(libc::REG_RBP)),
        lr: None,
    }
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &libc::ucontext_t) -> Registers {
    let all = &context.uc_mcontext;
    Registers {
        pc: all.pc,
        sp: all.sp,
        fp: Some(all.regs[29]),
        lr: Some(all.regs[30]),
    }
}
