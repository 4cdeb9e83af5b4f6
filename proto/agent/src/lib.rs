//! A client of a Mesos agent's HTTP endpoints (Mesos: docs/endpoints/, docs/operator-http-api.md).
//!
//! An agent is a [`Client`]: its [address](AgentAddress), and how it is [reached](Access). What is asked for seldom goes
//! over a connection of its own ([`Client::ask`]); what is asked for again and again over one that is [`Kept`], in
//! memory that is used again. Each [`Question`] is bounded in time and in the size of its answer. An answer is 200 or
//! 202; everything else is a [`ClientError`], whose [kind](ClientError::kind) can be counted.
//!
//! Secrets come from files, are read anew for each question, since tokens are renewed, and are shown nowhere: neither in
//! an error nor by `Debug`, not even where an agent sends them back.

#![forbid(unsafe_code)]

mod address;
mod client;
mod connection;
mod credential;
mod error;
mod private_file;
pub mod tls;

pub use address::{AgentAddress, AgentAddressError};
pub use client::{Access, Answer, Bounds, Client, Kept, Question, Timing};
pub use credential::CredentialError;
pub use error::{ClientError, ErrorKind, Stage};
pub use private_file::PrivateFileError;
