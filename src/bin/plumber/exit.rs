//! How the command ends.

use std::fmt;

/// All is well.
pub(crate) const CLEAN: u8 = 0;
/// `check` found what it should not.
pub(crate) const FINDINGS: u8 = 1;
/// The command line, a variable or the project file is wrong.
pub(crate) const USAGE: u8 = 2;
/// There is no process to attach to, or it cannot be judged.
pub(crate) const CANNOT_ATTACH: u8 = 3;
/// Ctrl-c.
pub(crate) const INTERRUPTED: u8 = 130;
/// SIGTERM, or the terminal went away.
pub(crate) const TERMINATED: u8 = 143;

/// Why the command cannot do what it was asked to: one line, and a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            code: USAGE,
            message: message.into(),
        }
    }

    pub(crate) fn attach(message: impl Into<String>) -> Self {
        Self {
            code: CANNOT_ATTACH,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)
    }
}
