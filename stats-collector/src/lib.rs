//! Scrapes one Mesos agent and everything around it, and ships what they say.
//!
//! A turn goes left to right; only the two ends do I/O:
//!
//! ```text
//!   scrape ──────> sample ─────> names ────────────> model ────────────> output
//!   the agent,     its answers,  who that is, and    what two samples    to carbons, to who
//!   when schedule  typed and     what its series     tell that one does  asks, to a file
//!   says so        borrowed      are called          not
//! ```
//!
//! [`turn`] is where all of them meet, [`daemon`] repeats it, [`config`] is what a person chose, [`health`] is what the
//! collector tells of itself.

mod any_reply;
mod cli;
mod config;
mod connect;
mod daemon;
mod health;
mod model;
mod names;
mod output;
mod program;
mod sample;
mod schedule;
mod scrape;
mod service;
mod sources;
#[allow(unsafe_code)]
mod sys;
mod top;
mod turn;

pub use any_reply::read_any_reply;
pub use program::run;
use sys::use_builtin_resolver;
