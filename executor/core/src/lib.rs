//! The executor as a pure state machine: events go in, actions come out.
//!
//! Time, randomness and every outcome in the world are arguments, so that the whole protocol runs in tests under a
//! hand-moved clock. The driver is one loop: it takes the next event, deadline or stop, calls [`Core::handle`] or
//! [`Core::handle_timeout`], and carries out what [`Core::poll_action`] yields. It never waits for an action to
//! succeed: the outcome returns as an [`Event`].
//!
//! ```text
//!           agent, link, task, stop                    subscribe, send, launch, signal,
//!   edges ---------- Event ---------> Core ---------- Action ---------> edges
//!                                      |                        kill, clean up, note, exit
//!                            Link   Task*   Ledger
//! ```
//!
//! - [`link`]: whether the agent listens, when to try again, when to give up.
//! - [`task`]: one small machine a task, from LAUNCH to its last acknowledgement.
//! - [`ledger`]: what the agent has not acknowledged; recorded before it is sent, sent again in order with the same
//!   uuid.
//!
//! - [`checks`]: when the checks of a task look, and what their findings mean.
//! - [`messages`]: what a framework can ask, and the answers.
//! - [`journal`]: what outlives the executor.
//!
//! What holds, whatever the order of events (tests/simulation.rs checks each over random orders): one terminal update
//! a task; none lost and none made twice; the order kept; a uuid never changes; nothing is launched after a shutdown;
//! every process that was started has been reaped before [`Action::Exit`].
#![forbid(unsafe_code)]

mod action;
mod checks;
mod command_task;
mod config;
mod core;
mod event;
mod hook;
mod journal;
mod ledger;
mod link;
mod messages;
mod question;
mod status;
mod task;
mod time;

pub use action::{Action, Note, Outcome, Signal};
pub use command_task::CommandTask;
pub use config::Config;
pub use core::Core;
pub use event::{
    CommandEnd, Ended, Event, Fault, LimitKind, Limitation, LinkEvent, Probed, Refusal,
    RefusedProcesses, StartFailure, TaskEvent,
};
pub use hook::{Moment, hook_failure};
pub use journal::Record;
pub use question::{Answer, DiskUse, ProcessLine, Question, Usage, VolumeUse};
pub use time::{Instant, Now};
