//! Threads that sleep: read, and not disturbed.

use std::hint::black_box;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Condvar, Mutex};
use std::{io, ptr};

use super::super::asleep::{self, State};
use super::*;

static LOCK: Mutex<u64> = Mutex::new(0);

fn while_of(x: u64) -> Duration {
    Duration::from_micros(200 + x % 1500)
}

#[inline(never)]
fn sleeps(says: &Says, x: u64) {
    says.within(0, || thread::sleep(while_of(x)));
}

#[inline(never)]
fn locks(says: &Says, x: u64) {
    says.within(1, || {
        let mut guard = LOCK.lock().unwrap();
        *guard = guard.wrapping_add(x);
        thread::sleep(while_of(x) / 2);
        black_box(&guard);
    });
}

#[inline(never)]
fn waits(says: &Says, x: u64) {
    says.within(2, || {
        let (lock, changed) = (Mutex::new(()), Condvar::new());
        let waited = changed.wait_timeout(lock.lock().unwrap(), while_of(x));
        black_box(&waited.unwrap().1);
    });
}

#[inline(never)]
fn reads_a_pipe(says: &Says, x: u64) {
    says.within(3, || {
        let (mut reader, writer) = io::pipe().unwrap();
        let end = thread::spawn(move || {
            thread::sleep(while_of(x));
            drop(writer);
        });
        let _ = reader.read(&mut [0; 8]);
        end.join().unwrap();
    });
}

#[inline(never)]
fn receives(says: &Says, x: u64) {
    says.within(4, || {
        let (_sender, receiver) = mpsc::channel::<u8>();
        black_box(receiver.recv_timeout(while_of(x)).is_err());
    });
}

#[inline(never)]
fn reads_a_socket(says: &Says, x: u64) {
    says.within(5, || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(while_of(x))).unwrap();
        black_box(socket.recv(&mut [0; 4]).is_err());
    });
}

#[inline(never)]
fn recurses(says: &Says, x: u64) {
    fn down(n: u64, x: u64) -> u64 {
        let row = [n; 16];
        black_box(&row);
        if n == 0 {
            thread::sleep(while_of(x));
            return 1;
        }
        down(n - 1, x) + row[3]
    }
    says.within(6, || black_box(down(20, x)));
}

#[inline(never)]
fn calls_a_pointer(says: &Says, x: u64) {
    says.within(7, || {
        let function: Box<dyn Fn()> = Box::new(move || thread::park_timeout(while_of(x)));
        black_box(&function)();
        black_box(x);
    });
}

#[inline(never)]
#[allow(clippy::large_stack_arrays)] // To have one.
fn has_a_large_frame(says: &Says, x: u64) {
    says.within(8, || {
        let mut large = [0_u8; 20_000];
        large[usize::try_from(x % 20_000).unwrap()] = 1;
        black_box(&mut large);
        thread::sleep(while_of(x));
        black_box(&large);
    });
}

#[inline(never)]
fn has_an_aligned_frame(says: &Says, x: u64) {
    #[repr(align(64))]
    struct Aligned([u64; 32]);
    says.within(9, || {
        let mut aligned = Aligned([x; 32]);
        black_box(&mut aligned);
        thread::sleep(while_of(x));
        black_box(&aligned.0);
    });
}

type Operation = fn(&Says, u64);

const OPERATIONS: [(&str, Operation); 10] = [
    ("sleeps", sleeps),
    ("locks", locks),
    ("waits", waits),
    ("reads_a_pipe", reads_a_pipe),
    ("receives", receives),
    ("reads_a_socket", reads_a_socket),
    ("recurses", recurses),
    ("calls_a_pointer", calls_a_pointer),
    ("has_a_large_frame", has_a_large_frame),
    ("has_an_aligned_frame", has_an_aligned_frame),
];

#[test]
fn a_sleeping_thread_is_where_it_says() {
    let _shared = shared();
    let workers: Vec<Worker> = (0..6)
        .map(|nth| {
            Worker::start(move |says, stop| {
                let mut x = nth + 9;
                while !stop.load(SeqCst) {
                    let random = random(&mut x);
                    let which = usize::try_from(random >> 9).unwrap() % OPERATIONS.len();
                    OPERATIONS[which].1(says, random);
                }
            })
        })
        .collect();
    let functions = OPERATIONS.map(|(name, function)| (name, function as usize as u64));
    let mut judge = Judge::new(&functions);
    let mut capture = Capture::new();
    let (mut tried, mut each) = (0, [0_u64; OPERATIONS.len()]);
    while judge.right < captures() && judge.wrong == 0 {
        for worker in &workers {
            tried += 1;
            assert!(tried < 100 * captures(), "{:?}", judge.missing);
            let word = worker.says.now();
            let start = Instant::now();
            let seen = capture.see(&worker.target, true);
            let took = start.elapsed();
            let (Some(word), true) = (word, worker.says.now() == word) else {
                continue;
            };
            match seen {
                Seen::Asleep {
                    stack: Ok(stack), ..
                } => {
                    judge.judge(&stack, word, took);
                    each[usize::try_from(word & 0xFF).unwrap()] += 1;
                }
                Seen::Asleep {
                    stack: Err(why), ..
                } => judge.lacks(why),
                Seen::Running { .. } => judge.lacks("running"),
                Seen::Asked(_) => judge.lacks("asked"),
                Seen::Over => judge.lacks("over"),
            }
        }
        thread::sleep(Duration::from_micros(50));
    }
    workers.into_iter().for_each(Worker::end);
    println!("{tried} looks; {each:?}");
    judge.finish("asleep", 0.01);
}

type Sleeps = Box<dyn FnOnce() -> io::Result<()> + Send>;
fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Calls that fail if a signal has a handler while they last, whatever its flags.
#[test]
fn a_sleeping_thread_is_not_disturbed() {
    const LONG: Duration = Duration::from_millis(300);
    let milliseconds = libc::c_int::try_from(LONG.as_millis()).unwrap();
    let _shared = shared();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let sleeps: [(&str, Sleeps); 4] = [
        (
            "read with a timeout",
            Box::new(move || {
                stream.set_read_timeout(Some(LONG)).unwrap();
                match stream.read(&mut [0]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                    other => other.map(|_| ()),
                }
            }),
        ),
        (
            "nanosleep",
            Box::new(|| {
                let long = libc::timespec {
                    tv_sec: 0,
                    tv_nsec: LONG.subsec_nanos().into(),
                };
                // SAFETY: it reads a time that outlives the call.
                checked(unsafe { libc::nanosleep(&raw const long, ptr::null_mut()) })
            }),
        ),
        (
            "poll",
            // SAFETY: it waits for no file.
            Box::new(move || checked(unsafe { libc::poll(ptr::null_mut(), 0, milliseconds) })),
        ),
        (
            "epoll_wait",
            Box::new(move || {
                let mut event = libc::epoll_event { events: 0, u64: 0 };
                // SAFETY: there is room for one event.
                unsafe {
                    let epoll = libc::epoll_create1(0);
                    let waited = libc::epoll_wait(epoll, &raw mut event, 1, milliseconds);
                    let result = checked(waited);
                    libc::close(epoll);
                    result
                }
            }),
        ),
    ];
    let mut capture = Capture::new();
    for (name, sleep) in sleeps {
        let (tell, told) = mpsc::channel();
        let start = Instant::now();
        let worker = Worker::start(move |_, _| tell.send(sleep()).unwrap());
        // It may take a moment to fall asleep.
        thread::sleep(Duration::from_millis(50));
        while !matches!(asleep::look(worker.target.tid), State::Asleep(..)) {
            thread::yield_now();
        }
        let mut looks = 0;
        // And it may wake up late, but not early.
        while start.elapsed() < LONG * 2 / 3 {
            let seen = capture.see(&worker.target, true);
            assert!(matches!(seen, Seen::Asleep { .. }), "{name}");
            looks += 1;
        }
        let slept = told.recv().unwrap();
        println!("{name}: {looks} looks");
        assert!(slept.is_ok(), "{name}: {slept:?}");
        worker.end();
    }
}
