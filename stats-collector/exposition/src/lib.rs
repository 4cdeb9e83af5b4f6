//! Numbers for Prometheus, and for all that reads what is told to it.
//!
//! ```text
//!   Family, Family, ... ──> Page ──> serve: GET /metrics   as text, or as OpenMetrics to who asks for it
//!   each number's samples   whole           GET /health
//! ```
//!
//! A [`Page`] is made whole and never changes: each who asks is told one moment, and the bytes of samples are there once,
//! however many ask. Texts of others become label values, and stay within their quotes.

#![forbid(unsafe_code)]

mod body;
mod family;
mod format;
mod page;
mod server;

pub use body::Chunks;
pub use family::{Family, Labels, Type, name_of};
pub use format::Format;
pub use page::Page;
pub use server::{Source, serve};
