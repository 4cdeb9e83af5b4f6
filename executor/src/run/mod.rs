//! A command in a sandbox, with no agent: `mesos-sandbox-executor run`.
//!
//! The same launching and watching as for tasks, one task alone, whose directory, input and output are those of this
//! process. What an agent would be told goes into the exit status and the last line on standard error.

mod ending;
mod order;
mod signals;
mod supervision;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use sandbox::seccomp::Profiles;
use sandbox::{InitProgram, Launcher};
use tokio::sync::Semaphore;

use crate::cli::Run;
use crate::groundwork;
use crate::host::{Disks, FetchSettings, Host, HostFiles, MOST_TURNS, Way, Workshop};
use crate::logs::Turns;
use crate::settings;
use ending::Ending;
use supervision::{Patience, supervise};

/// The exit status when there was no sandbox to run anything in, or no sense in the options.
pub(crate) const NO_SANDBOX: u8 = 125;

/// Runs the command of `options`, and says how it ended.
pub(crate) fn run(options: Run) -> ExitCode {
    groundwork::log(true);
    let ending = match attempt(options) {
        Ok(ending) => ending,
        Err(error) => Ending::NoSandbox(error.to_string()),
    };
    // With nobody to read it the status still tells.
    let _told = writeln!(io::stderr(), "mesos-sandbox-executor: {}", ending.reason());
    ExitCode::from(ending.status())
}

fn attempt(options: Run) -> Result<Ending, Box<dyn std::error::Error>> {
    // Its environment may hold an executor's credentials: no other process of the same user may read it.
    nix::sys::prctl::set_dumpable(false)?;
    let directory = match &options.directory {
        Some(directory) => std::path::absolute(directory)?,
        None => std::env::current_dir()?,
    };
    let patience = Patience {
        timeout: options.timeout.and_then(mesos_proto::MesosDuration::to_std),
        grace: options.kill_grace.to_std().unwrap_or_default(),
    };
    let order = order::order(&options, &directory, settings::for_tasks(None));
    let workshop = Workshop {
        launcher: Launcher::start(InitProgram::own())?,
        cgroup_namespaces: groundwork::has_cgroup2_alone(),
        cgroups: groundwork::cgroups(&container(), &own_name()),
        sandbox: directory,
        environment: Vec::new(),
        // There is one task, and this process needs few for itself.
        descriptor_limit: None,
        files: HostFiles::of_command(
            directory_of_executor().as_deref(),
            options.filesystem == "private",
        ),
        profiles: Profiles::in_directory(settings::seccomp_profiles())?,
        disks: Disks::start(settings::disks()?)?,
        way: Way::Alone { user: options.user },
        fetching: FetchSettings::default(),
        copying: Turns::new(),
        turns: Semaphore::new(MOST_TURNS),
    };
    let _janitor = groundwork::janitor(workshop.cgroups.as_ref());
    let runtime = groundwork::runtime()?;
    let ending = runtime.block_on(async {
        let (to_self, wakes) = tokio::sync::mpsc::unbounded_channel();
        let host = Host::new(workshop, to_self);
        supervise(host, wakes, order, patience).await
    })?;
    // A blocking thread that hangs on a dead disk must not hold the exit back.
    runtime.shutdown_background();
    Ok(ending)
}

/// The container of the task of another executor that this runs in, if any: the last component of that executor's
/// directory (Mesos: src/slave/paths.cpp).
fn container() -> String {
    let directory = directory_of_executor();
    let directory = directory.as_deref().and_then(Path::file_name);
    directory.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The directory of the executor whose task this runs in, if any.
fn directory_of_executor() -> Option<PathBuf> {
    std::env::var_os("MESOS_DIRECTORY").map(PathBuf::from)
}

/// A name for the cgroup that nobody else has, also where several see process ids of their own.
fn own_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 still leaves the process id.
    let nanos = now.unwrap_or_default().as_nanos();
    format!("run-{}-{nanos}", std::process::id())
}
