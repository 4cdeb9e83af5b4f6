//! Reading what is somebody else's.

use std::fs;
use std::os::unix::net::UnixStream;

use nix::errno::Errno;

use super::{MASKED, NO, NOTHING, Row};
use crate::attempt::{Attempt, all, errno, holds_secret, list, open_to_read, processes, read_all};
use crate::outcome::{Expected, Gain};
use crate::sys::call;
use crate::world::World;

pub(super) const ROWS: &[Row] = &[
    Row::both(
        "read files of others: a task's, the executor's, the agent's",
        NOTHING,
        |world| all(&world.secrets, open_to_read),
    ),
    Row::both(
        "list the directories that such files are in",
        Expected::RefusedOrContained(&[Errno::ENOENT, Errno::EACCES]),
        others_directories,
    ),
    Row::both(
        "read them below the root directory of another process",
        HIDDEN,
        |world| {
            let roots = processes()
                .into_iter()
                .map(|process| format!("/proc/{process}/root"));
            all(roots, |root| {
                all(&world.secrets, |secret| {
                    open_to_read(format!("{root}{}", secret.display()))
                })
            })
        },
    ),
    Row::both(
        "find a secret in the environment of any process",
        HIDDEN,
        |world| in_processes(world, "environ"),
    ),
    Row::both(
        "find a secret in the arguments of any process",
        Expected::Contained,
        |world| in_processes(world, "cmdline"),
    ),
    Row::both("read the memory of its init", HIDDEN, |_| {
        open_to_read("/proc/1/mem")
    }),
    Row::both("read where its init has what in memory", HIDDEN, |_| {
        read_all("/proc/1/maps")
    }),
    Row::both("read the environment of its init", HIDDEN, |_| {
        read_all("/proc/1/environ")
    }),
    Row::both("read what its init has open", HIDDEN, |_| {
        // Root may count them.
        let found = fs::read_link("/proc/1/fd/0").map_err(|error| errno(&error))?;
        Gain::escape(found.display().to_string())
    }),
    Row::both("read the kernel's memory", MASKED, |_| {
        read_all("/proc/kcore")
    }),
    Row::both("read the kernel's keys", MASKED, |_| read_all("/proc/keys")),
    Row::both("read the kernel's timers", MASKED, |_| {
        read_all("/proc/timer_list")
    }),
    Row::both("read the scheduler's notes", MASKED, |_| {
        read_all("/proc/sched_debug")
    }),
    Row::both("read the firmware's tables", MASKED, |_| {
        list("/sys/firmware")
    }),
    Row::both("look at the kernel by debugfs", MASKED, |_| {
        list("/sys/kernel/debug")
    }),
    Row::both("look at the kernel by tracefs", MASKED, |_| {
        list("/sys/kernel/tracing")
    }),
    Row::both("read the kernel's log by its call", NO, |_| {
        const READ_ALL: i64 = 3;
        let mut log = [0; 256];
        call(
            libc::SYS_syslog,
            [READ_ALL.into(), log.as_mut_slice().into(), 256.into()],
        )?;
        Gain::escape("read")
    }),
    Row::both(
        "connect to a socket of the agent's or of a daemon's",
        NOTHING,
        |world| {
            all(&world.sockets, |socket| {
                UnixStream::connect(socket).map_err(|error| errno(&error))?;
                Gain::escape(format!("connected to {}", socket.display()))
            })
        },
    ),
    Row::both("connect to docker's socket", NOTHING, |_| {
        UnixStream::connect("/var/run/docker.sock").map_err(|error| errno(&error))?;
        Gain::escape("connected")
    }),
    Row::both("attach shared memory of the host's", NOTHING, |world| {
        call(
            libc::SYS_shmget,
            [i64::from(world.shared_memory).into(), 0.into(), 0.into()],
        )?;
        Gain::escape("found")
    }),
];

/// Of a process that is not to be looked into, or not there at all.
const HIDDEN: Expected =
    Expected::RefusedOrContained(&[Errno::EACCES, Errno::EPERM, Errno::ENOENT]);

fn others_directories(world: &World) -> Attempt {
    // The sandbox is reached by some of their parents.
    let directories = world.secrets.iter().filter_map(|secret| secret.parent());
    all(
        directories.filter(|directory| !world.sandbox.starts_with(directory)),
        list,
    )
}

/// A file in `/proc` of each process. Those of ours that hold the world hold no secret.
fn in_processes(world: &World, file: &str) -> Attempt {
    for process in processes() {
        let path = format!("/proc/{process}/{file}");
        if let Ok(content) = fs::read(&path)
            && holds_secret(&content, world)
        {
            return Gain::escape(format!("it is in {path}"));
        }
    }
    Gain::contained("none")
}
