//! The executor's program against an agent that a real one cannot be made to be: one that answers late, wrongly, twice or
//! not at all, and closes what it should keep open.
//!
//! One program of tests, so that the agent and the executor they share are compiled once.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]
#![forbid(unsafe_code)]

mod agent;
mod executor;

mod calls;
mod checks;
mod command_task;
mod disk;
mod ending;
mod environment;
mod fetching;
mod figures;
mod holding;
mod journal;
mod killing;
mod life;
mod life_limits;
mod logs;
mod messages;
mod reconnection;
mod sandboxes;
mod silence;
mod subscription;
mod transport;
mod updates;
mod wrapper;
