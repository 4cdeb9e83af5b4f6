//! Which system calls a task may make (seccomp(2)).

use serde::{Deserialize, Serialize};

/// A filter as the kernel takes it, compiled once and handed to each task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Each a `struct sock_filter`.
    instructions: Vec<u64>,
}
