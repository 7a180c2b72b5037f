//! The report for people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::format::{count, duration, plural, rate};
use crate::snapshot::{Snapshot, Task, TaskState};

/// Sites and tasks listed; the rest is counted.
const ROWS: usize = 20;

const NOT_MEASURED: &str = "not measured";

/// Writes a snapshot as text of any width, with a newline at its end.
pub fn text(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    head(&mut out, snapshot);
    findings(&mut out, snapshot);
    sites(&mut out, snapshot);
    workers(&mut out, snapshot);
    tasks(&mut out, snapshot);
    out
}

/// Appends a line; writing to a string cannot fail.
macro_rules! line {
    ($out:expr $(, $($arg:tt)*)?) => {
        let _ = writeln!($out $(, $($arg)*)?);
    };
}

fn head(out: &mut String, snapshot: &Snapshot) {
    let process = &snapshot.process;
    line!(
        out,
        "{} (pid {}), watched for {}",
        process.name,
        process.pid,
        duration(snapshot.taken_at)
    );
    let runtimes = runtimes(snapshot);
    let none = || "none".to_owned();
    let runtimes = if runtimes.is_empty() {
        none()
    } else {
        runtimes.join(", ")
    };
    line!(out, "  runtimes      {runtimes}");
    let tasks = format!(
        "{} live, {} spawned, {} finished; {} spawns/s, {} polls/s",
        count(process.live_tasks),
        count(process.spawned),
        count(process.finished),
        rate(process.spawns_per_second),
        rate(process.polls_per_second),
    );
    let tasks = if process.tasks_measured {
        tasks
    } else {
        NOT_MEASURED.to_owned()
    };
    line!(out, "  tasks         {tasks}");
    let worst = match (process.tasks_measured, process.stall_threshold) {
        (false, _) => NOT_MEASURED.to_owned(),
        (true, None) => "not looked for".to_owned(),
        (true, Some(threshold)) => format!(
            "{} (threshold {})",
            process.worst_stall.map_or_else(none, duration),
            duration(threshold)
        ),
    };
    line!(out, "  worst stall   {worst}");
    let cost = process.engine_cpu_share.map_or_else(
        || NOT_MEASURED.to_owned(),
        |share| format!("{:.1} % of a core, in its own thread", share * 100.0),
    );
    line!(out, "  own cost      {cost}");
    for missing in &snapshot.not_measured {
        line!(out, "  not measured  {}: {}", missing.what, missing.why);
    }
}

/// Runtimes of the same name and kind together: a test suite has many.
fn runtimes(snapshot: &Snapshot) -> Vec<String> {
    let mut groups: Vec<(String, u64, u64)> = Vec::new();
    for runtime in &snapshot.runtimes {
        let workers = runtime.worker_threads.map_or_else(String::new, |workers| {
            format!(", {}", plural(workers as u64, "worker", "workers"))
        });
        let kind = format!("{} ({}{workers}", runtime.name, runtime.flavor.as_str());
        let place = groups
            .iter()
            .position(|(known, ..)| *known == kind)
            .unwrap_or_else(|| {
                groups.push((kind, 0, 0));
                groups.len() - 1
            });
        let (_, all, ended) = &mut groups[place];
        *all += 1;
        *ended += u64::from(runtime.ended_at.is_some());
    }
    let groups = groups
        .into_iter()
        .map(|(kind, all, ended)| match (all, ended) {
            (1, 0) => format!("{kind})"),
            (1, _) => format!("{kind}, ended)"),
            (_, 0) => format!("{} × {kind})", count(all)),
            _ => format!("{} × {kind}, {} ended)", count(all), count(ended)),
        });
    groups.collect()
}

fn findings(out: &mut String, snapshot: &Snapshot) {
    line!(out);
    if !snapshot.process.tasks_measured {
        line!(out, "no findings, since tasks are not measured");
        return;
    }
    if snapshot.findings.is_empty() {
        line!(
            out,
            "no findings: nothing was seen to leak or to stall (a leak shows after 10 s to a minute)"
        );
        return;
    }
    line!(
        out,
        "{}",
        plural(snapshot.findings.len() as u64, "finding", "findings")
    );
    for finding in &snapshot.findings {
        let seen = if finding.ongoing {
            format!(
                "ongoing, first seen {} ago",
                duration(snapshot.taken_at.saturating_sub(finding.first_seen))
            )
        } else {
            format!(
                "last seen {} ago",
                duration(snapshot.taken_at.saturating_sub(finding.last_seen))
            )
        };
        line!(
            out,
            "  {}  {}  ({seen})",
            finding.lint.name(),
            finding.site.location
        );
        line!(out, "    {}", finding.message);
    }
}

fn sites(out: &mut String, snapshot: &Snapshot) {
    if snapshot.sites.is_empty() {
        return;
    }
    line!(out);
    line!(
        out,
        "{}",
        plural(snapshot.sites.len() as u64, "spawn site", "spawn sites")
    );
    let mut sites: Vec<_> = snapshot.sites.iter().collect();
    sites.sort_by_key(|site| std::cmp::Reverse((site.live_tasks, site.spawned)));
    let mut table = Table::new(&[
        "live",
        "spawned",
        "finished",
        "polls",
        "busy",
        "longest poll",
        "slow",
        "site",
    ]);
    for site in sites.iter().take(ROWS) {
        table.row([
            count(site.live_tasks),
            count(site.spawned),
            count(site.finished),
            count(site.polls),
            duration(site.busy),
            duration(site.longest_poll),
            count(site.slow_polls),
            site.location.to_string(),
        ]);
    }
    table.write(out);
    more(out, sites.len().saturating_sub(ROWS) as u64);
}

fn workers(out: &mut String, snapshot: &Snapshot) {
    if snapshot.workers.is_empty() {
        return;
    }
    line!(out);
    line!(
        out,
        "{}",
        plural(snapshot.workers.len() as u64, "worker", "workers")
    );
    let mut table = Table::new(&["worker", "polls", "busy", "p50", "p99", "max", "now"]);
    for worker in &snapshot.workers {
        let runtime = snapshot
            .runtimes
            .iter()
            .find(|runtime| runtime.id == worker.runtime);
        let runtime = runtime.map_or("?", |runtime| runtime.name.as_str());
        let now = worker.current.map_or_else(
            || "idle".to_owned(),
            |poll| format!("task {} for {}", poll.task, duration(poll.running_for)),
        );
        table.row([
            format!("{runtime}/{}", worker.index),
            count(worker.polls),
            duration(worker.busy),
            duration(worker.poll_latency.p50),
            duration(worker.poll_latency.p99),
            duration(worker.poll_latency.max),
            now,
        ]);
    }
    table.write(out);
}

fn tasks(out: &mut String, snapshot: &Snapshot) {
    if snapshot.tasks.is_empty() {
        return;
    }
    line!(out);
    line!(out, "oldest live tasks");
    let mut table = Table::new(&["task", "age", "polls", "busy", "state", "parent", "site"]);
    for task in snapshot.tasks.iter().take(ROWS) {
        let site = snapshot.sites.iter().find(|site| site.id == task.site);
        table.row([
            task.id.to_string(),
            duration(snapshot.taken_at.saturating_sub(task.spawned_at)),
            count(task.polls),
            duration(task.busy),
            state(task),
            parent(task),
            site.map_or_else(|| "?".to_owned(), |site| site.location.to_string()),
        ]);
    }
    table.write(out);
    let unlisted = snapshot.tasks.len().saturating_sub(ROWS) as u64;
    more(out, unlisted + snapshot.tasks_omitted);
}

fn state(task: &Task) -> String {
    let (name, since): (&str, Duration) = match task.state {
        TaskState::Running { since } => ("running", since),
        TaskState::Idle { since } => ("idle", since),
    };
    format!("{name} for {}", duration(since))
}

fn parent(task: &Task) -> String {
    match task.parent {
        None => "none".to_owned(),
        Some(parent) => match parent.finished {
            Some(true) => format!("{}, finished", parent.id),
            Some(false) => parent.id.to_string(),
            None => format!("{}, not known", parent.id),
        },
    }
}

fn more(out: &mut String, n: u64) {
    if n > 0 {
        line!(out, "  … and {} more", count(n));
    }
}

/// Rows of cells, each column as wide as its widest cell; numbers to the right,
/// the last column free.
struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    fn new(titles: &[&str; N]) -> Self {
        Self {
            rows: vec![titles.map(str::to_owned)],
        }
    }

    fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    fn write(&self, out: &mut String) {
        let widths: [usize; N] = std::array::from_fn(|column| {
            self.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        });
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                if column == N - 1 {
                    let _ = write!(out, "  {cell}");
                } else {
                    let _ = write!(out, "  {cell:>width$}", width = widths[column]);
                }
            }
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::full;
    use super::*;
    use crate::snapshot::{Process, Runtime};

    #[test]
    fn a_full_report() {
        insta::assert_snapshot!(text(&full()));
    }

    #[test]
    fn runtimes_of_a_kind_share_a_line() {
        let mut many = full();
        let ended = Some(Duration::from_secs(9));
        many.runtimes.push(Runtime {
            ended_at: ended,
            ..many.runtimes[0].clone()
        });
        many.runtimes.push(Runtime {
            name: "one".to_owned(),
            ended_at: ended,
            ..full().runtimes.remove(0)
        });
        assert_eq!(
            runtimes(&many),
            [
                "2 × api (multi_thread, 2 workers, 1 ended)",
                "one (multi_thread, 2 workers, ended)"
            ]
        );
    }

    #[test]
    fn an_empty_report_says_so() {
        let empty = Snapshot {
            findings: Vec::new(),
            runtimes: Vec::new(),
            workers: Vec::new(),
            sites: Vec::new(),
            tasks: Vec::new(),
            tasks_omitted: 0,
            not_measured: Vec::new(),
            process: Process {
                name: "service".to_owned(),
                pid: 1,
                tasks_measured: true,
                ..Process::default()
            },
            ..full()
        };
        insta::assert_snapshot!(text(&empty));
    }
}
