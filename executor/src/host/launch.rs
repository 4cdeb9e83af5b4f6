//! Starting one task: limits, directory, cgroup, sandbox, in this order; whatever fails undoes what was made.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cgroup::Cgroup;
use dialect::{Program, Request};
use executor_core::{Fault, StartFailure};
use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskId;
use nix::unistd::{getegid, geteuid};
use sandbox::directory::{self, DirectoryError, TaskDirectory};
use sandbox::identity::{self, Identity};
use sandbox::{Command, Namespaces, Plan, Process, Stdio};
use tracing::{debug, warn};

use super::Workshop;
use super::limits::TaskLimits;

/// A launch that is through.
pub(crate) struct Launched {
    pub(crate) task_id: TaskId,
    pub(crate) outcome: Result<Started, StartFailure>,
}

/// A task that runs, with everything there is to hold of it.
pub(crate) struct Started {
    pub(crate) process: Process,
    pub(crate) cgroup: Option<Arc<Cgroup>>,
    pub(crate) directory: OwnedFd,
    pub(crate) limits: TaskLimits,
}

/// A program without a slash is looked for here when neither the executor nor the task has a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A framework may use a task's id again; then the directories are numbered, this many at the most.
const MOST_RUNS_OF_ONE_ID: u32 = 1000;

/// Starts `task`. Blocks until its program is executed, or is not.
pub(crate) fn launch(
    workshop: &Workshop,
    task: &TaskInfo,
    command: Request,
    agent_host: Option<String>,
    cancelled: &Arc<AtomicBool>,
) -> Result<Started, StartFailure> {
    still_wanted(cancelled)?;
    debug!(
        "the command of task '{}' comes from {}",
        task.task_id.value, command.source
    );
    let limits = TaskLimits::of(task);
    let identity = match &command.user {
        Some(user) => identity_of(user)?,
        None => None,
    };

    let id = &task.task_id.value;
    let directory = own_directory(&workshop.sandbox, id, identity.as_ref())
        .map_err(|error| failure(Fault::Host, &error))?;
    if identity.is_some() {
        let_through(&workshop.sandbox);
    }
    link_fetched_files(workshop, &directory);

    // An agent that is removing the container must find no new cgroup in its way.
    still_wanted(cancelled)?;
    let cgroup = workshop
        .cgroups
        .as_ref()
        .map(|parent| Cgroup::create(parent, id, &limits.cgroup))
        .transpose()
        .map_err(|error| failure(Fault::Host, &error))?
        .map(Arc::new);
    let plan = Plan {
        command: match command.program {
            Program::Shell(line) => Command::Shell(line),
            Program::Exec { file, argv } => Command::Exec { file, argv },
        },
        environment: environment(
            workshop,
            task,
            agent_host,
            &directory.path,
            command.environment,
        ),
        working_directory: directory.path,
        hostname: None,
        identity,
        namespaces: Namespaces::ALL,
        descriptor_limit: workshop.descriptor_limit,
        cgroup_procs: cgroup
            .iter()
            .flat_map(|cgroup| cgroup.procs_files())
            .collect(),
    };
    let stdio = Stdio {
        stdout: directory.stdout.into(),
        stderr: directory.stderr.into(),
    };
    match workshop.launcher.launch(plan, stdio, cancelled) {
        Ok(process) => Ok(Started {
            process,
            cgroup,
            directory: directory.handle,
            limits,
        }),
        Err(error) => {
            if let Some(cgroup) = cgroup {
                discard(&cgroup);
            }
            let message = format!("Failed to start the command: {error}");
            let fault = fault(error.fault());
            Err(StartFailure { fault, message })
        }
    }
}

/// Ends a launch that was cancelled.
fn still_wanted(cancelled: &AtomicBool) -> Result<(), StartFailure> {
    match cancelled.load(Ordering::Relaxed) {
        false => Ok(()),
        true => Err(StartFailure {
            fault: Fault::Host,
            message: "cancelled before it started".to_owned(),
        }),
    }
}

/// Who `user` is; none when that is who the executor is already. Only root can start a task as somebody else.
fn identity_of(user: &str) -> Result<Option<Identity>, StartFailure> {
    let identity = identity::lookup(Path::new("/"), user)
        .map_err(|error| failure(fault(error.fault()), &error))?;
    let (own, own_group) = (geteuid(), getegid());
    if own.is_root() {
        return Ok(Some(identity));
    }
    if identity.uid == own.as_raw() && identity.gid == own_group.as_raw() {
        return Ok(None);
    }
    Err(StartFailure {
        fault: Fault::Task,
        message: format!(
            "the task wants to run as user '{user}', which an executor of user {own} cannot do: only root can"
        ),
    })
}

/// Kills what is left in a cgroup, and removes it. What cannot be removed now is left to a later executor's sweep.
pub(crate) fn discard(cgroup: &Cgroup) {
    if let Err(error) = cgroup.kill() {
        warn!("a task's cgroup could not be killed: {error}");
    }
    if let Err(errors) = cgroup.remove() {
        warn!("a task's cgroup stays: {errors}");
    }
}

fn failure(fault: Fault, error: &dyn std::error::Error) -> StartFailure {
    StartFailure {
        fault,
        message: error.to_string(),
    }
}

fn fault(fault: sandbox::Fault) -> Fault {
    match fault {
        sandbox::Fault::Task => Fault::Task,
        sandbox::Fault::Host => Fault::Host,
    }
}

/// The task's directory below the executor's sandbox; a numbered one when the id was there before.
fn own_directory(
    sandbox: &Path,
    id: &str,
    owner: Option<&Identity>,
) -> Result<TaskDirectory, DirectoryError> {
    let mut outcome = directory::create_task(sandbox, id, owner);
    for run in 1..MOST_RUNS_OF_ONE_ID {
        match &outcome {
            Err(DirectoryError::Create { source, .. })
                if source.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                outcome = directory::create_task(sandbox, &format!("{id}.{run}"), owner);
            }
            Ok(_) | Err(_) => break,
        }
    }
    outcome
}

/// A task of another user than the executor's must be able to reach its directory below the executor's, which the agent
/// makes with mode 0750: to pass through, not to list. Where that is not allowed, entering the directory says so.
fn let_through(sandbox: &Path) {
    let allowed = fs::metadata(sandbox).and_then(|now| {
        let mode = now.permissions().mode() | 0o001;
        fs::set_permissions(sandbox, fs::Permissions::from_mode(mode))
    });
    if let Err(error) = allowed {
        warn!("tasks of other users may not reach their directories: {error}");
    }
}

/// Links in the task's directory to what the agent fetched into the executor's sandbox, so that a command finds it by
/// the name that the framework knows. A link that cannot be made is only missed by a command that wants it.
fn link_fetched_files(workshop: &Workshop, directory: &TaskDirectory) {
    let own = workshop.arguments.first().map(PathBuf::from);
    let own = own.as_deref().and_then(Path::file_name);
    let entries = fs::read_dir(&workshop.sandbox);
    if let Err(error) = &entries {
        warn!("no links to fetched files for a task: {error}");
    }
    let entries = entries.into_iter().flatten().flatten();
    for name in entries.map(|entry| entry.file_name()) {
        if is_log(&name.to_string_lossy()) || name == "tasks" || own == Some(&name) {
            continue;
        }
        let target = Path::new("../..").join(&name);
        if let Err(error) = nix::unistd::symlinkat(&target, &directory.handle, name.as_os_str()) {
            debug!("no link to {} for a task: {error}", target.display());
        }
    }
}

/// The executor's own output, and what Mesos's log rotation makes of it (Mesos:
/// src/slave/container_loggers/logrotate.cpp).
fn is_log(name: &str) -> bool {
    let rest = name
        .strip_prefix("stdout")
        .or_else(|| name.strip_prefix("stderr"));
    rest.is_some_and(|rest| {
        let number = rest.strip_prefix('.');
        rest.is_empty()
            || rest.starts_with(".logrotate.")
            || number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// What a task sees: the executor's environment without its credentials, then what is the task's own, then what its
/// command sets.
fn environment(
    workshop: &Workshop,
    task: &TaskInfo,
    agent_host: Option<String>,
    directory: &Path,
    own: Vec<(String, String)>,
) -> BTreeMap<String, String> {
    // A name or value that is no UTF-8 cannot come from Mesos, whose protobuf strings all are.
    let inherited = workshop
        .environment
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())));
    let directory = directory.to_string_lossy().into_owned();
    let ours = [
        ("MESOS_TASK_ID", task.task_id.value.clone()),
        ("MESOS_SANDBOX", directory.clone()),
        ("MESOS_DIRECTORY", directory.clone()),
        ("PWD", directory),
    ];
    let mut all = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    all.extend(inherited);
    all.extend(agent_host.map(|host| ("HOST".to_owned(), host)));
    all.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    all.extend(own);
    all
}
