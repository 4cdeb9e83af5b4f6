//! Who is asked beside the agent: the machine itself, executors, and the disk watcher.
//!
//! Each is asked on a thread of its own, once at a time and for no longer than the patience, says what it knows as a
//! sample, and puts it by tables of figures, from which the manual is made as well.

pub(crate) mod disks;
pub(crate) mod host;
mod look;
pub(crate) mod tasks;

pub(crate) use look::LookError;
