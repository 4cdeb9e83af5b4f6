//! Fetching a task's files before it is started: as the task's user, in its sandbox, cgroup and directory, so that what is
//! fetched can do no more than the task itself.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use dialect::Uri;
use executor_core::{Fault, StartFailure};
use fetch::{Order, Proxies};
use mesos_proto::Bytes;
use mesos_proto::v1::TaskId;
use sandbox::{Answer, BuiltIn, Command, Exit, Plan, Process};
use tracing::{info, warn};

use super::cancellation::Cancellation;
use super::launch::blocking;
use super::site::Site;
use super::workshop::Workshop;
use super::{failure, fault};
use crate::sys;

/// What of this program runs in a task's place.
pub(crate) const BUILT_INS: [(&str, BuiltIn); 1] = [(NAME, fetch_here)];

const NAME: &str = "fetch";

/// From one byte to the next (Mesos: docs/configuration/agent.md, `fetcher_stall_timeout`).
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How files come to this host.
#[derive(Clone, Debug, Default)]
pub(crate) struct FetchSettings {
    proxies: Proxies,
    /// Whose signature makes a server's certificate valid; none means whoever the host trusts.
    authorities: Option<PathBuf>,
    /// How long all files of one task may take.
    timeout: Option<Duration>,
}

impl FetchSettings {
    /// As curl, and with it Mesos's fetcher, takes them from the environment.
    pub(crate) fn of_environment(timeout: Option<Duration>) -> Self {
        Self {
            timeout,
            proxies: Proxies::from_environment(|name| std::env::var(name).ok()),
            authorities: std::env::var_os("SSL_CERT_FILE").map(PathBuf::from),
        }
    }
}

/// Files on their way into a task's directory. What there is to tell goes to the task's standard error, where Mesos's
/// fetcher tells it.
pub(super) struct Fetching {
    process: Process,
    site: Site,
}

impl Fetching {
    /// Begins to fetch what `uris` name, one after the other. Blocks for a moment. Abandons the site when that fails.
    pub(super) fn begin(
        workshop: &Workshop,
        task_id: &TaskId,
        uris: Vec<Uri>,
        site: Site,
        cancelled: &Cancellation,
    ) -> Result<Self, StartFailure> {
        info!("fetching {} files for task '{}'", uris.len(), task_id.value);
        let order = Order {
            uris,
            quota: site.limits.disk.map(Bytes::as_u64),
            stall_timeout: STALL_TIMEOUT,
            timeout: workshop.fetching.timeout,
            proxies: workshop.fetching.proxies.clone(),
            ca_bundle: workshop.fetching.authorities.clone(),
        };
        let process = start(workshop, &order, &site, cancelled);
        let (site, process) = site.or_abandon(process)?;
        Ok(Self { process, site })
    }

    /// Waits until all is there. Abandons the site when it is not to be had, or not wanted any more.
    pub(super) async fn end(self, cancelled: &Cancellation) -> Result<Site, StartFailure> {
        let Self { process, site } = self;
        match sys::readable(&process) {
            Ok(ended) => tokio::select! {
                // An error here is the runtime's own end.
                _ = ended.readable() => {}
                () = cancelled.requested() => kill(&process),
            },
            Err(error) => {
                warn!("fetching could not be waited for, and is not: {error}");
                kill(&process);
            }
        }
        let cancelled = cancelled.clone();
        blocking(move || {
            let outcome = outcome(process, &site, &cancelled);
            let (mut site, ()) = site.or_abandon(outcome)?;
            // What was told of fetching are not the task's own words.
            site.output.kept.begin_here();
            Ok(site)
        })
        .await
    }
}

fn kill(process: &Process) {
    if let Err(error) = process.kill() {
        warn!("fetching could not be ended: {error}");
    }
}

fn start(
    workshop: &Workshop,
    order: &Order,
    site: &Site,
    cancelled: &Cancellation,
) -> Result<Process, StartFailure> {
    let host = |error: &dyn std::error::Error| failure(Fault::Host, error);
    let plan = Plan {
        command: Command::BuiltIn {
            name: NAME.to_owned(),
            argument: serde_json::to_string(order).map_err(|error| host(&error))?,
        },
        ..site.plan(workshop)
    };
    let stdio = site.stdio_again().map_err(|error| host(&error))?;
    let launched = workshop.launcher.launch(plan, stdio, cancelled.flag());
    launched.map_err(|error| StartFailure {
        fault: fault(error.fault()),
        message: format!("Failed to fetch the task's files: {error}"),
    })
}

/// How it ended. Blocks until nothing of it is left.
fn outcome(
    mut process: Process,
    site: &Site,
    cancelled: &Cancellation,
) -> Result<(), StartFailure> {
    let exit = process.reap();
    cancelled.check()?;
    let why = match exit {
        Ok(Exit::Exited(0)) => return Ok(()),
        Ok(exit) => match process.answer() {
            Some(answer) => answer,
            None if site.broke_memory_limit() => {
                "fetching them takes more memory than the task may have".to_owned()
            }
            None => format!("the fetching process {}", exit.describe()),
        },
        Err(error) => error.to_string(),
    };
    Err(StartFailure {
        fault: Fault::Task,
        message: format!("Failed to fetch the task's files: {why}"),
    })
}

/// Runs in the task's place.
fn fetch_here(argument: &str) -> Answer {
    let mut tell = |progress: fetch::Progress| {
        // A log that is full is no reason to stop.
        let _told = writeln!(io::stderr(), "{progress}");
    };
    let outcome = serde_json::from_str::<Order>(argument)
        .map_err(|error| error.to_string())
        .and_then(|order| {
            let here = std::fs::File::open(".").map_err(|error| error.to_string())?;
            fetch::fetch(&order, here.as_fd(), &mut tell).map_err(|error| error.to_string())
        });
    match outcome {
        Ok(_) => Answer {
            status: 0,
            text: String::new(),
        },
        Err(text) => Answer { status: 1, text },
    }
}
