//! What the core asks the world to do: one closed enum.

use std::fmt;
use std::time::Duration;

use dialect::{Hook, Probe, Request, StopSignal};
use mesos_proto::TaskInfo;
use mesos_proto::v1::executor::Call;
use mesos_proto::v1::{TaskId, TaskState};

use crate::hook::Moment;
use crate::journal::Record;
use crate::question::Question;

/// One thing to do. Actions are carried out in the order they are polled; none is waited for.
#[derive(Clone, Debug)]
pub enum Action {
    /// Open a new connection and send this SUBSCRIBE; whatever was open before is closed.
    Subscribe {
        /// To be given back with every event of the connection.
        attempt: u64,
        /// The call.
        call: Box<Call>,
        /// Every record up to this one must be in the journal before the call goes out; 0 waits for none.
        after: u64,
    },
    /// Close the connection of `attempt`.
    Disconnect {
        /// The connection's number.
        attempt: u64,
    },
    /// Send a call on the ordered connection of `attempt`, after every call before it.
    Send {
        /// The connection's number.
        attempt: u64,
        /// The call.
        call: Box<Call>,
        /// Every record up to this one must be in the journal before the call goes out; 0 waits for none.
        after: u64,
    },
    /// Write something to the journal, behind everything before. Whoever sends waits for it, nobody else.
    Record {
        /// Counts from 1, one more each time.
        sequence: u64,
        /// What to write.
        record: Record,
    },
    /// Start a task. Answered by `Started` or `StartFailed`; when held, by `Prepared` or `StartFailed`. Its hook before the
    /// start is part of it, and may come to `Hooked` before that.
    Launch {
        /// The task as the agent sent it.
        task: Box<TaskInfo>,
        /// What it asks for.
        request: Box<Request>,
        /// Make everything ready, and execute nothing before [`Action::Release`].
        held: bool,
    },
    /// Let a held task run that is prepared. Answered by `Started` or `StartFailed`.
    Release {
        /// The task.
        task_id: TaskId,
    },
    /// Do not start a task whose launch is not through, if that is still to be had: then the launch is answered by
    /// `StartFailed`, of whatever fault, otherwise as if this had not been said. A held task that is prepared is always
    /// still to be had.
    CancelLaunch {
        /// The task.
        task_id: TaskId,
    },
    /// Send a signal to a task: SIGTERM to every process, any other to the process group of its first one.
    Signal {
        /// The task.
        task_id: TaskId,
        /// The signal.
        signal: Signal,
    },
    /// Look once at how a task does. Answered by exactly one `Probed`, also when the task has ended meanwhile.
    Probe {
        /// The task.
        task_id: TaskId,
        /// The check's place in [`Request::checks`].
        check: usize,
        /// How to look.
        probe: Box<Probe>,
        /// How long it may take; none is without limit.
        timeout: Option<Duration>,
    },
    /// The answer to a probe is of no use any more; nothing that it started may stay. Its answer may be anything.
    CancelProbe {
        /// The task.
        task_id: TaskId,
        /// The check's place in [`Request::checks`].
        check: usize,
    },
    /// Run a hook of a task: beside its program, or after its stop in its place. Answered by exactly one `Hooked`, also
    /// when the task has ended meanwhile.
    Hook {
        /// The task.
        task_id: TaskId,
        /// Which one.
        moment: Moment,
        /// What to run.
        hook: Box<Hook>,
        /// How long it may take: its own timeout, or less.
        timeout: Duration,
    },
    /// The answer to a hook is of no use any more; nothing that it started may stay. Its answer may be anything.
    CancelHook {
        /// The task.
        task_id: TaskId,
        /// Which one.
        moment: Moment,
    },
    /// Find out something about a task. Answered by exactly one [`crate::Event::Answered`], also when the task has ended
    /// meanwhile.
    Ask {
        /// To be given back with the answer.
        number: u64,
        /// The task.
        task_id: TaskId,
        /// What.
        question: Question,
    },
    /// End every process of a task at once, by force. Answered by `Ended`.
    KillTree {
        /// The task.
        task_id: TaskId,
    },
    /// Remove what a task left on the host, its sandbox directory excepted. Answered by `CleanedUp`.
    CleanUp {
        /// The task.
        task_id: TaskId,
    },
    /// Remove what a run of a task left on the host, but for what another run needs. Answered by `CleanedUp`. A `CleanUp`
    /// follows if there is to be none after all.
    PutAside {
        /// The task.
        task_id: TaskId,
    },
    /// Start a task again that was put aside: the same, in the same place. Answered as a launch that is not held, and
    /// cancelled as one.
    Relaunch {
        /// The task.
        task_id: TaskId,
    },
    /// Something an operator would want to read in the log.
    Note(Note),
    /// The executor is done. No action follows.
    Exit(Outcome),
}

/// The signals that the core sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: the begin of the grace period.
    Terminate,
    /// SIGHUP, on a framework's request or as the first signal of a stop sequence, as are all below.
    Hangup,
    /// SIGUSR1
    User1,
    /// SIGUSR2
    User2,
    /// SIGINT
    Interrupt,
    /// SIGQUIT
    Quit,
}

impl From<StopSignal> for Signal {
    fn from(signal: StopSignal) -> Self {
        match signal {
            StopSignal::Hangup => Self::Hangup,
            StopSignal::Interrupt => Self::Interrupt,
            StopSignal::Quit => Self::Quit,
            StopSignal::User1 => Self::User1,
            StopSignal::User2 => Self::User2,
        }
    }
}

/// How the executor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was delivered and acknowledged.
    Complete,
    /// Updates stayed unacknowledged, as many as the number says.
    Unacknowledged(usize),
    /// Processes could not be ended in time, as many tasks as the number says.
    Unreaped(usize),
}

/// What is worth a line in the log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// Subscribed with the agent.
    Subscribed {
        /// The attempt that succeeded.
        attempt: u64,
    },
    /// The connection is gone, or did not come about.
    Disconnected {
        /// What was seen.
        why: String,
    },
    /// The executor ends its tasks and then itself.
    ShuttingDown {
        /// Why.
        why: &'static str,
    },
    /// An update was produced.
    Update {
        /// The task.
        task_id: TaskId,
        /// Its new state.
        state: TaskState,
        /// Its message.
        message: Option<String>,
    },
    /// The agent refused an update for good; it is not sent again.
    UpdateRefused {
        /// The agent's words.
        why: String,
    },
    /// An event changed nothing.
    Ignored {
        /// The event.
        what: &'static str,
        /// The task it was about, if any.
        task_id: Option<TaskId>,
        /// Why it changed nothing.
        why: &'static str,
    },
    /// A check failed, which changes nothing yet.
    CheckFailed {
        /// The task.
        task_id: TaskId,
        /// Which check, and what it found.
        message: String,
    },
    /// A hook failed, or was not run.
    HookFailed {
        /// The task.
        task_id: TaskId,
        /// Which hook, and what went wrong.
        message: String,
    },
    /// A task is started again soon.
    WillRestart {
        /// The task.
        task_id: TaskId,
        /// How soon.
        after: Duration,
        /// How its last run ended.
        how: String,
    },
    /// A task's processes or leavings took too long.
    Overdue {
        /// The task.
        task_id: TaskId,
        /// What is overdue.
        what: &'static str,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscribed { attempt } => {
                write!(f, "subscribed with the agent (attempt {attempt})")
            }
            Self::Disconnected { why } => write!(f, "not connected to the agent: {why}"),
            Self::ShuttingDown { why } => write!(f, "shutting down: {why}"),
            Self::Update {
                task_id,
                state,
                message,
            } => {
                write!(f, "task '{}' is {}", task_id.value, state.as_str_name())?;
                match message {
                    // Only the first line: the statistics of a memory death are long.
                    Some(text) => write!(f, ": {}", text.lines().next().unwrap_or_default()),
                    None => Ok(()),
                }
            }
            Self::UpdateRefused { why } => write!(f, "the agent refused an update: {why}"),
            Self::Ignored { what, task_id, why } => match task_id {
                Some(task_id) => write!(f, "ignored {what} for task '{}': {why}", task_id.value),
                None => write!(f, "ignored {what}: {why}"),
            },
            Self::CheckFailed { task_id, message } | Self::HookFailed { task_id, message } => {
                write!(f, "task '{}': {message}", task_id.value)
            }
            Self::WillRestart {
                task_id,
                after,
                how,
            } => {
                let id = &task_id.value;
                write!(f, "task '{id}' is started again in {after:?}: {how}")
            }
            Self::Overdue { task_id, what } => {
                write!(f, "task '{}': {what} is overdue", task_id.value)
            }
        }
    }
}
