//! Project quotas and project ids, as the kernel takes and gives them.
//!
//! All goes by the `Q_X...` commands, for ext4 as well as XFS: the kernel's quota core translates them for every file
//! system that counts (Linux: fs/quota/quota.c), and they know no format of a quota file. Sizes are in units of
//! [`BASIC_BLOCK`] bytes.

use std::ffi::CStr;
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{c_int, c_ulong, c_void};

/// The unit of sizes: 512 bytes (Linux: include/uapi/linux/dqblk_xfs.h, BBSIZE).
pub(crate) const BASIC_BLOCK: u64 = 512;

/// Usage by project is counted (Linux: include/uapi/linux/dqblk_xfs.h, FS_QUOTA_PDQ_ACCT).
pub(crate) const ACCOUNTING: u16 = 1 << 4;
/// Limits of projects are kept (FS_QUOTA_PDQ_ENFD).
pub(crate) const ENFORCEMENT: u16 = 1 << 5;

/// What is created in a directory is of the directory's project (Linux: include/uapi/linux/fs.h).
pub(crate) const XFLAG_PROJINHERIT: u32 = 0x200;

/// Which fields of a [`DiskQuota`] are to be set (FS_DQ_ISOFT, FS_DQ_IHARD, FS_DQ_BSOFT, FS_DQ_BHARD).
const ALL_LIMITS: u16 = 0b1111;
/// FS_DQUOT_VERSION.
const VERSION: i8 = 1;
/// FS_PROJ_QUOTA.
const OF_A_PROJECT: i8 = 2;
/// FS_QSTATV_VERSION1.
const STATE_VERSION: i8 = 1;

/// `QCMD(cmd, PRJQUOTA)` (Linux: include/uapi/linux/quota.h).
const fn of_projects(command: c_int) -> c_int {
    const PRJQUOTA: c_int = 2;
    (command << 8) | PRJQUOTA
}

/// `XQM_CMD(x)`.
const fn x_command(number: c_int) -> c_int {
    ((b'X' as c_int) << 8) + number
}

const GET_QUOTA: c_int = of_projects(x_command(3));
const SET_LIMITS: c_int = of_projects(x_command(4));
const GET_STATE: c_int = of_projects(x_command(8));
const GET_NEXT_QUOTA: c_int = of_projects(x_command(9));

/// `_IOR('X', 31, struct fsxattr)` and `_IOW('X', 32, struct fsxattr)`.
const GET_ATTRIBUTES: c_ulong = 0x801c_581f;
const SET_ATTRIBUTES: c_ulong = 0x401c_5820;

/// `struct fs_disk_quota`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskQuota {
    version: i8,
    flags: i8,
    field_mask: u16,
    pub(crate) id: u32,
    /// All limits: 0 is none.
    pub(crate) block_hard_limit: u64,
    pub(crate) block_soft_limit: u64,
    pub(crate) inode_hard_limit: u64,
    pub(crate) inode_soft_limit: u64,
    pub(crate) blocks: u64,
    pub(crate) inodes: u64,
    timers_and_warnings: [u32; 4],
    realtime: [u64; 5],
}

/// `struct fs_quota_statv`.
#[repr(C)]
struct State {
    version: i8,
    pad: u8,
    flags: u16,
    in_core: u32,
    files: [u64; 9],
    times_and_warnings: [u32; 6],
    reserved: [u64; 7],
}

/// `struct fsxattr`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) xflags: u32,
    extent_size: u32,
    extents: u32,
    pub(crate) project: u32,
    cow_extent_size: u32,
    reserved: [u8; 8],
}

// The sizes that the kernel reads and writes.
const _: () = assert!(size_of::<DiskQuota>() == 112);
const _: () = assert!(size_of::<State>() == 160);
const _: () = assert!(size_of::<Attributes>() == 28);

/// How a file system is named to the kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Channel<'a> {
    /// By any file on it, an `O_PATH` descriptor among them: Linux 5.14.
    Descriptor(BorrowedFd<'a>),
    /// By the block device that holds it.
    Device(&'a CStr),
}

/// [`ACCOUNTING`] and [`ENFORCEMENT`], and bits of other kinds of quotas. Asks for no right.
pub(crate) fn state(channel: Channel<'_>) -> io::Result<u16> {
    // SAFETY: the structure is of integers, for which zero is a value.
    let mut state: State = unsafe { zeroed() };
    state.version = STATE_VERSION;
    // SAFETY: the command reads the version and writes one `struct fs_quota_statv`, which `state` is and outlives the
    // call.
    unsafe { quotactl(channel, GET_STATE, 0, (&raw mut state).cast())? };
    Ok(state.flags)
}

/// Usage and limits of one id. XFS says `ENOENT` of one that nothing is known of.
pub(crate) fn get(channel: Channel<'_>, id: u32) -> io::Result<DiskQuota> {
    get_by(channel, GET_QUOTA, id)
}

/// Usage and limits of the first id from `id` on that anything is known of; `ENOENT` when there is none.
pub(crate) fn get_next(channel: Channel<'_>, id: u32) -> io::Result<DiskQuota> {
    get_by(channel, GET_NEXT_QUOTA, id)
}

fn get_by(channel: Channel<'_>, command: c_int, id: u32) -> io::Result<DiskQuota> {
    let mut quota = nothing();
    // SAFETY: both commands write one `struct fs_disk_quota`, which `quota` is and outlives the call.
    unsafe { quotactl(channel, command, id, (&raw mut quota).cast())? };
    Ok(quota)
}

/// Limits of an id, all four: hard and soft of bytes (in basic blocks), hard and soft of inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawLimits {
    pub(crate) block_hard: u64,
    pub(crate) block_soft: u64,
    pub(crate) inode_hard: u64,
    pub(crate) inode_soft: u64,
}

/// Sets the limits of one id.
pub(crate) fn set_limits(channel: Channel<'_>, id: u32, limits: RawLimits) -> io::Result<()> {
    let mut quota = DiskQuota {
        version: VERSION,
        flags: OF_A_PROJECT,
        field_mask: ALL_LIMITS,
        id,
        block_hard_limit: limits.block_hard,
        block_soft_limit: limits.block_soft,
        inode_hard_limit: limits.inode_hard,
        inode_soft_limit: limits.inode_soft,
        ..nothing()
    };
    // SAFETY: the command reads one `struct fs_disk_quota`, which `quota` is and outlives the call.
    unsafe { quotactl(channel, SET_LIMITS, id, (&raw mut quota).cast()) }
}

fn nothing() -> DiskQuota {
    // SAFETY: the structure is of integers, for which zero is a value.
    unsafe { zeroed() }
}

/// # Safety
/// `data` must point to what the command reads or writes.
unsafe fn quotactl(
    channel: Channel<'_>,
    command: c_int,
    id: u32,
    data: *mut c_void,
) -> io::Result<()> {
    // Ids are unsigned to the kernel and an `int` in the calls that pass them: the same bits.
    let id = id.cast_signed();
    let result = match channel {
        // SAFETY: the descriptor is open, and the caller vouches for `data`.
        Channel::Descriptor(file) => unsafe {
            libc::syscall(libc::SYS_quotactl_fd, file.as_raw_fd(), command, id, data)
        },
        // SAFETY: the path ends with a zero, and the caller vouches for `data`.
        Channel::Device(device) => unsafe {
            libc::quotactl(command, device.as_ptr(), id, data.cast()).into()
        },
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The attributes of a file that was opened for reading (not by `O_PATH`).
pub(crate) fn attributes(file: BorrowedFd<'_>) -> io::Result<Attributes> {
    let mut found = Attributes {
        xflags: 0,
        extent_size: 0,
        extents: 0,
        project: 0,
        cow_extent_size: 0,
        reserved: [0; 8],
    };
    // SAFETY: the descriptor is open, and the request writes one `struct fsxattr`, which `found` is.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), GET_ATTRIBUTES, &raw mut found) };
    if result == 0 {
        Ok(found)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets the attributes of a file that was opened for reading: what [`attributes`] gave, changed.
pub(crate) fn set_attributes(file: BorrowedFd<'_>, attributes: &Attributes) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the request reads one `struct fsxattr`, which `attributes` is.
    let result = unsafe {
        libc::ioctl(
            file.as_raw_fd(),
            SET_ATTRIBUTES,
            std::ptr::from_ref(attributes),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn commands_are_the_kernels() {
        // As `strace -X raw` shows them of xfs_quota(8).
        assert_eq!(GET_QUOTA, 0x58_0302);
        assert_eq!(SET_LIMITS, 0x58_0402);
        assert_eq!(GET_STATE, 0x58_0802);
        assert_eq!(GET_NEXT_QUOTA, 0x58_0902);
    }

    #[test]
    fn fields_lie_where_the_kernel_has_them() {
        assert_eq!(offset_of!(DiskQuota, id), 4);
        assert_eq!(offset_of!(DiskQuota, block_hard_limit), 8);
        assert_eq!(offset_of!(DiskQuota, inode_soft_limit), 32);
        assert_eq!(offset_of!(DiskQuota, blocks), 40);
        assert_eq!(offset_of!(DiskQuota, inodes), 48);
        assert_eq!(offset_of!(State, flags), 2);
        assert_eq!(offset_of!(Attributes, project), 12);
    }

    #[test]
    fn a_file_system_without_quotas_has_no_state() {
        let file = std::fs::File::open("/proc/self").expect("proc");
        let channel = Channel::Descriptor(std::os::fd::AsFd::as_fd(&file));
        let error = state(channel).expect_err("proc has no quotas");
        assert_eq!(error.raw_os_error(), Some(libc::ENOSYS));
        let error = state(Channel::Device(c"/dev/null")).expect_err("no block device");
        assert_eq!(error.raw_os_error(), Some(libc::ENOTBLK));
    }
}
