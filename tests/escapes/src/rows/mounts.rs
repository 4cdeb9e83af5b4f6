//! Mounting, and the root directory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, chroot, pivot_root};

use super::{NO, NO_CALL, Row};
use crate::attempt::{Attempt, c_string, errno};
use crate::outcome::{Expected, Gain};
use crate::sys::call;
use crate::world::World;

pub(super) const ROWS: &[Row] = &[
    Row::both("mount a tmpfs over the sandbox", NO, |world| {
        mount(
            Some("escape"),
            &world.sandbox,
            Some("tmpfs"),
            MsFlags::empty(),
            NONE,
        )?;
        Gain::escape("mounted")
    }),
    Row::both("mount a new /proc", NO, |world| {
        mount(
            Some("proc"),
            &world.sandbox,
            Some("proc"),
            MsFlags::empty(),
            NONE,
        )?;
        Gain::escape("mounted")
    }),
    Row::both("mount the cgroups", NO, |world| {
        mount(
            Some("cgroup"),
            &world.sandbox,
            Some("cgroup"),
            MsFlags::empty(),
            Some("pids"),
        )?;
        Gain::escape("mounted")
    }),
    Row::both(
        "bind a directory of the host's into the sandbox",
        NO,
        |world| {
            mount(Some("/"), &world.sandbox, NONE, MsFlags::MS_BIND, NONE)?;
            Gain::escape("bound")
        },
    ),
    Row::both("make / writable again", NO, |_| remount("/")),
    Row::both("make /proc/sys writable again", NO, |_| {
        remount("/proc/sys")
    }),
    Row::both("make /sys writable again", NO, |_| {
        mount(NONE, "/sys", NONE, MsFlags::MS_REMOUNT, NONE)?;
        Gain::escape("remounted")
    }),
    Row::both("share its mounts with others", NO, |_| {
        mount(NONE, "/", NONE, MsFlags::MS_SHARED, NONE)?;
        Gain::escape("shared")
    }),
    Row::both("unmount /proc", NO, |_| unmount("/proc")),
    Row::both("unmount what hides the host's /tmp", NO, |_| {
        unmount("/tmp")
    }),
    Row::both("unmount /", NO, |_| unmount("/")),
    Row::both("have another root directory by pivot_root", NO, |world| {
        chdir(&world.sandbox)?;
        pivot_root(".", ".")?;
        Gain::escape("it has")
    }),
    Row::both(
        "leave the root directory by two of chroot",
        Expected::RefusedOrContained(&[Errno::EPERM]),
        break_out,
    ),
    Row::both("make a tree of mounts", NO_CALL, |_| {
        const CLONE: i64 = 1;
        let root = c"/";
        call(
            libc::SYS_open_tree,
            [(-100).into(), root.into(), CLONE.into()],
        )?;
        Gain::escape("made")
    }),
    Row::both("move a mount by its own call", NO_CALL, |world| {
        let (from, to) = (c"/proc", c_string(&world.sandbox));
        call(
            libc::SYS_move_mount,
            [
                (-100).into(),
                from.into(),
                (-100).into(),
                to.as_c_str().into(),
                0.into(),
            ],
        )?;
        Gain::escape("moved")
    }),
    Row::both("open a file system", NO_CALL, |_| {
        let kind = c"tmpfs";
        call(libc::SYS_fsopen, [kind.into(), 0.into()])?;
        Gain::escape("open")
    }),
    Row::both("pick a file system to change", NO_CALL, |_| {
        let root = c"/";
        call(libc::SYS_fspick, [(-100).into(), root.into(), 0.into()])?;
        Gain::escape("picked")
    }),
    Row::both(
        "change what a mount allows by its own call",
        NO_CALL,
        |_| {
            let root = c"/";
            // To be cleared: read-only.
            let mut attributes = [0; 32];
            attributes[8] = 1;
            call(
                libc::SYS_mount_setattr,
                [
                    (-100).into(),
                    root.into(),
                    0.into(),
                    attributes.as_mut_slice().into(),
                    32.into(),
                ],
            )?;
            Gain::escape("changed")
        },
    ),
    Row::both(
        "write to a mount that is not the sandbox's",
        Expected::Contained,
        write_to_mounts,
    ),
];

const NONE: Option<&str> = None;

fn remount(path: &str) -> Attempt {
    mount(
        NONE,
        path,
        NONE,
        MsFlags::MS_REMOUNT | MsFlags::MS_BIND,
        NONE,
    )?;
    Gain::escape("remounted")
}

fn unmount(path: &str) -> Attempt {
    umount2(path, MntFlags::MNT_DETACH)?;
    Gain::escape("unmounted")
}

/// The old way: a root directory below the current directory, and up from there. Where / is a mount's root, up ends
/// there.
fn break_out(world: &World) -> Attempt {
    let identity = |path: &str| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    let before = identity("/").map_err(|error| errno(&error))?;
    let below = world.sandbox.join("root-below");
    fs::create_dir(&below).map_err(|error| errno(&error))?;
    chroot(&below)?;
    for _ in 0..64 {
        chdir("..")?;
    }
    chroot(".")?;
    let now = identity("/").map_err(|error| errno(&error))?;
    if now == before {
        return Gain::contained("/ is what it was");
    }
    Gain::escape("/ is another")
}

/// Mounts that are writable by their nature, and in which the kernel lets nobody make a file.
const OF_THE_KERNEL: [&str; 3] = ["/proc", "/dev/pts", "/dev/mqueue"];

/// Tries to write to the root of each mount that is not said to be the sandbox's, and looks for those that are writable
/// to whoever has the rights.
fn write_to_mounts(world: &World) -> Attempt {
    let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| errno(&error))?;
    let mut count = 0;
    for mount in mounts.lines() {
        let mut fields = mount.split(' ').skip(4);
        let (Some(point), Some(options)) = (fields.next(), fields.next()) else {
            return Err(Errno::EBADMSG);
        };
        let point = Path::new(point);
        if world.writable.iter().any(|path| path == point) {
            continue;
        }
        count += 1;
        let is_file = fs::metadata(point).is_ok_and(|found| found.is_file());
        let is_writable = !OF_THE_KERNEL.iter().any(|path| Path::new(path) == point)
            && fs::metadata(point).is_ok_and(|found| found.is_dir() || found.is_file())
            && options.split(',').any(|option| option == "rw");
        let written = if is_file {
            fs::File::options().write(true).open(point)
        } else {
            fs::File::create(point.join(&world.mark))
        };
        if is_writable || written.is_ok() {
            return Gain::escape(mount);
        }
    }
    Gain::contained(format!("none of {count}"))
}
