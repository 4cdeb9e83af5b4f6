//! `mesos-sandbox-executor`: a Mesos executor that gives each task a cgroup and namespaces of its own, holds it to its
//! disk quota, and reports every end with its true reason.
//!
//! One program, many ways in, told apart in this order:
//!
//! - the first process of a sandbox, and the janitor: this very program, started by itself (`sandbox`, `janitor`);
//! - `run`, `install`, `uninstall`, started by a person or by the task of another executor (`cli`);
//! - an executor, started by a Mesos agent: a framework's own, or in the place of Mesos's command executor (`serve`).

mod agent;
mod cli;
mod command_executor;
mod driver;
mod figures;
mod groundwork;
mod host;
mod install;
mod janitor;
mod journal;
mod logs;
mod probe;
mod run;
mod serve;
mod settings;
#[allow(unsafe_code)]
mod sys;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The sandbox's first process is this very program: it must be told apart before anything else is done.
    sandbox::init::dispatch(&host::BUILT_INS);
    let arguments: Vec<OsString> = std::env::args_os().collect();
    janitor::dispatch(arguments.get(1).map(OsString::as_os_str))
        .or_else(|| cli::dispatch(&arguments))
        .unwrap_or_else(|| serve::serve(&arguments))
}
