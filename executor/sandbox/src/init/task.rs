//! The task's first process, from fork to exec. The order is that of the rights needed: what only
//! root may do comes before the ids are given up, what the task's own rights are to decide after.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::mem::take;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::exit;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, SFlag, stat, umask};
use nix::unistd::{
    AccessFlags, Gid, Uid, access, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, setgid,
    setgroups, setsid, setuid,
};

use super::reporter::Reporter;
use super::{errno_of, failed, failed_at, limits};
use crate::built_in::{BuiltIn, Table, find};
use crate::namespaces::Own;
use crate::plan::{Command, Plan};
use crate::report::{Failure, Step};
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
    pub(super) own: Own,
    pub(super) built_ins: Table<'a>,
    pub(super) reporter: Reporter,
    /// It begins when the other end of this is closed.
    pub(super) begin: Option<PipeReader>,
}

/// For a process that its child could stop, once it runs, at any moment: the child begins when its
/// parent has dropped the other end, and with that the way back to the launcher, whose being open
/// would have the launcher wait. In a pid namespace nobody can stop pid 1.
pub(super) fn gate(is_needed: bool) -> Result<(Option<PipeReader>, Option<PipeWriter>), Failure> {
    if !is_needed {
        return Ok((None, None));
    }
    let pipe = io::pipe().map_err(|error| error.raw_os_error().unwrap_or(libc::EIO));
    let (begin, gate) = pipe.map_err(Errno::from_raw).map_err(failed(Step::Fork))?;
    Ok((Some(begin), Some(gate)))
}

impl Task<'_> {
    pub(super) fn run(mut self) -> ! {
        if let Some(mut begin) = self.begin.take() {
            // Nothing is ever written: this returns at the end.
            let _ = begin.read(&mut [0]);
        }
        if let Err(failure) = set_up(self.plan, &self.stdio, take(&mut self.cgroups), self.own) {
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

fn set_up(
    plan: &Plan,
    stdio: &[OwnedFd; 3],
    cgroups: Vec<OwnedFd>,
    own: Own,
) -> Result<(), Failure> {
    // Its own session, and so its own process group, away from any terminal of the executor's.
    setsid().map_err(failed(Step::NewSession))?;

    // As root, and before anything that costs memory on behalf of the task. "0" is whoever writes.
    for (cgroup, path) in cgroups.iter().zip(&plan.cgroup_procs) {
        join(cgroup, path).map_err(failed_at(Step::JoinCgroup, path))?;
    }
    drop(cgroups);

    // As long as `/proc` is there.
    limits::raise_oom_score(plan.oom_score_adjustment)?;

    umask(Mode::from_bits_truncate(plan.umask));

    // At exec and not now: until then the way back is needed.
    sys::close_on_exec_from_3()
        .map_err(|error| errno_of(&error))
        .map_err(failed(Step::CloseDescriptors))?;
    // After everything that opens a file, and as root, who may raise them.
    limits::set(plan)?;

    // Groups, group, user: each needs rights that the next takes away.
    if let Some(identity) = &plan.identity {
        let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
        setgroups(&groups).map_err(failed(Step::SetGroups))?;
        setgid(Gid::from_raw(identity.gid)).map_err(failed(Step::SetGid))?;
        setuid(Uid::from_raw(identity.uid)).map_err(failed(Step::SetUid))?;
    }
    if !own.pid {
        // No namespace ends with pid 1, so at least its child does. After the change of user, which
        // clears it.
        sys::set_parent_death_signal(libc::SIGKILL).map_err(failed(Step::FollowExecutor))?;
    }

    // With the task's rights, which are to be enough for its own directory.
    chdir(&plan.working_directory)
        .map_err(failed_at(Step::ChangeDirectory, &plan.working_directory))?;

    let [stdin, stdout, stderr] = stdio;
    dup2_stdin(stdin).map_err(failed(Step::Stdio))?;
    dup2_stdout(stdout).map_err(failed(Step::Stdio))?;
    dup2_stderr(stderr).map_err(failed(Step::Stdio))?;
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
