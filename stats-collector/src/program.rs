//! The program: what the command line asks for, and how it ended.

use std::process::ExitCode;

use settings::Sources;
use tracing::level_filters::LevelFilter;
use tracing::warn;

use crate::cli::{self, Run, Task};
use crate::config::{Config, Purpose, config};
use crate::top::{self, TopSettings};
use crate::{daemon, use_builtin_resolver};

/// What clap also exits with when options are wrong.
const USAGE: u8 = 2;

/// Does what the command line says.
pub fn run() -> ExitCode {
    match cli::read() {
        Task::Run(run) => ship(&run),
        Task::Top { sources, settings } => show(&sources, settings),
        Task::Check { sources, .. } => {
            match sources.load(|said, check| config(Purpose::Ship, said, check)) {
                Ok((_, said)) => {
                    print!("{}", said.effective());
                    ExitCode::SUCCESS
                }
                Err(errors) => refuse(&errors),
            }
        }
    }
}

fn refuse(errors: &settings::ConfigErrors) -> ExitCode {
    for error in errors.to_string().lines() {
        eprintln!("mesos-stats-collector: {error}");
    }
    eprintln!("mesos-stats-collector: see --help");
    ExitCode::from(USAGE)
}

fn ship(run: &Run) -> ExitCode {
    let purpose = if run.is_dry {
        Purpose::Show
    } else {
        Purpose::Ship
    };
    let (config, _) = match run.sources.load(|said, check| config(purpose, said, check)) {
        Ok(loaded) => loaded,
        Err(errors) => return refuse(&errors),
    };
    log_to_stderr(config.log);
    if !use_builtin_resolver() {
        warn!("the C library keeps to /etc/nsswitch.conf for host names");
    }
    match work(config, run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesos-stats-collector: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(sources: &Sources, settings: TopSettings) -> ExitCode {
    let (config, _) = match sources.load(|said, check| config(Purpose::Look, said, check)) {
        Ok(loaded) => loaded,
        Err(errors) => return refuse(&errors),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let shown = match runtime {
        Ok(runtime) => {
            let shown = runtime.block_on(top::run(&config, settings));
            // Whoever still waits for a disk or an agent is left to it.
            runtime.shutdown_background();
            shown.map_err(|error| error.to_string())
        }
        Err(error) => Err(format!("start the runtime: {error}")),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesos-stats-collector: {error}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // A log that cannot be written costs lines; to tell so on the same stderr would be a panic.
        .log_internal_errors(false)
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        .init();
}

#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error("start the runtime: {0}")]
    Runtime(#[from] std::io::Error),
    #[error(transparent)]
    Once(#[from] daemon::OnceError),
    #[error(transparent)]
    Run(#[from] daemon::RunError),
}

fn work(config: Config, run: &Run) -> Result<(), WorkError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if !run.is_once {
        return Ok(runtime.block_on(daemon::run(config))?);
    }
    let shipped = runtime.block_on(daemon::once(config))?;
    let skipped = shipped.listed - shipped.containers;
    eprintln!(
        "mesos-stats-collector: shipped {} containers ({skipped} skipped), {} points",
        shipped.containers, shipped.points
    );
    Ok(())
}
