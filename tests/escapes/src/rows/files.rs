//! Writing outside the sandbox.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Uid, chown, linkat};

use super::{READ_ONLY, READ_ONLY_OR_DENIED, READ_ONLY_OR_NOTHING, Row};
use crate::attempt::{Attempt, all, create_in, errno, open_to_write};
use crate::outcome::{Expected, Gain};
use crate::world::World;

pub(super) const ROWS: &[Row] = &[
    Row::both("make a file in /", READ_ONLY, |world| create_in("/", world)),
    Row::both("make a file in /etc", READ_ONLY, |world| {
        create_in("/etc", world)
    }),
    Row::both("make a file in /usr/bin", READ_ONLY, |world| {
        create_in("/usr/bin", world)
    }),
    Row::both("make a file in /var/lib", READ_ONLY, |world| {
        create_in("/var/lib", world)
    }),
    Row::both("make a file in /home", READ_ONLY_OR_NOTHING, |world| {
        create_in("/home", world)
    }),
    Row::both("make a file in /root", READ_ONLY_OR_NOTHING, |world| {
        create_in("/root", world)
    }),
    Row::both("make a file in /run", READ_ONLY_OR_NOTHING, |world| {
        create_in("/run", world)
    }),
    Row::both("make a file in /run/lock", READ_ONLY_OR_NOTHING, |world| {
        create_in("/run/lock", world)
    }),
    Row::both("make a file in /dev", READ_ONLY_OR_DENIED, |world| {
        create_in("/dev", world)
    }),
    Row::both(
        "make a file in /sys",
        Expected::Refused(&[Errno::EROFS, Errno::EACCES, Errno::EPERM]),
        |world| create_in("/sys", world),
    ),
    Row::both(
        "make a file above the sandbox",
        READ_ONLY_OR_NOTHING,
        |world| create_in(world.sandbox.join(".."), world),
    ),
    Row::both(
        "make a file where everybody may on the host",
        READ_ONLY_OR_NOTHING,
        |world| {
            all(&world.open_directories, |directory| {
                create_in(directory, world)
            })
        },
    ),
    Row::both(
        "make a file by a link out of the sandbox",
        READ_ONLY_OR_NOTHING,
        by_a_link,
    ),
    Row::each("add to /etc/passwd", READ_ONLY, READ_ONLY_OR_DENIED, |_| {
        open_to_write("/etc/passwd")
    }),
    Row::each(
        "change the mode of /etc",
        READ_ONLY,
        Expected::Refused(&[Errno::EROFS, Errno::EPERM]),
        |_| {
            let permissions = fs::Permissions::from_mode(0o755);
            fs::set_permissions("/etc", permissions).map_err(|error| errno(&error))?;
            Gain::escape("changed")
        },
    ),
    Row::each(
        "change the owner of /etc",
        READ_ONLY,
        Expected::Refused(&[Errno::EROFS, Errno::EPERM]),
        |_| {
            chown("/etc", Some(Uid::from_raw(0)), None)?;
            Gain::escape("changed")
        },
    ),
    Row::each(
        "change the times of /etc",
        READ_ONLY,
        Expected::Refused(&[Errno::EROFS, Errno::EACCES, Errno::EPERM]),
        |_| {
            let same = TimeSpec::UTIME_OMIT;
            let now = TimeSpec::UTIME_NOW;
            utimensat(
                AT_FDCWD,
                "/etc",
                &now,
                &same,
                UtimensatFlags::NoFollowSymlink,
            )?;
            Gain::escape("changed")
        },
    ),
    Row::both(
        "link a file of the host's into the sandbox",
        Expected::Refused(&[Errno::EXDEV, Errno::EPERM]),
        hard_link,
    ),
    Row::both(
        "move a file of the sandbox's out of it",
        Expected::Refused(&[Errno::EXDEV, Errno::EROFS]),
        move_out,
    ),
    Row::both(
        "write to the executor's own program",
        READ_ONLY_OR_NOTHING,
        programs_of_others,
    ),
    Row::each(
        "say what runs at a core dump",
        READ_ONLY,
        READ_ONLY_OR_DENIED,
        |_| open_to_write("/proc/sys/kernel/core_pattern"),
    ),
    Row::each(
        "say how modules are loaded",
        READ_ONLY_OR_NOTHING,
        READ_ONLY_OR_NOTHING,
        |_| open_to_write("/proc/sys/kernel/modprobe"),
    ),
    Row::each(
        "set a value of the kernel's",
        READ_ONLY,
        READ_ONLY_OR_DENIED,
        |_| open_to_write("/proc/sys/vm/overcommit_memory"),
    ),
    Row::each(
        "set the host's name by /proc",
        READ_ONLY,
        READ_ONLY_OR_DENIED,
        |_| open_to_write("/proc/sys/kernel/hostname"),
    ),
    Row::each(
        "set a value of the network's",
        READ_ONLY,
        READ_ONLY_OR_DENIED,
        |_| open_to_write("/proc/sys/net/ipv4/ip_forward"),
    ),
    Row::both("give orders by sysrq", READ_ONLY_OR_NOTHING, |_| {
        open_to_write("/proc/sysrq-trigger")
    }),
    Row::both(
        "say what runs at a device's coming",
        READ_ONLY_OR_NOTHING,
        |_| open_to_write("/sys/kernel/uevent_helper"),
    ),
    Row::both("put the host to sleep", READ_ONLY_OR_NOTHING, |_| {
        open_to_write("/sys/power/state")
    }),
    Row::both("name a program for a kind of files", NOTHING_THERE, |_| {
        open_to_write("/proc/sys/fs/binfmt_misc/register")
    }),
];

/// The file system of it is not mounted, or cannot be written to.
const NOTHING_THERE: Expected = Expected::Refused(&[Errno::ENOENT, Errno::EROFS, Errno::EACCES]);

fn by_a_link(world: &World) -> Attempt {
    let link = world.sandbox.join("link-out");
    symlink("/etc", &link).map_err(|error| errno(&error))?;
    let outcome = create_in(&link, world);
    fs::remove_file(&link).map_err(|error| errno(&error))?;
    outcome
}

fn hard_link(world: &World) -> Attempt {
    linkat(
        AT_FDCWD,
        "/etc/passwd",
        AT_FDCWD,
        &world.sandbox.join("hard-link"),
        AtFlags::empty(),
    )?;
    Gain::escape("linked")
}

fn move_out(world: &World) -> Attempt {
    let file = world.sandbox.join("to-be-moved");
    fs::write(&file, "").map_err(|error| errno(&error))?;
    fs::rename(&file, Path::new("/etc").join(&world.mark)).map_err(|error| errno(&error))?;
    Gain::escape("moved")
}

/// As in CVE-2019-5736: what executes the program of the executor leads to its file.
fn programs_of_others(_: &World) -> Attempt {
    let own = fs::read_link("/proc/self/exe").map_err(|error| errno(&error))?;
    let mut outcome = Err(Errno::ENOENT);
    for process in crate::attempt::processes() {
        let program = format!("/proc/{process}/exe");
        // What cannot be looked at can be opened by nobody, and our own is the sandbox's.
        if fs::read_link(&program).is_ok_and(|path| path != own && !path.starts_with("/usr")) {
            let opened = OpenOptions::new().write(true).open(&program);
            match opened {
                Ok(_) => return Gain::escape(format!("{program} is open for writing")),
                Err(error) => outcome = Err(errno(&error)),
            }
        }
    }
    outcome
}
