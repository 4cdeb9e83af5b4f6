//! Points on disk: what carbon did not take when it was away or slow.

mod config;
mod name;

pub use config::SpoolConfig;
pub use name::SpoolName;
