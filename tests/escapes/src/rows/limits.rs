//! Raising limits, leaving the cgroup, changing what a disk quota counts by.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{NO, NO_CALL, Row};
use crate::attempt::{Attempt, all, c_string, errno, open_to_write};
use crate::outcome::{Expected, Gain};
use crate::sys::{Argument, call};
use crate::world::World;

pub(super) const ROWS: &[Row] = &[
    Row::both("raise the hard limit of descriptors", NO, |_| {
        raise(Resource::RLIMIT_NOFILE)
    }),
    Row::both("raise the limit of core dumps", NO, |_| {
        raise(Resource::RLIMIT_CORE)
    }),
    Row::both(
        "be spared when memory runs out",
        Expected::Refused(&[Errno::EACCES, Errno::EPERM]),
        |_| {
            fs::write("/proc/self/oom_score_adj", "-1000").map_err(|error| errno(&error))?;
            Gain::escape("spared")
        },
    ),
    Row::both(
        "go before everybody else",
        Expected::Refused(&[Errno::EACCES, Errno::EPERM]),
        |_| {
            call(libc::SYS_setpriority, [0.into(), 0.into(), (-20).into()])?;
            Gain::escape("it does")
        },
    ),
    Row::both("go in real time", NO, |_| {
        const FIFO: i64 = 1;
        let mut priority = 50_u32.to_ne_bytes();
        call(
            libc::SYS_sched_setscheduler,
            [0.into(), FIFO.into(), priority.as_mut_slice().into()],
        )?;
        Gain::escape("it does")
    }),
    Row::both("write to a file of a cgroup", READ_ONLY_OR_NONE, |_| {
        all(
            cgroup_files(&[
                "memory.limit_in_bytes",
                "memory.max",
                "pids.max",
                "cpu.shares",
                "cpu.max",
                "cpu.weight",
                "devices.allow",
            ]),
            open_to_write,
        )
    }),
    Row::both("put itself into another cgroup", READ_ONLY_OR_NONE, |_| {
        all(cgroup_files(&["cgroup.procs", "tasks"]), |file| {
            fs::write(&file, "0").map_err(|error| errno(&error))?;
            Gain::escape(format!("it is in {}", file.display()))
        })
    }),
    Row::both(
        "say what runs when a cgroup is empty",
        READ_ONLY_OR_NONE,
        |_| all(cgroup_files(&["release_agent"]), open_to_write),
    ),
    Row::both("change a file's project", NO, |world| {
        project(world, FS_IOC_FSSETXATTR)
    }),
    Row::both(
        "change a file's project by a number that is cut off",
        NO,
        |world| project(world, FS_IOC_FSSETXATTR | 1 << 32),
    ),
    Row::both(
        "change a file's project by its own call",
        NO_CALL,
        |world| {
            let mut attributes = [0; 24];
            let here = c_string(&world.sandbox);
            let arguments: [Argument<'_>; 5] = [
                (-100).into(),
                here.as_c_str().into(),
                attributes.as_mut_slice().into(),
                24.into(),
                0.into(),
            ];
            call(FILE_SETATTR, arguments)?;
            Gain::escape("changed")
        },
    ),
    Row::both("change a file's flags", NO, |world| {
        flags(world, FS_IOC_SETFLAGS)
    }),
    Row::both(
        "change a file's flags by a number that is cut off",
        NO,
        |world| flags(world, FS_IOC_SETFLAGS | 1 << 32),
    ),
    Row::both("change a quota", NO, |world| {
        const SET_PROJECT_QUOTA: i64 = (0x80_0008 << 8) | 2;
        let here = c_string(&world.sandbox);
        let mut quota = [0; 128];
        call(
            libc::SYS_quotactl,
            [
                SET_PROJECT_QUOTA.into(),
                here.as_c_str().into(),
                0.into(),
                quota.as_mut_slice().into(),
            ],
        )?;
        Gain::escape("changed")
    }),
    Row::both("change a quota by a descriptor", NO_CALL, |world| {
        const SET_PROJECT_QUOTA: i64 = (0x80_0008 << 8) | 2;
        let here = File::open(&world.sandbox).map_err(|error| errno(&error))?;
        let mut quota = [0; 128];
        call(
            QUOTACTL_FD,
            [
                i64::from(here.as_raw_fd()).into(),
                SET_PROJECT_QUOTA.into(),
                0.into(),
                quota.as_mut_slice().into(),
            ],
        )?;
        Gain::escape("changed")
    }),
];

/// Without cgroups of its own a task may see none.
const READ_ONLY_OR_NONE: Expected = Expected::RefusedOrContained(&[Errno::EROFS, Errno::EACCES]);

const QUOTACTL_FD: i64 = 443;
const FILE_SETATTR: i64 = 469;
const FS_IOC_FSSETXATTR: i64 = 0x401c_5820;
const FS_IOC_SETFLAGS: i64 = 0x4008_6602;

fn raise(limit: Resource) -> Attempt {
    let (soft, hard) = getrlimit(limit)?;
    if hard == nix::sys::resource::RLIM_INFINITY {
        return Gain::escape("there is none");
    }
    setrlimit(limit, soft, hard + 1)?;
    Gain::escape("raised")
}

/// Every file of these names in every cgroup that is to be seen, three levels deep.
fn cgroup_files(names: &[&str]) -> Vec<PathBuf> {
    let mut directories = vec![PathBuf::from("/sys/fs/cgroup")];
    let mut level = directories.clone();
    for _ in 0..3 {
        let entries = level
            .iter()
            .filter_map(|directory| fs::read_dir(directory).ok());
        let paths = entries.flatten().flatten().map(|entry| entry.path());
        level = paths
            .filter(|path| path.is_dir() && !path.is_symlink())
            .collect();
        directories.extend(level.iter().cloned());
    }
    let files = directories
        .iter()
        .flat_map(|directory| names.iter().map(|name| directory.join(name)));
    files.filter(|file| file.exists()).collect()
}

fn project(world: &World, command: i64) -> Attempt {
    let here = File::open(&world.sandbox).map_err(|error| errno(&error))?;
    // Flags, extent size, extents, project, extent size of copies: as those of a file that was never given any.
    let mut attributes = [0; 28];
    call(
        libc::SYS_ioctl,
        [
            i64::from(here.as_raw_fd()).into(),
            command.into(),
            attributes.as_mut_slice().into(),
        ],
    )?;
    Gain::escape("changed")
}

fn flags(world: &World, command: i64) -> Attempt {
    let here = File::open(&world.sandbox).map_err(|error| errno(&error))?;
    let mut flags = [0; 8];
    call(
        libc::SYS_ioctl,
        [
            i64::from(here.as_raw_fd()).into(),
            command.into(),
            flags.as_mut_slice().into(),
        ],
    )?;
    Gain::escape("changed")
}
