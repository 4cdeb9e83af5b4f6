//! Who speaks on a socket, as the kernel says.
//!
//! The socket's mode lets root and the executor's own user connect, and a task sees nothing of the directory that it is in.
//! Where a task does all the same, because its files are the host's, it is told apart by its namespace or by its descent.

use std::fs;
use std::io;

use nix::unistd::{geteuid, getpid};
use procfs::process::Process;
use tokio::net::UnixStream;

use crate::host::Speaker;

/// Why somebody is not heard.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotHeard {
    #[error("who speaks cannot be told: {0}")]
    Unknown(io::Error),
    #[error("user {0} is neither root nor the executor's own")]
    User(u32),
    #[error("a process of one of this executor's tasks is not heard")]
    Task,
}

pub(super) fn of(client: &UnixStream) -> Result<Speaker, NotHeard> {
    let peer = client.peer_cred().map_err(NotHeard::Unknown)?;
    let pid = peer.pid().filter(|pid| *pid != 0);
    let own = geteuid().as_raw();
    let speaker = match peer.uid() {
        0 => Speaker::Root,
        user if user == own => Speaker::Own,
        user => return Err(NotHeard::User(user)),
    };
    match (speaker, pid) {
        // From outside of the namespace that this process is in, as tasks never are.
        (Speaker::Root, None) => Ok(speaker),
        // No task of an ordinary user's executor is ever root.
        (Speaker::Root, Some(_)) if own != 0 => Ok(speaker),
        (_, Some(pid)) if is_outside(pid).map_err(NotHeard::Unknown)? => Ok(speaker),
        (Speaker::Own, None) | (_, Some(_)) => Err(NotHeard::Task),
    }
}

/// Whether a process is in this one's namespace of processes, and not below this one.
fn is_outside(pid: i32) -> io::Result<bool> {
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/pid"));
    if namespace(&pid.to_string())? != namespace("self")? {
        return Ok(false);
    }
    let mut next = pid;
    while next > 1 {
        if next == getpid().as_raw() {
            return Ok(false);
        }
        let stat = Process::new(next).and_then(|process| process.stat());
        next = stat.map_err(io::Error::other)?.ppid;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_below_this_one_or_in_another_namespace_is_not_outside() {
        let own = getpid().as_raw();
        let above = nix::unistd::getppid().as_raw();
        assert!(is_outside(above).unwrap());
        assert!(!is_outside(own).unwrap());
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let found = is_outside(i32::try_from(child.id()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!found.unwrap());
        assert!(is_outside(i32::MAX).is_err());
    }

    #[tokio::test]
    async fn this_process_itself_is_no_stranger_by_its_user_but_by_its_descent() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(matches!(of(&one), Err(NotHeard::Task)));
    }
}
