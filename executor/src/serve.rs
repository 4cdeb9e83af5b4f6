//! The executor, started by a Mesos agent, which tells it everything by the environment.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use executor_core::Outcome;
use mesos_proto::environment::TOKEN_VARIABLE;
use sandbox::seccomp::Profiles;
use sandbox::{InitProgram, Launcher};
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use crate::agent::Agent;
use crate::command_executor::CommandExecutor;
use crate::driver::Driver;
use crate::groundwork;
use crate::host::{Disks, FetchSettings, Host, HostFiles, MOST_TURNS, Way, Workshop};
use crate::journal::{Journal, Owner};
use crate::logs::Turns;
use crate::settings::Settings;
use crate::{settings, sys};

/// Serves the agent until there is nothing left to do.
pub(crate) fn serve(arguments: &[OsString]) -> ExitCode {
    let command_executor = CommandExecutor::from_arguments(arguments);
    groundwork::log(command_executor.is_some());
    match run(arguments, command_executor) {
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
    let Settings {
        environment,
        config,
        fetch_timeout,
        disks,
    } = settings::read(arguments, command_executor.as_ref())?;
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
    // The last component of the sandbox's path on the host (Mesos: src/slave/paths.cpp).
    let container = environment.directory.file_name().unwrap_or_default();
    let container = container.to_string_lossy();
    // No task needs it.
    let own_name = arguments.first().and_then(|own| Path::new(own).file_name());
    let own_name = own_name.map(ToOwned::to_owned);
    let files = HostFiles::of_executor(&environment, own_name.as_ref());
    let owner = Owner {
        framework: environment.framework_id,
        executor: environment.executor_id,
        container: container.clone().into_owned(),
    };
    let workshop = Workshop {
        launcher: Launcher::start(InitProgram::own())?,
        cgroup_namespaces: groundwork::has_cgroup2_alone(),
        cgroups: groundwork::cgroups(&container, &container),
        sandbox: match &command_executor {
            None => environment.sandbox,
            // The executor is outside of its task's image, where the sandbox has another name.
            Some(_) => environment.directory,
        },
        environment: settings::for_tasks(command_executor.as_ref()),
        descriptor_limit: groundwork::raise_descriptor_limit(),
        files,
        profiles: Profiles::in_directory(settings::seccomp_profiles())?,
        disks: Disks::start(disks)?,
        way: command_executor.map_or(Way::Custom, |flags| Way::Command(Box::new(flags))),
        fetching: FetchSettings::of_environment(fetch_timeout),
        copying: Turns::new(),
        turns: Semaphore::new(MOST_TURNS),
    };
    let tasks_owner = owner.clone();
    let journal = Journal::open(&workshop.sandbox, owner).unwrap_or_else(|error| {
        warn!("no journal, so a killed executor's last updates are lost: {error}");
        (Journal::none(), Vec::new())
    });
    let _janitor = groundwork::janitor(workshop.cgroups.as_ref());
    let runtime = groundwork::runtime()?;
    let outcome = runtime.block_on(async {
        let (to_self, wakes) = tokio::sync::mpsc::unbounded_channel();
        let mut host = Host::new(workshop, to_self.clone());
        host.publish(tasks_owner);
        let driver = Driver::new(
            config,
            settings::seed()?,
            agent,
            host,
            journal,
            to_self,
            wakes,
        );
        driver.run().await
    })?;
    // A blocking thread that hangs on a dead disk must not hold the executor's exit back.
    runtime.shutdown_background();
    Ok(outcome)
}
