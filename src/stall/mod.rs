//! Stalls: polls that hold their worker, seen while they last.

// What `capture` does is behind pointers and signals.
#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
#[allow(dead_code)] // Until the watchdog reads them.
mod proc;
