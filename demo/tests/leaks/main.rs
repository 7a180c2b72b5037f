//! The demo's pitfalls fail as leak tests, for the reason that each is known for, and its
//! cures pass.
#![cfg(tokio_unstable)]

mod caught;
mod cures;
mod growth;
mod pitfalls;
mod site;

#[global_allocator]
static ALLOC: tokio_plumber::Alloc = tokio_plumber::Alloc::system();
