//! Threads that run: in the allocator, the loader, the unwinder, starting and ending
//! others.

use std::ffi::CStr;
use std::hint::black_box;
use std::panic;

use super::super::Request;
use super::*;

#[inline(never)]
fn panics(says: &Says, x: u64) {
    fn down(n: u32, x: u64) {
        let bytes = vec![1_u8; 40];
        black_box(&bytes);
        if n == 0 {
            // As a panic does, without the hook.
            panic::resume_unwind(Box::new(x));
        }
        down(n - 1, x);
        black_box(&bytes);
    }
    says.within(0, || {
        let caught = panic::catch_unwind(|| down(12, x));
        assert!(caught.is_err());
    });
}

#[inline(never)]
fn loads(says: &Says, x: u64) {
    const LIBRARIES: [&CStr; 3] = [c"libresolv.so.2", c"libanl.so.1", c"libm.so.6"];
    says.within(1, || {
        let which = usize::try_from(x >> 20).unwrap() % LIBRARIES.len();
        // SAFETY: these are the system's, and nothing of them is called.
        unsafe {
            let library = libc::dlopen(LIBRARIES[which].as_ptr(), libc::RTLD_NOW);
            if !library.is_null() {
                libc::dlclose(library);
            }
        }
    });
}

#[inline(never)]
fn looks_back(says: &Says, _: u64) {
    says.within(2, || {
        let _ = black_box(std::backtrace::Backtrace::force_capture());
    });
}

#[inline(never)]
fn spawns(says: &Says, _: u64) {
    says.within(3, || {
        thread::spawn(|| black_box(vec![1_u8; 100])).join().unwrap();
    });
}

#[inline(never)]
fn allocates(says: &Says, x: u64) {
    says.within(4, || {
        let mut kept = Vec::new();
        for nth in 0..200 {
            kept.push(vec![
                1_u8;
                usize::try_from(16 + (x + nth * 977) % 9000).unwrap()
            ]);
            if nth % 3 == 0 {
                let at = usize::try_from(x >> 8).unwrap() % kept.len();
                kept.swap_remove(at);
            }
        }
        black_box(&kept);
    });
}

#[inline(never)]
fn computes(says: &Says, x: u64) {
    fn step(mut x: u64, n: u32) -> u64 {
        if n == 0 {
            for _ in 0..200 {
                x = black_box(random(&mut x));
            }
            return x;
        }
        black_box(step(black_box(x), n - 1)).wrapping_add(1)
    }
    says.within(5, || {
        black_box(step(x, 30));
    });
}

type Operation = fn(&Says, u64);

const OPERATIONS: [(&str, Operation); 6] = [
    ("panics", panics),
    ("loads", loads),
    ("looks_back", looks_back),
    ("spawns", spawns),
    ("allocates", allocates),
    ("computes", computes),
];

#[test]
fn a_running_thread_is_where_it_says() {
    let _shared = shared();
    let workers: Vec<Worker> = (0..4)
        .map(|nth| {
            Worker::start(move |says, stop| {
                let mut x = nth + 1;
                while !stop.load(SeqCst) {
                    let random = random(&mut x);
                    let which = match random % 100 {
                        0..=9 => 0,
                        10..=12 => 1,
                        13..=15 => 2,
                        16 => 3,
                        17..=60 => 4,
                        _ => 5,
                    };
                    OPERATIONS[which].1(says, random);
                }
            })
        })
        .collect();
    let functions = OPERATIONS.map(|(name, function)| (name, function as usize as u64));
    let mut judge = Judge::new(&functions);
    let mut capture = Capture::new();
    let mut asked: Vec<Option<(Request, Option<u64>)>> = workers.iter().map(|_| None).collect();
    let (mut tried, mut ran, mut slept) = (0_u64, 0, 0);
    while ran < captures() && judge.wrong == 0 {
        for (worker, asked) in workers.iter().zip(&mut asked) {
            tried += 1;
            assert!(tried < 1000 * captures(), "{:?}", judge.missing);
            let start = Instant::now();
            let (seen, word) = match asked.take() {
                Some((request, word)) => (capture.answer(request), word),
                None => {
                    let word = worker.says.now();
                    (capture.see(&worker.target, true), word)
                }
            };
            let took = start.elapsed();
            if let Seen::Asked(request) = seen {
                judge.lacks("not at once");
                *asked = Some((request, word));
                // It has to get a processor.
                thread::sleep(Duration::from_micros(20));
                continue;
            }
            let (Some(word), true) = (word, worker.says.now() == word) else {
                continue;
            };
            match seen {
                Seen::Running { stack: Ok(stack) } => {
                    ran += 1;
                    judge.judge(&stack, word, took);
                }
                Seen::Asleep {
                    stack: Ok(stack), ..
                } => {
                    slept += 1;
                    judge.judge(&stack, word, took);
                }
                Seen::Running { stack: Err(why) }
                | Seen::Asleep {
                    stack: Err(why), ..
                } => {
                    judge.lacks(why);
                }
                Seen::Asked(_) | Seen::Over => judge.lacks("over"),
            }
        }
    }
    drop(asked);
    workers.into_iter().for_each(Worker::end);
    println!("{tried} looks; {ran} running, {slept} asleep");
    judge.finish("running", 0.05);
}
