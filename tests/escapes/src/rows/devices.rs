//! Devices and the terminal.

use std::fs;

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::{NO, NOTHING, Row};
use crate::attempt::{Attempt, all, errno, open_to_read};
use crate::outcome::{Expected, Gain};
use crate::sys::{Argument, call};
use crate::world::World;

pub(super) const ROWS: &[Row] = &[
    Row::both("open a disk", NOTHING, |_| {
        all(
            [
                "/dev/vda",
                "/dev/sda",
                "/dev/xvda",
                "/dev/nvme0n1",
                "/dev/loop0",
                "/dev/zram0",
            ],
            open_to_read,
        )
    }),
    Row::both("open the machine's memory", NOTHING, |_| {
        all(["/dev/mem", "/dev/port", "/dev/kmem"], open_to_read)
    }),
    Row::both("open what makes new devices", NOTHING, |_| {
        all(
            [
                "/dev/loop-control",
                "/dev/mapper/control",
                "/dev/fuse",
                "/dev/btrfs-control",
                "/dev/net/tun",
                "/dev/kvm",
            ],
            open_to_read,
        )
    }),
    Row::both("open the kernel's log", NOTHING, |_| {
        open_to_read("/dev/kmsg")
    }),
    Row::both("open a terminal of the host's", NOTHING, |_| {
        all(["/dev/tty0", "/dev/tty1", "/dev/pts/0"], open_to_read)
    }),
    Row::both(
        "make a disk and read it",
        Expected::Refused(&[Errno::EPERM, Errno::EACCES]),
        make_a_disk,
    ),
    Row::both(
        "make the machine's memory and read it",
        Expected::Refused(&[Errno::EPERM, Errno::EACCES]),
        |world| make(world, SFlag::S_IFCHR, 1, 1),
    ),
    Row::both("type into the terminal that it was given", NO, |_| {
        type_in(TIOCSTI)
    }),
    Row::both("type into it by a number that is cut off", NO, |_| {
        type_in(TIOCSTI | 1 << 32)
    }),
    Row::both("take what is selected on the console", NO, |_| {
        const PASTE: u8 = 3;
        let mut order = [PASTE];
        call(
            libc::SYS_ioctl,
            [0.into(), TIOCLINUX.into(), order.as_mut_slice().into()],
        )?;
        Gain::escape("taken")
    }),
];

const TIOCSTI: i64 = 0x5412;
const TIOCLINUX: i64 = 0x541c;

/// The one that / is on, by the number that the kernel has for it.
fn make_a_disk(world: &World) -> Attempt {
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| errno(&error))?;
    let numbers = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let number = fields.nth(2)?;
        (fields.nth(1)? == "/").then_some(number)
    });
    let (major, minor) = numbers
        .and_then(|numbers| numbers.split_once(':'))
        .ok_or(Errno::ENODATA)?;
    let number = |text: &str| text.parse().map_err(|_| Errno::EBADMSG);
    make(world, SFlag::S_IFBLK, number(major)?, number(minor)?)
}

fn make(world: &World, kind: SFlag, major: u64, minor: u64) -> Attempt {
    let path = world.sandbox.join(format!("device-{major}-{minor}"));
    mknod(
        &path,
        kind,
        Mode::from_bits_truncate(0o600),
        makedev(major, minor),
    )?;
    let opened = open_to_read(&path);
    fs::remove_file(&path).map_err(|error| errno(&error))?;
    opened
}

/// The leader of a session that has no terminal may make one its own, and may then type into it.
fn type_in(command: i64) -> Attempt {
    const TIOCSCTTY: i64 = 0x540e;
    let arguments: [Argument<'_>; 3] = [0.into(), TIOCSCTTY.into(), 0.into()];
    // It may be its own already, or nobody's.
    let _ = call(libc::SYS_ioctl, arguments);
    let mut letter = *b"x";
    call(
        libc::SYS_ioctl,
        [0.into(), command.into(), letter.as_mut_slice().into()],
    )?;
    Gain::escape("typed")
}
