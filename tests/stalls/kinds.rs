//! One test for each way to block.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read as _, Seek as _, Write as _, pipe};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tokio_plumber::runtime::Builder;
use tokio_plumber::snapshot::{Origin, StallEvidence, StallKind, TaskSelection};

use super::{At, stall_at};

const HERE: &str = "tests/stalls/kinds.rs";

/// Blocks a worker until the stall was seen at its line, then lets it go.
fn check(at: &At, blocks: impl FnOnce() + Send + 'static, release: impl FnOnce()) -> StallEvidence {
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    // Also where an assertion fails: the runtime waits for its worker.
    let release = Release(Some(release));
    let spawned_at = line!() + 1;
    let task = rt.spawn(async move {
        blocks();
    });
    let (finding, stall) = at.eventually(HERE, |finding, _| finding.ongoing);
    let site = finding.site.expect("a task is to blame");
    assert!(site.location.file.ends_with(HERE));
    assert_eq!(site.location.line, spawned_at);
    assert_eq!(stall.running[0].task.map(|task| task.0), Some(id(&task)));
    let line = stall.line.as_ref().unwrap();
    assert!(finding.place.contains(HERE), "{}", finding.place);
    // The blamed line is the program's own, and its stack leads to the thread's start.
    let stack = &stall.stacks[0];
    let blamed = &stack.frames[stack.blamed.expect("a line is blamed")];
    assert_eq!(blamed.origin, Origin::Program);
    assert_eq!(blamed.line.file, line.file);
    assert!(!stack.truncated, "{stack:#?}");
    drop(release);
    rt.block_on(task).unwrap();
    let (_, over) = at.eventually(HERE, |finding, _| !finding.ongoing);
    assert!(over.stalls >= 1 && over.worst >= over.threshold);
    assert!(over.stacks.iter().map(|stack| stack.held).sum::<Duration>() <= over.total);
    stall
}

/// Lets the worker go when it is dropped.
struct Release<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Release<F> {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

fn id(task: &tokio::task::JoinHandle<()>) -> u64 {
    task.id().to_string().parse().unwrap()
}

/// Runs until it is told to stop.
fn flag() -> (impl Fn() -> bool + Send + 'static, impl FnOnce()) {
    let flag = Arc::new(AtomicBool::new(true));
    let set = Arc::clone(&flag);
    (
        move || flag.load(Relaxed),
        move || set.store(false, Relaxed),
    )
}

/// A server that accepts one connection and answers when it is told to.
fn server() -> (std::net::SocketAddr, impl FnOnce()) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answer, told) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        told.recv().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        // Until the other end is gone, so that no answer is lost.
        let _ = stream.read(&mut [0; 1024]);
    });
    let release = move || {
        answer.send(()).unwrap();
        drop(thread);
    };
    (address, release)
}

#[test]
fn a_sleep() {
    let line = line!() + 7;
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Sleep],
    };
    let blocks = || {
        std::thread::sleep(Duration::from_secs(2));
    };
    let stall = check(&at, blocks, || {});
    assert_eq!(stall.cause.syscall.as_deref(), Some("clock_nanosleep"));
}

#[test]
fn a_contended_lock() {
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let line = line!() + 8;
    let theirs = Arc::clone(&lock);
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Lock],
    };
    let blocks = move || {
        drop(theirs.lock().unwrap());
    };
    let stall = check(&at, blocks, move || drop(held));
    assert_eq!(stall.cause.syscall.as_deref(), Some("futex"));
}

#[inline(never)]
fn spin(goes_on: impl Fn() -> bool) {
    let mut n = 0_u64;
    while goes_on() {
        for _ in 0..1_000 {
            n = black_box(n.wrapping_mul(31).wrapping_add(7));
        }
    }
}

#[test]
fn a_loop() {
    let (goes_on, stop) = flag();
    let at = At {
        function: "spin",
        line: 0,
        kinds: &[StallKind::Cpu],
    };
    check(&at, move || spin(goes_on), stop);
}

#[inline(never)]
fn allocate(goes_on: impl Fn() -> bool) {
    while goes_on() {
        let mut kept = Vec::new();
        for n in 1..200_usize {
            kept.push(black_box(vec![0_u8; n * 37 % 5_000]));
        }
    }
}

#[test]
fn allocations() {
    let (goes_on, stop) = flag();
    let at = At {
        function: "allocate",
        line: 0,
        kinds: &[StallKind::Cpu],
    };
    check(&at, move || allocate(goes_on), stop);
}

#[test]
fn a_read_from_a_socket() {
    let (address, answer) = server();
    let line = line!() + 8;
    let mut stream = TcpStream::connect(address).unwrap();
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Socket],
    };
    let blocks = move || {
        let read = stream.read(&mut [0; 64]);
        read.unwrap();
    };
    let stall = check(&at, blocks, answer);
    assert_eq!(stall.running[0].target, Some(address.to_string()));
}

#[test]
fn ureq() {
    let (address, answer) = server();
    let line = line!() + 7;
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Socket],
    };
    let blocks = move || {
        let answer = ureq::get(format!("http://{address}/")).call();
        answer.unwrap();
    };
    check(&at, blocks, answer);
}

// In a debug build it panics in async code, which is its way to be found.
#[cfg(not(debug_assertions))]
#[test]
fn reqwest_blocking() {
    let (address, answer) = server();
    // It has a runtime of its own, which cannot be made where one runs.
    let client = reqwest::blocking::Client::new();
    let line = line!() + 8;
    let theirs = client.clone();
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Wait],
    };
    let blocks = move || {
        let answer = theirs.get(format!("http://{address}/")).send();
        answer.unwrap();
    };
    check(&at, blocks, answer);
    drop(client);
}

/// A file of some megabytes, that is gone when it is closed.
fn file() -> File {
    let path = std::env::temp_dir().join(format!("plumber-{:?}", std::thread::current().id()));
    let mut file = File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all(&vec![7; 8 << 20]).unwrap();
    file
}

#[inline(never)]
fn read_all(mut file: File, goes_on: impl Fn() -> bool) {
    let mut bytes = Vec::new();
    while goes_on() {
        bytes.clear();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
    }
}

#[test]
fn reads_of_a_large_file() {
    let (goes_on, stop) = flag();
    let at = At {
        function: "read_all",
        line: 0,
        // What is in the page cache is copied.
        kinds: &[StallKind::Cpu, StallKind::File, StallKind::Memory],
    };
    let file = file();
    check(&at, move || read_all(file, goes_on), stop);
}

#[inline(never)]
fn write_and_sync(mut file: File, goes_on: impl Fn() -> bool) {
    let bytes = vec![8; 1 << 16];
    while goes_on() {
        file.rewind().unwrap();
        file.write_all(&bytes).unwrap();
        file.sync_all().unwrap();
    }
}

#[test]
fn fsync() {
    let (goes_on, stop) = flag();
    let at = At {
        function: "write_and_sync",
        line: 0,
        // There may be no disk below.
        kinds: &[StallKind::Cpu, StallKind::File, StallKind::Memory],
    };
    let file = file();
    check(&at, move || write_and_sync(file, goes_on), stop);
}

#[test]
fn block_on_of_another_executor() {
    let (send, received) = tokio::sync::oneshot::channel();
    let line = line!() + 7;
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Wait],
    };
    let blocks = move || {
        futures_executor::block_on(received).unwrap();
    };
    check(&at, blocks, move || send.send(()).unwrap());
}

#[test]
fn a_channel() {
    let (send, received) = mpsc::channel();
    let line = line!() + 7;
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Wait],
    };
    let blocks = move || {
        received.recv().unwrap();
    };
    check(&at, blocks, move || send.send(()).unwrap());
}

#[test]
fn a_child_process() {
    // It ends when it has read all of its input.
    let (input, open) = pipe().unwrap();
    let line = line!() + 9;
    let mut command = Command::new("cat");
    command.stdin(Stdio::from(input));
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Pipe, StallKind::Child, StallKind::Syscall],
    };
    let blocks = move || {
        command.output().unwrap();
    };
    check(&at, blocks, move || drop(open));
}

#[test]
fn block_in_place_is_no_stall() {
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (send, received) = mpsc::channel::<()>();
    let line = line!() + 2;
    let task = rt.spawn(async move {
        tokio::task::block_in_place(|| received.recv().unwrap());
    });
    // Longer than any threshold.
    std::thread::sleep(Duration::from_millis(200));
    let at = At {
        function: "",
        line,
        kinds: &[StallKind::Wait],
    };
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    send.send(()).unwrap();
    rt.block_on(task).unwrap();
    assert!(stall_at(&snapshot, HERE, &at).is_none());
    let snapshot = tokio_plumber::snapshot(TaskSelection::None);
    assert!(stall_at(&snapshot, HERE, &at).is_none());
}
