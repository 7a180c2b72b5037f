//! From a copy of a stack to the calls on it.
//!
//! By the tables that say how to unwind every instruction, and by nothing else. Where
//! one says that a register is needed which is not known, and where there is none, the
//! stack ends: what follows would be a guess. framehop, which the heap profile takes,
//! follows the frame pointers then.

mod table;

use std::panic::{self, AssertUnwindSafe};

use gimli::UnwindContext;
#[cfg(target_arch = "x86_64")]
use gimli::{CfaRule, RegisterRule};

use crate::stacks::Generation;
use crate::stacks::modules::{self, Sections};
#[cfg(target_arch = "x86_64")]
use table::FP;
use table::{Frame, Function, Row, Table};

/// The most calls that are told.
const MOST_CALLS: usize = 256;

/// What is known of a function's registers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    pub(super) pc: u64,
    pub(super) sp: u64,
    /// `rbp`, `x29`.
    pub(super) fp: Option<u64>,
    /// `x30`, which holds the caller's address where it is not on the stack.
    pub(super) lr: Option<u64>,
}

/// Where in its code a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// After an instruction that it waits for: a call, also one of the system.
    Call,
    /// Before any instruction.
    Interrupted,
}

/// A thread's stack, from its stack pointer on.
pub(super) struct Copy<'a> {
    pub(super) registers: Registers,
    pub(super) at: At,
    pub(super) bytes: &'a [u8],
}

impl Copy<'_> {
    fn word(&self, address: u64) -> Option<u64> {
        let from = usize::try_from(address.checked_sub(self.registers.sp)?).ok()?;
        let word = self.bytes.get(from..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }
}

/// What unwinds.
pub(super) struct Unwinder {
    modules: Vec<Sections>,
    generation: Option<Generation>,
    context: UnwindContext<usize>,
}

/// The end of a stack.
enum End {
    /// The thread's start.
    Start,
    /// It is not known what called this.
    Lost,
}

impl Unwinder {
    pub(super) fn new() -> Self {
        Self {
            modules: Vec::new(),
            generation: None,
            context: UnwindContext::new(),
        }
    }

    /// Looks for modules that were loaded since.
    pub(super) fn refresh(&mut self) -> Generation {
        let now = modules::generation();
        if self.generation != Some(now) {
            self.modules = modules::sections();
            self.generation = Some(now);
        }
        now
    }

    /// Where the function starts that this address is in.
    #[cfg(test)]
    pub(super) fn start(&self, inside: u64) -> Option<u64> {
        let table = Table::new(module(&self.modules, inside)?);
        Some(table.function(inside)?.initial_address())
    }

    /// An address inside of every call, the innermost first, and whether they lead to
    /// the start of the thread.
    pub(super) fn unwind(&mut self, copy: &Copy<'_>) -> (Vec<u64>, bool) {
        let mut calls = Vec::with_capacity(64);
        let mut all = || {
            let (mut registers, mut at) = (copy.registers, copy.at);
            while calls.len() < MOST_CALLS {
                let inside = match at {
                    At::Call => registers.pc.wrapping_sub(1),
                    At::Interrupted => registers.pc,
                };
                calls.push(inside);
                match self.step(copy, registers, at, inside) {
                    Ok(caller) => (registers, at) = caller,
                    Err(End::Start) => return true,
                    Err(End::Lost) => return false,
                }
            }
            false
        };
        // The watchdog goes on whatever the tables say.
        let all = panic::catch_unwind(AssertUnwindSafe(&mut all)).unwrap_or(false);
        (calls, all)
    }

    /// From a function to its caller.
    fn step(
        &mut self,
        copy: &Copy<'_>,
        registers: Registers,
        at: At,
        inside: u64,
    ) -> Result<(Registers, At), End> {
        let module = module(&self.modules, inside).ok_or(End::Lost)?;
        let table = Table::new(module);
        let Some(function) = table.function(inside) else {
            // Code without a table, as some C libraries start threads with. There is
            // no frame outside of one with none.
            let is_outermost = at == At::Call && registers.fp == Some(0);
            return Err(if is_outermost { End::Start } else { End::Lost });
        };
        let row = function
            .unwind_info_for_address(&table.frames, &table.bases, &mut self.context, inside)
            .map_err(|_| End::Lost)?;
        let mut frame = Frame {
            table: &table,
            encoding: function.cie().encoding(),
            copy,
            registers,
        };
        if copy.at == At::Interrupted && table::throws(row) {
            return Err(End::Lost);
        }
        if frame.needs_fp(row) {
            frame.registers.fp = find_fp(&self.modules, copy, &function, row, at, registers);
        }
        let caller = frame.caller(row, function.cie().return_address_register())?;
        // A frame's end is above the last one's; a function without one may be first.
        let is_first = registers.sp == copy.registers.sp;
        if caller.sp < registers.sp || caller.sp == registers.sp && !is_first {
            return Err(End::Lost);
        }
        if caller.pc == 0 {
            return Err(End::Start);
        }
        let at = if function.is_signal_trampoline() {
            At::Interrupted
        } else {
            At::Call
        };
        Ok((caller, at))
    }
}

/// The module with this address.
fn module(modules: &[Sections], address: u64) -> Option<&Sections> {
    let after = modules.partition_point(|module| module.addresses.start <= address);
    let module = &modules[after.checked_sub(1)?];
    module.addresses.contains(&address).then_some(module)
}

/// The frame pointer of a function whose frame is found by it, from the function's
/// code.
#[cfg(target_arch = "x86_64")]
fn find_fp(
    modules: &[Sections],
    copy: &Copy<'_>,
    function: &Function<'_>,
    row: &Row,
    at: At,
    registers: Registers,
) -> Option<u64> {
    let by_fp = CfaRule::RegisterAndOffset {
        register: FP,
        offset: 16,
    };
    // Only then it points to where the caller's was pushed first of all.
    let is_usual = *row.cfa() == by_fp && row.register(FP) == Some(RegisterRule::Offset(-16));
    if !is_usual || at != At::Call {
        return None;
    }
    super::frame::find(
        function.initial_address(),
        registers.pc,
        registers.sp,
        |address| copy.word(address),
        |address| module(modules, address).is_some(),
    )
}

/// A thread is only read with its frame pointer.
#[cfg(target_arch = "aarch64")]
fn find_fp(
    _modules: &[Sections],
    _copy: &Copy<'_>,
    _function: &Function<'_>,
    _row: &Row,
    _at: At,
    _registers: Registers,
) -> Option<u64> {
    None
}
