//! Why a process could not be attached to, for a person.

use std::error::Error;
use std::fmt;
use std::io;

use tonic::{Code, Status};

use crate::address::Address;

/// What a server says that has no place for another client.
const FULL: &str = "clients are attached";

/// Why a process could not be attached to, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachError {
    message: String,
    refused: bool,
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for AttachError {}

impl AttachError {
    /// Whether the process said no: to try again changes nothing.
    pub fn is_refusal(&self) -> bool {
        self.refused
    }

    fn new(message: String) -> Self {
        Self {
            message,
            refused: false,
        }
    }

    pub(super) fn no_thread(error: &io::Error) -> Self {
        Self::new(format!("no thread could be started to attach: {error}"))
    }

    pub(super) fn gone(address: &Address) -> Self {
        Self::new(format!("the thread that attached to {address} has ended"))
    }

    pub(super) fn bad_token() -> Self {
        Self {
            message: "the token has characters that cannot be sent: visible ASCII is accepted"
                .to_owned(),
            refused: true,
        }
    }

    pub(super) fn bad_address(address: &Address, error: &dyn Error) -> Self {
        Self::new(format!("{address} cannot be attached to: {}", root(error)))
    }

    pub(super) fn silent(address: &Address) -> Self {
        Self::new(format!(
            "{address} takes connections and does not answer: is the process stopped, or \
             something else than tokio-plumber?"
        ))
    }

    pub(super) fn ended(address: &Address) -> Self {
        Self::new(format!("{address} has closed the connection"))
    }

    pub(super) fn malformed(address: &Address, error: &dyn Error) -> Self {
        Self::new(format!("{address} sent {error}"))
    }

    /// No connection came about.
    pub(super) fn unreachable(address: &Address, error: &(dyn Error + 'static)) -> Self {
        let kind = io_error(error).map(io::Error::kind);
        Self::new(match kind {
            Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => format!(
                "nothing listens at {address}: is the program running, with tokio-plumber's \
                 feature `attach`?"
            ),
            Some(io::ErrorKind::PermissionDenied) => {
                format!("{address} belongs to another user")
            }
            Some(io::ErrorKind::TimedOut) => format!("{address} does not answer"),
            _ => format!("{address} cannot be reached: {}", root(error)),
        })
    }

    /// The first request was answered with an error, or not at all.
    pub(super) fn unanswered(address: &Address, status: &Status) -> Self {
        let known = Self::status(address, status);
        if known.refused || status.source().is_none() || known.message.contains(FULL) {
            return known;
        }
        Self::new(format!(
            "what listens at {address} does not speak gRPC, or has no place left: is it \
             another program?"
        ))
    }

    /// A request was answered with an error, or the connection broke.
    pub(super) fn status(address: &Address, status: &Status) -> Self {
        let message = status.message();
        match status.code() {
            Code::Unauthenticated => Self {
                message: format!("{address}: {message}"),
                refused: true,
            },
            Code::FailedPrecondition | Code::InvalidArgument => Self {
                message: message.to_owned(),
                refused: true,
            },
            Code::Unimplemented => Self {
                message: format!(
                    "what listens at {address} is neither tokio-plumber nor console-subscriber"
                ),
                refused: true,
            },
            _ => match status.source() {
                Some(source) => Self::broken(address, source),
                None => Self::new(format!("{address}: {message}")),
            },
        }
    }

    fn broken(address: &Address, error: &(dyn Error + 'static)) -> Self {
        let said = root(error);
        // What the server's GOAWAY says is all there is to say.
        if let Some(at) = said.find(FULL) {
            let from = said[..at].rfind(|c: char| !c.is_ascii_digit() && c != ' ');
            let to = said[at..].find(['"', ')']).map_or(said.len(), |to| at + to);
            return Self::new(format!(
                "{address}: {}",
                &said[from.map_or(0, |it| it + 1)..to]
            ));
        }
        let kind = io_error(error).map(io::Error::kind);
        if matches!(
            kind,
            Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        ) {
            return Self::ended(address);
        }
        Self::new(format!("{address}: {said}"))
    }
}

/// The error that all others come from.
fn root(error: &dyn Error) -> String {
    let mut deepest = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        deepest = error.to_string();
        next = error.source();
    }
    deepest
}

fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = error.source();
    }
    None
}
