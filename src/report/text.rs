//! The report for people.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use super::stalls;
use super::table::{self, Column, column};
use crate::format::{bytes, count, duration, estimate, plural, rate};
use crate::snapshot::{Evidence, Process, Site, Snapshot, Task, TaskState, Worker};

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
    line!(out, "  heap          {}", heap(process));
    line!(out, "  worst stall   {worst}");
    let cost = process.engine_cpu_share.map_or_else(
        || NOT_MEASURED.to_owned(),
        |share| format!("{:.1} % of a core, in threads of its own", share * 100.0),
    );
    line!(out, "  own cost      {cost}");
    for missing in &snapshot.not_measured {
        line!(out, "  not measured  {}: {}", missing.what, missing.why);
    }
}

/// The bytes in use, and whose they are as far as that is known.
fn heap(process: &Process) -> String {
    let Some(retained) = process.retained_bytes else {
        return NOT_MEASURED.to_owned();
    };
    let in_use = estimate(retained, process.retained_error_bytes);
    let parts = [
        (process.retained_by_finished_bytes, "by finished tasks"),
        (process.unowned_bytes, "owned by no task"),
        (process.blocking_pool_bytes, "by the blocking pool"),
        (process.plumber_bytes, "the probe's own"),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(part, whose)| Some(format!("{} {whose}", bytes(part?))));
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() {
        return format!("{in_use} in use");
    }
    format!("{in_use} in use; {}", parts.join(", "))
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
    if !snapshot.process.judged {
        line!(
            out,
            "no findings, since nobody looks for them in this process"
        );
        return;
    }
    if snapshot.findings.is_empty() {
        let stalls = match snapshot.process.stall_threshold {
            Some(_) => "or to stall",
            None => "and stalls were not looked for",
        };
        line!(
            out,
            "no findings: nothing was seen to leak {stalls} (a leak shows after 10 s to a minute)"
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
            finding.place
        );
        line!(out, "    {}", finding.message);
        if let Evidence::Stall(stall) = &finding.evidence {
            stalls::write(out, snapshot, finding, stall);
        }
    }
}

const SITES: &[Column<Site>] = &[
    column("retained", |_, site| {
        let retained = site.retained_bytes?;
        Some(estimate(retained, site.retained_error_bytes))
    }),
    column("by finished", |_, site| {
        site.retained_by_finished_bytes.map(bytes)
    }),
    column("live", |_, site| Some(count(site.live_tasks))),
    column("spawned", |_, site| Some(count(site.spawned))),
    column("finished", |_, site| Some(count(site.finished))),
    column("polls", |_, site| Some(count(site.polls))),
    column("busy", |_, site| Some(duration(site.busy))),
    column("longest poll", |_, site| Some(duration(site.longest_poll))),
    column("slow", |_, site| Some(count(site.slow_polls))),
    column("site", |_, site| Some(site.location.to_string())),
];

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
    // Where bytes are not counted, none of them decides.
    sites.sort_by_key(|site| Reverse((site.retained_bytes, site.live_tasks, site.spawned)));
    let shown = sites.iter().copied().take(ROWS);
    table::write(out, snapshot, SITES, &shown);
    more(out, sites.len().saturating_sub(ROWS) as u64);
}

const WORKERS: &[Column<Worker>] = &[
    column("worker", |snapshot, worker| {
        let mut runtimes = snapshot.runtimes.iter();
        let runtime = runtimes.find(|runtime| runtime.id == worker.runtime);
        let runtime = runtime.map_or("?", |runtime| runtime.name.as_str());
        Some(format!("{runtime}/{}", worker.index))
    }),
    column("polls", |_, worker| Some(count(worker.polls))),
    column("busy", |_, worker| Some(duration(worker.busy))),
    column("p50", |_, worker| Some(duration(worker.poll_latency.p50))),
    column("p99", |_, worker| Some(duration(worker.poll_latency.p99))),
    column("max", |_, worker| Some(duration(worker.poll_latency.max))),
    column("now", |_, worker| {
        Some(worker.current.map_or_else(
            || "idle".to_owned(),
            |poll| format!("task {} for {}", poll.task, duration(poll.running_for)),
        ))
    }),
];

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
    table::write(out, snapshot, WORKERS, &snapshot.workers.iter());
}

const TASKS: &[Column<Task>] = &[
    column("task", |_, task| Some(task.id.to_string())),
    column("age", |snapshot, task| {
        Some(duration(snapshot.taken_at.saturating_sub(task.spawned_at)))
    }),
    column("retained", |_, task| task.retained_bytes.map(bytes)),
    column("peak", |_, task| task.peak_bytes.map(bytes)),
    column("polls", |_, task| Some(count(task.polls))),
    column("busy", |_, task| Some(duration(task.busy))),
    column("state", |_, task| Some(state(task))),
    column("parent", |_, task| Some(parent(task))),
    column("site", |snapshot, task| {
        let site = snapshot.sites.iter().find(|site| site.id == task.site);
        Some(site.map_or_else(|| "?".to_owned(), |site| site.location.to_string()))
    }),
];

fn tasks(out: &mut String, snapshot: &Snapshot) {
    if snapshot.tasks.is_empty() {
        return;
    }
    line!(out);
    line!(out, "oldest live tasks");
    let shown = snapshot.tasks.iter().take(ROWS);
    table::write(out, snapshot, TASKS, &shown);
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

#[cfg(test)]
mod tests {
    use super::super::fixture::{full, without_bytes};
    use super::*;
    use crate::snapshot::{Process, Runtime, TaskSelection};

    #[test]
    fn a_full_report() {
        insta::assert_snapshot!(text(&full()));
    }

    #[test]
    fn a_report_without_bytes() {
        insta::assert_snapshot!(text(&without_bytes(full())));
    }

    #[test]
    fn sampled_bytes_have_an_error() {
        let mut sampled = full();
        sampled.process.retained_error_bytes = Some(2 << 20);
        sampled.process.blocking_pool_bytes = None;
        sampled.sites[0].retained_error_bytes = Some(1 << 20);
        sampled.tasks[0].retained_bytes = None;
        sampled.tasks[0].peak_bytes = None;
        let report = text(&sampled);
        assert!(report.contains(
            "96.0 MiB ± 2.00 MiB in use; 40.0 MiB by finished tasks, 12.0 MiB owned by no task, \
             300 KiB the probe's own"
        ));
        assert!(report.contains("  41.0 MiB ± 1.00 MiB  "));
        assert!(!report.contains("peak"), "tasks are not estimated");
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
            tasks_selected: TaskSelection::None,
            tasks_omitted: 0,
            not_measured: Vec::new(),
            process: Process {
                name: "service".to_owned(),
                pid: 1,
                tasks_measured: true,
                judged: true,
                ..Process::default()
            },
            ..full()
        };
        insta::assert_snapshot!(text(&empty));
    }
}
