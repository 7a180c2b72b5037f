//! The protocol's values in our terms, whatever they hold.

use std::collections::HashMap;
use std::time::Duration;

use console_api::field::{Name, Value};
use console_api::tasks::{Stats, Task, task};
use prost_types::Timestamp;

use crate::snapshot::{Location, TaskId};

/// Nanoseconds in a second, less one.
const MOST_NANOS: u32 = 999_999_999;

/// A moment since 1970; `None` for what is none.
pub(super) fn since_1970(at: Timestamp) -> Option<Duration> {
    parts(at.seconds, at.nanos)
}

/// A length of time; zero for what is none.
pub(super) fn length(of: Option<prost_types::Duration>) -> Duration {
    of.and_then(|of| parts(of.seconds, of.nanos))
        .unwrap_or_default()
}

fn parts(seconds: i64, nanos: i32) -> Option<Duration> {
    let seconds = u64::try_from(seconds).ok()?;
    let nanos = u32::try_from(nanos).ok()?;
    Some(Duration::new(seconds, nanos.min(MOST_NANOS)))
}

/// When the task of these stats was spawned, since 1970.
pub(super) fn spawned(stats: &Stats) -> Option<Duration> {
    stats.created_at.and_then(since_1970)
}

/// Where a task was spawned.
pub(super) fn location(task: &Task) -> Location {
    let told = task.location.as_ref();
    let path = told.and_then(|told| told.file.clone().or_else(|| told.module_path.clone()));
    Location {
        file: path.unwrap_or_else(|| "(unknown place)".to_owned()),
        line: told.and_then(|told| told.line).unwrap_or(0),
        column: told.and_then(|told| told.column).unwrap_or(0),
    }
}

/// What is of use of a task's fields.
#[derive(Default)]
pub(super) struct Fields {
    /// Tokio's id.
    pub(super) task_id: Option<TaskId>,
    kind: Option<String>,
}

impl Fields {
    /// Reads a task's fields; those whose name is not known are passed over.
    pub(super) fn read(task: &Task, names: &HashMap<u64, Vec<String>>) -> Self {
        let mut fields = Self::default();
        for field in &task.fields {
            let name = match &field.name {
                Some(Name::StrName(name)) => Some(name),
                Some(Name::NameIdx(at)) => field
                    .metadata_id
                    .or(task.metadata)
                    .and_then(|metadata| names.get(&metadata.id)?.get(usize::try_from(*at).ok()?)),
                None => None,
            };
            match (name.map(String::as_str), &field.value) {
                (Some("task.id"), Some(Value::U64Val(id))) => fields.task_id = Some(TaskId(*id)),
                (Some("kind"), Some(Value::StrVal(kind) | Value::DebugVal(kind))) => {
                    fields.kind = Some(kind.clone());
                }
                _ => {}
            }
        }
        fields
    }

    /// Whether it is a job of the blocking pool. console-subscriber says so in a field
    /// only.
    pub(super) fn is_blocking(&self, task: &Task) -> bool {
        task.kind == i32::from(task::Kind::Blocking) || self.kind.as_deref() == Some("blocking")
    }
}
