//! The contract with the agent, fact by fact, one core under a hand-moved clock.

#![forbid(unsafe_code)]

mod checks;
mod ending;
mod groups;
mod hooks;
mod journal;
mod killing;
mod link;
mod messages;
mod restarts;
mod rig;
mod statuses;
mod updates;
