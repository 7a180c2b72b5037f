//! Both lints, driven a second at a time.

use super::super::memory::TaskMemory;
use super::*;
use crate::probe::cells::SiteTotals;
use crate::snapshot::{RetainedEvidence, TaskId, ZombieEvidence};

const SITE: SiteId = SiteId(3);
/// Far from those of tasks that other tests spawn.
const TASK: TaskId = TaskId(1 << 41);
const KIB: i64 = 1024;
const MIB: i64 = 1024 * KIB;

/// The engine's memory, fed with figures a second.
#[derive(Default)]
struct Engine {
    memory: Memory,
    past: MemoryPast,
    process: ProcessPast,
    sites: Vec<SitePast>,
    now: Duration,
    /// Live tasks of the site, and of the process.
    live_tasks: u64,
}

impl Engine {
    fn counting(accounting: Accounting) -> Self {
        let mut engine = Self::default();
        engine.memory.accounting = Some(accounting);
        engine.memory.sites = vec![SiteMemory::default(); 4];
        engine.sites.resize_with(4, SitePast::default);
        engine.live_tasks = 10;
        engine
    }

    fn exact() -> Self {
        Self::counting(Accounting::Exact)
    }

    fn second(&mut self, memory: SiteMemory, tasks: &[(TaskId, i64)]) {
        self.now += Duration::from_secs(1);
        self.memory.sites[SITE.0 as usize] = memory;
        let task = |(task, bytes): &(TaskId, i64)| TaskMemory {
            bytes: *bytes,
            task: *task,
            site: SITE,
        };
        self.memory.biggest = tasks.iter().map(task).collect();
        self.past.observe(&self.memory);
        self.past.end_step();
        let mut totals = SiteTotals::default();
        totals.totals.spawned = self.live_tasks;
        let site = &mut self.sites[SITE.0 as usize];
        site.observe(self.now, &totals);
        site.end_step();
        self.process.end_step(self.now, &totals.totals, None);
        let known = Known {
            memory: &self.memory,
            process: &self.process,
            sites: &self.sites,
        };
        judge(self.now, &known, &mut self.past);
    }

    /// One second in which live tasks retain this much, and no single one stands
    /// out.
    fn live(&mut self, bytes: i64) {
        let memory = SiteMemory {
            live: bytes,
            ..SiteMemory::default()
        };
        self.second(memory, &[]);
    }

    /// The same for finished tasks that are freed.
    fn left(&mut self, bytes: i64) {
        let memory = SiteMemory {
            finished: bytes,
            finished_retaining: 5,
            ..SiteMemory::default()
        };
        self.second(memory, &[]);
    }

    fn zombies(&mut self, zombies: u64) {
        let memory = SiteMemory {
            finished: zombies.cast_signed() * KIB,
            finished_retaining: zombies,
            zombies,
            zombie_bytes: zombies.cast_signed() * KIB,
            old_zombies: zombies,
            ..SiteMemory::default()
        };
        self.second(memory, &[]);
    }

    fn retained(&self) -> Option<&RetainedEvidence> {
        let verdict = self.past.site(SITE)?.retained.as_ref()?;
        verdict.ongoing.then_some(&verdict.evidence)
    }

    fn zombie(&self) -> Option<&ZombieEvidence> {
        let verdict = self.past.site(SITE)?.zombies.as_ref()?;
        verdict.ongoing.then_some(&verdict.evidence)
    }
}

/// What fills up with this half-life.
fn filled(full: i64, half_life: f64, second: i64) -> i64 {
    #[allow(clippy::cast_possible_truncation)] // Below `full`.
    let filled = (full as f64 * (1.0 - (-second as f64 / half_life).exp2())) as i64;
    filled
}

#[test]
fn a_task_that_only_grows_is_found_within_a_minute() {
    let mut engine = Engine::exact();
    // Others of the site breathe.
    for second in 0..60 {
        let leaked = second * 100 * KIB;
        let others = 4 * MIB + second % 7 * MIB;
        let memory = SiteMemory {
            live: leaked + others,
            ..SiteMemory::default()
        };
        engine.second(memory, &[(TaskId(4), others), (TASK, leaked + 70 * KIB)]);
    }
    let found = engine.retained().unwrap();
    assert_eq!((found.keeper, found.tasks), (Keeper::OneTask, Some(1)));
    assert_eq!(found.examples[0].task, TASK);
    assert!((found.growth - 100.0 * 1024.0).abs() < 1.0);
    assert_eq!(
        engine
            .past
            .site(SITE)
            .unwrap()
            .retained
            .as_ref()
            .unwrap()
            .first_seen,
        Duration::from_secs(48)
    );
}

#[test]
fn caches_that_level_off_and_pools_that_breathe_are_left_alone() {
    for half_life in [1.0, 5.0, 20.0, 50.0] {
        let (mut of_one, mut of_many, mut of_finished) =
            (Engine::exact(), Engine::exact(), Engine::exact());
        for second in 0..300 {
            let cached = filled(200 * MIB, half_life, second);
            let memory = SiteMemory {
                live: cached,
                ..SiteMemory::default()
            };
            of_one.second(memory, &[(TASK, cached)]);
            of_many.live(cached);
            of_finished.left(cached);
            for engine in [&of_one, &of_many, &of_finished] {
                assert_eq!(engine.retained(), None, "{half_life} {second}");
            }
        }
    }
    let mut pool = Engine::exact();
    for second in 0..300 {
        // In ever larger breaths, back to its floor each time.
        let breath = second % 40 * second * KIB;
        pool.second(
            SiteMemory {
                live: 10 * MIB + breath,
                ..SiteMemory::default()
            },
            &[(TASK, 10 * MIB + breath)],
        );
        assert_eq!(pool.retained(), None);
    }
}

#[test]
fn what_finished_tasks_leave_is_found() {
    let mut engine = Engine::exact();
    for second in 0..60 {
        engine.left(second * 20 * KIB);
    }
    let found = engine.retained().unwrap();
    assert_eq!(found.keeper, Keeper::FinishedTasks);
    assert_eq!(
        (found.retained_bytes, found.tasks),
        (59 * 20 * 1024, Some(5))
    );
}

#[test]
fn a_little_growth_is_no_finding() {
    let mut engine = Engine::exact();
    for second in 0..240 {
        engine.live(MIB + second * 100);
        assert_eq!(engine.retained(), None);
    }
}

#[test]
fn what_more_tasks_retain_is_no_finding() {
    // Ten thousand connections, of which there are slowly more.
    for (first, more) in [(10_i64, 1), (10_000, 15), (1_000, 0)] {
        let (mut live, mut left) = (Engine::exact(), Engine::exact());
        for second in 0..200 {
            let tasks = first + more * second;
            live.live_tasks = tasks.cast_unsigned();
            left.live_tasks = tasks.cast_unsigned();
            live.live(tasks * 20 * KIB);
            left.left(tasks * 20 * KIB);
            assert_eq!(live.retained(), None, "{first} {more} {second}");
            if first < 10_000 {
                assert_eq!(left.retained(), None, "{first} {more} {second}");
            }
        }
    }
    // Tasks that leak, and that fill their bodies a while after they were spawned.
    for delay in [0, 2, 5] {
        let mut engine = Engine::exact();
        for second in 0..200 {
            let tasks = |second: i64| 18 * second.clamp(0, 110);
            engine.live_tasks = tasks(second).cast_unsigned();
            engine.live(tasks(second - delay) * 545 * KIB);
            assert_eq!(engine.retained(), None, "{delay} {second}");
        }
    }
    // The same tasks, each with more.
    let mut engine = Engine::exact();
    engine.live_tasks = 10_000;
    for second in 0..60 {
        engine.live(10_000 * 10 * KIB + second * MIB);
    }
    assert_eq!(engine.retained().unwrap().keeper, Keeper::LiveTasks);
}

#[test]
fn a_verdict_ends_when_it_levels_off_or_is_freed() {
    let mut engine = Engine::exact();
    let leak = |engine: &mut Engine, seconds: std::ops::Range<i64>| {
        seconds.for_each(|second| engine.live(second * MIB));
        assert!(engine.retained().is_some());
    };
    leak(&mut engine, 0..60);
    for _ in 0..50 {
        engine.live(59 * MIB);
    }
    assert_eq!(engine.retained(), None);
    assert!(engine.past.site(SITE).unwrap().retained.is_some());

    let mut engine = Engine::exact();
    leak(&mut engine, 0..60);
    engine.live(10 * MIB);
    assert_eq!(engine.retained(), None);
}

#[test]
fn growth_within_the_error_of_sampling_is_no_finding() {
    let mut sampled = Engine::counting(Accounting::Sampled);
    let mut exact = Engine::exact();
    for second in 0..60 {
        let bytes = 100 * MIB + second * 100 * KIB;
        sampled.live(bytes);
        exact.live(bytes);
    }
    assert_eq!(sampled.retained(), None);
    assert!(exact.retained().is_some());
}

#[test]
fn zombies_that_pile_up_are_found_and_stay_until_they_are_freed() {
    let mut engine = Engine::exact();
    for second in 0..30 {
        engine.zombies(second * 15);
    }
    let found = engine.zombie().unwrap();
    assert_eq!((found.zombies, found.retained_bytes), (435, 435 * 1024));
    // Their memory is not told twice.
    assert_eq!(engine.retained(), None);
    for _ in 0..100 {
        engine.zombies(435);
    }
    assert!(engine.zombie().is_some());
    engine.zombies(10);
    assert_eq!(engine.zombie(), None);
}

#[test]
fn a_verdict_on_zombies_does_not_live_on_young_ones() {
    let mut engine = Engine::exact();
    for second in 0..60 {
        engine.zombies(second * 20);
    }
    assert!(engine.zombie().is_some());
    // The leak is mended; many handles are held for a moment, always.
    let busy = SiteMemory {
        finished: 900 * KIB,
        finished_retaining: 900,
        zombies: 900,
        zombie_bytes: 900 * KIB,
        ..SiteMemory::default()
    };
    engine.second(busy, &[]);
    assert_eq!(engine.zombie(), None);
}

#[test]
fn a_few_small_zombies_are_no_finding() {
    let mut engine = Engine::exact();
    for second in 0..60 {
        engine.zombies(second);
        assert_eq!(engine.zombie(), None);
    }
}

#[test]
fn a_site_that_retains_nothing_any_more_is_forgotten() {
    let mut engine = Engine::exact();
    engine.live(MIB);
    assert!(engine.past.site(SITE).is_some());
    for _ in 0..250 {
        engine.live(0);
    }
    assert!(engine.past.site(SITE).is_none());
}

#[test]
fn handles_that_are_awaited_in_the_end_are_left_alone() {
    let mut engine = Engine::exact();
    for second in 0..300 {
        // A batch every twenty seconds, and a few workers that ended early.
        engine.zombies(4 + second % 20 * 10);
        assert_eq!(engine.zombie(), None);
    }
}
