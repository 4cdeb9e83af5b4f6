//! `mesos-disk-watcher run`: the daemon as a service of the host. One for each work directory, with the rights that it
//! needs and no other, and in touch with systemd where that started it.

mod notifier;
mod rights;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use tracing::{error, warn};

use crate::cli::RunArgs;
use crate::config::Config;
use crate::daemon;
use crate::enforce::with_causes;

pub(crate) use notifier::Notifier;

/// What clap also exits with when something on the command line is wrong.
const MISCONFIGURED: u8 = 2;

/// Why the daemon could not begin.
#[derive(Debug, thiserror::Error)]
enum ServiceError {
    #[error("cannot open work directory {path:?}")]
    WorkDir { path: PathBuf, source: Errno },
    #[error("work directory {path:?} is watched already, by another mesos-disk-watcher")]
    Taken { path: PathBuf },
    #[error("cannot give up rights that are not needed")]
    Rights(#[source] rights::RightsError),
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Daemon(#[from] daemon::StartError),
}

/// Checks the configuration and, if that is all right and not all that was asked for, watches until told to end.
pub(crate) fn run(args: &RunArgs) -> ExitCode {
    let config = match args.sources.load() {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::from(MISCONFIGURED);
        }
    };
    if args.is_check {
        return ExitCode::SUCCESS;
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        // A log that cannot be written costs lines; to tell so on the same stderr would be a panic.
        .log_internal_errors(false)
        .with_max_level(config.log)
        .with_target(false)
        .with_ansi(false)
        .init();
    match serve(config, args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config, args: &RunArgs) -> Result<(), ServiceError> {
    // Held until the end; gone with the process, however that ends.
    let _only = only_one(&config.work_dir)?;
    for missing in missing_rights(&config) {
        warn!("{missing}");
    }
    // Before there is a second thread: rights are a thread's own.
    rights::keep_only(&config).map_err(ServiceError::Rights)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServiceError::Runtime)?;
    let sources = args.sources.clone();
    let result = runtime.block_on(daemon::run(config, sources, Notifier::new()));
    // A disk that hangs keeps a thread for as long as it likes.
    runtime.shutdown_background();
    Ok(result?)
}

/// Takes the work directory for this process alone; the agent does not lock it.
fn only_one(work_dir: &Path) -> Result<OwnedFd, ServiceError> {
    let path = || work_dir.to_owned();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let failed = |source| ServiceError::WorkDir {
        path: path(),
        source,
    };
    let directory = open(work_dir, flags, Mode::empty()).map_err(failed)?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(directory),
        Err(Errno::WOULDBLOCK) => Err(ServiceError::Taken { path: path() }),
        Err(errno) => Err(failed(errno)),
    }
}

/// What cannot be done for want of rights, for people; nothing where all is there.
pub(crate) fn missing_rights(config: &Config) -> Vec<String> {
    rights::missing(config)
}

/// As the system names this host.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    match name.as_str() {
        "" => "localhost".to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_directory_is_watched_by_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = only_one(dir.path()).unwrap();
        let second = only_one(dir.path()).unwrap_err();
        assert!(matches!(second, ServiceError::Taken { .. }), "{second}");
        drop(first);
        only_one(dir.path()).unwrap();
    }
}
