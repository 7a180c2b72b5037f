//! The service that the demo runs, with every classic leak and clog, pitfall beside cure.
//! `scenarios` is what to read.
//!
//! The binary puts it under load and shows it; tests hold it to what it leaves.

pub mod answer;
pub mod fetch;
pub mod scenarios;
pub mod service;
pub mod upstreams;
