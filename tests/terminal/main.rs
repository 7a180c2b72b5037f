//! Programs in real terminals: our dashboard, in process and attached, and the stock
//! tokio-console.

#![cfg(target_os = "linux")]

#[cfg(feature = "dashboard")]
mod dashboard;
mod screen;
#[cfg(feature = "attach")]
mod stock;
