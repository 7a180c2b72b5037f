//! What a signal changes for the thread that gets it: nothing.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Condvar, Mutex};

use super::super::{mailbox, signal};
use super::*;

const LONG: Duration = Duration::from_millis(60);

fn later(does: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        thread::sleep(LONG);
        does();
    });
}

/// Returns how often it answered.
fn asked_while(name: &str, does: impl FnOnce() + Send + 'static) -> u32 {
    let mut capture = Capture::new();
    let (tell, told) = mpsc::channel();
    let worker = Worker::start(move |_, _| {
        let start = Instant::now();
        does();
        tell.send(start.elapsed()).unwrap();
    });
    let mut answers = 0;
    let took = loop {
        if let Seen::Running { stack: Ok(_) } = capture.ask(&worker.target, None) {
            answers += 1;
        }
        if let Ok(took) = told.recv_timeout(Duration::from_millis(3)) {
            break took;
        }
    };
    worker.end();
    println!("{name}: {answers} answers in {took:?}");
    assert!(took >= LONG * 9 / 10, "{name}: {took:?}");
    answers
}

#[test]
fn calls_of_the_standard_library_go_on() {
    let _shared = shared();
    let mut answers = 0;
    answers += asked_while("sleep", || thread::sleep(LONG));
    answers += asked_while("lock", || {
        let lock: &Mutex<()> = Box::leak(Box::default());
        let guard = lock.lock().unwrap();
        thread::scope(|scope| {
            let waits = scope.spawn(|| drop(lock.lock().unwrap()));
            thread::sleep(LONG);
            drop(guard);
            waits.join().unwrap();
        });
    });
    answers += asked_while("wait_timeout", || {
        let (lock, changed) = (Mutex::new(()), Condvar::new());
        let (_guard, waited) = changed.wait_timeout(lock.lock().unwrap(), LONG).unwrap();
        assert!(waited.timed_out());
    });
    answers += asked_while("recv_timeout", || {
        let (_sender, receiver) = mpsc::channel::<u8>();
        let nothing = receiver.recv_timeout(LONG);
        assert_eq!(nothing, Err(mpsc::RecvTimeoutError::Timeout));
    });
    answers += asked_while("a contended lock", || {
        let lock = Arc::new(Mutex::new(()));
        let (tell, told) = mpsc::channel();
        let held = Arc::clone(&lock);
        thread::spawn(move || {
            let _guard = held.lock().unwrap();
            tell.send(()).unwrap();
            thread::sleep(LONG);
        });
        told.recv().unwrap();
        drop(lock.lock().unwrap());
    });
    answers += asked_while("Command::output", || {
        let output = Command::new("sleep").arg("0.06").output().unwrap();
        assert!(output.status.success());
    });
    answers += asked_while("files", || {
        let start = Instant::now();
        while start.elapsed() < LONG {
            assert!(std::fs::read("/proc/self/maps").unwrap().len() > 100);
        }
    });
    assert!(answers > 0);
}

#[test]
fn reads_without_a_timeout_go_on() {
    let _shared = shared();
    let mut answers = 0;
    answers += asked_while("a pipe", || {
        let (mut reader, mut writer) = io::pipe().unwrap();
        later(move || writer.write_all(b"x").unwrap());
        assert_eq!(reader.read(&mut [0; 4]).unwrap(), 1);
    });
    answers += asked_while("accept", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        later(move || drop(TcpStream::connect(address).unwrap()));
        listener.accept().unwrap();
    });
    answers += asked_while("a stream", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        later(move || listener.accept().unwrap().0.write_all(b"x").unwrap());
        assert_eq!(stream.read(&mut [0; 4]).unwrap(), 1);
    });
    assert!(answers > 0);
}

/// What it costs the thread: the handler runs before its own call returns.
#[test]
fn a_thread_can_ask_itself() {
    let _shared = shared();
    let worker = Worker::start(|_, _| {
        signal::install().unwrap();
        let target = Target {
            cell: Box::leak(Box::<Cell>::default()),
            ticks: 3,
            tid: current_tid().unwrap(),
            stack: stacks::own_bounds(),
        };
        target.cell.enter(1, SiteId(0), target.ticks);
        let mut took = Vec::new();
        for _ in 0..1000 {
            let request = mailbox::Request::new(&target).unwrap();
            let start = Instant::now();
            signal::send(target.tid, request.value()).unwrap();
            took.push(start.elapsed());
            let (answer, bytes) = request.answer().unwrap();
            assert!(answer.own && bytes.len() == answer.length && !bytes.is_empty());
            // A second signal finds nothing to do.
            signal::send(target.tid, request.value()).unwrap();
        }
        took.sort_unstable();
        println!("asked itself: {:?} (p50), {:?} (p99)", took[500], took[990]);
        target.cell.leave(0);
        let request = mailbox::Request::new(&target).unwrap();
        signal::send(target.tid, request.value()).unwrap();
        assert!(request.wait(Duration::ZERO) && request.answer().is_none());
    });
    worker.end();
}
