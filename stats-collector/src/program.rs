//! The program: what the command line asks for, and how it ended.

use std::process::ExitCode;

use tracing::level_filters::LevelFilter;
use tracing::warn;

use crate::cli::{self, Run, Task};
use crate::config::{Config, Purpose, config};
use crate::settings::{HostPort, Mode, Settings};
use crate::{daemon, use_builtin_resolver};

/// What clap also exits with when options are wrong.
const USAGE: u8 = 2;

/// Does what the command line says.
pub fn run() -> ExitCode {
    match cli::read() {
        Task::Run(run) => ship(&run),
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
    match work(&for_now(&config, run)) {
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
    Signal(#[from] daemon::SignalError),
}

/// As the daemon takes it until it takes all of it.
fn for_now(config: &Config, run: &Run) -> Settings {
    let agent = config.agent.address.as_ref();
    let first = config.output.graphite.as_ref();
    let first = first.and_then(|fleet| fleet.destinations.first());
    Settings {
        mode: if run.is_once {
            Mode::Once
        } else {
            Mode::Every(config.interval)
        },
        agent: HostPort {
            host: agent.map_or("localhost", |agent| agent.host()).to_owned(),
            port: agent.map_or(5051, |agent| agent.port()),
        },
        carbon: first.map_or(
            graphite::Address {
                host: "localhost".to_owned(),
                port: 2003,
            },
            |first| first.address.clone(),
        ),
        prefix: config.names.prefix.clone(),
        host: config.names.host.clone(),
        work_dir: config.work_dir.clone(),
        disk_watcher: config.disk_watcher.clone(),
        timeout: config.agent.timeout,
        queue_bytes: config
            .output
            .graphite
            .as_ref()
            .map_or(1 << 25, |fleet| fleet.queue_bytes),
        log: config.log,
    }
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
