//! The plan of a task's sandbox, and the init that carries it out.
//!
//! ```text
//! executor                        this crate, in the executor      in processes of its own
//! --------                        ---------------------------      -----------------------
//! main: init::dispatch(built-ins)
//! Launcher::start()            -> /proc/self/exe --sandbox-init -> zygote: waits to be forked
//! identity::lookup(user)
//! directory::create_task(id)
//! Launcher::launch(plan, stdio) -> a request to the zygote      -> zygote: namespaces, clone
//!                                  plan over a socket          ->  pid 1: mounts, fork, reap
//!                               <- Process, or step and errno  <-  the task: cgroup, ids, exec
//! Door::enter(plan)             -> a request to pid 1            -> pid 1: fork
//!                               <- Entered, or step and errno  <-  the guest: cgroup, ids, exec
//! Process::as_fd readable       <---------------------------------  pid 1: the task's wait status
//! Process::reap -> Exit
//! ```
//!
//! The executor has threads, and after a fork of such a process next to nothing may be done before
//! exec. So no code of ours runs there: the executor spawns itself anew, and what sets up the
//! sandbox is a program with one thread that goes in a straight line (see [`init`]).
//!
//! `unsafe` is in the `sys` module alone.

pub mod directory;
pub mod identity;
pub mod init;
pub mod seccomp;

mod built_in;
mod capabilities;
mod conversation;
mod descendants;
mod enter;
mod error;
mod exit;
mod filesystem;
mod guest;
mod launch;
mod line;
mod namespaces;
mod plan;
mod privileges;
mod process;
mod report;
mod rlimits;
#[allow(unsafe_code)]
mod sys;
mod tail;
mod zygote;

pub use built_in::{Answer, BuiltIn};
pub use capabilities::{Capabilities, Capability, CapabilitySet};
pub use enter::{Door, EnterError, EnterPlan, Entered, Finished};
pub use error::LaunchError;
pub use exit::Exit;
pub use filesystem::{
    Filesystem, PRIVATE_DIRECTORY, PrivateFiles, Propagation, Root, Shm, Source, Volume,
};
pub use launch::{Handles, InitProgram, Launcher, Prepared, Stdio};
pub use namespaces::{IdMap, IdRange, Namespaces, Network};
pub use plan::{Command, Plan};
pub use privileges::Privileges;
pub use process::{Process, ProcessError, TaskSignal};
pub use report::{Degraded, Fault, Feature, Step};
pub use rlimits::{Bound, Resource, Rlimit};
