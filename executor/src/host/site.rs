//! What a task has before anything of it runs: limits, a user, a directory, a cgroup, made in this order; whatever fails
//! undoes what was made.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cgroup::Cgroup;
use executor_core::{Fault, StartFailure};
use nix::unistd::{Gid, Uid, fchown, getegid, geteuid};
use sandbox::directory::{self, DirectoryError, TaskDirectory};
use sandbox::identity::{self, Identity};
use sandbox::{Command, Namespaces, Plan, Stdio};
use tracing::{debug, warn};

use super::cancellation::Cancellation;
use super::demands::{self, Demands};
use super::disk::{self, TaskDisk};
use super::failure;
use super::isolation::{Ground, Isolation};
use super::launch::Order;
use super::limits::{ProcessLimits, TaskLimits};
use super::output::{Orders, Output};
use super::workshop::{Way, Workshop};
use crate::command_executor::CommandExecutor;
use crate::logs::Directory;

/// A framework may use a task's id again; then the directories are numbered, this many at the most.
const MOST_RUNS_OF_ONE_ID: u32 = 1000;

/// All of it. What becomes of it is to be said: it is given to a running task, or abandoned.
pub(super) struct Site {
    /// The task's directory, as the task sees it.
    pub(super) path: PathBuf,
    /// The same on the host.
    host_path: PathBuf,
    /// Where the task begins.
    working_directory: PathBuf,
    isolation: Isolation,
    /// The directory itself, wherever it may be moved.
    pub(super) directory: OwnedFd,
    /// Its name among the directories of tasks; none when it is no such directory.
    pub(super) name: Option<String>,
    /// Where its output goes.
    pub(super) output: Output,
    /// Who the task runs as, when that is not who the executor is.
    pub(super) identity: Option<Identity>,
    pub(super) cgroup: Option<Arc<Cgroup>>,
    pub(super) limits: TaskLimits,
    pub(super) demands: Demands,
    pub(super) disk: Arc<TaskDisk>,
    cgroup_namespace: bool,
}

impl Site {
    /// Blocks, for as long as the file system does.
    pub(super) fn make(
        workshop: &Workshop,
        order: &Order,
        cancelled: &Cancellation,
    ) -> Result<Self, StartFailure> {
        let (task, request) = (&order.task, &order.request);
        cancelled.check()?;
        let id = &task.task_id.value;
        let limits = TaskLimits::of(task, request.options.process_limit);
        let mut limits = limits.with(&request.limits)?;
        limits.of_process = ProcessLimits::of(&request.sandbox.rlimits);
        let demands = Demands::of(task, &request.limits, &request.sandbox);
        let orders = Orders {
            wishes: &request.logs,
            quota: limits.disk,
            turns: &workshop.copying,
        };
        let (identity, place) = match &workshop.way {
            Way::Custom => {
                let identity = identity_of(request.user.as_deref())?;
                let place = own_place(workshop, id, identity.as_ref(), &orders)?;
                let names = workshop.files.names_of(&request.sandbox.volumes);
                link_executors_files(names, &place.directory);
                (identity, place)
            }
            // The agent has made the executor the task's user, but for a task with an image.
            Way::Command(flags) => {
                flags.check()?;
                let mut identity = identity_of(flags.user.as_deref())?;
                if let Some(identity) = &mut identity {
                    identity.groups.extend(&flags.groups);
                }
                let place = shared_place(&workshop.sandbox, flags, identity.as_ref(), &orders)?;
                (identity, place)
            }
            Way::Alone { user } => {
                let identity = identity_of(user.as_deref())?;
                (identity, this_place(&workshop.sandbox)?)
            }
        };
        let descriptors = request.options.descriptor_limit;
        let ground = Ground {
            files: &workshop.files,
            executor: &workshop.sandbox,
            sandbox: &place.host_path,
            image: place.image.as_deref().map(|image| (image, &*place.path)),
            identity: identity.as_ref(),
            devices: &request.limits.devices,
            descriptor_limit: descriptors.or(workshop.descriptor_limit),
            profiles: &workshop.profiles,
        };
        let isolation = match &workshop.way {
            Way::Command(flags) => Isolation::of(&flags.restrict(&request.sandbox), &ground)?,
            Way::Custom | Way::Alone { .. } => Isolation::of(&request.sandbox, &ground)?,
        };
        let quotas = disk::of_volumes(&task.resources, &order.executors, &request.sandbox.volumes);
        let quotas = quotas.map_err(|error| failure(Fault::Framework, &error))?;
        let subjects = disk::subjects(&task.task_id, &place.directory, &limits, quotas, |volume| {
            ground.places().open(volume)
        });
        let subjects = subjects.map_err(|error| failure(Fault::Host, &error))?;
        let disks = workshop.disks.clone();
        // An agent that is removing the container must find no new cgroup in its way.
        cancelled.check()?;
        let cgroup = own_cgroup(workshop, id, &limits)?;
        let has_cgroup = cgroup.is_some();
        let inside = isolation.sandbox_inside().map(Path::to_owned);
        let path = inside.unwrap_or_else(|| place.path.clone());
        let site = Self {
            // Where nobody has said where it begins, it is in its directory.
            working_directory: match place.working_directory == place.path {
                true => path.clone(),
                false => place.working_directory,
            },
            path,
            host_path: place.host_path,
            isolation,
            directory: place.directory,
            name: place.name,
            output: place.output,
            identity,
            cgroup,
            limits,
            demands,
            disk: Arc::new(TaskDisk::new(disks, task.task_id.clone(), subjects)),
            cgroup_namespace: workshop.cgroup_namespaces && has_cgroup,
        };
        let checked = site.demands.check_limits(&site.lacking_limits());
        let checked = checked.and_then(|()| match site.limits.of_disk.in_kernel {
            true => site.disk.await_kernel().map_err(|lack| {
                demands::refusal(&format!("no quota of disk in the kernel: {lack}"))
            }),
            false => Ok(()),
        });
        site.or_abandon(checked).map(|(site, ())| site)
    }

    /// The limits of the task that do not hold here.
    pub(super) fn lacking_limits(&self) -> Vec<cgroup::Degraded> {
        match &self.cgroup {
            Some(cgroup) => cgroup.degraded().to_vec(),
            None => self.limits.cgroup.without_cgroups(),
        }
    }

    /// The task's plan, with neither command nor environment yet.
    pub(super) fn plan(&self) -> Plan {
        self.isolation.of_task(Plan {
            working_directory: self.working_directory.clone(),
            ..self.bare()
        })
    }

    /// The plan of what fetches the task's files.
    pub(super) fn plan_of_fetching(&self) -> Plan {
        self.isolation.of_fetching(Plan {
            working_directory: self.host_path.clone(),
            ..self.bare()
        })
    }

    fn bare(&self) -> Plan {
        Plan {
            identity: self.identity.clone(),
            namespaces: Namespaces {
                cgroup: self.cgroup_namespace,
                ..Namespaces::ALL
            },
            cgroup_procs: self
                .cgroup
                .iter()
                .flat_map(|cgroup| cgroup.procs_files())
                .collect(),
            ..Plan::bare(Command::Shell(String::new()))
        }
    }

    /// The task's output once more.
    pub(super) fn stdio_again(&self) -> io::Result<Stdio> {
        Ok(Stdio {
            stdin: None,
            stdout: self.output.stdio.stdout.try_clone()?,
            stderr: self.output.stdio.stderr.try_clone()?,
        })
    }

    /// Itself again with what was done here, or abandoned when that failed. Blocks.
    pub(super) fn or_abandon<T>(
        self,
        outcome: Result<T, StartFailure>,
    ) -> Result<(Self, T), StartFailure> {
        match outcome {
            Ok(done) => Ok((self, done)),
            Err(failure) => {
                // The directory stays for people to read, with all that was said.
                self.output.kept.drain();
                if let Some(cgroup) = &self.cgroup {
                    discard(cgroup);
                }
                Err(failure)
            }
        }
    }

    /// Whether something here was killed for want of memory.
    pub(super) fn broke_memory_limit(&self) -> bool {
        let broke = self
            .cgroup
            .as_ref()
            .map(|cgroup| cgroup.broke_memory_limit());
        // Only to word an error that is told in any case.
        matches!(broke, Some(Ok(true)))
    }
}

/// A cgroup for a run of the task; none where tasks have none. Blocks.
pub(super) fn own_cgroup(
    workshop: &Workshop,
    id: &str,
    limits: &TaskLimits,
) -> Result<Option<Arc<Cgroup>>, StartFailure> {
    let parent = workshop.cgroups.as_ref();
    let made = parent.map(|parent| Cgroup::create(parent, id, &limits.cgroup));
    let made = made.transpose();
    Ok(made
        .map_err(|error| failure(Fault::Host, &error))?
        .map(Arc::new))
}

/// Kills what is left in a cgroup, and removes it. What cannot be removed now is left to a later executor's sweep.
pub(super) fn discard(cgroup: &Cgroup) {
    if let Err(errors) = cgroup.discard() {
        warn!("a task's cgroup stays: {errors}");
    }
}

/// Who `user` is; none when that is who the executor is already. Only root can start a task as somebody else.
fn identity_of(user: Option<&str>) -> Result<Option<Identity>, StartFailure> {
    let Some(user) = user else {
        return Ok(None);
    };
    let identity = identity::lookup(Path::new("/"), user)
        .map_err(|error| failure(super::fault(error.fault()), &error))?;
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

/// Where a task works and writes.
struct Place {
    /// As the task sees it, unless it has a root directory of its own.
    path: PathBuf,
    host_path: PathBuf,
    working_directory: PathBuf,
    /// The root directory that the agent has made for the task, of its image.
    image: Option<PathBuf>,
    directory: OwnedFd,
    /// See [`Site::name`].
    name: Option<String>,
    output: Output,
}

/// A directory of the task's own below the executor's sandbox.
fn own_place(
    workshop: &Workshop,
    id: &str,
    owner: Option<&Identity>,
    orders: &Orders<'_>,
) -> Result<Place, StartFailure> {
    let made = own_directory(&workshop.sandbox, id, owner)
        .map_err(|error| failure(Fault::Host, &error))?;
    if owner.is_some() {
        let_through(&workshop.sandbox);
    }
    let files = Directory {
        handle: &made.handle,
        path: made.path.clone(),
        owner,
        stdout: made.stdout,
        stderr: made.stderr,
    };
    Ok(Place {
        output: Output::own(files, orders)?,
        working_directory: made.path.clone(),
        host_path: made.path.clone(),
        name: made
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned()),
        path: made.path,
        image: None,
        directory: made.handle,
    })
}

/// The executor's sandbox itself, and its own output, as with Mesos's command executor.
fn shared_place(
    sandbox: &Path,
    flags: &CommandExecutor,
    owner: Option<&Identity>,
    orders: &Orders<'_>,
) -> Result<Place, StartFailure> {
    let in_sandbox = |source: io::Error| StartFailure {
        fault: Fault::Host,
        message: format!("prepare the sandbox {}: {source}", sandbox.display()),
    };
    let directory = OwnedFd::from(fs::File::open(sandbox).map_err(in_sandbox)?);
    let output = Output::shared(sandbox, &directory, owner, orders)?;
    if let Some(owner) = owner.filter(|_| flags.rootfs.is_some()) {
        // An agent that has not switched the user, as for an image, has not given it the sandbox either (Mesos:
        // src/launcher/executor.cpp, `launchTaskSubprocess`).
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        fchown(&directory, Some(uid), Some(gid)).map_err(|errno| in_sandbox(errno.into()))?;
    }
    // Inside of an image the sandbox has another name, under which the agent has mounted it.
    let inside = flags
        .sandbox_directory
        .as_ref()
        .filter(|_| flags.rootfs.is_some());
    let path = inside.cloned().unwrap_or_else(|| sandbox.to_owned());
    Ok(Place {
        working_directory: flags
            .working_directory
            .clone()
            .unwrap_or_else(|| path.clone()),
        path,
        host_path: sandbox.to_owned(),
        image: flags.rootfs.clone(),
        directory,
        name: None,
        output,
    })
}

/// The place that this process was started in. It is somebody's: nothing is changed about it. What is written to standard
/// error is seen by whoever started this.
fn this_place(directory: &Path) -> Result<Place, StartFailure> {
    let in_directory = |source: io::Error| StartFailure {
        // Whoever starts this names it.
        fault: Fault::Task,
        message: format!("open the directory {}: {source}", directory.display()),
    };
    let opened = fs::File::open(directory).map_err(in_directory)?;
    Ok(Place {
        path: directory.to_owned(),
        host_path: directory.to_owned(),
        working_directory: directory.to_owned(),
        image: None,
        directory: opened.into(),
        name: None,
        output: Output::inherited().map_err(in_directory)?,
    })
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
                if source.kind() == io::ErrorKind::AlreadyExists =>
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
        let mode = now.permissions().mode();
        if mode & 0o001 != 0 {
            return Ok(());
        }
        fs::set_permissions(sandbox, fs::Permissions::from_mode(mode | 0o001))
    });
    if let Err(error) = allowed {
        warn!("tasks of other users may not reach their directories: {error}");
    }
}

/// Links in the task's directory to what the agent has put into the executor's sandbox, so that a command finds it by
/// the name that the framework knows. A link that cannot be made is only missed by a command that wants it.
fn link_executors_files<'a>(names: impl Iterator<Item = &'a OsStr>, directory: &OwnedFd) {
    for name in names {
        let target = Path::new("../..").join(name);
        if let Err(error) = nix::unistd::symlinkat(&target, directory, name) {
            debug!("no link to {} for a task: {error}", target.display());
        }
    }
}
