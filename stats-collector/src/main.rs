//! `mesos-stats-collector`: see `--help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use stats_collector::settings::{Args, Mode, Settings};
use stats_collector::{daemon, use_builtin_resolver};
use tracing::warn;

/// What clap also exits with when options are wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let settings = match Args::parse().check() {
        Ok(settings) => settings,
        Err(errors) => {
            for error in errors {
                eprintln!("mesos-stats-collector: {error}");
            }
            eprintln!("mesos-stats-collector: see --help");
            return ExitCode::from(USAGE);
        }
    };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // A log that cannot be written costs lines; to tell so on the same stderr would be a panic.
        .log_internal_errors(false)
        .with_max_level(settings.log)
        .with_target(false)
        .with_ansi(false)
        .init();
    if !use_builtin_resolver() {
        warn!("the C library keeps to /etc/nsswitch.conf for host names");
    }
    match work(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesos-stats-collector: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error("start the runtime: {0}")]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Once(#[from] daemon::OnceError),
    #[error(transparent)]
    Signal(#[from] daemon::SignalError),
}

fn work(settings: &Settings) -> Result<(), WorkError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match settings.mode {
        Mode::Once => {
            let shipped = runtime.block_on(daemon::once(settings))?;
            let skipped = shipped.listed - shipped.containers;
            eprintln!(
                "mesos-stats-collector: shipped {} containers ({skipped} skipped), {} points to {}",
                shipped.containers, shipped.points, settings.carbon
            );
        }
        Mode::Every(interval) => runtime.block_on(daemon::run(settings, interval))?,
    }
    Ok(())
}
