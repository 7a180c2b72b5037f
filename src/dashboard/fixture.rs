//! A picture of a made-up service that has one of everything, for tests.

use std::time::Duration;

use crate::snapshot::{
    CurrentPoll, Evidence, FORMAT_VERSION, Finding, FindingSite, Flavor, HistoryPoint,
    LeakEvidence, Lint, Location, NotMeasured, Parent, PollLatency, Process, RunningStall, Runtime,
    RuntimeId, Site, SiteId, Snapshot, StallEvidence, Task, TaskId, TaskState, Worker,
};

const HYPER: &str = "/home/x/.cargo/registry/src/index-1949cf8c6b5b557f/hyper-1.12.0/src/";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

pub(super) fn snapshot() -> Snapshot {
    let sites = sites();
    Snapshot {
        version: FORMAT_VERSION,
        taken_at: ms(243_000),
        process: process(),
        findings: findings(&sites),
        runtimes: vec![
            runtime(1, "main", Flavor::MultiThread, Some(3)),
            runtime(2, "metrics", Flavor::CurrentThread, None),
        ],
        workers: workers(),
        sites,
        tasks: Vec::new(),
        tasks_omitted: 0,
        not_measured: vec![
            NotMeasured {
                what: "retained bytes".into(),
                why: "tokio_plumber::Alloc is not the global allocator; set it with \
                      #[global_allocator] to count the bytes that tasks keep"
                    .into(),
            },
            NotMeasured {
                what: "wakes".into(),
                why: "Tokio has no hook for them".into(),
            },
        ],
    }
}

/// Just started: nothing was spawned yet.
pub(super) fn blank() -> Snapshot {
    Snapshot {
        version: FORMAT_VERSION,
        taken_at: ms(12),
        process: Process {
            name: "fresh".into(),
            pid: 1,
            tasks_measured: true,
            ..Process::default()
        },
        findings: Vec::new(),
        runtimes: Vec::new(),
        workers: Vec::new(),
        sites: Vec::new(),
        tasks: Vec::new(),
        tasks_omitted: 0,
        not_measured: Vec::new(),
    }
}

fn process() -> Process {
    let point = |second: u32| HistoryPoint {
        at: ms(u64::from(second) * 1_000),
        live_tasks: 400 + u64::from(second) * 9,
        ..HistoryPoint::default()
    };
    Process {
        name: "aggregator".into(),
        pid: 4711,
        started_unix_ms: 1_760_000_000_000,
        tasks_measured: true,
        live_tasks: 1_480,
        spawned: 1_234_567,
        finished: 1_233_087,
        polls: 9_876_543,
        busy: ms(81_000),
        spawns_per_second: 1_204.0,
        polls_per_second: 45_100.0,
        worst_stall: Some(ms(1_204)),
        stall_threshold: Some(ms(10)),
        engine_cpu: Some(ms(730)),
        engine_cpu_share: Some(0.003),
        history: (0..120).map(point).collect(),
    }
}

fn runtime(id: u32, name: &str, flavor: Flavor, worker_threads: Option<usize>) -> Runtime {
    Runtime {
        id: RuntimeId(id),
        name: name.into(),
        flavor,
        worker_threads,
        built_at: Duration::ZERO,
        ended_at: None,
        spawned: 0,
        finished: 0,
        live_tasks: 0,
        polls: 0,
        busy: Duration::ZERO,
    }
}

fn workers() -> Vec<Worker> {
    let worker = |runtime, index, name: &str, busy, current, decades| Worker {
        runtime: RuntimeId(runtime),
        index,
        thread_name: name.into(),
        tid: Some(4712 + index + 10 * (runtime - 1)),
        polls: 3_292_181,
        busy: ms(busy),
        current,
        poll_latency: PollLatency {
            p50: us(42),
            p90: us(190),
            p99: us(1_200),
            p999: us(9_200),
            max: ms(1_130),
            decades,
        },
    };
    let main = "tokio-runtime-worker";
    let mixed = [12_345, 1_200_000, 1_900_000, 170_000, 9_800, 34, 2, 1];
    let short = [12_345, 1_200_000, 1_900_000, 0, 0, 0, 0, 0];
    vec![
        worker(1, 0, main, 61_000, Some(poll_of(812, 1, 1_204)), mixed),
        worker(1, 1, main, 12_000, Some(poll_of(977, 2, 3)), mixed),
        worker(1, 2, main, 8_000, None, short),
        worker(2, 0, "", 10, None, short),
    ]
}

pub(super) fn poll_of(task: u64, site: u32, running_ms: u64) -> CurrentPoll {
    CurrentPoll {
        task: TaskId(task),
        site: SiteId(site),
        running_for: ms(running_ms),
    }
}

fn site(id: u32, file: &str, line: u32, alive: u32, spawned: u64, history: Vec<u32>) -> Site {
    Site {
        id: SiteId(id),
        location: Location {
            file: file.into(),
            line,
            column: 13,
        },
        spawned,
        finished: spawned - u64::from(alive),
        live_tasks: u64::from(alive),
        polls: spawned * 7,
        busy: us(spawned * 61),
        longest_poll: us(u64::from(line) * 42),
        slow_polls: 0,
        history,
    }
}

/// Sorted by file, as the engine sorts them.
fn sites() -> Vec<Site> {
    let steady = |level: u32| (0..60).map(move |at| level + at % 3).collect::<Vec<_>>();
    let rising = (0..60).map(|at| 40 + at * 21).collect();
    let spikes = (0..60).map(|at| if at % 9 == 4 { 31 } else { 2 }).collect();
    let mut hyper = site(3, "", 76, 20, 90_412, steady(19));
    hyper.location.file = format!("{HYPER}common/exec.rs");
    hyper.location.column = 21;
    let mut sites = vec![
        hyper,
        site(2, "src/accept.rs", 28, 64, 12_345, steady(62)),
        site(1, "src/aggregate/fetch.rs", 41, 1_279, 1_004_711, rising),
        site(4, "src/aggregate/merge/streams.rs", 118, 12, 48_112, spikes),
        site(5, "src/cache.rs", 9, 1, 1, vec![1; 60]),
        site(6, "src/main.rs", 52, 1, 1, vec![1; 60]),
        site(7, "src/metrics.rs", 33, 0, 240, vec![0; 60]),
    ];
    let blocking = &mut sites[2];
    blocking.slow_polls = 14;
    blocking.longest_poll = ms(1_130);
    sites
}

pub(super) fn many_sites(count: u32) -> Vec<Site> {
    (0..count)
        .map(|id| {
            let file = format!("src/generated/module_{}.rs", id % 97);
            site(id, &file, id, id * 7919 % 1_000, 1_000, vec![id % 7; 60])
        })
        .collect()
}

fn findings(sites: &[Site]) -> Vec<Finding> {
    let finding = |lint, id, message: &str, first_ms, last_ms, evidence| Finding {
        lint,
        message: message.into(),
        site: FindingSite {
            id: SiteId(id),
            location: sites
                .iter()
                .find(|site| site.id == SiteId(id))
                .expect("a finding is about a site of the fixture")
                .location
                .clone(),
        },
        first_seen: ms(first_ms),
        last_seen: ms(last_ms),
        ongoing: last_ms == 243_000,
        evidence,
    };
    vec![
        finding(
            Lint::StalledPoll,
            1,
            "a task spawned here blocks the event loop: task 812 has been in one poll for 1.20 s, \
             14 stalls in all, the longest 1.20 s",
            120_000,
            243_000,
            Evidence::Stall(StallEvidence {
                threshold: ms(10),
                stalls: 14,
                total: ms(3_240),
                worst: ms(1_204),
                worst_task: TaskId(812),
                running: vec![RunningStall {
                    task: TaskId(812),
                    runtime: RuntimeId(1),
                    worker: 0,
                    running_for: ms(1_204),
                }],
            }),
        ),
        finding(
            Lint::LeakingSite,
            1,
            "1,279 live tasks do not end: in 50.0 s 12,004 were spawned and 10,965 finished; 830 of \
             the new ones sit idle, 828 with no parent left; floor \
             418 → 620 → 831 → 1,041 → 1,251",
            180_000,
            243_000,
            Evidence::Leak(LeakEvidence {
                floors: vec![418, 620, 831, 1_041, 1_251],
                window: ms(10_000),
                spawned: 12_004,
                finished: 10_965,
                live_tasks: 1_279,
                idle_tasks: 830,
                parent_finished: 828,
                mean_lifetime: Some(ms(41)),
                examples: [101, 133, 140].map(TaskId).to_vec(),
            }),
        ),
        finding(
            Lint::StalledPoll,
            3,
            "tasks spawned here blocked the event loop: 1 stall, the longest 12.0 ms (task 77), \
             12.0 ms in total",
            20_000,
            20_000,
            Evidence::Stall(StallEvidence {
                threshold: ms(10),
                stalls: 1,
                total: ms(12),
                worst: ms(12),
                worst_task: TaskId(77),
                running: Vec::new(),
            }),
        ),
    ]
}

/// A task of `site`, spawned as many seconds after the epoch as its id says.
pub(super) fn task(id: u64, site: u32, parent: Option<(u64, Option<bool>)>) -> Task {
    Task {
        id: TaskId(id),
        runtime: RuntimeId(1),
        site: SiteId(site),
        parent: parent.map(|(id, finished)| Parent {
            id: TaskId(id),
            site: finished.map(|_| SiteId(2)),
            finished,
        }),
        spawned_at: ms(id * 1_000),
        polls: 3,
        busy: us(61),
        longest_poll: us(42),
        last_poll_started: Some(ms(id * 1_000 + 1)),
        last_poll_ended: Some(ms(id * 1_000 + 2)),
        state: TaskState::Idle {
            since: ms(243_000_u64.saturating_sub(id * 1_000 + 2)),
        },
    }
}

/// The tasks of the leaking site, with a parent of every kind.
pub(super) fn tasks() -> Vec<Task> {
    let mut tasks = vec![
        task(12, 2, None),
        task(101, 1, Some((12, Some(false)))),
        task(102, 1, Some((12, Some(false)))),
        task(140, 1, Some((102, Some(false)))),
        task(133, 1, Some((77, Some(true)))),
        task(150, 1, Some((30, None))),
        task(151, 1, None),
        task(152, 1, None),
    ];
    tasks[2].state = TaskState::Running { since: ms(1_204) };
    let unpolled = &mut tasks[7];
    unpolled.last_poll_started = None;
    unpolled.last_poll_ended = None;
    unpolled.polls = 0;
    unpolled.busy = Duration::ZERO;
    unpolled.longest_poll = Duration::ZERO;
    tasks
}
