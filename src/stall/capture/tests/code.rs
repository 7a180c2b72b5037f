//! Code as compilers write it, and as they do not.

use super::super::frame;
use super::super::x86::{Effect, decode};

const PUSH_RBP: &[u8] = &[0x55];
const MOV_RBP_RSP: &[u8] = &[0x48, 0x89, 0xE5];
const PUSH_R15: &[u8] = &[0x41, 0x57];
const PUSH_RBX: &[u8] = &[0x53];
const SUB_RSP_40: &[u8] = &[0x48, 0x83, 0xEC, 0x28];
const AND_RSP_64: &[u8] = &[0x48, 0x83, 0xE4, 0xC0];
const CALL: &[u8] = &[0xE8, 1, 2, 3, 4];
const JE: &[u8] = &[0x74, 0x10];
const RET: &[u8] = &[0xC3];
const POP_RBP: &[u8] = &[0x5D];
const POP_RBX: &[u8] = &[0x5B];
const MOV_EDI_EAX: &[u8] = &[0x89, 0xC7];
const LEA_RSP: &[u8] = &[0x48, 0x8D, 0x65, 0xF8];
const PUSH_5: &[u8] = &[0x6A, 5];
const POP_RDI: &[u8] = &[0x5F];

/// What `rbp` may be where the stack pointer is this, after this code.
fn candidates(sp: u64, code: &[&[u8]]) -> Vec<u64> {
    let frame = frame::of(&code.concat());
    frame.map_or_else(Vec::new, |frame| frame.candidates(sp).collect())
}

#[test]
fn instructions_are_told_apart() {
    let told: &[(&[u8], Effect)] = &[
        (&[0x90], Effect::Nothing),
        (&[0xF3, 0x0F, 0x1E, 0xFA], Effect::Nothing),
        (PUSH_RBP, Effect::Push),
        (PUSH_R15, Effect::Push),
        (&[0xFF, 0x74, 0x24, 0x08], Effect::Push),
        (&[0x68, 1, 2, 3, 4], Effect::Push),
        (&[0x41, 0x5C], Effect::Pop),
        (MOV_RBP_RSP, Effect::Frame),
        (&[0x48, 0x8B, 0xEC], Effect::Frame),
        // `ebp`, `r13`, and from memory.
        (&[0x89, 0xE5], Effect::Nothing),
        (&[0x49, 0x89, 0xE5], Effect::Nothing),
        (&[0x48, 0x8B, 0x6C, 0x24, 0x08], Effect::Nothing),
        (&[0x48, 0x8B, 0x25, 1, 2, 3, 4], Effect::Other),
        (SUB_RSP_40, Effect::Add(-0x28)),
        (&[0x48, 0x81, 0xEC, 0, 0x10, 0, 0], Effect::Add(-0x1000)),
        (&[0x48, 0x83, 0xC4, 0x80], Effect::Add(-0x80)),
        (&[0x48, 0x83, 0xEC, 0x80], Effect::Add(0x80)),
        (&[0x48, 0x8D, 0x64, 0x24, 0xD0], Effect::Add(-0x30)),
        // `r12`, and a comparison.
        (&[0x49, 0x83, 0xEC, 0x28], Effect::Nothing),
        (&[0x48, 0x83, 0xFC, 0x28], Effect::Nothing),
        (AND_RSP_64, Effect::Align(64)),
        (&[0x48, 0x83, 0xE4, 0x0F], Effect::Other),
        (&[0x48, 0x29, 0xC4], Effect::Other),
        (&[0x48, 0x87, 0xE0], Effect::Other),
        (&[0x48, 0x94], Effect::Other),
        (&[0x48, 0x89, 0xEC], Effect::Unframe),
        (LEA_RSP, Effect::Unframe),
        (&[0xC9], Effect::Unframe),
        (CALL, Effect::Call),
        (&[0xFF, 0xD0], Effect::Call),
        (&[0x41, 0xFF, 0x54, 0x24, 0x18], Effect::Call),
        (&[0xFF, 0x15, 1, 2, 3, 4], Effect::Call),
        (&[0xFF, 0xE0], Effect::Leave),
        (&[0xEB, 0xFE], Effect::Leave),
        (RET, Effect::Leave),
        (JE, Effect::Branch),
        (&[0x0F, 0x84, 1, 2, 3, 4], Effect::Branch),
        (&[0x48, 0xB8, 1, 2, 3, 4, 5, 6, 7, 8], Effect::Nothing),
        (&[0x66, 0xB8, 1, 2], Effect::Nothing),
        (&[0xF6, 0x45, 0xF8, 1], Effect::Nothing),
        (&[0xF6, 0x5D, 0xF8], Effect::Nothing),
        (&[0x66, 0x0F, 0x3A, 0x0F, 0xC1, 8], Effect::Nothing),
        (&[0xC5, 0xF8, 0x77], Effect::Nothing),
        (&[0xC5, 0xFD, 0x70, 0xC0, 0x1B], Effect::Nothing),
        (&[0xC4, 0xE3, 0x7D, 0x39, 0xC1, 1], Effect::Nothing),
        (
            &[0x62, 0xF1, 0x7C, 0x48, 0x11, 0x44, 0x24, 1],
            Effect::Nothing,
        ),
    ];
    for (code, effect) in told {
        let instruction = decode(code).map(|told| (told.length, told.effect));
        assert_eq!(instruction, Some((code.len(), *effect)), "{code:x?}");
        for cut in 0..code.len() {
            assert_eq!(decode(&code[..cut]), None, "{:x?}", &code[..cut]);
        }
    }
    // `enter`, `pushf`, `pop rsp`, `call` of a selector, and what is none.
    for unknown in [
        &[0xC8, 0, 0, 0][..],
        &[0x9C],
        &[0x5C],
        &[0xFF, 0x18],
        &[0x06],
        &[0x0F, 0x04],
    ] {
        assert_eq!(decode(unknown), None, "{unknown:x?}");
    }
}

#[test]
fn a_frame_is_as_large_as_what_sets_it_up() {
    let sp = 0x7000_0000;
    let code = &[PUSH_RBP, MOV_RBP_RSP, CALL];
    assert_eq!(candidates(sp, code), [sp]);
    let code = &[PUSH_RBP, MOV_RBP_RSP, PUSH_R15, PUSH_RBX, CALL];
    assert_eq!(candidates(sp, code), [sp + 16]);
    let setup = &[PUSH_RBP, MOV_RBP_RSP, PUSH_RBX, SUB_RSP_40].concat()[..];
    assert_eq!(candidates(sp, &[setup, CALL]), [sp + 48]);
    // Other instructions may stand between.
    let code = &[
        PUSH_RBP,
        MOV_RBP_RSP,
        MOV_EDI_EAX,
        PUSH_RBX,
        MOV_EDI_EAX,
        SUB_RSP_40,
        CALL,
    ];
    assert_eq!(candidates(sp, code), [sp + 48]);
    // The stack pointer cannot be there.
    assert!(candidates(sp + 8, &[setup, CALL]).is_empty());
    // After an earlier end, and after a constant that was moved by way of the stack.
    let end = &[LEA_RSP, POP_RBX, MOV_EDI_EAX, POP_RBP, RET].concat()[..];
    assert_eq!(candidates(sp, &[setup, JE, end, CALL]), [sp + 48]);
    assert_eq!(
        candidates(sp, &[setup, JE, PUSH_5, POP_RDI, CALL]),
        [sp + 48]
    );
}

#[test]
fn what_moves_the_stack_pointer_later_is_refused() {
    let setup = &[PUSH_RBP, MOV_RBP_RSP, SUB_RSP_40].concat()[..];
    let refused: &[&[&[u8]]] = &[
        // An argument on the stack, and room that depends.
        &[setup, JE, PUSH_5, CALL],
        &[setup, JE, SUB_RSP_40, CALL],
        &[setup, &[0x48, 0x29, 0xC4], CALL],
        &[setup, JE, &[0x48, 0x29, 0xC4], CALL],
        // In the middle of the end, and an end that is none.
        &[setup, JE, POP_RBX, CALL],
        &[setup, JE, POP_RBX, JE, RET, CALL],
        &[setup, JE, LEA_RSP, MOV_EDI_EAX],
        // A frame that is made only on some ways, or twice, or not at all.
        &[JE, setup, CALL],
        &[PUSH_RBX, setup, CALL],
        &[setup, MOV_RBP_RSP, CALL],
        &[MOV_RBP_RSP, CALL],
        &[SUB_RSP_40, CALL],
        // Not the end of an instruction.
        &[setup, &CALL[..3]],
        &[setup, JE, &CALL[..3]],
        &[setup],
        &[],
    ];
    for code in refused {
        assert!(candidates(0x7000_0000, code).is_empty(), "{code:x?}");
    }
}

#[test]
fn an_aligned_frame_leaves_a_choice() {
    let sp = 0x7000_0040;
    let setup = &[PUSH_RBP, MOV_RBP_RSP, AND_RSP_64, CALL];
    assert_eq!(candidates(sp, setup), [sp, sp + 16, sp + 32, sp + 48]);
    assert!(candidates(sp + 16, setup).is_empty());
    // One register below `rbp`: eight bytes at least are lost.
    let setup = &[PUSH_RBP, MOV_RBP_RSP, PUSH_RBX, AND_RSP_64, CALL];
    assert_eq!(
        candidates(sp, setup),
        [16, 32, 48, 64].map(|above| sp + above)
    );
    // Twice is not compiled for.
    let setup = &[PUSH_RBP, MOV_RBP_RSP, AND_RSP_64, AND_RSP_64, CALL];
    assert!(candidates(sp, setup).is_empty());
}

#[test]
fn a_large_frame_touches_its_pages() {
    let sp = 0x7000_0000;
    // `lea r11, [rsp - 0x4000]`, the loop, `sub rsp, 40`.
    let code: &[&[u8]] = &[
        PUSH_RBP,
        MOV_RBP_RSP,
        &[0x4C, 0x8D, 0x9C, 0x24, 0, 0xC0, 0xFF, 0xFF],
        &[0x48, 0x81, 0xEC, 0, 0x10, 0, 0],
        &[0x48, 0xC7, 0x04, 0x24, 0, 0, 0, 0],
        &[0x4C, 0x39, 0xDC],
        &[0x75, 0xEC],
        PUSH_RBX,
        SUB_RSP_40,
        CALL,
    ];
    assert_eq!(candidates(sp, code), [sp + 0x4000 + 48]);
    // Another loop.
    let mut other = code.to_vec();
    other[6] = &[0x75, 0xE0];
    assert!(candidates(sp, &other).is_empty());
}
