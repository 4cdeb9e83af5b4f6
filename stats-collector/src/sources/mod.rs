//! Who is asked beside the agent: the machine itself, executors, and the disk watcher.

pub(crate) mod host;
