//! `mesos-disk-watcher run`: the daemon as a service of the host.

use std::process::ExitCode;

use crate::cli::RunArgs;

/// What clap also exits with when something on the command line is wrong.
const MISCONFIGURED: u8 = 2;

/// Checks the configuration.
pub(crate) fn run(args: &RunArgs) -> ExitCode {
    match args.sources.load() {
        Ok(_) => ExitCode::SUCCESS,
        Err(errors) => {
            eprintln!("{errors}");
            ExitCode::from(MISCONFIGURED)
        }
    }
}
