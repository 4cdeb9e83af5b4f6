//! `mesos-sandbox-executor`: a Mesos executor that gives each task a cgroup and namespaces of its own, holds it to its
//! disk quota, and reports every end with its true reason.
//!
//! Started by a Mesos agent it takes everything from its environment. Started by itself with the argument `init` it is
//! the first process of a task's sandbox.

mod agent;
mod command_executor;
mod driver;
mod host;
mod janitor;
mod probe;
mod settings;
#[allow(unsafe_code)]
mod sys;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use executor_core::Outcome;
use mesos_proto::environment::TOKEN_VARIABLE;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sandbox::{InitProgram, Launcher};
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use crate::agent::Agent;
use crate::command_executor::CommandExecutor;
use crate::driver::Driver;
use crate::host::{FetchSettings, Host, MOST_TURNS, Way, Workshop};
use crate::janitor::Janitor;

const HELP: &str = "\
mesos-sandbox-executor: a Mesos executor that runs each task in a sandbox of its own.

A framework names this program as an executor URI; the Mesos agent starts it and tells it
everything by the environment. There is nothing to start by hand:

  ExecutorInfo.command  { \"value\": \"./mesos-sandbox-executor\",
                          \"uris\": [{ \"value\": \"http://.../mesos-sandbox-executor\", \"executable\": true }] }
  TaskInfo.data         { \"version\": 1, \"command\": { \"value\": \"sleep 1000\" } }

Environment beside Mesos's own:
  MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT  how long to stay after the last task (5secs)
  MESOS_SANDBOX_EXECUTOR_LOG           error, warn, info (the default), debug or trace
  MESOS_SANDBOX_EXECUTOR_CGROUP2       'own' to give tasks cgroups of their own below an agent that manages
                                       cgroup v2 itself, which then neither counts nor limits them
  MESOS_SANDBOX_EXECUTOR_AGENT_NAME    what the agent's TLS certificate must be for, when that is neither
                                       its address nor a name of its host

  --help     this text
  --version  the version
";

fn main() -> ExitCode {
    // The sandbox's first process is this very program: it must be told apart before anything else is done.
    sandbox::init::dispatch(&host::BUILT_INS);
    if let Some(ended) = janitor::dispatch(std::env::args_os().nth(1).as_deref()) {
        return ended;
    }
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Under an agent every argument is the task's, or the agent's own.
    let by_hand = std::env::var_os("MESOS_EXECUTOR_ID").is_none();
    match arguments.get(1).and_then(|first| first.to_str()) {
        Some("--help" | "-h") if by_hand => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some("--version" | "-V") if by_hand => {
            println!("mesos-sandbox-executor {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Some(_) | None => {}
    }
    let command_executor = CommandExecutor::from_arguments(&arguments);
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // What the task itself writes to the same place is to be told apart.
        .with_target(command_executor.is_some())
        .with_max_level(settings::log_level(command_executor.is_some()))
        .init();
    match run(&arguments, command_executor) {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Unacknowledged(updates)) => {
            error!("{updates} updates were not acknowledged by the agent");
            ExitCode::FAILURE
        }
        Ok(Outcome::Unreaped(tasks)) => {
            error!("{tasks} tasks could not be ended in time");
            ExitCode::FAILURE
        }
        Err(error) => {
            error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    arguments: &[OsString],
    command_executor: Option<CommandExecutor>,
) -> Result<Outcome, Box<dyn std::error::Error>> {
    // Its environment holds credentials: no other process of the same user may read it.
    nix::sys::prctl::set_dumpable(false)?;
    let (environment, config) = settings::read(arguments, command_executor.as_ref())?;
    // Before there are threads, and before anything else is started.
    if let Err(error) = sys::forget_variable(TOKEN_VARIABLE) {
        warn!("this process's environment keeps the authentication token: {error}");
    }
    let agent = Agent::new(&environment, settings::agent_name().as_deref())?;
    info!(
        "executor '{}' of framework {}, version {}",
        environment.executor_id,
        environment.framework_id,
        env!("CARGO_PKG_VERSION")
    );
    let workshop = Workshop {
        launcher: Launcher::start(InitProgram::own())?,
        cgroups: cgroups(&environment.directory),
        sandbox: match &command_executor {
            None => environment.sandbox,
            // The executor is outside of its task's image, where the sandbox has another name.
            Some(_) => environment.directory,
        },
        environment: settings::for_tasks(command_executor.as_ref()),
        descriptor_limit: raise_descriptor_limit(),
        own_name: arguments
            .first()
            .and_then(|own| Path::new(own).file_name())
            .map(ToOwned::to_owned),
        way: command_executor.map_or(Way::Custom, |flags| Way::Command(Box::new(flags))),
        fetching: FetchSettings::of_environment(),
        turns: Semaphore::new(MOST_TURNS),
    };
    // Held until the end of this process, whatever that is.
    let _janitor = workshop.cgroups.as_ref().and_then(|_| {
        let started = Janitor::start();
        if let Err(error) = &started {
            warn!("no janitor, so cgroups may outlive a killed executor: {error}");
        }
        started.ok()
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // They launch, walk directories (a few at a time), reap, and remove cgroups.
        .max_blocking_threads(64)
        .build()?;
    let outcome = runtime.block_on(async {
        let (to_self, wakes) = tokio::sync::mpsc::unbounded_channel();
        let host = Host::new(workshop, to_self.clone());
        let driver = Driver::new(config, settings::seed()?, agent, host, to_self, wakes);
        driver.run().await
    })?;
    // A blocking thread that hangs on a dead disk must not hold the executor's exit back.
    runtime.shutdown_background();
    Ok(outcome)
}

/// Raises the soft limit of open descriptors to the hard one, since every task takes some. Returns what it was, for the
/// tasks: programs that use select(2) are only right below 1024.
fn raise_descriptor_limit() -> Option<u64> {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(soft, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| soft));
    match raised {
        Ok(soft) => Some(soft),
        Err(errno) => {
            warn!("the limit of open descriptors stays as it is: {errno}");
            None
        }
    }
}

/// Where the tasks' cgroups go. The container's id, the last component of the sandbox's path on the host, names the
/// executor's. A host that gives none is told of once, in the log: its tasks run without limits of their own.
fn cgroups(directory: &Path) -> Option<cgroup::Parent> {
    let container = directory
        .file_name()
        .unwrap_or(directory.as_os_str())
        .to_string_lossy();
    let host = match cgroup::Host::detect(Path::new("/")) {
        Ok(host) => host,
        Err(error) => {
            warn!("no cgroups, so no memory, cpu or process limits for tasks: {error}");
            return None;
        }
    };
    match cgroup::sweep(&host) {
        Ok(swept) => {
            for path in swept {
                info!(
                    "removed {}, which an executor that was killed had left",
                    path.display()
                );
            }
        }
        Err(errors) => warn!("what killed executors left could not all be removed: {errors}"),
    }
    let mut host = host.within(&container);
    if host.agent_manages_v2(&container) && !settings::takes_tasks_out_of_agents_cgroup2() {
        warn!(
            "the agent manages cgroup v2 itself, and tasks stay in the container's cgroup: {} changes that",
            settings::CGROUP2
        );
        host = host.without_v2();
    }
    for missing in host.missing() {
        warn!("this host has no cgroup controller {missing}: nothing limits it");
    }
    match cgroup::Parent::create(&host, &container) {
        Ok(parent) => Some(parent),
        Err(error) => {
            warn!("no cgroups, so no memory, cpu or process limits for tasks: {error}");
            None
        }
    }
}
