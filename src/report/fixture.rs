//! A snapshot for the tests of every format.

use std::time::Duration;

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

const MIB: u64 = 1 << 20;

fn holding(task: u64, retained_bytes: u64) -> Holding {
    Holding {
        task: TaskId(task),
        retained_bytes,
    }
}

/// A snapshot in which every field is set.
// One literal, so that a new field does not compile until it is set here.
#[allow(clippy::too_many_lines)]
pub(super) fn full() -> Snapshot {
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
        retained_bytes: Some(7 * MIB),
    };
    let retained = RetainedEvidence {
        keeper: Keeper::FinishedTasks,
        retained_bytes: 40 * MIB,
        growth: 1.5 * MIB as f64,
        tasks: Some(900),
        floors: vec![10 * MIB, 20 * MIB, 30 * MIB, 40 * MIB],
        window: ms(2_000),
        examples: vec![holding(17, 9 * MIB), holding(12, 3 * MIB)],
    };
    let zombies = ZombieEvidence {
        zombies: 12,
        retained_bytes: 3 * MIB,
        floors: vec![3, 6, 9, 12],
        window: ms(2_000),
        oldest: ms(9_300),
        examples: vec![holding(17, 2 * MIB)],
    };
    Snapshot {
        version: FORMAT_VERSION,
        taken_at: ms(12_500),
        process: Process {
            name: "service".to_owned(),
            pid: 4711,
            started_unix_ms: 1_795_371_815_608,
            tasks_measured: true,
            live_tasks: 221,
            spawned: 1_240,
            finished: 1_019,
            polls: 48_213,
            busy: ms(2_130),
            spawns_per_second: 41.5,
            polls_per_second: 12_345.0,
            heap_accounting: Some(HeapAccounting::Exact),
            retained_bytes: Some(96 * MIB),
            retained_error_bytes: Some(0),
            retained_by_finished_bytes: Some(40 * MIB),
            unowned_bytes: Some(12 * MIB),
            blocking_pool_bytes: Some(MIB),
            plumber_bytes: Some(300 << 10),
            worst_stall: Some(ms(412)),
            stall_threshold: Some(ms(10)),
            engine_cpu: Some(ms(31)),
            engine_cpu_share: Some(0.0025),
            history: vec![HistoryPoint {
                at: ms(12_000),
                live_tasks: 219,
                spawned: 1_238,
                polls: 47_000,
                retained_bytes: Some(94 * MIB),
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
                lint: Lint::RetainedBytes,
                message: "finished tasks of this site keep 40.0 MiB, and it grows".to_owned(),
                site: serve.clone(),
                first_seen: ms(8_000),
                last_seen: ms(12_000),
                ongoing: true,
                evidence: Evidence::Retained(retained),
            },
            Finding {
                lint: Lint::ZombieTask,
                message: "12 finished tasks of this site are not freed".to_owned(),
                site: serve.clone(),
                first_seen: ms(8_000),
                last_seen: ms(12_000),
                ongoing: true,
                evidence: Evidence::Zombies(zombies),
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
                retained_bytes: Some(41 * MIB),
                retained_error_bytes: Some(0),
                retained_by_finished_bytes: Some(40 * MIB),
                finished_retaining: Some(900),
                zombies: Some(12),
                retained_growth: Some(1.5 * MIB as f64),
                retained_history: vec![38 * MIB, 39 * MIB, 41 * MIB],
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
                retained_bytes: Some(7 * MIB),
                retained_error_bytes: Some(0),
                retained_by_finished_bytes: Some(0),
                finished_retaining: Some(0),
                zombies: Some(0),
                retained_growth: Some(-512.0),
                retained_history: vec![7 * MIB; 3],
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
            retained_bytes: Some(33 << 10),
            allocated_bytes: Some(48 << 10),
            peak_bytes: Some(40 << 10),
            cell_bytes: Some(1 << 10),
        }],
        tasks_omitted: 220,
        not_measured: vec![NotMeasured {
            what: "tasks of a LocalSet".to_owned(),
            why: "Tokio runs no task hooks for them".to_owned(),
        }],
    }
}

/// The same as it would be without an allocator that counts: every figure in
/// bytes is unknown, and the snapshot says why.
pub(crate) fn without_bytes(mut snapshot: Snapshot) -> Snapshot {
    let process = &mut snapshot.process;
    process.heap_accounting = None;
    process.retained_bytes = None;
    process.retained_error_bytes = None;
    process.retained_by_finished_bytes = None;
    process.unowned_bytes = None;
    process.blocking_pool_bytes = None;
    process.plumber_bytes = None;
    for point in &mut process.history {
        point.retained_bytes = None;
    }
    for site in &mut snapshot.sites {
        site.retained_bytes = None;
        site.retained_error_bytes = None;
        site.retained_by_finished_bytes = None;
        site.finished_retaining = None;
        site.zombies = None;
        site.retained_growth = None;
        site.retained_history = Vec::new();
    }
    snapshot.tasks.iter_mut().for_each(forget_bytes);
    snapshot.findings.retain_mut(|finding| {
        if let Evidence::Leak(leak) = &mut finding.evidence {
            leak.retained_bytes = None;
        }
        !matches!(
            finding.evidence,
            Evidence::Retained(_) | Evidence::Zombies(_)
        )
    });
    snapshot.not_measured.push(NotMeasured {
        what: "retained bytes".to_owned(),
        why: "tokio_plumber::Alloc is not the global allocator; set it with #[global_allocator]"
            .to_owned(),
    });
    snapshot
}

/// As a task is where bytes are sampled, or not counted at all.
pub(crate) fn forget_bytes(task: &mut Task) {
    task.retained_bytes = None;
    task.allocated_bytes = None;
    task.peak_bytes = None;
    task.cell_bytes = None;
}
