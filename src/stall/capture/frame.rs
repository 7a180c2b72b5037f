//! Where `rbp` of a function points that waits for a call to return, if that is not
//! known and its frame is found by it.
//!
//! A thread that sleeps shows its stack pointer and no other register. Most of the
//! functions that it waits in keep `rbp`, or save it where the unwind tables say. The
//! first that does neither has made it a frame pointer; how far above the stack
//! pointer it points is in the function's code. All of that is read, from the start to
//! the call: the straight line at its start sets the frame up, and if anything after
//! it moves the stack pointer, other than to leave the function, nothing is said.

use super::memory;
use super::x86::{Effect, Instruction, decode};

/// The loop that touches every page of a large frame, after `sub rsp` and up to it:
/// `lea r11, [rsp - size]`, `sub rsp, 4096`, `mov qword ptr [rsp], 0`, `cmp rsp, r11`,
/// `jne`.
const PROBES: [u8; 20] = [
    0x48, 0x81, 0xEC, 0x00, 0x10, 0x00, 0x00, 0x48, 0xC7, 0x04, 0x24, 0, 0, 0, 0, 0x4C, 0x39, 0xDC,
    0x75, 0xEC,
];
/// `lea r11, [rsp + ...]`, before it.
const PROBED: [u8; 4] = [0x4C, 0x8D, 0x9C, 0x24];

/// Where `rbp` points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes between the stack pointer and the lowest that `rbp` may be.
    above: u64,
    /// The stack pointer was rounded down to a multiple of this.
    unit: u64,
    /// Bytes that were pushed after that.
    below: u64,
}

impl Frame {
    /// The values that `rbp` may have; the one that it has is among them. None if
    /// there can be no such frame.
    pub(super) fn candidates(self, sp: u64) -> impl Iterator<Item = u64> {
        let (from, possible) = match sp.checked_add(self.below) {
            Some(aligned) if aligned.is_multiple_of(self.unit) => {
                (sp.checked_add(self.above), self.unit.min(MOST_UNIT))
            }
            _ => (None, 0),
        };
        (0..possible)
            .step_by(8)
            .filter_map(move |slack| from?.checked_add(slack))
            // Where the frame pointer is pushed the stack is aligned.
            .filter(|bp| bp.is_multiple_of(16))
    }
}

/// Frames that are aligned to more are not compiled for.
const MOST_UNIT: u64 = 4096;

/// The frame of a function with this code, from its start to the end of a call.
pub(super) fn of(code: &[u8]) -> Option<Frame> {
    let mut at = 0;
    let mut setup = Setup::default();
    loop {
        if let Some(size) = probes(&code[at..]) {
            setup.lower(size)?;
            at += PROBED.len() + 4 + PROBES.len();
            continue;
        }
        let Instruction { length, effect } = decode(&code[at..])?;
        at += length;
        match effect {
            Effect::Nothing => {}
            Effect::Push => setup.lower(8)?,
            Effect::Add(by) if by <= 0 => setup.lower(by.unsigned_abs())?,
            Effect::Align(unit) => setup.align(unit)?,
            Effect::Frame => setup.frame()?,
            Effect::Call | Effect::Branch => break,
            Effect::Pop | Effect::Add(_) | Effect::Unframe | Effect::Leave | Effect::Other => {
                return None;
            }
        }
    }
    // The rest of the code finds the frame and leaves it as it is.
    while at < code.len() {
        let Instruction { length, effect } = decode(&code[at..])?;
        at += length;
        match effect {
            Effect::Nothing | Effect::Call | Effect::Branch | Effect::Leave => {}
            Effect::Pop | Effect::Unframe => at = left(code, at)?,
            Effect::Add(by) if by > 0 => at = left(code, at)?,
            // A constant's way into a register, in code that is to be small.
            Effect::Push => {
                let Instruction { length, effect } = decode(&code[at..])?;
                if effect != Effect::Pop {
                    return None;
                }
                at += length;
            }
            _ => return None,
        }
    }
    (at == code.len()).then(|| setup.done())?
}

/// Where the code goes on that follows the function's end here; `None` if it does not
/// end after all.
fn left(code: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let Instruction { length, effect } = decode(code.get(at..)?)?;
        at += length;
        match effect {
            Effect::Leave => return Some(at),
            Effect::Nothing | Effect::Pop | Effect::Unframe => {}
            Effect::Add(by) if by > 0 => {}
            _ => return None,
        }
    }
}

/// Bytes that the loop at the start of this code reserves, if there is one.
fn probes(code: &[u8]) -> Option<u64> {
    let rest = code.strip_prefix(&PROBED)?;
    let (size, rest) = rest.split_first_chunk()?;
    let size = i32::from_le_bytes(*size);
    (size < 0 && rest.starts_with(&PROBES)).then(|| u64::from(size.unsigned_abs()))
}

/// What is known of the frame while it is set up.
#[derive(Default)]
struct Setup {
    /// Bytes since the function was called, or since `rbp` was set.
    lowered: u64,
    framed: bool,
    /// What the stack pointer was rounded down to, and how many bytes ago.
    aligned: Option<(u64, u64)>,
}

impl Setup {
    fn lower(&mut self, by: u64) -> Option<()> {
        self.lowered = self.lowered.checked_add(by)?;
        Some(())
    }

    /// Only `rbp` itself is above what it points to.
    fn frame(&mut self) -> Option<()> {
        let first = !self.framed && self.lowered == 8;
        self.framed = true;
        self.lowered = 0;
        first.then_some(())
    }

    fn align(&mut self, unit: u64) -> Option<()> {
        let possible = self.framed && self.aligned.is_none() && unit <= MOST_UNIT;
        self.aligned = Some((unit, self.lowered));
        possible.then_some(())
    }

    fn done(&self) -> Option<Frame> {
        let (unit, before) = self.aligned.unwrap_or((1, self.lowered));
        self.framed.then_some(Frame {
            above: self.lowered,
            unit: unit.max(8),
            below: self.lowered - before,
        })
    }
}

/// The longest code that is read.
const MOST_CODE: u64 = 256 * 1024;

/// What `rbp` is in a function with this start, which waits for the call before `pc`,
/// with its stack pointer there. `word` reads the stack, and `is_code` knows where
/// code is.
pub(super) fn find(
    start: u64,
    pc: u64,
    sp: u64,
    word: impl Fn(u64) -> Option<u64>,
    is_code: impl Fn(u64) -> bool,
) -> Option<u64> {
    let length = pc
        .checked_sub(start)
        .filter(|&length| length <= MOST_CODE)?;
    let mut code = vec![0; usize::try_from(length).ok()?];
    if !memory::read(start, &mut code) {
        return None;
    }
    let mut returning = of(&code)?.candidates(sp).filter(|bp| {
        let caller = bp.checked_add(8).and_then(&word);
        caller.is_some_and(|caller| is_code(caller) && follows_call(caller))
    });
    // The right one always passes, so one that passes alone is right. What earlier
    // calls have left in an aligned frame's gap could pass, too.
    let bp = returning.next()?;
    returning.next().is_none().then_some(bp)
}

/// Whether the instruction before this address is a call.
fn follows_call(address: u64) -> bool {
    /// `call [rip + displacement]` has six bytes, one with an extended base eight.
    const LONGEST: usize = 8;
    let mut code = [0; LONGEST];
    if !memory::read(address.wrapping_sub(LONGEST as u64), &mut code) {
        return false;
    }
    (2..=LONGEST).any(|length| {
        let call = decode(&code[LONGEST - length..]);
        call.is_some_and(|call| call.length == length && call.effect == Effect::Call)
    })
}
