//! What each opcode takes and does; see Intel's manual, volume 2, appendix A.

use super::{BP, Bytes, Effect, Operands, Prefixes, SP};

/// Opcodes of one byte.
#[allow(clippy::too_many_lines)] // A table.
pub(super) fn one_byte(opcode: u8, prefixes: Prefixes, bytes: &mut Bytes) -> Option<Effect> {
    let rex = prefixes.rex;
    let word = if prefixes.short { 2 } else { 4 };
    let effect = match opcode {
        // Arithmetic: eight operations in six forms.
        0x00..=0x3F => {
            let compares = opcode >= 0x38;
            match opcode & 7 {
                form @ 0..=3 => {
                    let operands = bytes.operands(rex)?;
                    match form {
                        1 if !compares => Operands::writes(operands.direct),
                        3 if !compares => Operands::writes(Some(operands.register)),
                        _ => Effect::Nothing,
                    }
                }
                4 => bytes.skip(1).map(|()| Effect::Nothing)?,
                5 => bytes.skip(word).map(|()| Effect::Nothing)?,
                _ => return None,
            }
        }
        0x50..=0x57 if !prefixes.short => Effect::Push,
        0x58..=0x5F if !prefixes.short && prefixes.low(opcode) != SP => Effect::Pop,
        0x63 | 0x69 | 0x6B => {
            let operands = bytes.operands(rex)?;
            bytes.skip(match opcode {
                0x69 => word,
                0x6B => 1,
                _ => 0,
            })?;
            Operands::writes(Some(operands.register))
        }
        0x68 | 0x6A if !prefixes.short => {
            bytes.skip(if opcode == 0x68 { 4 } else { 1 })?;
            Effect::Push
        }
        0x70..=0x7F | 0xE0..=0xE3 => bytes.skip(1).map(|()| Effect::Branch)?,
        0x80 | 0xC0 | 0xC6 => {
            bytes.operands(rex)?;
            bytes.skip(1).map(|()| Effect::Nothing)?
        }
        0x81 | 0x83 => {
            let operands = bytes.operands(rex)?;
            let by = bytes.number(if opcode == 0x83 { 1 } else { word })?;
            match operands.field {
                7 => Effect::Nothing,
                0 if prefixes.wide() && operands.direct == Some(SP) => Effect::Add(by),
                5 if prefixes.wide() && operands.direct == Some(SP) => Effect::Add(-by),
                4 if prefixes.wide() && operands.direct == Some(SP) => alignment(by),
                _ => Operands::writes(operands.direct),
            }
        }
        // Comparisons, moves of bytes, and what writes to one or to memory.
        0x84..=0x86 | 0x88 | 0x8A | 0x8C | 0xD0 | 0xD2 | 0xD8..=0xDF | 0xFE => {
            bytes.operands(rex).map(|_| Effect::Nothing)?
        }
        0x87 => {
            let operands = bytes.operands(rex)?;
            let other = operands.direct.filter(|&register| register == SP);
            Operands::writes(other.or(Some(operands.register)))
        }
        0x89 => {
            let operands = bytes.operands(rex)?;
            Operands::moves(prefixes.wide(), Some(operands.register), operands.direct)
        }
        0x8B => {
            let operands = bytes.operands(rex)?;
            Operands::moves(prefixes.wide(), operands.direct, Some(operands.register))
        }
        0x8D => {
            let operands = bytes.operands(rex)?;
            match operands.base {
                _ if operands.register != SP => Effect::Nothing,
                Some(SP) if prefixes.wide() => Effect::Add(operands.displacement),
                Some(BP) if prefixes.wide() => Effect::Unframe,
                _ => Effect::Other,
            }
        }
        0x90
        | 0x98
        | 0x99
        | 0x9B
        | 0xA4..=0xA7
        | 0xAA..=0xAF
        | 0xCC
        | 0xF4
        | 0xF5
        | 0xF8..=0xFD => Effect::Nothing,
        0x91..=0x97 => Operands::writes(Some(prefixes.low(opcode))),
        0xA0..=0xA3 => bytes.skip(8).map(|()| Effect::Nothing)?,
        0xA8 => bytes.skip(1).map(|()| Effect::Nothing)?,
        0xA9 => bytes.skip(word).map(|()| Effect::Nothing)?,
        0xB0..=0xB7 => bytes.skip(1).map(|()| Effect::Nothing)?,
        0xB8..=0xBF => {
            bytes.skip(if prefixes.wide() { 8 } else { word })?;
            Operands::writes(Some(prefixes.low(opcode)))
        }
        0xC1 | 0xC7 | 0xD1 | 0xD3 => {
            let operands = bytes.operands(rex)?;
            // The rest of this group begins transactions.
            if opcode == 0xC7 && operands.field != 0 {
                return None;
            }
            bytes.skip(match opcode {
                0xC1 => 1,
                0xC7 => word,
                _ => 0,
            })?;
            Operands::writes(operands.direct)
        }
        0xC2 => bytes.skip(2).map(|()| Effect::Leave)?,
        0xC3 => Effect::Leave,
        0xC9 => Effect::Unframe,
        0xE8 if !prefixes.short => bytes.skip(4).map(|()| Effect::Call)?,
        0xE9 if !prefixes.short => bytes.skip(4).map(|()| Effect::Leave)?,
        0xEB => bytes.skip(1).map(|()| Effect::Leave)?,
        0xF6 | 0xF7 => {
            let operands = bytes.operands(rex)?;
            let tests = operands.field < 2;
            bytes.skip(match opcode {
                _ if !tests => 0,
                0xF6 => 1,
                _ => word,
            })?;
            match operands.field {
                2 | 3 if opcode == 0xF7 => Operands::writes(operands.direct),
                _ => Effect::Nothing,
            }
        }
        0xFF => {
            let operands = bytes.operands(rex)?;
            match operands.field {
                0 | 1 => Operands::writes(operands.direct),
                2 => Effect::Call,
                4 => Effect::Leave,
                6 if !prefixes.short => Effect::Push,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(effect)
}

/// `rsp` and a mask.
fn alignment(mask: i64) -> Effect {
    let unit = mask.unsigned_abs();
    if mask < 0 && unit.is_power_of_two() {
        Effect::Align(unit)
    } else {
        Effect::Other
    }
}

/// Opcodes after `0F`.
pub(super) fn two_bytes(bytes: &mut Bytes) -> Option<Effect> {
    let opcode = bytes.next()?;
    Some(match opcode {
        // `syscall`, `ud2`, `rdtsc`, `emms`, `cpuid` and the like, and `bswap`.
        0x05 | 0x06 | 0x08 | 0x09 | 0x0B | 0x31 | 0x77 | 0xA2 | 0xC8..=0xCF => Effect::Nothing,
        0x80..=0x8F => bytes.skip(4).map(|()| Effect::Branch)?,
        0x38 => {
            bytes.next()?;
            bytes.operands(0).map(|_| Effect::Nothing)?
        }
        0x3A => {
            bytes.next()?;
            bytes.operands(0)?;
            bytes.skip(1).map(|()| Effect::Nothing)?
        }
        0x70..=0x73 | 0xA4 | 0xAC | 0xBA | 0xC2 | 0xC4..=0xC6 => {
            bytes.operands(0)?;
            bytes.skip(1).map(|()| Effect::Nothing)?
        }
        0x01
        | 0x0D
        | 0x10..=0x1F
        | 0x28..=0x2F
        | 0x40..=0x6F
        | 0x74..=0x76
        | 0x7C..=0x7F
        | 0x90..=0x9F
        | 0xA3
        | 0xA5
        | 0xAB
        | 0xAD..=0xB9
        | 0xBB..=0xC1
        | 0xC3
        | 0xC7
        | 0xD0..=0xFF => bytes.operands(0).map(|_| Effect::Nothing)?,
        _ => return None,
    })
}

/// What follows a prefix of the vector units, which holds the opcode's map.
pub(super) fn vector(prefix: u8, bytes: &mut Bytes) -> Option<Effect> {
    let map = match prefix {
        0xC5 => {
            bytes.skip(1)?;
            1
        }
        0xC4 => {
            let map = bytes.next()? & 0x1F;
            bytes.skip(1)?;
            map
        }
        _ => {
            let map = bytes.next()? & 7;
            bytes.skip(2)?;
            map
        }
    };
    let opcode = bytes.next()?;
    if (map, opcode) == (1, 0x77) && prefix != 0x62 {
        return Some(Effect::Nothing);
    }
    bytes.operands(0)?;
    match (map, opcode) {
        (1, 0x70..=0x73 | 0xC2 | 0xC4..=0xC6) | (3, _) => bytes.skip(1)?,
        (1 | 2, _) => {}
        _ => return None,
    }
    Some(Effect::Nothing)
}
