//! What the tables of a module say about its functions, and how to follow it.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, Encoding, EndianSlice, Evaluation,
    EvaluationResult, FrameDescriptionEntry, LittleEndian, Location, Register, RegisterRule,
    UnwindExpression, UnwindSection as _, UnwindTableRow, Value,
};

use super::{Copy, End, Registers};
use crate::stacks::modules::Sections;

/// The frame pointer's number, and the stack pointer's.
#[cfg(target_arch = "x86_64")]
mod numbers {
    pub(crate) const FP: gimli::Register = gimli::X86_64::RBP;
    pub(crate) const SP: gimli::Register = gimli::X86_64::RSP;
}
#[cfg(target_arch = "aarch64")]
mod numbers {
    pub(crate) const FP: gimli::Register = gimli::AArch64::X29;
    pub(crate) const SP: gimli::Register = gimli::AArch64::SP;
}
pub(super) use numbers::FP;
use numbers::SP;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// A function, as a table has it.
pub(super) type Function<'a> = FrameDescriptionEntry<Reader<'a>>;

/// What a module says about its functions.
pub(super) struct Table<'a> {
    index: EhFrameHdr<Reader<'a>>,
    pub(super) frames: EhFrame<Reader<'a>>,
    pub(super) bases: BaseAddresses,
}

impl<'a> Table<'a> {
    pub(super) fn new(module: &'a Sections) -> Self {
        let ((index_at, index), (frames_at, frames)) = (module.index(), module.frames());
        let mut frames = EhFrame::new(frames, LittleEndian);
        frames.set_address_size(8);
        #[cfg(target_arch = "aarch64")]
        frames.set_vendor(gimli::Vendor::AArch64);
        Self {
            index: EhFrameHdr::new(index, LittleEndian),
            frames,
            bases: BaseAddresses::default()
                .set_eh_frame_hdr(index_at)
                .set_eh_frame(frames_at),
        }
    }

    /// The function with this address in it.
    pub(super) fn function(&self, address: u64) -> Option<Function<'a>> {
        let index = self.index.parse(&self.bases, 8).ok()?;
        let table = index.table()?;
        table
            .fde_for_address(&self.frames, &self.bases, address, EhFrame::cie_from_offset)
            .ok()
    }
}

/// A function's frame.
pub(super) struct Frame<'a> {
    pub(super) table: &'a Table<'a>,
    pub(super) encoding: Encoding,
    pub(super) copy: &'a Copy<'a>,
    pub(super) registers: Registers,
}

/// What a table says about one instruction.
pub(super) type Row = UnwindTableRow<usize>;

impl Frame<'_> {
    /// Whether the frame is found by a frame pointer that is not known.
    pub(super) fn needs_fp(&self, row: &Row) -> bool {
        self.registers.fp.is_none()
            && matches!(row.cfa(), CfaRule::RegisterAndOffset { register, .. } if *register == FP)
    }

    /// What the caller has when this function returns to it.
    pub(super) fn caller(&self, row: &Row, return_register: Register) -> Result<Registers, End> {
        let end = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => self
                .value(*register)
                .and_then(|value| value.checked_add_signed(*offset)),
            CfaRule::Expression(expression) => self.evaluate(expression),
        };
        let end = end.ok_or(End::Lost)?;
        let pc = match row.register(return_register) {
            Some(RegisterRule::Undefined) => return Err(End::Start),
            // It is still where the call has put it.
            None | Some(RegisterRule::SameValue) => self.registers.lr,
            Some(RegisterRule::Offset(offset)) => {
                let address = end.checked_add_signed(offset).ok_or(End::Lost)?;
                if address < self.registers.sp {
                    self.registers.lr
                } else {
                    self.copy.word(address)
                }
            }
            rule => self.restore(rule.as_ref(), return_register, end),
        };
        let sp = match row.register(SP) {
            None => Some(end),
            rule => self.restore(rule.as_ref(), SP, end),
        };
        Ok(Registers {
            pc: without_signature(pc.ok_or(End::Lost)?),
            sp: sp.ok_or(End::Lost)?,
            fp: self.restore(row.register(FP).as_ref(), FP, end),
            lr: None,
        })
    }

    /// What the caller has in this register.
    fn restore(
        &self,
        rule: Option<&RegisterRule<usize>>,
        which: Register,
        end: u64,
    ) -> Option<u64> {
        match rule {
            None | Some(RegisterRule::SameValue) => self.value(which),
            Some(RegisterRule::Offset(offset)) => {
                let address = end.checked_add_signed(*offset)?;
                if address < self.registers.sp {
                    // It was taken from there a moment ago, or is not there yet.
                    return self.value(which);
                }
                self.copy.word(address)
            }
            Some(RegisterRule::ValOffset(offset)) => end.checked_add_signed(*offset),
            Some(RegisterRule::Register(other)) => self.value(*other),
            Some(RegisterRule::Expression(expression)) => {
                self.copy.word(self.evaluate(expression)?)
            }
            Some(RegisterRule::ValExpression(expression)) => self.evaluate(expression),
            Some(_) => None,
        }
    }

    fn value(&self, register: Register) -> Option<u64> {
        match register {
            SP => Some(self.registers.sp),
            FP => self.registers.fp,
            #[cfg(target_arch = "x86_64")]
            gimli::X86_64::RA => Some(self.registers.pc),
            #[cfg(target_arch = "aarch64")]
            gimli::AArch64::X30 => self.registers.lr,
            _ => None,
        }
    }

    fn evaluate(&self, expression: &UnwindExpression<usize>) -> Option<u64> {
        let expression = expression.get(&self.table.frames).ok()?;
        let mut evaluation = Evaluation::new(expression.0, self.encoding);
        // Those of real tables take a handful; a broken one may go round in circles.
        evaluation.set_max_iterations(1_000);
        let mut result = evaluation.evaluate().ok()?;
        loop {
            let value = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => self.value(register)?,
                EvaluationResult::RequiresMemory {
                    address, size: 8, ..
                } => self.copy.word(address)?,
                _ => return None,
            };
            let value = Value::Generic(value);
            result = match result {
                EvaluationResult::RequiresRegister { .. } => evaluation.resume_with_register(value),
                _ => evaluation.resume_with_memory(value),
            }
            .ok()?;
        }
        match evaluation.as_result().last()?.location {
            Location::Address { address } => Some(address),
            _ => None,
        }
    }
}

/// Whether this is a function that throws: about to go on in another frame than its
/// caller's, it writes that one's registers over those that it has saved, and for a
/// moment the tables do not hold. It can be told by what it saves beside them: the
/// registers of a result.
pub(super) fn throws(row: &Row) -> bool {
    /// `rax`, `x0`.
    const RESULT: Register = Register(0);
    matches!(row.register(RESULT), Some(RegisterRule::Offset(_)))
}

/// The address that a signed pointer is to.
fn without_signature(address: u64) -> u64 {
    if cfg!(target_arch = "aarch64") {
        address & (u64::MAX >> 16)
    } else {
        address
    }
}
