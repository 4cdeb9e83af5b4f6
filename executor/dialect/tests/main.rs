//! What each framework puts on the wire, and what this executor makes of it.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]
#![forbid(unsafe_code)]

mod checks;
mod data;
mod environment;
mod frameworks;
mod labels;
mod life;
mod limits;
mod output;
mod sandbox;
mod sources;
mod task;
mod uris;
mod volumes;
