//! The program's subscriber is never called on the server's thread: it may wait there for
//! what a frozen worker holds.

use std::sync::Mutex;
use std::thread;

use tokio_plumber::attach::{self, Options};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::common::PATIENCE;

/// Notes which threads call it.
struct Callers(&'static Mutex<Vec<String>>);

static CALLERS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Callers {
    fn note(&self) {
        let name = thread::current().name().unwrap_or_default().to_owned();
        let mut callers = self.0.lock().unwrap();
        if !callers.contains(&name) {
            callers.push(name);
        }
    }
}

impl Subscriber for Callers {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.note();
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.note();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn the_server_calls_no_subscriber() {
    let _turn = crate::my_turn();
    tracing::subscriber::set_global_default(Callers(&CALLERS)).unwrap();
    let server = crate::server();
    let process = attach::connect(server.address(), Options::default()).unwrap();
    for _ in 0..3 {
        process.next(PATIENCE).expect("pictures come");
    }
    let callers = CALLERS.lock().unwrap();
    // The client's thread is one of the program that attaches, and calls it.
    assert!(
        callers.contains(&"plumber-attach".to_owned()),
        "{callers:?}"
    );
    assert!(
        !callers.contains(&"plumber-serve".to_owned()),
        "{callers:?}"
    );
}
