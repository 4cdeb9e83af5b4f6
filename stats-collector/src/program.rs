//! The program: what the command line asks for, and how it ended.

use std::io::{self, Write};
use std::process::ExitCode;

use settings::Sources;
use tokio::runtime::Runtime;
use tracing::level_filters::LevelFilter;
use tracing::warn;

use crate::cli::{self, Run, Task};
use crate::config::{Config, Purpose, config};
use crate::connect::{self, Tried};
use crate::top::{self, TopError, TopSettings};
use crate::{daemon, model, use_builtin_resolver};

/// What clap also exits with when options are wrong.
const USAGE: u8 = 2;

const RESOLVER: &str = "the C library keeps to /etc/nsswitch.conf for host names";

/// Does what the command line says.
pub fn run() -> ExitCode {
    match cli::read() {
        Task::Run(run) => ship(&run),
        Task::Reference => {
            print!("{}", model::page());
            ExitCode::SUCCESS
        }
        Task::Top { sources, settings } => show(&sources, settings),
        Task::Check {
            sources,
            is_connecting,
        } => check(&sources, is_connecting),
    }
}

fn check(sources: &Sources, is_connecting: bool) -> ExitCode {
    let (config, said) = match sources.load(|said, check| config(Purpose::Ship, said, check)) {
        Ok(loaded) => loaded,
        Err(errors) => return refuse(&errors),
    };
    let mut shown = said.effective().to_string();
    let mut is_well = true;
    if is_connecting {
        if !use_builtin_resolver() {
            eprintln!("mesos-stats-collector: {RESOLVER}");
        }
        let tried = runtime().map(|runtime| runtime.block_on(connect::connect(&config)));
        match tried {
            Ok(tried) => {
                is_well = tried.iter().all(Tried::is_well);
                shown.push('\n');
                for one in tried {
                    shown.push_str(&format!("# {one}\n"));
                }
            }
            Err(error) => return fail(&WorkError::Runtime(error)),
        }
    }
    match io::stdout().lock().write_all(shown.as_bytes()) {
        Ok(()) if is_well => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        // The reader of a pipe has had enough, as in `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("mesos-stats-collector: {error}");
    ExitCode::FAILURE
}

fn runtime() -> io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build()
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
        warn!("{RESOLVER}");
    }
    match work(config, run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn show(sources: &Sources, settings: TopSettings) -> ExitCode {
    let (config, _) = match sources.load(|said, check| config(Purpose::Look, said, check)) {
        Ok(loaded) => loaded,
        Err(errors) => return refuse(&errors),
    };
    let shown = runtime().map_err(TopError::Runtime).and_then(|runtime| {
        let shown = runtime.block_on(top::run(&config, settings));
        // Whoever still waits for a disk or an agent is left to it.
        runtime.shutdown_background();
        shown
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
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
    let runtime = runtime()?;
    let done = if run.is_once {
        let shipped = runtime.block_on(daemon::once(config));
        shipped.map(Some).map_err(WorkError::from)
    } else {
        let ended = runtime.block_on(daemon::run(config));
        ended.map(|()| None).map_err(WorkError::from)
    };
    // A disk that hangs keeps its thread, and must not keep the program.
    runtime.shutdown_background();
    let Some(shipped) = done? else {
        return Ok(());
    };
    let skipped = shipped.listed - shipped.containers;
    eprintln!(
        "mesos-stats-collector: shipped {} containers ({skipped} skipped), {} points",
        shipped.containers, shipped.points
    );
    Ok(())
}
