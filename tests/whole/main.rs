//! Whole programs: real runtimes, real threads, exact counts.
//!
//! One binary, so that it links once. The probe is one for the process, so
//! every test names its runtime and looks only at that, or at its own sites.

// Without it there are no task hooks, and one thing to test: that this is said.
#![cfg_attr(not(tokio_unstable), allow(dead_code))]

#[path = "../common/mod.rs"]
mod common;
#[cfg(tokio_unstable)]
mod counts;
#[cfg(tokio_unstable)]
mod findings;
#[cfg(tokio_unstable)]
mod hooks;
#[cfg(tokio_unstable)]
mod lifecycle;
#[cfg(tokio_unstable)]
mod macros;
#[cfg(not(tokio_unstable))]
mod stable;

#[cfg(tokio_unstable)]
use common::*;
