//! The spans that a thread is in, as text, for whoever names a stall.

use std::fmt;
use std::thread::ThreadId;

use super::labels::Label;
use super::threads::{self, Read};
use crate::lockfree::index::Lookup;

/// Of more spans than twice this, these many are shown from either end: outermost are
/// requests, innermost is what they do.
const SHOWN: usize = 8;

/// Spans that a thread is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Active {
    /// Outermost first.
    pub(crate) spans: Vec<Span>,
    /// Spans that are left out in the middle, since they are too many.
    pub(crate) skipped: usize,
    /// Spans inside of the last, deeper than is looked.
    pub(crate) deeper: u64,
}

/// One span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) name: &'static str,
    /// As `name=value`, with spaces between them; without line breaks.
    pub(crate) fields: String,
}

/// The spans that `thread` is in now; `None` while it enters and exits some, so that
/// none can be told.
///
/// Whether they are those of a certain poll is for the caller to ask, by looking
/// whether that poll still lasts. Waits for nobody, but allocates.
pub(crate) fn active(thread: ThreadId) -> Option<Active> {
    let mut active = Active::default();
    for Read { labels, ids, more } in threads::read(thread)? {
        for id in ids {
            match labels.get(id) {
                Lookup::Found(Label { name, fields }) => {
                    let fields = fields.to_string();
                    active.spans.push(Span { name, fields });
                }
                Lookup::Absent => {}
                Lookup::Disturbed => return None,
            }
        }
        active.deeper += more;
    }
    active.skipped = active.spans.len().saturating_sub(2 * SHOWN);
    if active.skipped > 0 {
        active.spans.drain(SHOWN..SHOWN + active.skipped);
    }
    Some(active)
}

impl Active {
    /// The spans as text, and how many are left out where they are.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut told: Vec<_> = self.spans.iter().map(ToString::to_string).collect();
        if self.skipped > 0 {
            told.insert(SHOWN, format!("… {} more …", self.skipped));
        }
        if self.deeper > 0 {
            told.push(format!("… {} deeper", self.deeper));
        }
        told
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if !self.fields.is_empty() {
            write!(f, "{{{}}}", self.fields)?;
        }
        Ok(())
    }
}
