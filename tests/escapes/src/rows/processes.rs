//! Seeing, stopping, tracing processes that are not the task's.

use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

use super::{NO, NO_CALL, Row};
use crate::attempt::{Attempt, errno, processes};
use crate::outcome::{Expected, Gain};
use crate::sys::call;
use crate::world::World;

pub(super) const ROWS: &[Row] = &[
    Row::both(
        "see a process of the host's",
        Expected::Contained,
        see_others,
    ),
    Row::both("signal a process of the host's", GONE, |world| {
        kill(Pid::from_raw(world.process), None)?;
        Gain::escape("it can be signalled")
    }),
    Row::both("signal the executor", GONE, |world| {
        kill(Pid::from_raw(world.executor), None)?;
        Gain::escape("it can be signalled")
    }),
    Row::both(
        "kill its own init",
        Expected::RefusedOrContained(&[Errno::EPERM]),
        kill_init,
    ),
    Row::both(
        "stop its own init",
        Expected::RefusedOrContained(&[Errno::EPERM]),
        |_| {
            kill(Pid::from_raw(1), Signal::SIGSTOP)?;
            still_runs()
        },
    ),
    Row::both(
        "get a descriptor of a process of the host's",
        Expected::Refused(&[Errno::ESRCH, Errno::ENOSYS]),
        |world| {
            call(
                libc::SYS_pidfd_open,
                [i64::from(world.process).into(), 0.into()],
            )?;
            Gain::escape("open")
        },
    ),
    Row::both("take a descriptor out of its init", NO_CALL, |_| {
        let init = call(libc::SYS_pidfd_open, [1.into(), 0.into()])?;
        call(libc::SYS_pidfd_getfd, [init.into(), 0.into(), 0.into()])?;
        Gain::escape("taken")
    }),
    Row::both(
        "read the memory of a process of the host's",
        Expected::Refused(&[Errno::ESRCH, Errno::EPERM]),
        |world| read_memory(world.process),
    ),
    Row::both("read the memory of its init by call", NO, |_| {
        read_memory(1)
    }),
    Row::both("write to the memory of its init by call", NO, |_| {
        let nothing = [IoSlice::new(&[0])];
        process_vm_writev(
            Pid::from_raw(1),
            &nothing,
            &[RemoteIoVec { base: 4096, len: 1 }],
        )?;
        Gain::escape("written")
    }),
    Row::both("trace a process of the host's", GONE_OR_NO, |world| {
        trace(world.process)
    }),
    Row::both("trace its init", NO, |_| trace(1)),
    Row::both("compare itself with its init", NO_CALL, |_| {
        const FILES: i64 = 2;
        let own = i64::from(std::process::id());
        call(
            libc::SYS_kcmp,
            [own.into(), 1.into(), FILES.into(), 0.into(), 0.into()],
        )?;
        Gain::escape("compared")
    }),
    Row::both("move its init's pages", NO_CALL, |_| {
        call(
            libc::SYS_migrate_pages,
            [1.into(), 0.into(), 0.into(), 0.into()],
        )?;
        Gain::escape("moved")
    }),
    Row::both(
        "give a process of the host's another priority",
        Expected::Refused(&[Errno::ESRCH]),
        |world| {
            call(
                libc::SYS_setpriority,
                [0.into(), i64::from(world.process).into(), 5.into()],
            )?;
            Gain::escape("given")
        },
    ),
    Row::both(
        "have a descriptor of the executor's",
        Expected::Contained,
        descriptors,
    ),
];

const GONE: Expected = Expected::Refused(&[Errno::ESRCH]);
const GONE_OR_NO: Expected = Expected::Refused(&[Errno::ESRCH, Errno::EPERM]);

/// Its init, itself, and what it started: by their number, since what the host runs is many more; and by the world's
/// mark, which a process of the host's has among its arguments.
fn see_others(world: &World) -> Attempt {
    for process in processes() {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        if line.starts_with(format!("victim-{}", world.mark).as_bytes()) {
            return Gain::escape(format!("it is {process} here"));
        }
    }
    let seen = processes().len();
    if seen > 10 {
        return Gain::escape(format!("{seen} processes are to be seen"));
    }
    Gain::contained(format!("{seen} processes"))
}

fn kill_init(_: &World) -> Attempt {
    kill(Pid::from_raw(1), Signal::SIGKILL)?;
    kill(Pid::from_raw(1), Signal::SIGSEGV)?;
    still_runs()
}

/// Whoever asks is there, and so is the init of its namespace: it has to reap.
fn still_runs() -> Attempt {
    let status = fs::read_to_string("/proc/1/status").map_err(|error| errno(&error))?;
    let state = status.lines().find(|line| line.starts_with("State:"));
    match state {
        Some(state) if state.contains('T') || state.contains('Z') => Gain::escape(state),
        _ => Gain::contained("it does not notice"),
    }
}

fn read_memory(process: i32) -> Attempt {
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    process_vm_readv(
        Pid::from_raw(process),
        &mut into,
        &[RemoteIoVec { base: 4096, len: 1 }],
    )?;
    Gain::escape("read")
}

fn trace(process: i32) -> Attempt {
    // Without stopping it. With the end of this process it ends.
    ptrace::seize(Pid::from_raw(process), ptrace::Options::empty())?;
    Gain::escape("traced")
}

/// As a program sees them that nothing was done for: one that is executed by the one that the task begins with has what
/// that one was left with.
fn descriptors(_: &World) -> Attempt {
    let listed = Command::new("/proc/self/exe").arg("descriptors").output();
    let listed = listed.map_err(|error| errno(&error))?.stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let beyond: Vec<&str> = listed.split_whitespace().collect();
    if beyond.is_empty() {
        return Gain::contained("none");
    }
    Gain::escape(format!("{beyond:?}"))
}
