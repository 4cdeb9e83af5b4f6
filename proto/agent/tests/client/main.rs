//! The client, with an agent that answers what it is told to.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod certificates;
mod refusals;
mod server;
mod transport;
