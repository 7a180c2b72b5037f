//! Leak tests that pass, and leak tests that fail for the right reason.

mod caught;

#[cfg(tokio_unstable)]
mod budgets;
#[cfg(tokio_unstable)]
mod flavors;
#[cfg(tokio_unstable)]
mod growth;
mod inactive;
#[cfg(tokio_unstable)]
mod origins;
#[cfg(tokio_unstable)]
mod pitfalls;
#[cfg(tokio_unstable)]
mod processes;
// What is inlined has other names.
#[cfg(tokio_unstable)]
mod fairness;
#[cfg(all(tokio_unstable, debug_assertions))]
mod report;
#[cfg(tokio_unstable)]
mod scopes;

#[global_allocator]
static ALLOC: tokio_plumber::Alloc = tokio_plumber::Alloc::system();
