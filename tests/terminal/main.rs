//! Programs in real terminals: our dashboard, in process and attached, and the stock
//! tokio-console.

#![cfg(target_os = "linux")]

#[cfg(feature = "dashboard")]
mod dashboard;
#[cfg(feature = "cli")]
mod plumber;
mod screen;
#[cfg(feature = "attach")]
mod stock;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// For tests that stall a worker of this process, or must not see one stalled.
#[allow(dead_code)] // Without some features there is none.
fn my_turn_to_stall() -> MutexGuard<'static, ()> {
    static TURNS: Mutex<()> = Mutex::new(());
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}
