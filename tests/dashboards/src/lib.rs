//! The dashboards in `packaging/dashboards`: [`boards`] says what each shows and what its numbers mean, once; [`grafana`]
//! and [`graphite_web`] write that in each program's format, for series told apart by paths and by tags.
//!
//! ```text
//!   boards ──Board──> grafana ──────> grafana/path/*.json, grafana/tags/*.json
//!              │                        ▲ expression: `{containers cpus_used}` as a path or as tags
//!              └────> graphite_web ──> graphite-web/*.json
//! ```
//!
//! After a change here: `make dashboards`. What is checked in is what is written here, says a test; that every panel has
//! data, others, on a real agent, collector, watcher and Graphite ([`scenery`]).
#![forbid(unsafe_code)]

pub mod board;
pub mod boards;
pub mod expression;
pub mod files;
pub mod grafana;
pub mod graphite_web;
pub mod pictures;
pub mod scenery;
