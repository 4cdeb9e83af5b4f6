//! `mesos-disk-watcher`: disk usage of the sandboxes of a Mesos agent, on the command line and as a daemon.
//!
//! A library so that what reads foreign input can be fuzzed; the program is [`run`] alone.

mod agent;
mod checkpoints;
mod cli;
pub mod config;
mod daemon;
mod directory;
mod enforce;
mod events;
mod explain;
mod inventory;
mod limits;
mod metrics;
mod policy;
mod report;
mod sandboxes;
mod service;
mod survey;
#[allow(unsafe_code)]
mod sys;
mod tasks;
mod top;
mod usage_command;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};

pub use agent::read_any_answer;

/// Does what the command line says.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    let done = match (&cli.command, &cli.survey.work_dir) {
        (Some(Command::Usage(args)), _) => usage_command::run(args, &mut out),
        (Some(Command::Run(args)), _) => return service::run(args),
        (Some(Command::Top(args)), _) => top::run(args, &mut out),
        (Some(Command::Explain(args)), _) => explain::run(args, &mut out),
        (None, Some(work_dir)) => survey::run(work_dir, &cli.survey, &mut out),
        (None, None) => Cli::command().print_help().map(|()| Outcome::Flawed),
    };
    match done.and_then(|outcome| out.flush().map(|()| outcome)) {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Flawed) => ExitCode::FAILURE,
        // The reader of a pipe has had enough, as in `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mesos-disk-watcher: cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything asked for was done in full; what was not has been told on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Clean,
    Flawed,
}

impl Outcome {
    fn and(self, other: Self) -> Self {
        if self == Self::Clean { other } else { self }
    }
}

/// Tells of an error and its causes on standard error.
fn complain(error: &dyn Error) {
    eprint!("mesos-disk-watcher: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
}
