//! The task's first process, from fork to exec. The order is that of the rights needed: what only
//! root may do comes before the ids are given up, what the task's own rights are to decide after.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::take;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::exit;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, SFlag, stat, umask};
use nix::unistd::{
    AccessFlags, ForkResult, Gid, Uid, access, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve,
    geteuid, setgid, setgroups, setsid, setuid,
};

use super::reporter::Reporter;
use super::rights::Rights;
use super::{errno_of, failed, failed_at, limits, users};
use crate::built_in::{BuiltIn, Table, find};
use crate::plan::{Command, Plan};
use crate::report::{Failure, Feature, Step};
use crate::sys;

/// Where a program is looked for when the task has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the process has that becomes the task.
pub(super) struct Task<'a> {
    pub(super) plan: &'a Plan,
    pub(super) stdio: [OwnedFd; 3],
    /// Where the answer of a built-in function goes.
    pub(super) answer: Option<OwnedFd>,
    /// The directories of the `cgroup.procs` that the plan names.
    pub(super) cgroups: Vec<OwnedFd>,
    /// Whether it waits for the word right before exec.
    pub(super) held: bool,
    /// Its user namespace.
    pub(super) users: Option<&'a OwnedFd>,
    pub(super) built_ins: Table<'a>,
    pub(super) reporter: Reporter,
}

impl Task<'_> {
    /// Forks the process that becomes it, and says its id. `ours` is what it must not have, given back to its parent.
    ///
    /// With `can_be_stopped` its parent is one that the task could stop, once it runs, at any moment. Then it begins
    /// when the parent has let go of the way back to the launcher, whose being open would have the launcher wait.
    pub(super) fn start<T>(mut self, can_be_stopped: bool, ours: T) -> (i32, T) {
        let gate = can_be_stopped.then(io::pipe).transpose();
        let (begin, gate) = match gate {
            Ok(gate) => gate.unzip(),
            Err(error) => self.reporter.fail(failed(Step::Fork)(errno_of(&error))),
        };
        match sys::fork() {
            Ok(ForkResult::Child) => {
                drop((ours, gate));
                if let Some(mut begin) = begin {
                    // Nothing is ever written: this returns at the end.
                    let _ = begin.read(&mut [0]);
                }
                self.run(can_be_stopped)
            }
            Ok(ForkResult::Parent { child }) => {
                // From here on the way back and the output are the task's alone.
                drop(self);
                drop(gate);
                (child.as_raw(), ours)
            }
            Err(errno) => self.reporter.fail(failed(Step::Fork)(errno)),
        }
    }

    fn run(mut self, follows_parent: bool) -> ! {
        if let Err(failure) = set_up(&mut self, follows_parent) {
            self.reporter.fail(failure);
        }
        if self.held {
            // Who starts all of a group or none of it wants to know before. It may still fail: a
            // file that can be executed need not be a program.
            let looked = look_for_program(self.plan, self.built_ins);
            let held = looked.and_then(|()| self.reporter.hold());
            if let Err(failure) = held {
                self.reporter.fail(failure);
            }
        }
        if !self.reporter.is_wanted() {
            exit(1);
        }
        // Last, since from here on a signal ends us. Their actions are the default since the start.
        if let Err(errno) = SigSet::all().thread_unblock() {
            self.reporter.fail(failed(Step::Signals)(errno));
        }
        // As late as it can be: what comes after it, the profile has to allow.
        if self.plan.privileges.no_new_privileges
            && let Err(failure) = filter_system_calls(&mut self)
        {
            self.reporter.fail(failure);
        }
        match &self.plan.command {
            Command::BuiltIn { name, argument } => match find(self.built_ins, name) {
                Some(function) => {
                    // What exec would close.
                    drop((self.reporter, self.stdio));
                    call(function, argument, self.answer)
                }
                None => self.reporter.fail(no_built_in(name)),
            },
            Command::Shell(_) | Command::Exec { .. } => {
                let Err(failure) = execute(self.plan);
                self.reporter.fail(failure)
            }
        }
    }
}

fn call(function: BuiltIn, argument: &str, answer: Option<OwnedFd>) -> ! {
    // As in any Rust program.
    sys::ignore_broken_pipes();
    let said = function(argument);
    if let Some(answer) = answer {
        said.tell(&answer);
    }
    exit(said.status)
}

fn no_built_in(name: &str) -> Failure {
    failed_at(Step::Exec, name)(Errno::ENOENT)
}

fn set_up(task: &mut Task<'_>, follows_parent: bool) -> Result<(), Failure> {
    let plan = task.plan;
    // Its own session, and so its own process group, away from any terminal of the executor's.
    setsid().map_err(failed(Step::NewSession))?;

    // As root, and before anything that costs memory on behalf of the task. "0" is whoever writes.
    let cgroups = take(&mut task.cgroups);
    for (cgroup, path) in cgroups.iter().zip(&plan.cgroup_procs) {
        join(cgroup, path).map_err(failed_at(Step::JoinCgroup, path))?;
    }
    drop(cgroups);
    // What it is in now becomes the root of what it sees.
    if plan.namespaces.cgroup
        && let Err(errno) = unshare(CloneFlags::CLONE_NEWCGROUP)
    {
        task.reporter.without(Feature::CgroupNamespace, errno);
    }

    // As long as `/proc` is there.
    limits::raise_oom_score(plan.oom_score_adjustment)?;

    umask(Mode::from_bits_truncate(plan.umask));

    // At exec and not now: until then the way back is needed.
    sys::close_on_exec_from_3()
        .map_err(|error| errno_of(&error))
        .map_err(failed(Step::CloseDescriptors))?;
    // After everything that opens a file, and as root, who may raise them.
    limits::set(plan)?;
    // As root, whose keys are counted apart: of an ordinary user there can be two hundred.
    match sys::rights::leave_session_keyring() {
        // A kernel without keys.
        Ok(()) | Err(Errno::ENOSYS) => {}
        Err(errno) => task.reporter.without(Feature::Keyring, errno),
    }

    // After everything that needs rights on the host.
    if let Some(users) = task.users {
        users::enter(users)?;
    }
    become_user(task)?;
    if follows_parent {
        // No namespace ends with its parent, so at least it does. After the change of user, which clears it.
        sys::set_parent_death_signal(libc::SIGKILL).map_err(failed(Step::FollowExecutor))?;
    }

    // With the task's rights, which are to be enough for its own directory.
    chdir(&plan.working_directory)
        .map_err(failed_at(Step::ChangeDirectory, &plan.working_directory))?;

    let [stdin, stdout, stderr] = &task.stdio;
    dup2_stdin(stdin).map_err(failed(Step::Stdio))?;
    dup2_stdout(stdout).map_err(failed(Step::Stdio))?;
    dup2_stderr(stderr).map_err(failed(Step::Stdio))?;
    Ok(())
}

/// Gives up whatever rights its user is not to have.
fn become_user(task: &mut Task<'_>) -> Result<(), Failure> {
    let Plan {
        identity,
        users: map,
        privileges,
        ..
    } = task.plan;
    let identity = match (identity, map) {
        (Some(identity), Some(map)) => Some(map.inside(identity)),
        (identity, _) => identity.clone(),
    };
    let uid = identity
        .as_ref()
        .map_or_else(geteuid, |identity| identity.uid.into());
    let can_give = task.users.is_some() || geteuid().is_root();
    let (rights, refused) = Rights::bound(privileges, uid.as_raw(), can_give)?;
    if let Some(errno) = refused {
        task.reporter.without(Feature::Capabilities, errno);
    }
    // Groups, group, user: each needs rights that the next takes away.
    if let Some(identity) = identity {
        let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
        setgroups(&groups).map_err(failed(Step::SetGroups))?;
        setgid(Gid::from_raw(identity.gid)).map_err(failed(Step::SetGid))?;
        setuid(Uid::from_raw(identity.uid)).map_err(failed(Step::SetUid))?;
    }
    if privileges.no_new_privileges {
        set_no_new_privs().map_err(failed(Step::SetCapabilities))?;
    } else if privileges.seccomp.is_some() {
        // It takes rights, of which there are none afterwards.
        rights.wake()?;
        filter_system_calls(task)?;
    }
    rights.take()
}

/// Has the kernel refuse what the task's profile does not allow.
fn filter_system_calls(task: &mut Task<'_>) -> Result<(), Failure> {
    let Some(profile) = &task.plan.privileges.seccomp else {
        return Ok(());
    };
    match sys::rights::filter_system_calls(profile.instructions()) {
        Ok(()) => {}
        Err(errno) if profile.is_required() => return Err(failed(Step::FilterSystemCalls)(errno)),
        Err(errno) => task.reporter.without(Feature::SystemCalls, errno),
    }
    Ok(())
}

fn join(cgroup: &OwnedFd, procs: &Path) -> Result<(), Errno> {
    let name = procs.file_name().ok_or(Errno::EINVAL)?;
    let procs = openat(
        cgroup,
        name,
        OFlag::O_WRONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )?;
    File::from(procs)
        .write_all(b"0")
        .map_err(|error| errno_of(&error))
}

fn execute(plan: &Plan) -> Result<Infallible, Failure> {
    let (file, argv) = plan.command.resolve();
    let strings = || -> Result<(Vec<CString>, Vec<CString>), Errno> {
        let arguments = argv.into_iter().map(c_string).collect::<Result<_, _>>()?;
        let variables = plan.environment.iter();
        let variables = variables.map(|(name, value)| c_string(&format!("{name}={value}")));
        Ok((arguments, variables.collect::<Result<_, _>>()?))
    };
    strings()
        .and_then(|(arguments, environment)| {
            first_that_works(plan, |path| execve(path, &arguments, &environment))
        })
        .map_err(failed_at(Step::Exec, file))
}

/// Whether there is a program to execute.
fn look_for_program(plan: &Plan, built_ins: Table<'_>) -> Result<(), Failure> {
    if let Command::BuiltIn { name, .. } = &plan.command {
        return find(built_ins, name).map_or_else(|| Err(no_built_in(name)), |_| Ok(()));
    }
    first_that_works(plan, |path| {
        access(path, AccessFlags::X_OK)?;
        // A directory that may be entered can be accessed so, too.
        match SFlag::from_bits_truncate(stat(path)?.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => Ok(()),
            _ => Err(Errno::EACCES),
        }
    })
    .map_err(failed_at(Step::Exec, plan.command.resolve().0))
}

/// Tries each place where the program may be.
fn first_that_works<T>(
    plan: &Plan,
    attempt: impl Fn(&CStr) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let (file, _) = plan.command.resolve();
    if file.contains('/') {
        return attempt(&c_string(file)?);
    }
    if file.is_empty() {
        return Err(Errno::ENOENT);
    }
    // As execvp(3): the first that can be executed, and "permission denied" only when there is none.
    let path = plan
        .environment
        .get("PATH")
        .map_or(DEFAULT_PATH, String::as_str);
    let mut answer = Errno::ENOENT;
    for directory in path.split(':') {
        // An empty entry is the current directory.
        let directory = if directory.is_empty() { "." } else { directory };
        match attempt(&c_string(&format!("{directory}/{file}"))?) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(Errno::EACCES) => answer = Errno::EACCES,
            done => return done,
        }
    }
    Err(answer)
}

fn c_string(text: &str) -> Result<CString, Errno> {
    // The launcher has looked for NUL bytes already.
    CString::new(text).map_err(|_| Errno::EINVAL)
}
