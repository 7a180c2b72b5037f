//! stub docs, written below
pub mod config;
mod engine;
pub mod format;
mod probe;
pub mod runtime;
pub mod snapshot;

pub use config::{Config, ConfigError};
pub use engine::snapshot;
pub use runtime::{Instrument, instrument};
pub use tokio::pin;
