//! `mesos-stats-collector`: see `--help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    stats_collector::run()
}
