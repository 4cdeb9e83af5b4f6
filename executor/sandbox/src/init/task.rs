//! The task's first process, from fork to exec. The order is that of the rights needed: what only
//! root may do comes before the ids are given up, what the task's own rights are to decide after.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::io::Write;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, SFlag, stat, umask};
use nix::unistd::{
    AccessFlags, Gid, Uid, access, chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, setgid,
    setgroups, setsid, setuid,
};

use super::reporter::Reporter;
use super::{failed, failed_at};
use crate::plan::{Namespaces, Plan};
use crate::report::{Failure, Step};
use crate::sys;

/// Where a program is looked for when the task has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn run(
    plan: &Plan,
    stdio: [OwnedFd; 3],
    held: bool,
    reporter: &mut Reporter,
    own: Namespaces,
) -> ! {
    let hold = held.then_some(&mut *reporter);
    let Err(failure) = set_up_and_execute(plan, stdio, hold, own);
    reporter.fail(failure)
}

/// With somebody to `hold` for, it waits for the word right before exec.
fn set_up_and_execute(
    plan: &Plan,
    stdio: [OwnedFd; 3],
    hold: Option<&mut Reporter>,
    own: Namespaces,
) -> Result<Infallible, Failure> {
    // Its own session, and so its own process group, away from any terminal of the executor's.
    setsid().map_err(failed(Step::NewSession))?;

    // As root, and before anything that costs memory on behalf of the task. "0" is whoever writes.
    for path in &plan.cgroup_procs {
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(b"0"))
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
            .map_err(failed_at(Step::JoinCgroup, path))?;
    }

    umask(Mode::from_bits_truncate(0o022));

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

    let [stdin, stdout, stderr] = &stdio;
    dup2_stdin(stdin).map_err(failed(Step::Stdio))?;
    dup2_stdout(stdout).map_err(failed(Step::Stdio))?;
    dup2_stderr(stderr).map_err(failed(Step::Stdio))?;
    // At exec and not now: until then the way back is needed.
    sys::close_on_exec_from_3()
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
        .map_err(failed(Step::CloseDescriptors))?;
    // After everything that needs a descriptor.
    if let Some(limit) = plan.descriptor_limit {
        limit_descriptors(limit).map_err(failed(Step::LimitDescriptors))?;
    }

    if let Some(reporter) = hold {
        // Who starts all of a group or none of it wants to know before. It may still fail: a file
        // that can be executed need not be a program.
        look_for_program(plan).map_err(failed_at(Step::Exec, plan.command.resolve().0))?;
        reporter.hold()?;
    }

    // Last, since from here on a signal ends us. Their actions are the default since stage 1.
    SigSet::all()
        .thread_unblock()
        .map_err(failed(Step::Signals))?;

    let (file, _) = plan.command.resolve();
    execute(plan).map_err(failed_at(Step::Exec, file))
}

fn limit_descriptors(soft: u64) -> Result<(), Errno> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.min(hard), hard)
}

fn execute(plan: &Plan) -> Result<Infallible, Errno> {
    let (_, argv) = plan.command.resolve();
    let arguments: Vec<CString> = argv.into_iter().map(c_string).collect::<Result<_, _>>()?;
    let environment: Vec<CString> = plan
        .environment
        .iter()
        .map(|(name, value)| c_string(&format!("{name}={value}")))
        .collect::<Result<_, _>>()?;
    first_that_works(plan, |path| execve(path, &arguments, &environment))
}

/// Whether there is a program to execute.
fn look_for_program(plan: &Plan) -> Result<(), Errno> {
    first_that_works(plan, |path| {
        access(path, AccessFlags::X_OK)?;
        // A directory that may be entered can be accessed so, too.
        match SFlag::from_bits_truncate(stat(path)?.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => Ok(()),
            _ => Err(Errno::EACCES),
        }
    })
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
