//! Leak reports for the tests of every format.

use std::time::Duration;

use super::leak::*;
use super::{groups, signature};
use crate::report::fixture::stall_of;
use crate::snapshot::{Evidence, Location, NotMeasured, StallEvidence, TaskId};

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn at(file: &str, line: u32, column: u32) -> Location {
    Location {
        file: file.to_owned(),
        line,
        column,
    }
}

fn leak(kind: LeakKind, location: Option<Location>, function: Option<&str>) -> Leak {
    Leak {
        kind,
        signature: signature::of_site(kind, location.as_ref(), function),
        location,
        function: function.map(ToOwned::to_owned),
        measured: 1,
        ..groups::blank(kind, None)
    }
}

fn upload(kind: LeakKind) -> Leak {
    leak(
        kind,
        Some(at("src/upload.rs", 41, 9)),
        Some("upload::start"),
    )
}

fn accepted_by_17() -> Vec<Ancestor> {
    vec![Ancestor {
        id: TaskId(17),
        name: None,
        location: Some(at("src/serve.rs", 88, 5)),
        finished: Some(true),
    }]
}

/// Three tasks, with bytes.
pub(super) fn pending() -> Leak {
    let task = |id, polls, last_polled| LeakedTask {
        id: TaskId(id),
        parents: accepted_by_17(),
        polls,
        last_polled,
        retained_bytes: Some(16 << 10),
        ..LeakedTask::default()
    };
    Leak {
        measured: 3,
        retained_bytes: Some(48 << 10),
        tasks: vec![
            task(19, 3, Some(ms(512))),
            task(20, 1, Some(ms(498))),
            LeakedTask {
                running_for: Some(ms(2_000)),
                ..task(23, 0, None)
            },
        ],
        ..upload(LeakKind::PendingTask)
    }
}

/// One whose spawn site is a crate's, and of which no bytes are known.
pub(super) fn pending_in_a_crate() -> Leak {
    let file = "/home/u/.cargo/registry/src/index-1949/hyper-util-0.1.10/src/rt/tokio.rs";
    let grand = |id| Ancestor {
        id: TaskId(id),
        ..Ancestor::default()
    };
    Leak {
        measured: 40,
        budget: 2,
        tasks: (30..38)
            .map(|id| LeakedTask {
                id: TaskId(id),
                name: (id == 31).then(|| "conn".to_owned()),
                parents: if id == 30 {
                    vec![grand(4), grand(3)]
                } else {
                    Vec::new()
                },
                ..LeakedTask::default()
            })
            .collect(),
        ..leak(LeakKind::PendingTask, Some(at(file, 12, 5)), None)
    }
}

pub(super) fn zombies() -> Leak {
    Leak {
        measured: 2,
        retained_bytes: Some(2 << 20),
        tasks: [7, 8]
            .map(|id| LeakedTask {
                id: TaskId(id),
                polls: 4,
                last_polled: Some(ms(400)),
                finished: Some(ms(400)),
                retained_bytes: Some(1 << 20),
                ..LeakedTask::default()
            })
            .to_vec(),
        ..upload(LeakKind::ZombieTask)
    }
}

fn stalled(stall: StallEvidence) -> Leak {
    let line = stall.line.as_ref();
    Leak {
        signature: signature::of_stall(&stall),
        location: line.and_then(|line| Some(at(line.file.as_deref()?, line.line?, 0))),
        function: line.map(|line| line.function_path().to_owned()),
        measured: stall.stalls,
        stall: Some(stall),
        ..leak(LeakKind::StalledPoll, None, None)
    }
}

fn full_stall() -> StallEvidence {
    let Evidence::Stall(stall) = stall_of(&crate::report::fixture::full()).evidence else {
        panic!("not a stall");
    };
    StallEvidence {
        threshold: ms(100),
        running: Vec::new(),
        ..stall
    }
}

pub(super) fn stall() -> Leak {
    stalled(full_stall())
}

/// One of which nothing but the spawn site is known.
pub(super) fn unseen_stall() -> Leak {
    let full = full_stall();
    stalled(StallEvidence {
        threshold: ms(100),
        stalls: 1,
        total: ms(130),
        worst: ms(130),
        sites: full.sites[..1].to_vec(),
        no_stack: Some("stacks are read on Linux only".to_owned()),
        ..StallEvidence::default()
    })
}

pub(super) fn retained() -> Leak {
    Leak {
        measured: 1_258_291,
        budget: 64 << 10,
        retained_bytes: Some(1_258_291),
        ..upload(LeakKind::RetainedBytes)
    }
}

pub(super) fn growing(kind: LeakKind) -> Leak {
    let bytes = kind == LeakKind::GrowingBytes;
    let scale = if bytes { 4 << 10 } else { 1 };
    let leak = if bytes {
        leak(kind, None, None)
    } else {
        upload(kind)
    };
    Leak {
        measured: scale,
        growth: Some(Growth {
            after_rounds: (3..=6).map(|n| n * scale).collect(),
            per_round: scale,
        }),
        ..leak
    }
}

/// A report on these.
pub(super) fn report(leaks: Vec<Leak>) -> LeakReport {
    let outcome = match leaks.as_slice() {
        [] => Outcome::Clean,
        _ => Outcome::Leaks,
    };
    LeakReport {
        version: FORMAT_VERSION,
        binary: "service".to_owned(),
        test: "upload::leaves_nothing".to_owned(),
        part: None,
        location: Some(at("src/upload.rs", 120, 1)),
        outcome,
        leaks,
        allowed: Vec::new(),
        settle: ms(500),
        settled_after: ms(500),
        not_measured: Vec::new(),
        notes: Vec::new(),
    }
}

pub(super) fn inactive() -> LeakReport {
    LeakReport {
        outcome: Outcome::Inactive {
            why: "the task that was planted was not seen: Tokio was built without \
                  `--cfg tokio_unstable`, which its task hooks are behind"
                .to_owned(),
            help: "put this into .cargo/config.toml: [build] rustflags = [\"--cfg\", \
                   \"tokio_unstable\"]; RUSTFLAGS, where it is set, replaces that"
                .to_owned(),
        },
        ..report(Vec::new())
    }
}

/// A report in which every field is set.
pub(super) fn full() -> LeakReport {
    let mut leaks = vec![
        Leak {
            was_allowed: Some(Lapsed {
                until: "2026-10-31".to_owned(),
                by: "plumber.toml:12".to_owned(),
                reason: "waits for the new client, #1234".to_owned(),
            }),
            ..pending()
        },
        zombies(),
        stall(),
        retained(),
    ];
    leaks.extend(
        [
            LeakKind::GrowingTasks,
            LeakKind::GrowingZombies,
            LeakKind::GrowingBytes,
        ]
        .map(growing),
    );
    LeakReport {
        part: Some("scope upload".to_owned()),
        allowed: vec![
            Allowed {
                signature: "pending_task src/pool.rs in pool::Pool::new".to_owned(),
                measured: 1,
                by: "plumber.toml:3".to_owned(),
                reason: "the reaper lives as long as the pool".to_owned(),
            },
            Allowed {
                signature: "retained_bytes src/cache.rs in cache::fill".to_owned(),
                measured: 9 << 20,
                by: "ignore(\"src/cache.rs\")".to_owned(),
                reason: "the cache is shared by all tests".to_owned(),
            },
        ],
        not_measured: vec![NotMeasured::new(
            "tasks of a LocalSet",
            "Tokio runs no hooks for them",
        )],
        notes: vec![
            "plumber.toml:20 allows `zombie_task src/old.rs` in this test, which has none: \
             remove the entry"
                .to_owned(),
        ],
        ..report(leaks)
    }
}
