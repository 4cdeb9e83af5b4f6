//! Scrapes one Mesos agent and ships its containers' statistics to Graphite.
//!
//! A turn goes left to right; only the two ends do I/O:
//!
//! ```text
//!   agent ────> sample ────> Roster ───────> model ─────> series ────> graphite::Sink
//!   HTTP GET    raw JSON,    who lives,      rates of     points of
//!   /containers borrowed     app and slot    two samples  a container
//! ```
//!
//! With a work directory, what mesos-sandbox-executor publishes of its tasks goes the same way (`tasks`, `task_scrape`);
//! with the socket of mesos-disk-watcher, what that knows of disks (`disk_scrape`).
//! [`collector`] is that turn, [`daemon`] repeats it, [`settings`] is what a person chose.

mod agent;
mod cli;
pub mod collector;
mod config;
pub mod daemon;
mod disk_scrape;
mod health;
mod health_old;
mod model;
mod names;
mod output;
mod program;
mod sample;
mod schedule;
mod scrape;
mod series;
pub mod settings;
#[allow(unsafe_code)]
mod sys;
mod task_scrape;
mod tasks;

pub use program::run;
use sys::use_builtin_resolver;
