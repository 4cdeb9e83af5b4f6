//! How a task ended, in the fields of its terminal update. Mesos's own words come first, so that what watches for them
//! keeps working: those of its command executor (src/launcher/executor.cpp) and of its isolators. Then comes why, and on
//! lines of their own the last ones of the task's stderr.

use std::time::Duration;

use mesos_proto::MesosDuration;
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::{TaskResourceLimitation, TaskState};

use super::{Report, text};
use crate::event::{
    CommandEnd, Ended, Fault, LimitKind, Limitation, RefusedProcesses, StartFailure,
};
use crate::task::{Cause, Over, Task};

impl Report {
    /// The terminal report of `task`, which ended like this.
    pub(crate) fn terminal(over: Over, task: &Task) -> Self {
        let report = match over {
            Over::NotStarted(failure) => Self::not_started(&failure),
            Over::Stopped(cause) => Self::stopped(cause),
            Over::Ended(ended, None) => Self::by_itself(&ended, task),
            Over::Ended(ended, Some(cause)) => Self::made_to_end(&ended, cause, task),
        };
        report.with_restarts(task)
    }

    fn not_started(failure: &StartFailure) -> Self {
        let (state, reason) = match failure.fault {
            Fault::Framework => (TaskState::TaskError, Some(Reason::TaskInvalid)),
            Fault::Task => (TaskState::TaskFailed, None),
            Fault::Host => (TaskState::TaskFailed, Some(Reason::ContainerLaunchFailed)),
        };
        Self::because(state, reason, text::tame(&failure.message))
    }

    fn stopped(cause: Cause) -> Self {
        let label = label_of(&cause);
        let message = with_why("Killed before the command was started", &cause);
        let mut report = match cause {
            Cause::Limited(limitation) => Self::limited(limitation),
            Cause::Killed
            | Cause::ShutDown(_)
            | Cause::TooLong(_)
            | Cause::Unhealthy(_)
            | Cause::Hook(_)
            | Cause::Member { .. } => Self::because(
                TaskState::TaskKilled,
                Some(Reason::TaskKilledDuringLaunch),
                message,
            ),
        };
        report.labels.extend(label);
        report
    }

    fn by_itself(ended: &Ended, task: &Task) -> Self {
        let mut message = format!("Command {}{}", ended.description, of_restarts(task));
        if let Some(RefusedProcesses { limit, times }) = ended.refused {
            message = format!(
                "{message} (its limit of {limit} processes and threads was reached, and {times} more were refused)"
            );
        }
        if task.is_success(ended.exit) {
            return Self::because(TaskState::TaskFinished, None, message)
                .with_exit(ended)
                .with_troubles(task);
        }
        let mut report = Self::because(TaskState::TaskFailed, None, message);
        let refused = ended.refused.map(|_| ("cause", "pids".to_owned()));
        report.labels.extend(refused);
        report.with_exit(ended).with_troubles(task).with_tail(ended)
    }

    fn made_to_end(ended: &Ended, cause: Cause, task: &Task) -> Self {
        let label = label_of(&cause);
        let mut message = with_why(&format!("Command {}", ended.description), &cause);
        message.push_str(&of_restarts(task));
        if let Some(ignored_for) = task.ignored_for() {
            message = format!("{message} (SIGTERM had no effect for {})", of(ignored_for));
        }
        let mut report = match cause {
            Cause::Limited(limitation) => Self::limited(limitation),
            Cause::TooLong(_) => Self::because(
                TaskState::TaskFailed,
                Some(Reason::MaxCompletionTimeReached),
                message,
            ),
            Cause::Unhealthy(_) => {
                let state = match task.options().unhealthy_is_failed {
                    true => TaskState::TaskFailed,
                    false => TaskState::TaskKilled,
                };
                Self::because(state, Some(Reason::TaskHealthCheckStatusUpdated), message)
            }
            Cause::Hook(_) => Self::because(TaskState::TaskFailed, None, message),
            // Also when it exited with status 0 on the way (Mesos: src/launcher/executor.cpp, `reaped`).
            Cause::Killed | Cause::ShutDown(_) | Cause::Member { .. } => {
                Self::because(TaskState::TaskKilled, None, message)
            }
        };
        report.labels.extend(label);
        report.with_exit(ended).with_troubles(task).with_tail(ended)
    }

    fn limited(limitation: Limitation) -> Self {
        let reason = match limitation.kind {
            LimitKind::Memory => Reason::ContainerLimitationMemory,
            LimitKind::Disk => Reason::ContainerLimitationDisk,
            LimitKind::CpuTime | LimitKind::FileSize => Reason::ContainerLimitation,
        };
        Self {
            limitation: Some(TaskResourceLimitation {
                resources: limitation.resources,
            }),
            ..Self::because(TaskState::TaskFailed, Some(reason), limitation.message)
        }
    }

    fn with_exit(mut self, ended: &Ended) -> Self {
        match ended.exit {
            CommandEnd::Exited(status) => self.labels.push(("exit-status", status.to_string())),
            CommandEnd::Signalled(signal) => self.labels.push(("signal", signal.to_string())),
            CommandEnd::Unknown => {}
        }
        self
    }

    /// What went wrong with its hooks beside all that.
    fn with_troubles(mut self, task: &Task) -> Self {
        for trouble in task.troubles() {
            let message = self.message.take().unwrap_or_default();
            let (message, trouble) = (message.trim_end(), text::tame(trouble));
            self.message = Some(format!("{message}\n{trouble}"));
        }
        self
    }

    fn with_tail(mut self, ended: &Ended) -> Self {
        if let Some(tail) = ended.stderr_tail.as_deref().and_then(text::last_lines) {
            let message = self.message.take().unwrap_or_default();
            let message = message.trim_end();
            self.message = Some(format!("{message}\n\nLast lines of stderr:\n{tail}"));
        }
        self
    }
}

/// `what`, and why it came to that where the state alone does not say so.
fn with_why(what: &str, cause: &Cause) -> String {
    match cause {
        Cause::Killed | Cause::Limited(_) => what.to_owned(),
        Cause::ShutDown(why) => format!("{what}: the executor shuts down, {why}"),
        Cause::TooLong(limit) => format!(
            "{what}: it ran for longer than its max_completion_time of {}",
            of(*limit)
        ),
        Cause::Unhealthy(found) | Cause::Hook(found) => format!("{what}: {}", text::tame(found)),
        Cause::Member { task, state } => {
            format!(
                "{what}: task '{task}' of its group is {}",
                state.as_str_name()
            )
        }
    }
}

/// The cause in one word.
fn label_of(cause: &Cause) -> Option<(&'static str, String)> {
    let word = match cause {
        Cause::Killed => return None,
        Cause::ShutDown(_) => "shutdown",
        Cause::Limited(limitation) => match limitation.kind {
            LimitKind::Memory => "memory",
            LimitKind::Disk => "disk",
            LimitKind::CpuTime => "cpu-time",
            LimitKind::FileSize => "file-size",
        },
        Cause::TooLong(_) => "max-completion-time",
        Cause::Unhealthy(_) => "unhealthy",
        Cause::Hook(_) => "hook",
        Cause::Member { .. } => "group",
    };
    Some(("cause", word.to_owned()))
}

/// How often it was started again, if it was.
fn of_restarts(task: &Task) -> String {
    match task.runs().restarts() {
        0 => String::new(),
        1 => " (restarted once)".to_owned(),
        often => format!(" (restarted {often} times)"),
    }
}

/// A length of time as Mesos writes it; one beyond its range has no better name.
fn of(length: Duration) -> String {
    match MesosDuration::from_std(length) {
        Ok(length) => length.to_string(),
        Err(_) => format!("{length:?}"),
    }
}
