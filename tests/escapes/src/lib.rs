//! The table of escapes from a sandbox ([`TABLE`]), and the program that tries them inside one.
//!
//! ```text
//! test   lays out a World: a secret beside the sandbox, sockets, a terminal, a process to harm
//!   |    starts the program inside, as a task:  <program> try <World as JSON>
//!   |      the program tries each row in a process of its own, and prints a Report as JSON
//!   '--  reads the Report and holds it against the table: Report::breaches
//! ```
//!
//! An attempt is made so that it harms nobody where it succeeds: it gives arguments which the kernel looks at after
//! the rights and refuses then, or opens for writing without writing.

mod attempt;
mod deeds;
mod host;
mod outcome;
mod program;
mod report;
mod rows;
mod seen;
#[allow(unsafe_code)]
mod sys;
mod world;

pub use host::{Host, SHARED_PLACES};
pub use outcome::{Expected, Gain, Outcome};
pub use program::run;
pub use report::Report;
pub use rows::{OWN_NETWORK, Row, TABLE};
pub use seen::Seen;
pub use world::{Task, World};
