//! What a framework asks for of a task, in whichever of its ways it says so: pure functions from messages to a
//! [`Request`].

#![forbid(unsafe_code)]

mod check;
mod command;
mod request;

pub use check::{Check, HttpProbe, Probe, Role, Target};
pub use command::{CommandError, LABEL, resolve};
pub use request::{Checksum, Options, Program, Request, Uri};
