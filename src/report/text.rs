//! The report for people.

use std::fmt::Write as _;
use std::time::Duration;

use crate::format::{count, duration, plural, rate};
use crate::snapshot::{Snapshot, Task, TaskState};

/// Sites and tasks listed; the rest is counted.
const ROWS: usize = 20;

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
    let runtimes: Vec<String> = snapshot
        .runtimes
        .iter()
        .map(|runtime| {
            let ended = if runtime.ended_at.is_some() {
                ", ended"
            } else {
                ""
            };
            let workers = runtime.worker_threads.map_or_else(String::new, |workers| {
                format!(", {}", plural(workers as u64, "worker", "workers"))
            });
            format!(
                "{} ({}{workers}{ended})",
                runtime.name,
                runtime.flavor.as_str()
            )
        })
        .collect();
    let none = || "none".to_owned();
    let runtimes = if runtimes.is_empty() {
        none()
    } else {
        runtimes.join(", ")
    };
    line!(out, "  runtimes      {runtimes}");
    line!(
        out,
        "  tasks         {} live, {} spawned, {} finished; {} spawns/s, {} polls/s",
        count(process.live_tasks),
        count(process.spawned),
        count(process.finished),
        rate(process.spawns_per_second),
        rate(process.polls_per_second),
    );
    let threshold = match process.stall_threshold {
        Some(threshold) => format!("threshold {}", duration(threshold)),
        None => "not looked for".to_owned(),
    };
    line!(
        out,
        "  worst stall   {} ({threshold})",
        process.worst_stall.map_or_else(none, duration)
    );
    let cost = process.engine_cpu_share.map_or_else(
        || "not measured".to_owned(),
        |share| format!("{:.1} % of a core, in its own thread", share * 100.0),
    );
    line!(out, "  own cost      {cost}");
    for missing in &snapshot.not_measured {
        line!(out, "  not measured  {}: {}", missing.what, missing.why);
    }
}

fn findings(out: &mut String, snapshot: &Snapshot) {
    line!(out);
    if snapshot.findings.is_empty() {
        line!(out, "no findings: nothing was seen to leak or to stall");
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
                "for {}",
                duration(snapshot.taken_at.saturating_sub(finding.first_seen))
            )
        } else {
            format!(
                "over, last {} ago",
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
        if self.rows.len() == 1 {
            return;
        }
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
pub(super) mod tests {
    use super::*;
    use crate::snapshot::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn location(file: &str, line: u32) -> Location {
        Location {
            file: file.to_owned(),
            line,
            column: 9,
        }
    }

    /// A snapshot in which every field is set.
    pub(in crate::report) fn full() -> Snapshot {
        let upload = FindingSite {
            id: SiteId(2),
            location: location("src/upload.rs", 41),
        };
        let serve = FindingSite {
            id: SiteId(1),
            location: location(
                "/home/u/.cargo/registry/src/index-1949/axum-0.8.9/src/serve.rs",
                7,
            ),
        };
        let stall = StallEvidence {
            threshold: ms(10),
            stalls: 3,
            total: ms(720),
            worst: ms(412),
            worst_task: TaskId(17),
            running: vec![RunningStall {
                task: TaskId(19),
                runtime: RuntimeId(1),
                worker: 0,
                running_for: ms(113),
            }],
        };
        let leak = LeakEvidence {
            floors: vec![20, 60, 100, 140, 180],
            window: ms(2_000),
            spawned: 200,
            finished: 0,
            live_tasks: 220,
            idle_tasks: 200,
            parent_finished: 199,
            mean_lifetime: None,
            examples: vec![TaskId(4), TaskId(6)],
        };
        Snapshot {
            version: FORMAT_VERSION,
            taken_at: ms(12_500),
            process: Process {
                name: "service".to_owned(),
                pid: 4711,
                started_unix_ms: 1_795_371_815_608,
                live_tasks: 221,
                spawned: 1_240,
                finished: 1_019,
                polls: 48_213,
                busy: ms(2_130),
                spawns_per_second: 41.5,
                polls_per_second: 12_345.0,
                worst_stall: Some(ms(412)),
                stall_threshold: Some(ms(10)),
                engine_cpu: Some(ms(31)),
                engine_cpu_share: Some(0.0025),
                history: vec![HistoryPoint {
                    at: ms(12_000),
                    live_tasks: 219,
                    spawned: 1_238,
                    polls: 47_000,
                }],
            },
            findings: vec![
                Finding {
                    lint: Lint::LeakingSite,
                    message: "tasks spawned here do not end".to_owned(),
                    site: upload.clone(),
                    first_seen: ms(9_000),
                    last_seen: ms(12_000),
                    ongoing: true,
                    evidence: Evidence::Leak(leak),
                },
                Finding {
                    lint: Lint::StalledPoll,
                    message: "a task spawned here blocks the event loop".to_owned(),
                    site: serve.clone(),
                    first_seen: ms(3_000),
                    last_seen: ms(11_000),
                    ongoing: false,
                    evidence: Evidence::Stall(stall),
                },
            ],
            runtimes: vec![Runtime {
                id: RuntimeId(1),
                name: "api".to_owned(),
                flavor: Flavor::MultiThread,
                worker_threads: Some(2),
                built_at: ms(0),
                ended_at: None,
                spawned: 1_240,
                finished: 1_019,
                live_tasks: 221,
                polls: 48_213,
                busy: ms(2_130),
            }],
            workers: vec![Worker {
                runtime: RuntimeId(1),
                index: 0,
                thread_name: "api-worker".to_owned(),
                tid: Some(4712),
                polls: 48_213,
                busy: ms(2_130),
                current: Some(CurrentPoll {
                    task: TaskId(19),
                    site: SiteId(1),
                    running_for: ms(113),
                }),
                poll_latency: PollLatency {
                    p50: Duration::from_nanos(1_900),
                    p90: Duration::from_nanos(8_000),
                    p99: ms(3),
                    p999: ms(200),
                    max: ms(412),
                    decades: [9, 40_000, 8_000, 200, 1, 0, 3, 0],
                },
            }],
            sites: vec![
                Site {
                    id: SiteId(1),
                    location: serve.location,
                    spawned: 1_020,
                    finished: 1_019,
                    live_tasks: 1,
                    polls: 47_900,
                    busy: ms(2_100),
                    longest_poll: ms(412),
                    slow_polls: 3,
                    history: vec![1, 1, 1],
                },
                Site {
                    id: SiteId(2),
                    location: upload.location,
                    spawned: 220,
                    finished: 0,
                    live_tasks: 220,
                    polls: 313,
                    busy: ms(30),
                    longest_poll: Duration::from_micros(813),
                    slow_polls: 0,
                    history: vec![180, 200, 220],
                },
            ],
            tasks: vec![Task {
                id: TaskId(4),
                runtime: RuntimeId(1),
                site: SiteId(2),
                parent: Some(Parent {
                    id: TaskId(3),
                    site: Some(SiteId(1)),
                    finished: Some(true),
                }),
                spawned_at: ms(500),
                polls: 2,
                busy: Duration::from_micros(12),
                longest_poll: Duration::from_micros(9),
                last_poll_started: Some(ms(1_400)),
                last_poll_ended: Some(ms(1_400)),
                state: TaskState::Idle { since: ms(11_100) },
            }],
            tasks_omitted: 220,
            not_measured: vec![NotMeasured {
                what: "tasks of a LocalSet".to_owned(),
                why: "Tokio runs no task hooks for them".to_owned(),
            }],
        }
    }

    #[test]
    fn a_full_report() {
        insta::assert_snapshot!(text(&full()));
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
                ..Process::default()
            },
            ..full()
        };
        insta::assert_snapshot!(text(&empty));
    }
}
