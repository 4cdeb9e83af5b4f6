//! Signals to tasks, and their end by force.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use executor_core::Signal;
use mesos_proto::v1::TaskId;
use sandbox::TaskSignal;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::Host;

impl Host {
    pub(crate) fn signal(&self, task_id: &TaskId, signal: Signal) {
        let signal = match signal {
            Signal::Terminate => TaskSignal::Terminate,
            Signal::Hangup => TaskSignal::Hangup,
            Signal::User1 => TaskSignal::User1,
            Signal::User2 => TaskSignal::User2,
            Signal::Interrupt => TaskSignal::Interrupt,
            Signal::Quit => TaskSignal::Quit,
        };
        let process = self
            .tasks
            .get(&task_id.value)
            .and_then(|task| task.process.as_ref());
        if let Some(process) = process
            && let Err(error) = process.signal(signal)
        {
            warn!("task '{}' did not get {signal:?}: {error}", task_id.value);
        }
    }

    /// Ends every process of a task. The namespace's end is the sure way; without one the cgroup's is.
    pub(crate) fn kill(&self, task_id: &TaskId) {
        let Some(running) = self.tasks.get(&task_id.value) else {
            return;
        };
        if let Some(process) = &running.process
            && let Err(error) = process.kill()
        {
            warn!("task '{}' did not get SIGKILL: {error}", task_id.value);
        }
        // One at a time: what cannot die keeps a thread busy for as long as the attempt lasts.
        if let Some(cgroup) = running.belongings.cgroup.clone()
            && !running.killing.swap(true, Ordering::Relaxed)
        {
            let id = task_id.value.clone();
            let killing = Arc::clone(&running.killing);
            spawn_blocking(move || {
                if let Err(error) = cgroup.kill() {
                    warn!("the cgroup of task '{id}' could not be killed: {error}");
                }
                killing.store(false, Ordering::Relaxed);
            });
        }
    }
}
