//! User namespaces: the task's own, when it asks for one, and the one in which an executor without rights has enough of
//! them to make the other namespaces.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::exit;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{ForkResult, getegid, geteuid};

use super::{errno_of, failed, failed_at};
use crate::capabilities::Capability;
use crate::namespaces::{IdMap, IdRange};
use crate::report::{Failure, Step};
use crate::sys::{self, rights};

/// A user namespace with `map`, which lives as long as this descriptor. A process of its own is in it until then: only
/// from outside can more than the own ids be mapped.
pub(super) fn make(map: &IdMap) -> Result<OwnedFd, Failure> {
    let pipe = || io::pipe().map_err(|error| failed(Step::MapUsers)(errno_of(&error)));
    let ((mut made, making), (mut done, doing)) = (pipe()?, pipe()?);
    let child = match sys::fork().map_err(failed(Step::MapUsers))? {
        ForkResult::Child => {
            drop((made, doing));
            let outcome = unshare(CloneFlags::CLONE_NEWUSER);
            if outcome.is_err() {
                exit(1);
            }
            drop(making);
            // Nothing is ever written: this returns at the end.
            let _ = done.read(&mut [0]);
            exit(0);
        }
        ForkResult::Parent { child } => child.as_raw(),
    };
    drop((making, done));
    // As above.
    let _ = made.read(&mut [0]);
    let namespace = map_ids(child, map);
    drop(doing);
    sys::wait(child, true).map_err(failed(Step::MapUsers))?;
    namespace
}

fn map_ids(child: i32, map: &IdMap) -> Result<OwnedFd, Failure> {
    let write = |name: &str, ranges: &[IdRange]| {
        let path = format!("/proc/{child}/{name}");
        let outcome = fs::write(&path, lines_of(ranges));
        outcome.map_err(|error| failed_at(Step::MapUsers, path)(errno_of(&error)))
    };
    write("uid_map", &map.users)?;
    write("gid_map", &map.groups)?;
    let path = format!("/proc/{child}/ns/user");
    let opened = File::open(&path);
    let file = opened.map_err(|error| failed_at(Step::MapUsers, path)(errno_of(&error)))?;
    Ok(file.into())
}

/// The kernel takes all of them in one write.
fn lines_of(ranges: &[IdRange]) -> String {
    let lines = ranges.iter().map(|range| {
        let IdRange {
            inside,
            outside,
            count,
        } = range;
        format!("{inside} {outside} {count}\n")
    });
    lines.collect()
}

/// Puts this process into it, with all rights in it and none outside.
pub(super) fn enter(namespace: &OwnedFd) -> Result<(), Failure> {
    setns(namespace, CloneFlags::CLONE_NEWUSER).map_err(failed(Step::MapUsers))
}

/// Gives a process without rights those over the namespaces that it makes, in a user namespace in which there is nobody
/// but its own user and group. To be called while the process may still be traced: only then are the files its own that
/// the ids are written to.
///
/// # Errors
/// There can be no such namespace. Then nothing was changed.
pub(super) fn gain_rights() -> Result<(), Errno> {
    if geteuid().is_root()
        || rights::own_capabilities()?
            .effective
            .contains(Capability::SYS_ADMIN)
    {
        return Ok(());
    }
    // A namespace whose ids cannot be mapped is worse than none, and there is no way back from it.
    match sys::fork()? {
        ForkResult::Child => {
            // A security module may let everybody make them and give no rights in them (Ubuntu: AppArmor's
            // `unprivileged_userns`).
            let tried = be_alone().and_then(|()| unshare(CloneFlags::CLONE_NEWUTS));
            exit(tried.map_or_else(|errno| errno as i32, |()| 0))
        }
        ForkResult::Parent { child } => {
            let ended = sys::wait(child.as_raw(), true)?;
            let status = ended.map_or(libc::ECHILD, |(_, status)| libc::WEXITSTATUS(status));
            if status != 0 {
                return Err(Errno::from_raw(status));
            }
        }
    }
    be_alone()
}

fn be_alone() -> Result<(), Errno> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    let write = |name: &str, text: String| {
        fs::write(format!("/proc/self/{name}"), text).map_err(|error| errno_of(&error))
    };
    write("uid_map", format!("{user} {user} 1\n"))?;
    // Groups may deny what everybody else may do, so that they cannot be given up without rights.
    write("setgroups", "deny".to_owned())?;
    write("gid_map", format!("{group} {group} 1\n"))
}
