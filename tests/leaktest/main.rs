//! Leak tests that pass, and leak tests that fail for the right reason.
#![cfg(tokio_unstable)]

mod budgets;
mod caught;
mod flavors;
mod growth;
mod origins;
mod pitfalls;
mod processes;
// What is inlined has other names.
#[cfg(debug_assertions)]
mod report;
mod scopes;

#[global_allocator]
static ALLOC: tokio_plumber::Alloc = tokio_plumber::Alloc::system();
