//! stub docs, written below
pub mod config;
#[cfg(feature = "dashboard")]
pub mod dashboard;
mod engine;
pub mod format;
mod probe;
pub mod report;
pub mod runtime;
pub mod snapshot;

pub use config::{Config, ConfigError};
pub use engine::snapshot;
pub use runtime::{Instrument, instrument};
pub use tokio::pin;
