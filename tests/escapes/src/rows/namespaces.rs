//! Other namespaces.

use std::fs::File;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};

use super::{NO, NO_CALL, Row};
use crate::attempt::{Attempt, errno};
use crate::outcome::{Expected, Gain};
use crate::sys::{call, call_of_32_bit};

pub(super) const ROWS: &[Row] = &[
    Row::both("have a user namespace of its own", NO, |_| {
        own(CloneFlags::CLONE_NEWUSER)
    }),
    Row::both("have a mount namespace of its own", NO, |_| {
        own(CloneFlags::CLONE_NEWNS)
    }),
    Row::both("have a network namespace of its own", NO, |_| {
        own(CloneFlags::CLONE_NEWNET)
    }),
    Row::both("have a pid namespace of its own", NO, |_| {
        own(CloneFlags::CLONE_NEWPID)
    }),
    Row::both("have a uts namespace of its own", NO, |_| {
        own(CloneFlags::CLONE_NEWUTS)
    }),
    Row::both("have an ipc namespace of its own", NO, |_| {
        own(CloneFlags::CLONE_NEWIPC)
    }),
    Row::both("have a cgroup namespace of its own", NO, |_| {
        own(CloneFlags::CLONE_NEWCGROUP)
    }),
    Row::both("have a child in a user namespace of its own", NO, |_| {
        // The kernel does not make one that shares the root directory, and says so after the rights.
        let flags = libc::CLONE_NEWUSER | libc::CLONE_FS;
        call(
            libc::SYS_clone,
            [
                i64::from(flags).into(),
                0.into(),
                0.into(),
                0.into(),
                0.into(),
            ],
        )?;
        Gain::escape("made")
    }),
    Row::both(
        "have a child by the call whose flags nobody can look at",
        Expected::Refused(&[Errno::ENOSYS, Errno::EPERM]),
        |_| {
            // Of no size, which no kernel takes, and says so after the rights.
            call(libc::SYS_clone3, [0.into(), 0.into()])?;
            Gain::escape("made")
        },
    ),
    Row::both(
        "have a user namespace by the call of 32-bit programs",
        Expected::RefusedOrKilled(&[Errno::EPERM, Errno::ENOSYS]),
        |_| {
            const UNSHARE: u32 = 310;
            call_of_32_bit(UNSHARE, libc::CLONE_NEWUSER.cast_unsigned(), 0)?;
            Gain::escape("it has")
        },
    ),
    Row::both(
        "have a user namespace by the call of x32 programs",
        NO_CALL,
        |_| {
            const X32: i64 = 0x4000_0000;
            call(
                libc::SYS_unshare | X32,
                [i64::from(libc::CLONE_NEWUSER).into()],
            )?;
            Gain::escape("it has")
        },
    ),
    Row::both(
        "join the mounts of its init",
        Expected::Refused(&[Errno::EPERM, Errno::EACCES]),
        |_| join("/proc/1/ns/mnt", CloneFlags::CLONE_NEWNS),
    ),
    Row::both(
        "join the network of its init",
        Expected::Refused(&[Errno::EPERM, Errno::EACCES]),
        |_| join("/proc/1/ns/net", CloneFlags::CLONE_NEWNET),
    ),
    Row::both(
        "join the processes of its init",
        Expected::Refused(&[Errno::EPERM, Errno::EACCES]),
        |_| join("/proc/1/ns/pid", CloneFlags::CLONE_NEWPID),
    ),
    Row::both("join its own host name anew", NO, |_| {
        join("/proc/self/ns/uts", CloneFlags::CLONE_NEWUTS)
    }),
];

fn own(kind: CloneFlags) -> Attempt {
    unshare(kind)?;
    Gain::escape("it has")
}

fn join(path: &str, kind: CloneFlags) -> Attempt {
    let namespace = File::open(path).map_err(|error| errno(&error))?;
    setns(namespace, kind)?;
    Gain::escape("joined")
}
