//! What can happen to an executor: one closed enum.

use mesos_proto::v1::{self, Resource, TaskId};

use crate::hook::Moment;
use crate::question::Answer;

/// Everything the world tells the core.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something happened to the connection that [`crate::Action::Subscribe`] number `attempt` opened. Events of an
    /// earlier attempt are stale and change nothing.
    Link {
        /// The number that the action carried.
        attempt: u64,
        /// What happened.
        event: LinkEvent,
    },
    /// The agent sent an event on the stream of `attempt`.
    Agent {
        /// The number that the action carried.
        attempt: u64,
        /// The event as decoded; its type may be one that this version does not know.
        event: Box<v1::executor::Event>,
    },
    /// Something happened to a task's processes.
    Task {
        /// The task that an action named.
        task_id: TaskId,
        /// What happened.
        event: TaskEvent,
    },
    /// What [`crate::Action::Ask`] asked for.
    Answered {
        /// The number that the action carried.
        number: u64,
        /// What was found.
        answer: Answer,
    },
    /// The executor itself was told to end (SIGTERM).
    Stop,
}

/// What can happen to a connection.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// SUBSCRIBE was not answered with 200, or no connection came about.
    Refused(Refusal),
    /// The stream or the connection for calls broke.
    Broken {
        /// For the log.
        why: String,
    },
    /// A call other than SUBSCRIBE was answered with something else than 202.
    CallRefused {
        /// The uuid of the update, when the call was one.
        uuid: Option<bytes::Bytes>,
        /// The answer.
        refusal: Refusal,
    },
}

/// Why a call did not succeed.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status; none when there was no answer at all.
    pub status: Option<u16>,
    /// The body of the answer, or the connection's error.
    pub message: String,
}

impl Refusal {
    /// Whether the agent said that it does not know this executor, which no retry can change (Mesos:
    /// src/slave/http.cpp, `Http::executor`).
    pub fn is_final(&self) -> bool {
        self.status == Some(400)
            && (self.message.contains("Executor cannot be found")
                || self.message.contains("Framework cannot be found"))
    }
}

/// What can happen to a task's processes. Each is the outcome of an action but [`TaskEvent::Ended`] and
/// [`TaskEvent::Limited`], which the task brings about by itself.
#[derive(Clone, Debug)]
pub enum TaskEvent {
    /// A held launch has come so far that only the executing is missing.
    Prepared,
    /// The command runs.
    Started,
    /// The command runs, though not with all that tasks have here: what it lacks, for a person to read.
    StartedWithout(String),
    /// The command does not run, and nothing of the attempt is left.
    StartFailed(StartFailure),
    /// A limit was broken; the task still runs, or its end was not seen yet.
    Limited(Limitation),
    /// A probe is through.
    Probed {
        /// The check's place, as [`crate::Action::Probe`] had it.
        check: usize,
        /// What was seen.
        outcome: Probed,
    },
    /// A hook is through. [`Moment::BeforeStart`] comes before `Prepared` and `Started`, and only when it failed and the
    /// task starts all the same.
    Hooked {
        /// Which one.
        moment: Moment,
        /// How it ended; never by HTTP or TCP.
        outcome: Probed,
    },
    /// The command ended and was reaped.
    Ended(Ended),
    /// Nothing of the task is left on the host. No event of this run comes any more but answers to what was called off.
    CleanedUp,
}

/// Why a task could not be started, and by whose fault.
#[derive(Clone, Debug)]
pub struct StartFailure {
    /// Decides the state and the reason.
    pub fault: Fault,
    /// For a person: what was attempted and what went wrong.
    pub message: String,
}

/// Whose fault it is that a task could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The framework described no task that could run: TASK_ERROR, REASON_TASK_INVALID.
    Framework,
    /// The task's own program, directory or user is not there: TASK_FAILED.
    Task,
    /// The host refused a namespace, a cgroup, a process: TASK_FAILED, REASON_CONTAINER_LAUNCH_FAILED.
    Host,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// By itself, or by a signal.
    pub exit: CommandEnd,
    /// As Mesos's command executor has it, without the leading "Command": `exited with status 3`, `terminated with
    /// signal Killed`.
    pub description: String,
    /// The limit that the kernel ended it for, when that was found out only now.
    pub limitation: Option<Limitation>,
    /// It was at its limit of processes, and was refused more.
    pub refused: Option<RefusedProcesses>,
    /// The last lines that it wrote to stderr, when it wrote any: bounded, and UTF-8 whatever the task wrote.
    pub stderr_tail: Option<String>,
}

/// That a task wanted more processes and threads than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedProcesses {
    /// How many it may have at the same time.
    pub limit: u64,
    /// How often it was refused one.
    pub times: u64,
}

/// How a process ended, of a task or of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    /// By itself, with this status.
    Exited(i32),
    /// By the signal of this number.
    Signalled(i32),
    /// Nobody can tell.
    Unknown,
}

/// What a probe has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probed {
    /// The command of a check has ended.
    Command {
        /// How.
        status: CommandEnd,
        /// What it wrote, stdout and stderr as they came; bounded.
        output: String,
    },
    /// An answer by HTTP came.
    Http {
        /// Its status.
        status: u32,
        /// Where it came from when that was elsewhere, and the begin of its body, for a person; bounded.
        detail: String,
    },
    /// A connection was tried.
    Tcp {
        /// Whether it came about.
        connected: bool,
        /// Why not; empty when it did.
        detail: String,
    },
    /// The timeout was over before there was an answer.
    TimedOut {
        /// What the command of a check had written by then; bounded.
        output: String,
    },
    /// There was no answer: no connection for an HTTP request, no process for a command.
    Error {
        /// What was attempted, and what went wrong.
        message: String,
    },
}

/// A broken limit.
#[derive(Clone, Debug)]
pub struct Limitation {
    /// Which.
    pub kind: LimitKind,
    /// Mesos's text.
    pub message: String,
    /// The amounts for `TaskStatus.limitation`.
    pub resources: Vec<Resource>,
}

/// The limits that end a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// REASON_CONTAINER_LIMITATION_MEMORY.
    Memory,
    /// REASON_CONTAINER_LIMITATION_DISK.
    Disk,
    /// Cpu time of one process (RLIMIT_CPU). REASON_CONTAINER_LIMITATION, as Mesos has no narrower one.
    CpuTime,
    /// The size of one file (RLIMIT_FSIZE). REASON_CONTAINER_LIMITATION, as Mesos has no narrower one.
    FileSize,
}
