//! The collector between an agent and a carbon, both of them listeners on loopback. The agent's
//! replies in `tests/fixtures` are those of a real Mesos 1.11.0.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod beside;
mod carbons;
mod clock;
mod disks;
mod fakes;
mod hostile;
mod live;
mod outages;
mod peers;
mod program;
mod prometheus;
mod replies;
mod scale;
mod secrets;
mod states;
mod tasks;
mod top;
mod turns;
