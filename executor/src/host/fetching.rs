//! Fetching a task's files before it is started: as the task's user, in its sandbox, cgroup and directory, so that what is
//! fetched can do no more than the task itself.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use dialect::{Request, RootWish, Uri};
use executor_core::{Fault, StartFailure};
use fetch::{FetchError, Order, Proxies};
use mesos_proto::Bytes;
use mesos_proto::v1::TaskId;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use sandbox::{Answer, BuiltIn, Command, Exit, Plan, Process};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::cancellation::Cancellation;
use super::isolation::FETCHED_ROOT;
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

/// What is to be fetched for a task.
pub(super) struct Wanted {
    files: Vec<Uri>,
    /// The archive of its root directory.
    root: Option<Uri>,
}

impl Wanted {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            files: request.uris.clone(),
            root: match &request.sandbox.root {
                Some(RootWish::Archive(archive)) => Some(archive.clone()),
                Some(RootWish::Directory(_)) | None => None,
            },
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.root.is_none()
    }
}

/// The same as it goes to the process that fetches.
#[derive(Serialize, Deserialize)]
struct Errand {
    files: Order,
    root: Option<Order>,
}

/// Files on their way into a task's directory. What there is to tell goes to the task's standard error, where Mesos's
/// fetcher tells it.
pub(super) struct Fetching {
    process: Process,
    site: Site,
}

impl Fetching {
    /// Begins to fetch what is wanted, one after the other. Blocks for a moment. Abandons the site when that fails.
    pub(super) fn begin(
        workshop: &Workshop,
        task_id: &TaskId,
        wanted: Wanted,
        site: Site,
        cancelled: &Cancellation,
    ) -> Result<Self, StartFailure> {
        let Wanted { files, root } = wanted;
        let number = files.len() + usize::from(root.is_some());
        info!("fetching {number} files for task '{}'", task_id.value);
        let order = |uris| Order {
            uris,
            quota: site.limits.disk.map(Bytes::as_u64),
            stall_timeout: STALL_TIMEOUT,
            timeout: workshop.fetching.timeout,
            proxies: workshop.fetching.proxies.clone(),
            ca_bundle: workshop.fetching.authorities.clone(),
        };
        let errand = Errand {
            files: order(files),
            root: root.map(|archive| order(vec![archive])),
        };
        let process = start(workshop, &errand, &site, cancelled);
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
    errand: &Errand,
    site: &Site,
    cancelled: &Cancellation,
) -> Result<Process, StartFailure> {
    let host = |error: &dyn std::error::Error| failure(Fault::Host, error);
    let plan = Plan {
        command: Command::BuiltIn {
            name: NAME.to_owned(),
            argument: serde_json::to_string(errand).map_err(|error| host(&error))?,
        },
        ..site.plan_of_fetching()
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
    match run(argument, &mut tell) {
        Ok(()) => Answer {
            status: 0,
            text: String::new(),
        },
        Err(error) => Answer {
            status: 1,
            text: error.to_string(),
        },
    }
}

/// Why something could not be fetched.
#[derive(Debug, thiserror::Error)]
enum Unfetched {
    #[error("read the order: {0}")]
    Order(#[from] serde_json::Error),
    #[error("open the sandbox: {0}")]
    Here(io::Error),
    #[error("make the root directory {FETCHED_ROOT}: {0}")]
    Root(io::Error),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the URI of the root directory leads to no archive, or to an empty one")]
    NoRoot,
}

fn run(argument: &str, tell: &mut dyn FnMut(fetch::Progress)) -> Result<(), Unfetched> {
    let errand: Errand = serde_json::from_str(argument)?;
    let here = File::open(".").map_err(Unfetched::Here)?;
    fetch::fetch(&errand.files, here.as_fd(), tell)?;
    if let Some(order) = &errand.root {
        let root = root_directory(&here).map_err(|errno| Unfetched::Root(errno.into()))?;
        let summary = fetch::fetch(order, root.as_fd(), tell)?;
        if summary.members == 0 {
            return Err(Unfetched::NoRoot);
        }
        // Unpacked it would count twice.
        for archive in &order.uris {
            let name = fetch::file_name(&archive.value, archive.output_file.as_deref());
            let removed = name.map_or(Ok(()), |name| {
                unlinkat(&root, name.to_string().as_str(), UnlinkatFlags::NoRemoveDir)
            });
            removed.map_err(|errno| Unfetched::Root(errno.into()))?;
        }
    }
    Ok(())
}

/// A new directory: what a file of the task's brought along is not it.
fn root_directory(here: &File) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    mkdirat(here, FETCHED_ROOT, Mode::from_bits_truncate(0o755))?;
    openat(here, FETCHED_ROOT, flags, Mode::empty())
}
