//! The kernel's own word that a project has reached a limit, at the moment of the write that did.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::quota::ProjectId;
use crate::quota::messages::{self, Family, FamilyAnswer};

/// More than a warning, or the answer about the family, takes.
const DATAGRAM: usize = 8 * 1024;
/// So many datagrams are read at once: whoever writes at a limit, and is refused, causes one for each attempt.
const AT_ONCE: usize = 4_096;
/// The kernel answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was reached, or is no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// Whose limit.
    pub project: ProjectId,
    /// `st_dev` of its file system.
    pub device: u64,
    /// Which.
    pub kind: WarningKind,
}

/// Which limit (Linux: include/uapi/linux/quota.h, QUOTA_NL_...). XFS does not tell when usage is below one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WarningKind {
    /// A write was refused, or went past the limit by right of `CAP_SYS_RESOURCE`.
    BytesAtHard,
    /// Above the soft limit for longer than the grace time, and refused like above the hard one.
    BytesLongAboveSoft,
    /// Above the soft limit now.
    BytesAboveSoft,
    /// Below the hard limit again.
    BytesBelowHard,
    /// Below the soft limit again.
    BytesBelowSoft,
    /// A file was not made, or was by right of `CAP_SYS_RESOURCE`.
    InodesAtHard,
    /// As of bytes.
    InodesLongAboveSoft,
    /// As of bytes.
    InodesAboveSoft,
    /// As of bytes.
    InodesBelowHard,
    /// As of bytes.
    InodesBelowSoft,
}

/// What was heard since it was asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Each once, however often it was told.
    pub warnings: Vec<Warning>,
    /// More came than was kept: any project may have reached any limit.
    pub lost: bool,
}

/// Why the kernel's warnings cannot be had. Without them limits are found by looking.
#[derive(Debug, thiserror::Error)]
pub enum NoWarnings {
    /// A kernel without CONFIG_QUOTA_NETLINK_INTERFACE, or a network namespace other than the first.
    #[error("the kernel does not send warnings of quotas here")]
    Unknown,
    /// The answer about the family cannot be understood.
    #[error("the kernel's answer about warnings of quotas makes no sense")]
    Unintelligible,
    /// A system call failed.
    #[error("cannot {attempt}")]
    Refused {
        /// What was attempted.
        attempt: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A subscription to the warnings about all projects of all file systems.
#[derive(Debug)]
pub struct Warnings {
    socket: OwnedFd,
    family: u16,
}

impl Warnings {
    /// Subscribes. Takes no right.
    ///
    /// # Errors
    /// When there are none to be had.
    pub fn subscribe() -> Result<Self, NoWarnings> {
        let family = find_family()?;
        // The mask has the first 32 groups; the kernel has given this one the number 17 since Linux 3.13.
        let groups = family
            .group
            .checked_sub(1)
            .and_then(|shift| 1u32.checked_shl(shift))
            .ok_or(NoWarnings::Unintelligible)?;
        let socket = socket(SocketFlags::NONBLOCK)?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))
            .map_err(|errno| refused("join the group of warnings", errno))?;
        Ok(Self {
            socket,
            family: family.id,
        })
    }

    /// What came since the last time; never waits. To be called when [`as_fd`](AsFd::as_fd) is readable, and not more
    /// often than its answer is worth: a task that goes on writing at its limit causes warnings as fast as it can.
    ///
    /// # Errors
    /// When the socket is of no more use.
    pub fn read(&self) -> io::Result<Heard> {
        let mut heard = Heard::default();
        let mut buffer = vec![0; DATAGRAM];
        for _ in 0..AT_ONCE {
            match rustix::net::recvfrom(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _, sender)) => {
                    let is_from_kernel = sender
                        .and_then(|sender| SocketAddrNetlink::try_from(sender).ok())
                        .is_some_and(|sender| sender.pid() == 0);
                    let datagram = buffer.get(..length).unwrap_or_default();
                    if is_from_kernel {
                        heard.add(messages::warnings(datagram, self.family));
                    }
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::NOBUFS) => heard.lost = true,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(heard)
    }
}

impl AsFd for Warnings {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Heard {
    fn add(&mut self, warnings: impl Iterator<Item = Warning>) {
        for warning in warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}

/// The warnings in one datagram from the kernel, in whose messages the family of warnings has the number `family`: what
/// [`Warnings::read`] makes of it.
pub fn parse_warnings(datagram: &[u8], family: u16) -> Vec<Warning> {
    let mut heard = Heard::default();
    heard.add(messages::warnings(datagram, family));
    heard.warnings
}

fn find_family() -> Result<Family, NoWarnings> {
    let socket = socket(SocketFlags::empty())?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))
        .map_err(|errno| refused("limit the wait for the kernel's answer", errno))?;
    let kernel = SocketAddrNetlink::new(0, 0);
    let request = messages::family_request();
    rustix::net::sendto(&socket, &request, SendFlags::empty(), &kernel)
        .map_err(|errno| refused("ask for the family of warnings", errno))?;
    let mut answer = vec![0; DATAGRAM];
    let (length, ..) = rustix::net::recvfrom(&socket, &mut answer[..], RecvFlags::empty())
        .map_err(|errno| refused("hear of the family of warnings", errno))?;
    match messages::family_answer(answer.get(..length).unwrap_or_default()) {
        FamilyAnswer::Found(family) => Ok(family),
        FamilyAnswer::Refused(libc::ENOENT) => Err(NoWarnings::Unknown),
        FamilyAnswer::Refused(code) => Err(NoWarnings::Refused {
            attempt: "find the family of warnings",
            source: io::Error::from_raw_os_error(code),
        }),
        FamilyAnswer::Unintelligible => Err(NoWarnings::Unintelligible),
    }
}

fn socket(more: SocketFlags) -> Result<OwnedFd, NoWarnings> {
    rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC | more,
        Some(netlink::GENERIC),
    )
    .map_err(|errno| refused("make a netlink socket", errno))
}

fn refused(attempt: &'static str, errno: rustix::io::Errno) -> NoWarnings {
    NoWarnings::Refused {
        attempt,
        source: errno.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(project: u32, kind: WarningKind) -> Warning {
        Warning {
            project: ProjectId::new(project).unwrap(),
            device: 1,
            kind,
        }
    }

    #[test]
    fn what_is_told_again_and_again_is_heard_once() {
        let mut heard = Heard::default();
        let soft = warning(1, WarningKind::BytesAboveSoft);
        let hard = warning(1, WarningKind::BytesAtHard);
        let other = warning(2, WarningKind::BytesAboveSoft);
        heard.add([soft, hard, soft, soft].into_iter());
        heard.add([soft, other, hard].into_iter());
        assert_eq!(heard.warnings, [soft, hard, other]);
    }

    #[test]
    fn the_kernel_either_has_the_family_or_says_that_it_does_not() {
        match Warnings::subscribe() {
            Ok(warnings) => assert!(!warnings.read().unwrap().lost),
            Err(NoWarnings::Unknown) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}
