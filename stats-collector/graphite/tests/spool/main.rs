//! What carbon did not take, on disk: who gets it, when and in which order, and what of it a kill, a
//! full disk or a hanging one costs.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod carbon;
mod disks;
mod killed;
mod outages;
mod rate;
