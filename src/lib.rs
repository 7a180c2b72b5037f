//! stub docs, written below
pub mod snapshot;
