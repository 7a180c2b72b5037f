//! Laws of the allocators: random programs on several threads against a model, for
//! several allocators inside.
//!
//! The allocators are called directly here, not installed. Accounts are one for the
//! process, so these tests take turns; nothing else in this binary allocates
//! through them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use proptest::prelude::*;

use super::account::Account;
use super::body::BodyAccount;
use super::slots::{Balance, Key, Origin};
use super::{Alloc, Base, Owner, SLOTS, SampledAlloc, base_bytes};
use crate::snapshot::{RuntimeId, SiteId, TaskId};

/// Whose the tasks are.
const ORIGIN: RuntimeId = RuntimeId(3);

/// A block that its owner may free on any thread.
pub(crate) struct Kept(usize, Layout);

impl Kept {
    pub(crate) fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size, 8).unwrap();
        // SAFETY: the size is not zero.
        let block = unsafe { Alloc::system().alloc(layout) };
        Self(block.expose_provenance(), layout)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let block = std::ptr::with_exposed_provenance_mut(self.0);
        // SAFETY: a live block of this allocator and layout, and nobody else's.
        unsafe { Alloc::system().dealloc(block, self.1) };
    }
}

/// Runs `f` on a thread of its own, which then publishes what it has in hand. (A
/// scope does not wait for the end of a thread, which would do that, too.)
pub(crate) fn apart<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    let on_thread = || {
        let result = f();
        super::publish();
        result
    };
    thread::scope(|scope| scope.spawn(on_thread).join().unwrap())
}

/// Whoever holds this has the accounts to itself.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever holds this has the accounts to itself, and they are exact.
pub(crate) fn turn_with_exact_accounts() -> MutexGuard<'static, ()> {
    let turn = turn();
    apart(|| wake(&Alloc::system()));
    turn
}

/// Counts what really is in use.
struct Counting<A>(A, AtomicI64);

// SAFETY: every call is passed on as it is.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.1.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise, here and below.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.1.fetch_add(1, Relaxed);
        // SAFETY: as above.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.1.fetch_sub(1, Relaxed);
        // SAFETY: as above.
        unsafe { self.0.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.realloc(block, layout, size) }
    }
}

/// A task that exists for the accounts only.
#[derive(Clone, Copy)]
struct Task {
    owner: Owner,
    number: usize,
}

fn new_task(number: usize) -> Task {
    static IDS: AtomicU64 = AtomicU64::new(1 << 40);
    let key = Key::new(TaskId(IDS.fetch_add(1, Relaxed)), SiteId(1));
    let opening = super::cell::open(key, super::cell::find());
    let index = opening.slot().expect("an allocator counts");
    let account: &'static Account = Box::leak(Box::default());
    account.open(opening);
    let slot = SLOTS.get(index).unwrap();
    let owner = Owner {
        slot,
        index,
        key,
        account,
    };
    Task { owner, number }
}

/// What a thread does in and around one poll.
#[derive(Clone, Debug)]
struct Turn {
    /// The bodies that it is in, the outermost first.
    bodies: Vec<usize>,
    /// Their accounts are dropped before the poll.
    drops_bodies: bool,
    before: Vec<Step>,
    poll: Poll,
    after: Vec<Step>,
}

/// What a thread does in one poll, or outside of one.
#[derive(Clone, Debug)]
struct Poll {
    /// The task to poll, if any.
    task: Option<usize>,
    /// It ends with this poll.
    ends: bool,
    /// After it has been let go: what comes between Tokio's release of a task and
    /// the hook.
    lets_go_early: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Allocate {
        size: usize,
        align: u32,
        zeroed: bool,
    },
    Resize {
        pick: usize,
        size: usize,
    },
    Free {
        pick: usize,
    },
    /// The probe does it.
    ByPlumber(Box<Step>),
}

/// Whose a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Whose {
    Nobodys,
    Plumbers,
    Tasks(usize),
    Bodys(usize),
}

/// A block in use, known to all threads.
struct Block {
    start: usize,
    layout: Layout,
    whose: Whose,
    fill: u8,
}

/// What all threads of a program share. A task or a body that has ended is `None`.
struct World {
    tasks: Vec<Mutex<Option<Task>>>,
    bodies: Vec<Mutex<Option<BodyAccount>>>,
    blocks: Mutex<Vec<Block>>,
}

const TASKS: usize = 6;
const BODIES: usize = 3;

/// Where a body is, which tells them apart here.
fn site_of_body(number: usize) -> SiteId {
    SiteId(u32::try_from(100 + number).unwrap())
}

fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![0_usize..300, 0_usize..20_000, 60_000_usize..300_000];
    let step = prop_oneof![
        4 => (size.clone(), 0_u32..13, any::<bool>())
            .prop_map(|(size, align, zeroed)| Step::Allocate { size, align, zeroed }),
        2 => (any::<usize>(), size).prop_map(|(pick, size)| Step::Resize { pick, size }),
        3 => any::<usize>().prop_map(|pick| Step::Free { pick }),
    ];
    let step = (step, prop::bool::weighted(0.1)).prop_map(|(step, by_plumber)| {
        if by_plumber {
            Step::ByPlumber(Box::new(step))
        } else {
            step
        }
    });
    prop::collection::vec(step, 0..most)
}

fn polls() -> impl Strategy<Value = Poll> {
    let poll = (
        prop::option::weighted(0.8, 0..TASKS),
        prop::bool::weighted(0.1),
        any::<bool>(),
        steps(30),
    );
    poll.prop_map(|(task, ends, lets_go_early, steps)| Poll {
        task,
        ends,
        lets_go_early,
        steps,
    })
}

fn programs() -> impl Strategy<Value = Vec<Vec<Turn>>> {
    let turn = (
        prop::collection::vec(0..BODIES, 0..3),
        prop::bool::weighted(0.05),
        steps(5),
        polls(),
        steps(5),
    );
    let turn = turn.prop_map(|(bodies, drops_bodies, before, poll, after)| Turn {
        bodies,
        drops_bodies,
        before,
        poll,
        after,
    });
    prop::collection::vec(prop::collection::vec(turn, 0..20), 1..4)
}

impl World {
    fn new(tasks: &[Task]) -> Self {
        let body = |number| BodyAccount::new(site_of_body(number), ORIGIN, || 1);
        Self {
            tasks: tasks.iter().map(|task| Mutex::new(Some(*task))).collect(),
            bodies: (0..BODIES).map(|number| Mutex::new(body(number))).collect(),
            blocks: Mutex::default(),
        }
    }

    /// Runs a program, one thread each.
    fn run(&self, alloc: &(impl GlobalAlloc + Sync), programs: &[Vec<Turn>]) {
        thread::scope(|scope| {
            for program in programs {
                scope.spawn(move || {
                    for turn in program {
                        self.take_turn(alloc, turn);
                    }
                    super::publish();
                });
            }
        });
    }

    fn take_turn(&self, alloc: &impl GlobalAlloc, turn: &Turn) {
        let enter = |body: &usize| {
            let account = self.bodies[*body].lock().unwrap();
            let inside = account.as_ref()?.enter();
            Some((Whose::Bodys(*body), inside))
        };
        let mut inside: Vec<_> = turn.bodies.iter().filter_map(enter).collect();
        let base = inside.last().map_or(Whose::Nobodys, |(whose, _)| *whose);
        for step in &turn.before {
            take(alloc, step, base, &self.blocks);
        }
        if turn.drops_bodies {
            for body in &turn.bodies {
                self.bodies[*body].lock().unwrap().take();
            }
        }
        self.poll(alloc, &turn.poll, base);
        for step in &turn.after {
            take(alloc, step, base, &self.blocks);
        }
        while inside.pop().is_some() {}
    }

    fn poll(&self, alloc: &impl GlobalAlloc, poll: &Poll, base: Whose) {
        let mut polled = poll.task.map(|task| self.tasks[task].lock().unwrap());
        let task = polled.as_ref().and_then(|task| **task);
        if let Some(task) = task {
            super::enter(task.owner);
        }
        let whose = task.map_or(base, |task| Whose::Tasks(task.number));
        for step in &poll.steps {
            take(alloc, step, whose, &self.blocks);
        }
        let ended = task.filter(|_| poll.ends);
        if ended.is_some() {
            **polled.as_mut().unwrap() = None;
        }
        if poll.lets_go_early {
            // Another thread may poll the task from here on, and end it.
            drop(polled);
        }
        if task.is_some() {
            super::leave();
        }
        if let Some(task) = ended {
            SLOTS.end(task.owner.index, ORIGIN, 1);
        }
    }

    fn free_all(&self, alloc: &(impl GlobalAlloc + Sync)) {
        let blocks = std::mem::take(&mut *self.blocks.lock().unwrap());
        // By a thread that has nothing to do with them.
        apart(|| blocks.into_iter().for_each(|block| block.free(alloc)));
    }

    fn end_all(&self) {
        for task in self.tasks.iter().filter_map(|task| *task.lock().unwrap()) {
            SLOTS.end(task.owner.index, ORIGIN, 1);
        }
        for body in &self.bodies {
            body.lock().unwrap().take();
        }
    }

    /// Bytes of the blocks in use, by whose they are.
    fn in_use(&self) -> HashMap<Whose, i64> {
        let mut bytes = HashMap::new();
        for block in self.blocks.lock().unwrap().iter() {
            let size = i64::try_from(block.layout.size()).unwrap();
            *bytes.entry(block.whose).or_default() += size;
        }
        bytes
    }
}

fn take(alloc: &impl GlobalAlloc, step: &Step, whose: Whose, blocks: &Mutex<Vec<Block>>) {
    static FILLS: AtomicU64 = AtomicU64::new(0);
    #[allow(clippy::cast_possible_truncation)] // Any byte will do.
    let fill = FILLS.fetch_add(1, Relaxed) as u8;
    let pick = |pick: usize| {
        let mut blocks = blocks.lock().unwrap();
        (!blocks.is_empty()).then(|| {
            let pick = pick % blocks.len();
            blocks.swap_remove(pick)
        })
    };
    match step.clone() {
        Step::Allocate {
            size,
            align,
            zeroed,
        } => {
            let layout = Layout::from_size_align(size.max(1), 1 << align).unwrap();
            // SAFETY: the size is not zero.
            let start = unsafe {
                if zeroed {
                    alloc.alloc_zeroed(layout)
                } else {
                    alloc.alloc(layout)
                }
            };
            assert!(!start.is_null() && start.addr().is_multiple_of(layout.align()));
            if zeroed {
                // SAFETY: the block is that large and was just filled with zeros.
                let bytes = unsafe { std::slice::from_raw_parts(start, layout.size()) };
                assert!(bytes.iter().all(|byte| *byte == 0));
            }
            keep(start, layout, whose, fill, blocks);
        }
        Step::Resize { pick: at, size } => {
            let Some(block) = pick(at) else { return };
            block.check(block.layout.size());
            let size = size.max(1);
            let grows = size > block.layout.size();
            let start = std::ptr::with_exposed_provenance_mut(block.start);
            // SAFETY: a live block of this allocator and layout, and nobody else's.
            let start = unsafe { alloc.realloc(start, block.layout, size) };
            assert!(!start.is_null() && start.addr().is_multiple_of(block.layout.align()));
            let moved = Block {
                start: start.expose_provenance(),
                ..block
            };
            moved.check(block.layout.size().min(size));
            let layout = Layout::from_size_align(size, block.layout.align()).unwrap();
            let whose = if grows { whose } else { block.whose };
            keep(start, layout, whose, fill, blocks);
        }
        Step::Free { pick: at } => {
            if let Some(block) = pick(at) {
                block.check(block.layout.size());
                block.free(alloc);
            }
        }
        Step::ByPlumber(step) => {
            super::as_plumber(|| take(alloc, &step, Whose::Plumbers, blocks));
        }
    }
}

fn keep(start: *mut u8, layout: Layout, whose: Whose, fill: u8, blocks: &Mutex<Vec<Block>>) {
    // SAFETY: the block is that large, and nobody else's yet.
    unsafe { start.write_bytes(fill, layout.size()) };
    let start = start.expose_provenance();
    blocks.lock().unwrap().push(Block {
        start,
        layout,
        whose,
        fill,
    });
}

impl Block {
    /// The first bytes are as they were written.
    fn check(&self, bytes: usize) {
        let start: *const u8 = std::ptr::with_exposed_provenance(self.start);
        // SAFETY: the block is at least that large, and nobody writes to it.
        let bytes = unsafe { std::slice::from_raw_parts(start, bytes) };
        assert!(bytes.iter().all(|byte| *byte == self.fill));
    }

    fn free(self, alloc: &impl GlobalAlloc) {
        // SAFETY: a live block of this allocator and layout, and nobody else's.
        unsafe {
            alloc.dealloc(
                std::ptr::with_exposed_provenance_mut(self.start),
                self.layout,
            );
        }
    }
}

/// What every task retains, by the accounts; a task that is done with is absent.
fn balances(tasks: &[Task]) -> HashMap<usize, Balance> {
    let balance = |task: &Task| {
        let key = task.owner.key;
        let balance = SLOTS.read(task.owner.index)?;
        (Key::new(balance.task, balance.site) == key).then_some((task.number, balance))
    };
    tasks.iter().filter_map(balance).collect()
}

/// Makes an allocator count, so that accounts are opened.
fn wake(alloc: &impl GlobalAlloc) {
    let layout = Layout::new::<u64>();
    // SAFETY: not of size zero, and freed with the same layout.
    unsafe { alloc.dealloc(alloc.alloc(layout), layout) };
}

/// The same of bodies.
fn body_balances() -> HashMap<usize, Balance> {
    let mut found = HashMap::new();
    SLOTS.for_each(|balance| {
        let number = (0..BODIES).find(|number| site_of_body(*number) == balance.site);
        found.extend(number.map(|number| (number, *balance)));
    });
    found
}

/// What an owner is known to retain is what it does; one that has ended and left nothing is
/// forgotten.
fn agrees(known: Option<&Balance>, expected: i64, alive: bool, whose: Whose) {
    let retained = known.map_or(0, |balance| balance.bytes);
    assert_eq!(retained, expected, "{whose:?}");
    assert_eq!(known.is_some(), alive || expected > 0, "{whose:?}");
    let origin = known.and_then(|balance| balance.origin);
    assert_eq!(origin.is_some(), known.is_some() && !alive, "{whose:?}");
    assert!(origin.is_none_or(|origin| origin == Origin::of(ORIGIN)));
}

fn obeys_the_law<A: GlobalAlloc + Sync>(inner: A, programs: &[Vec<Turn>]) {
    let _turn = turn();
    let alloc = Alloc::new(Counting(inner, AtomicI64::new(0)));
    apart(|| wake(&alloc));
    let bases = || [Base::Unowned, Base::Plumber].map(base_bytes);
    let before = bases();
    let made: Vec<Task> = (0..TASKS).map(new_task).collect();
    let world = World::new(&made);
    world.run(&alloc, programs);

    let in_use = world.in_use();
    let expected = |whose| in_use.get(&whose).copied().unwrap_or(0);
    let (tasks, bodies) = (balances(&made), body_balances());
    for (number, task) in world.tasks.iter().enumerate() {
        let (whose, alive) = (Whose::Tasks(number), task.lock().unwrap().is_some());
        agrees(tasks.get(&number), expected(whose), alive, whose);
    }
    for (number, body) in world.bodies.iter().enumerate() {
        let (whose, account) = (Whose::Bodys(number), body.lock().unwrap());
        agrees(
            bodies.get(&number),
            expected(whose),
            account.is_some(),
            whose,
        );
        assert!(bodies.get(&number).is_none_or(Balance::is_body));
        let bytes = account.as_ref().map(BodyAccount::bytes);
        assert!(bytes.is_none_or(|bytes| bytes == expected(whose)));
    }
    let [unowned, plumber] = bases();
    assert_eq!(unowned - before[0], expected(Whose::Nobodys));
    assert_eq!(plumber - before[1], expected(Whose::Plumbers));

    world.free_all(&alloc);
    assert_eq!(bases(), before);
    let (tasks, bodies) = (balances(&made), body_balances());
    let mut left = tasks.values().chain(bodies.values());
    assert!(left.all(|balance| balance.bytes == 0));
    world.end_all();
    assert!(balances(&made).is_empty() && body_balances().is_empty());
    assert_eq!(alloc.inner().1.load(Relaxed), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn accounts_agree_with_a_model(programs in programs()) {
        obeys_the_law(System, &programs);
    }

    #[test]
    fn accounts_agree_with_a_model_over_mimalloc(programs in programs()) {
        obeys_the_law(mimalloc::MiMalloc, &programs);
    }

    #[test]
    fn accounts_agree_with_a_model_over_jemalloc(programs in programs()) {
        obeys_the_law(tikv_jemallocator::Jemalloc, &programs);
    }

    /// What a sampled allocator estimates is gone when everything is freed.
    #[test]
    fn samples_are_given_back(programs in programs()) {
        let _turn = turn();
        let alloc = SampledAlloc::new(Counting(System, AtomicI64::new(0)));
        apart(|| wake(&alloc));
        let unowned = base_bytes(Base::Unowned);
        let made: Vec<Task> = (0..TASKS).map(new_task).collect();
        let world = World::new(&made);
        // A sample says nothing about a single owner.
        prop_assert!(world.bodies.iter().all(|body| body.lock().unwrap().is_none()));
        world.run(&alloc, &programs);
        world.free_all(&alloc);
        prop_assert_eq!(base_bytes(Base::Unowned), unowned);
        world.end_all();
        prop_assert!(balances(&made).is_empty());
        prop_assert_eq!(alloc.inner().1.load(Relaxed), 0);
    }
}

/// The estimate is right on average: its error is that of the law, and no more.
#[test]
fn a_sampled_estimate_is_unbiased() {
    let _turn = turn();
    let alloc = SampledAlloc::system();
    let mut sizes = [16_usize, 100, 1_000, 8_000, 40_000].into_iter().cycle();
    let mut blocks = Vec::new();
    let (unowned, mut true_bytes) = (base_bytes(Base::Unowned), 0);
    // On one new thread: 64 MiB, about a thousand samples.
    apart(|| {
        while true_bytes < 64 << 20 {
            let layout = Layout::from_size_align(sizes.next().unwrap(), 8).unwrap();
            // SAFETY: the size is not zero.
            let block = unsafe { alloc.alloc(layout) };
            blocks.push((block.expose_provenance(), layout));
            true_bytes += layout.size();
        }
    });
    let estimate = (base_bytes(Base::Unowned) - unowned) as f64;
    let deviation = super::deviation(true_bytes as u64) as f64;
    assert!((estimate - true_bytes as f64).abs() < 6.0 * deviation);
    assert!(deviation < 0.04 * true_bytes as f64);
    for (block, layout) in blocks {
        // SAFETY: a live block of this allocator and layout.
        unsafe { alloc.dealloc(std::ptr::with_exposed_provenance_mut(block), layout) };
    }
    assert_eq!(base_bytes(Base::Unowned), unowned);
}

/// Whoever shrinks a block leaves it to its owner, and the estimate is right for it:
/// from any kind of block to any other.
#[test]
fn a_sampled_estimate_is_unbiased_after_shrinking() {
    let _turn = turn();
    let alloc = SampledAlloc::system();
    apart(|| wake(&alloc));
    let unowned = base_bytes(Base::Unowned);
    let task = new_task(0);
    let retained = || balances(&[task])[&0].bytes;
    for align in [8, 64] {
        let layout = |size| Layout::from_size_align(size, align).unwrap();
        let sizes = [10_000_usize, 40_000, 70_000, 300_000].into_iter().cycle();
        let mut blocks: Vec<_> = apart(|| {
            super::enter(task.owner);
            let make = |size| {
                // SAFETY: the size is not zero, and the block that large.
                unsafe {
                    let block = alloc.alloc(layout(size));
                    block.write_bytes(7, 9_000.min(size));
                    (block.expose_provenance(), size)
                }
            };
            let blocks = sizes.take(4_000).map(make).collect();
            super::leave();
            blocks
        });
        for most in [
            200_000, 100_000, 65_536, 65_535, 20_000, 9_000, 8_999, 1_000,
        ] {
            // By a thread which has allocated nothing.
            apart(|| {
                for (block, size) in blocks.iter_mut().filter(|(_, size)| *size > most) {
                    let start = std::ptr::with_exposed_provenance_mut(*block);
                    // SAFETY: a live block of this allocator and layout.
                    let start = unsafe { alloc.realloc(start, layout(*size), most) };
                    assert!(!start.is_null() && start.addr().is_multiple_of(align));
                    // SAFETY: this much was written, and is kept.
                    let kept = unsafe { std::slice::from_raw_parts(start, most.min(9_000)) };
                    assert!(kept.iter().all(|byte| *byte == 7));
                    (*block, *size) = (start.expose_provenance(), most);
                }
            });
            let bytes: usize = blocks.iter().map(|(_, size)| size).sum();
            let error = (retained() as f64 - bytes as f64).abs();
            let deviation = super::deviation(bytes as u64) as f64;
            assert!(error < 6.0 * deviation, "{most}: {error} of {bytes}");
            assert!(deviation < 0.15 * bytes as f64);
            assert_eq!(base_bytes(Base::Unowned), unowned);
        }
        for (block, size) in blocks {
            // SAFETY: a live block of this allocator and layout.
            unsafe { alloc.dealloc(std::ptr::with_exposed_provenance_mut(block), layout(size)) };
        }
        assert_eq!(retained(), 0);
    }
    SLOTS.end(task.owner.index, ORIGIN, 1);
    assert!(balances(&[task]).is_empty());
}

/// A size that has no room for a tag is refused, and so is one that the inner
/// allocator refuses; neither is booked.
#[test]
fn what_cannot_be_allocated_is_not_booked() {
    let _turn = turn();
    let books_nothing = |alloc: &(dyn GlobalAlloc + Sync)| {
        apart(|| {
            for align in [1_usize, 8, 16, 64, 4_096] {
                let most = isize::MAX as usize - (align - 1);
                for size in [most, most - 7, most - 40, most / 2] {
                    let layout = Layout::from_size_align(size, align).unwrap();
                    // SAFETY: the size is not zero.
                    assert!(unsafe { alloc.alloc(layout) }.is_null());
                    // SAFETY: as above.
                    assert!(unsafe { alloc.alloc_zeroed(layout) }.is_null());
                    let small = Layout::from_size_align(100, align).unwrap();
                    // SAFETY: as above; a block that cannot grow stays.
                    unsafe {
                        let block = alloc.alloc(small);
                        block.write_bytes(7, 100);
                        assert!(alloc.realloc(block, small, size).is_null());
                        assert_eq!(block.add(99).read(), 7);
                        alloc.dealloc(block, small);
                    }
                }
            }
        });
    };
    let unowned = base_bytes(Base::Unowned);
    books_nothing(&Alloc::system());
    assert_eq!(base_bytes(Base::Unowned), unowned);
    books_nothing(&SampledAlloc::system());
    assert_eq!(base_bytes(Base::Unowned), unowned);
}

/// Growing across the size from which blocks are always counted keeps the bytes, and
/// books the block once.
#[test]
fn a_sampled_block_may_become_large() {
    const FROM: usize = 40_000;
    let _turn = turn();
    let alloc = SampledAlloc::system();
    let layout = |size| Layout::from_size_align(size, 8).unwrap();
    let (small, large) = (layout(FROM), layout(100_000));
    let before = base_bytes(Base::Unowned);
    let mut counted = 0;
    for _ in 0..1_000 {
        // SAFETY: live blocks of this allocator, each with its own layout.
        unsafe {
            let block = alloc.alloc(small);
            counted += u32::from(super::sampled::is_counted(block));
            block.write_bytes(7, FROM);
            let block = alloc.realloc(block, small, large.size());
            assert!((0..FROM).all(|place| block.add(place).read() == 7));
            assert_eq!(base_bytes(Base::Unowned) - before, 100_000);
            alloc.dealloc(block, large);
            assert_eq!(base_bytes(Base::Unowned), before);
        }
    }
    // Of both kinds, or this shows half of it.
    assert!((1..1_000).contains(&counted));
}

/// However long a poll lasts, what it freed of all other tasks together is published
/// but for the last 64 KiB.
#[test]
fn a_poll_keeps_back_little_of_what_others_get_back() {
    const SIZE: i64 = 60_000;
    let _turn = turn();
    let alloc = Alloc::system();
    let layout = Layout::from_size_align(60_000, 8).unwrap();
    apart(|| wake(&alloc));
    let tasks: Vec<Task> = (0..40).map(new_task).collect();
    let retained = || {
        balances(&tasks)
            .values()
            .map(|task| task.bytes)
            .sum::<i64>()
    };
    apart(|| {
        let make = |task: &Task| {
            super::enter(task.owner);
            // SAFETY: the size is not zero.
            let block = unsafe { alloc.alloc(layout) };
            super::leave();
            block
        };
        let blocks: Vec<_> = tasks.iter().map(make).collect();
        super::enter(tasks[0].owner);
        let mut left = 40 * SIZE;
        for block in blocks {
            // SAFETY: a live block of this allocator and layout.
            unsafe { alloc.dealloc(block, layout) };
            left -= SIZE;
            // The task's own are up to 64 KiB more.
            assert!((left..=left + 2 * 65_536).contains(&retained()));
        }
        super::leave();
        assert_eq!(retained(), 0);
    });
    for task in tasks {
        SLOTS.end(task.owner.index, ORIGIN, 1);
    }
}

/// A thread's locals may free and allocate after its hand was emptied, or before.
#[test]
fn the_last_frees_of_a_thread_are_booked() {
    static ALLOC: Alloc = Alloc::system();

    /// Frees a block when it goes, and allocates and frees one more.
    struct Last(std::cell::Cell<Option<usize>>);

    const LAYOUT: Layout = Layout::new::<[u8; 500]>();

    impl Drop for Last {
        fn drop(&mut self) {
            // SAFETY: live blocks of this allocator and layout.
            unsafe {
                if let Some(block) = self.0.take() {
                    ALLOC.dealloc(std::ptr::with_exposed_provenance_mut(block), LAYOUT);
                }
                ALLOC.dealloc(ALLOC.alloc(LAYOUT), LAYOUT);
            }
        }
    }

    thread_local! {
        static LAST: Last = const { Last(std::cell::Cell::new(None)) };
    }

    let _turn = turn();
    let unowned = base_bytes(Base::Unowned);
    for local_comes_first in [false, true] {
        let program = move || {
            if local_comes_first {
                LAST.with(|_| ());
            }
            // SAFETY: the size is not zero.
            let block = unsafe { ALLOC.alloc(LAYOUT) };
            LAST.with(|last| last.0.set(Some(block.expose_provenance())));
        };
        // Joined by its handle, which waits for its locals.
        thread::spawn(program).join().unwrap();
        assert_eq!(base_bytes(Base::Unowned), unowned);
    }
}
