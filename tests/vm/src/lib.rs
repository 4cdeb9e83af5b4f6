//! A virtual machine with what the host of the tests may lack: Debian 12, systemd, and cgroup v2 as the only hierarchy.
//! `tests/vm/setup` makes it from Debian's packages; [`Machine::boot`] starts it, once for all tests of a program, and
//! nothing of it is left when that program ends, in whatever way.
#![forbid(unsafe_code)]

mod boot;
mod inner_tests;
mod machine;
mod machines;
mod programs;
mod service;

pub use inner_tests::{Outcome, Suite, assert_passed, run_inner_tests};
pub use machine::{Machine, Output};
pub use machines::Machines;
pub use service::Service;

/// The serial line by which the machine is told what to run.
pub const CHANNEL: &str = "/dev/ttyS1";

/// Where the machine has the programs that were built for it.
pub const PROGRAMS: &str = "/programs";

/// The answer to nothing, by which the machine says that it is up. What is sent before is lost.
pub const UP: u64 = 0;
