//! The collector between an agent and a carbon, both of them listeners on loopback. The agent's
//! replies in `tests/fixtures` are those of a real Mesos 1.11.0.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod carbons;
mod disks;
mod fakes;
mod live;
mod outages;
mod program;
mod prometheus;
mod replies;
mod scale;
mod tasks;
mod top;
mod turns;
