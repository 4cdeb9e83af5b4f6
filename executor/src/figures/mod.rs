//! What tasks use, published for other programs on this host: in a file, and on a socket for who wants it fresh. Both are in
//! the executor's own directory in its sandbox, and nobody but its user gets at them. What they say is [`task_figures`]'.
//! On a second socket the disk watcher tells of a breach.

mod commands;
mod listener;
mod publisher;
mod shelf;
mod speaker;

use std::time::SystemTime;

use task_figures::{Report, Task};

use crate::host::Roll;
use crate::journal::Owner;
pub(crate) use publisher::Published;

/// Whose tasks they are.
#[derive(Clone)]
pub(crate) struct Publisher {
    pub(crate) owner: Owner,
    pub(crate) roll: Roll,
}

impl Publisher {
    /// One line, with its end.
    fn line(&self, tasks: Vec<Task>, time: SystemTime) -> Vec<u8> {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        // A clock before 1970 gives 0, which is what it means.
        let mut report = Report::at(since.unwrap_or_default().as_secs_f64());
        report.framework_id.clone_from(&self.owner.framework);
        report.executor_id.clone_from(&self.owner.executor);
        report.container_id.clone_from(&self.owner.container);
        report.tasks = tasks;
        report.line()
    }
}
