//! Mounting, by descriptors: what was opened and looked at is what is mounted, whatever its path has come to mean.
//!
//! mount(2) takes paths alone, and a descriptor has one: its number in `/proc/self/fd`. That directory is the current one
//! while mounts are made ([`begin`]), so that it does not matter what is at `/proc` meanwhile.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, fstatvfs};
use nix::unistd::chdir;

use super::each_mount;
use crate::sys;

const NONE: Option<&str> = None;

/// What a mount does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bans {
    pub(super) writing: bool,
    pub(super) devices: bool,
}

impl Bans {
    pub(super) const DEVICES: Bans = Bans {
        writing: false,
        devices: true,
    };
    pub(super) const WRITING: Bans = Bans {
        writing: true,
        devices: false,
    };
    pub(super) const WRITING_AND_DEVICES: Bans = Bans {
        writing: true,
        devices: true,
    };

    pub(super) fn flags(self) -> MsFlags {
        let mut flags = MsFlags::empty();
        flags.set(MsFlags::MS_RDONLY, self.writing);
        flags.set(MsFlags::MS_NODEV, self.devices);
        flags
    }

    fn attributes(self) -> u64 {
        let writing = libc::MOUNT_ATTR_RDONLY * u64::from(self.writing);
        let devices = libc::MOUNT_ATTR_NODEV * u64::from(self.devices);
        writing | devices
    }
}

/// To be called before anything else of this module, in a process whose `/proc` is one in which it sees itself.
pub(super) fn begin() -> Result<(), Errno> {
    chdir("/proc/self/fd")
}

pub(super) fn name(descriptor: &impl AsFd) -> String {
    descriptor.as_fd().as_raw_fd().to_string()
}

/// Lays `source`, with all that is mounted below it, over `target`.
pub(super) fn bind(source: &impl AsFd, target: &impl AsFd) -> Result<(), Errno> {
    let (source, target) = (name(source), name(target));
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(&*source), &*target, NONE, flags, NONE)
}

/// The same without what is mounted below it, which that does not uncover: root of a user namespace may not do it.
pub(super) fn bind_alone(source: &impl AsFd, target: &impl AsFd) -> Result<(), Errno> {
    let (source, target) = (name(source), name(target));
    mount(Some(&*source), &*target, NONE, MsFlags::MS_BIND, NONE)
}

/// Lays a new file system over `target`.
pub(super) fn lay(
    kind: &str,
    target: &impl AsFd,
    flags: MsFlags,
    options: &str,
) -> Result<(), Errno> {
    mount(Some(kind), &*name(target), Some(kind), flags, Some(options))
}

/// Has `mount`, the root of one, take no part in what happens to mounts elsewhere, nor tell of what happens to it, and
/// bans for it and for all below it.
pub(super) fn close_off(mount: &impl AsFd, bans: Bans) -> Result<(), Errno> {
    let private = MsFlags::MS_PRIVATE.bits();
    let (set, clear) = (bans.attributes(), 0);
    match sys::mount_setattr(mount, true, set, clear, private) {
        // Before Linux 5.12, or where a filter of system calls does not know it.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            nix::mount::mount(NONE, &*name(mount), NONE, private, NONE)?;
            each_mount::ban(mount, bans)
        }
        outcome => outcome,
    }
}

/// Bans for `mount`, the root of one, and for all below it, which go on to hear of what happens elsewhere.
pub(super) fn ban_below(mount: &impl AsFd, bans: Bans) -> Result<(), Errno> {
    match sys::mount_setattr(mount, true, bans.attributes(), 0, 0) {
        Err(Errno::ENOSYS | Errno::EPERM) => each_mount::ban(mount, bans),
        outcome => outcome,
    }
}

/// Bans for `mount`, the root of one.
pub(super) fn ban(mount: &impl AsFd, bans: Bans) -> Result<(), Errno> {
    change(mount, bans, Bans::default())
}

/// Lifts what was banned for `mount` alone.
pub(super) fn allow(mount: &impl AsFd, bans: Bans) -> Result<(), Errno> {
    change(mount, Bans::default(), bans)
}

fn change(which: &impl AsFd, bans: Bans, lifted: Bans) -> Result<(), Errno> {
    match sys::mount_setattr(which, false, bans.attributes(), lifted.attributes(), 0) {
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let flags = (flags_of(which)? | bans.flags()) - lifted.flags();
            let change = MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
            mount(NONE, &*name(which), NONE, change | flags, NONE)
        }
        outcome => outcome,
    }
}

/// What has to be said again when a mount is changed by mount(2), and may be locked.
fn flags_of(mount: &impl AsFd) -> Result<MsFlags, Errno> {
    let has = fstatvfs(mount)?.flags();
    let pairs = [
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let flags = pairs
        .into_iter()
        .filter(|(has_it, _)| has.contains(*has_it));
    Ok(flags.map(|(_, flag)| flag).collect())
}

/// Takes away what is mounted at `target`, one layer.
pub(super) fn take_away(target: &impl AsFd) -> Result<(), Errno> {
    umount2(&*name(target), MntFlags::MNT_DETACH)
}

/// Takes the mount whose root is `which` from where it is and lays it over `target`: cheaper than to unmount it, for which
/// the kernel waits until nobody can be looking at it any more.
pub(super) fn shift(which: &impl AsFd, target: &impl AsFd) -> Result<(), Errno> {
    mount(
        Some(&*name(which)),
        &*name(target),
        NONE,
        MsFlags::MS_MOVE,
        NONE,
    )
}
