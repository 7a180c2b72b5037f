//! Whole programs that are attached to, and the processes that attach.
//!
//! What is left over is counted for the whole process, so the tests of this binary take
//! turns.

#[path = "../common/mod.rs"]
mod common;

mod clients;
mod frozen;
mod leftovers;
mod load;
mod quiet;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_plumber::runtime::{Builder, Runtime};
use tokio_plumber::serve::{Server, Settings};

#[global_allocator]
static ALLOC: tokio_plumber::Alloc = tokio_plumber::Alloc::system();

fn my_turn() -> MutexGuard<'static, ()> {
    static TURNS: Mutex<()> = Mutex::new(());
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server of the test's own.
fn server() -> Server {
    let mut settings = Settings::default();
    settings.bind = Some("127.0.0.1:0".parse().unwrap());
    Server::start(&settings).unwrap()
}

/// A runtime that starts no server.
fn runtime(name: &str, workers: usize) -> Runtime {
    let mut settings = Settings::default();
    settings.bind = None;
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .name(name)
        .serve(settings)
        .build()
        .unwrap()
}
