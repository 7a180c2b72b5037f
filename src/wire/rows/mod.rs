//! Each kind of row, in both directions.

/// Two functions between enums that have the same names on both sides.
macro_rules! same {
    ($to:ident, $from:ident, $kind:ident: $($name:ident)*) => {
        fn $to(value: $kind) -> proto::$kind {
            match value {
                $($kind::$name => proto::$kind::$name,)*
            }
        }

        fn $from(value: proto::$kind) -> $kind {
            match value {
                $(proto::$kind::$name => $kind::$name,)*
            }
        }
    };
}

mod finding;
mod process;
mod runtime;
mod site;
mod stall;
mod task;
mod worker;

pub(super) use finding::{Unknown, finding_from_wire, finding_to_wire};
pub(super) use process::{process_from_wire, process_to_wire};
pub(super) use runtime::{runtime_from_wire, runtime_to_wire};
pub(super) use site::{site_from_wire, site_to_wire};
pub(super) use task::{task_from_wire, task_to_wire};
pub(super) use worker::{worker_from_wire, worker_to_wire};
