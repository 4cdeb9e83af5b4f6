//! `mesos-disk-watcher`: see `--help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    disk_watcher::run()
}
