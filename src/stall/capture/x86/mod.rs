//! As much of x86-64 machine code as it takes to follow the stack pointer through a
//! function: how long each instruction is, and what it does to `rsp`.
//!
//! What is not known is refused. Instructions of the vector units and of the two-byte
//! map are taken to leave `rsp` alone: no compiler computes it with those.

mod opcodes;

use opcodes::{one_byte, two_bytes, vector};

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It leaves the stack pointer alone, and the next one follows.
    Nothing,
    /// A register or a constant is pushed.
    Push,
    /// A register other than `rsp` is popped.
    Pop,
    /// `rsp` grows by this.
    Add(i64),
    /// `rsp` is rounded down to a multiple of this.
    Align(u64),
    /// `rbp` becomes what `rsp` is.
    Frame,
    /// `rsp` is computed from `rbp`.
    Unframe,
    Call,
    /// It may go on elsewhere.
    Branch,
    /// It goes on elsewhere.
    Leave,
    /// Something else is done to the stack pointer.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) length: usize,
    pub(super) effect: Effect,
}

/// `rsp` and `rbp` in an instruction.
const SP: u8 = 4;
const BP: u8 = 5;

/// The instruction that starts there; `None` if it is not known, or cut off.
pub(super) fn decode(code: &[u8]) -> Option<Instruction> {
    let mut bytes = Bytes { code, at: 0 };
    let mut short = false;
    let mut opcode = bytes.next()?;
    while let 0x26 | 0x2E | 0x36 | 0x3E | 0x64 | 0x65 | 0x66 | 0x67 | 0xF0 | 0xF2 | 0xF3 = opcode {
        // Shorter addresses are not compiled for.
        if opcode == 0x67 {
            return None;
        }
        short |= opcode == 0x66;
        opcode = bytes.next()?;
    }
    let mut rex = 0;
    if opcode & 0xF0 == 0x40 {
        rex = opcode;
        opcode = bytes.next()?;
    }
    let effect = match opcode {
        0x0F => two_bytes(&mut bytes)?,
        0xC4 | 0xC5 | 0x62 => vector(opcode, &mut bytes)?,
        _ => one_byte(opcode, Prefixes { rex, short }, &mut bytes)?,
    };
    Some(Instruction {
        length: bytes.at,
        effect,
    })
}

struct Bytes<'a> {
    code: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.code.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at += bytes;
        (self.at <= self.code.len()).then_some(())
    }

    /// A signed number of that many bytes, at most eight.
    fn number(&mut self, bytes: usize) -> Option<i64> {
        let from = self.at;
        self.skip(bytes)?;
        let mut value = [0; 8];
        value[..bytes].copy_from_slice(&self.code[from..self.at]);
        let unused = 64 - 8 * u32::try_from(bytes).ok()?;
        Some(i64::from_le_bytes(value).checked_shl(unused)? >> unused)
    }

    /// The byte that says what the operands are, and what belongs to it.
    fn operands(&mut self, rex: u8) -> Option<Operands> {
        let byte = self.next()?;
        let (kind, low) = (byte >> 6, byte & 7);
        let extended = |field: u8, bit: u8| field | (rex >> bit & 1) << 3;
        let mut operands = Operands {
            field: byte >> 3 & 7,
            register: extended(byte >> 3 & 7, 2),
            direct: None,
            base: None,
            displacement: 0,
        };
        if kind == 3 {
            operands.direct = Some(extended(low, 0));
            return Some(operands);
        }
        let mut base = low;
        let mut plain = true;
        if low == 4 {
            let scaled = self.next()?;
            base = scaled & 7;
            // No index.
            plain = extended(scaled >> 3 & 7, 1) == 4;
        }
        let displacement = match kind {
            0 if base == 5 => {
                // Relative to the instruction, or to nothing.
                plain = false;
                4
            }
            0 => 0,
            1 => 1,
            _ => 4,
        };
        if displacement > 0 {
            operands.displacement = self.number(displacement)?;
        }
        operands.base = plain.then(|| extended(base, 0));
        Some(operands)
    }
}

#[derive(Clone, Copy)]
struct Prefixes {
    rex: u8,
    /// Operands of two bytes.
    short: bool,
}

impl Prefixes {
    fn wide(self) -> bool {
        self.rex & 8 != 0
    }

    /// The last register field of an opcode.
    fn low(self, opcode: u8) -> u8 {
        opcode & 7 | (self.rex & 1) << 3
    }
}

struct Operands {
    /// Three bits, which often tell the operation.
    field: u8,
    /// The same as a register.
    register: u8,
    /// The other one, if it is a register.
    direct: Option<u8>,
    /// Its base, if it is in memory at a base and a displacement.
    base: Option<u8>,
    displacement: i64,
}

impl Operands {
    /// The effect of writing to this register.
    fn writes(register: Option<u8>) -> Effect {
        if register == Some(SP) {
            Effect::Other
        } else {
            Effect::Nothing
        }
    }

    /// The effect of moving `from` to `to`.
    fn moves(wide: bool, from: Option<u8>, to: Option<u8>) -> Effect {
        match (from, to) {
            (Some(SP), Some(BP)) if wide => Effect::Frame,
            (Some(BP), Some(SP)) if wide => Effect::Unframe,
            _ => Self::writes(to),
        }
    }
}
