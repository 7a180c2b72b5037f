//! Where nothing stalls, the watchdog allocates nothing.
//!
//! A binary of its own: it has a global allocator that counts for one thread.

#![cfg(all(tokio_unstable, target_os = "linux"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use tokio_plumber::runtime::Builder;
use tokio_plumber::snapshot::TaskSelection;

#[global_allocator]
static ALLOC: Counting = Counting;

/// The thread whose allocations are counted, and their count.
static THREAD: AtomicU32 = AtomicU32::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: all is passed on to the system's allocator as it comes.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let thread = THREAD.load(Relaxed);
        if thread != 0 && tid() == thread {
            COUNT.fetch_add(1, Relaxed);
        }
        // SAFETY: the caller's layout, as it is.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` above, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

fn tid() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .cast_unsigned()
}

fn watchdog() -> Option<u32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks.map(|task| task.unwrap().path()).find_map(|task| {
        let name = fs::read_to_string(task.join("comm")).ok()?;
        let is_it = name.trim() == "plumber-stalls";
        is_it.then(|| task.file_name()?.to_str()?.parse().ok())?
    })
}

async fn polls(number: u32) {
    for _ in 0..number {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_million_polls_without_a_stall_cost_no_allocation() {
    let rt = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // What is made once has been made after that.
    rt.block_on(async {
        tokio::spawn(polls(100_000)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    });
    THREAD.store(tid(), Relaxed);
    drop(std::hint::black_box(Box::new(1_u8)));
    assert_eq!(COUNT.load(Relaxed), 1, "it counts");
    let watchdog = watchdog().expect("there is a watchdog");
    for _ in 0..10 {
        COUNT.store(0, Relaxed);
        THREAD.store(watchdog, Relaxed);
        rt.block_on(async {
            let tasks: Vec<_> = (0..10).map(|_| tokio::spawn(polls(100_000))).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        THREAD.store(0, Relaxed);
        let allocated = COUNT.load(Relaxed);
        // A machine may be so busy that something of Tokio's own really stalls.
        let snapshot = tokio_plumber::snapshot(TaskSelection::None);
        if snapshot.findings.is_empty() || allocated == 0 {
            assert_eq!(allocated, 0);
            return;
        }
    }
    panic!("no million polls without a stall in ten times");
}
