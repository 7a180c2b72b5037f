//! `plumber snapshot`: one report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_plumber::report;
use tokio_plumber::snapshot::{Snapshot, TaskSelection};

use crate::cli::{Attach, Global, ReportFormat, Snapshot as Args};
use crate::exit::{CLEAN, Failure};
use crate::output;
use crate::remote::{Connect, Remote};
use crate::settings::Sources;

/// How long to wait for a picture with the tasks that were asked for. What came until
/// then is better than nothing.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) fn run(
    args: &Args,
    global: &Global,
    sources: &Sources<'_>,
    connect: Connect<'_>,
) -> Result<u8, Failure> {
    let attach = Attach {
        addr: args.addr.clone(),
        interval: None,
    };
    let remote = connect(&sources.target(&attach, global)?)?;
    print(&*remote, args.tasks, args.format)
}

/// Prints one report of what is attached to, with so many tasks.
pub(crate) fn print(
    remote: &dyn Remote,
    tasks: usize,
    format: ReportFormat,
) -> Result<u8, Failure> {
    let wanted = match tasks {
        0 => TaskSelection::None,
        tasks => TaskSelection::Oldest(tasks),
    };
    let picture = picture(remote, wanted, &Instant::now);
    output::print(&match format {
        ReportFormat::Text => report::text(&picture),
        ReportFormat::Json => format!("{}\n", report::json(&picture)),
    })?;
    Ok(CLEAN)
}

/// A picture with these tasks, if one comes in time.
fn picture(remote: &dyn Remote, wanted: TaskSelection, now: &dyn Fn() -> Instant) -> Arc<Snapshot> {
    remote.want(wanted);
    let until = now() + PATIENCE;
    let mut picture = remote.latest();
    while picture.tasks_selected != wanted {
        let left = until.saturating_duration_since(now());
        if left.is_zero() {
            break;
        }
        if let Some(next) = remote.next(left) {
            picture = next;
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Step};

    #[test]
    fn it_waits_for_the_tasks_and_not_for_ever() {
        let wanted = TaskSelection::Oldest(20);
        let fake = Fake::new(vec![Step::Silence, Step::Picture(7)]);
        let got = picture(&fake, wanted, &|| fake.now());
        assert_eq!((got.tasks_selected, got.process.live_tasks), (wanted, 7));
        let fake = Fake::new(vec![Step::Silence; 9]);
        let got = picture(&fake, wanted, &|| fake.now());
        assert_eq!(got.tasks_selected, TaskSelection::None);
        assert_eq!(fake.taken(), 3);
    }
}
