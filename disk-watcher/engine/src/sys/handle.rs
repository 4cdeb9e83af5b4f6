//! File handles: names for inodes that outlive renames, and that a reused inode number does not answer to.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The most that the kernel ever makes (Linux: include/linux/exportfs.h, `MAX_HANDLE_SZ`).
const LONGEST: usize = 128;
/// What is kept of each directory. ext4 makes 8 bytes, tmpfs and XFS 12, btrfs 20.
const LONGEST_KEPT: usize = 32;

/// A file handle, as the kernel made it. Means something on its own file system only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    kind: i32,
    length: u8,
    /// Zeros behind `length`.
    bytes: [u8; LONGEST_KEPT],
}

impl Handle {
    /// A handle of these parts; `None` if it is longer than any that is kept (32 bytes).
    pub fn new(kind: i32, bytes: &[u8]) -> Option<Self> {
        let mut kept = [0; LONGEST_KEPT];
        kept.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self {
            kind,
            length: u8::try_from(bytes.len()).ok()?,
            bytes: kept,
        })
    }
}

/// Linux: include/uapi/linux/fcntl.h, `struct file_handle`, with room for any.
#[repr(C)]
struct Raw {
    length: u32,
    kind: i32,
    bytes: [u8; LONGEST],
}

/// The handle of `name` in `dir`, or of `dir` itself by an empty name, and the mount that it was found on. Links are
/// not followed; of a mount point it tells what is mounted there, and that mount.
///
/// # Errors
/// `EOPNOTSUPP` where the file system has no handles, `EOVERFLOW` where they are longer than is kept; as `openat`.
pub(crate) fn of(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<(Handle, u64)> {
    let mut raw = Raw {
        length: LONGEST as u32,
        kind: 0,
        bytes: [0; LONGEST],
    };
    let mut mount: libc::c_int = 0;
    let flags = if name.is_empty() {
        libc::AT_EMPTY_PATH
    } else {
        0
    };
    // SAFETY: `name` ends in a NUL, `raw` is laid out as the kernel's file_handle with `length` bytes of room behind
    // its two fields, and both it and `mount` outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            dir.as_raw_fd(),
            name.as_ptr(),
            &raw mut raw,
            &raw mut mount,
            flags,
        )
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    let made = raw.bytes.get(..raw.length as usize);
    let handle = made.and_then(|bytes| Handle::new(raw.kind, bytes));
    let handle = handle.ok_or_else(|| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    Ok((handle, u64::from(mount.unsigned_abs())))
}

/// Opens what `handle` names on the file system and the mount of `mount`, a descriptor that is no `O_PATH` one.
///
/// # Errors
/// `ESTALE` when it is gone, `EPERM` without CAP_DAC_READ_SEARCH; as `openat`.
pub(crate) fn open(mount: BorrowedFd<'_>, handle: &Handle, flags: i32) -> io::Result<OwnedFd> {
    let mut raw = Raw {
        length: u32::from(handle.length),
        kind: handle.kind,
        bytes: [0; LONGEST],
    };
    raw.bytes[..LONGEST_KEPT].copy_from_slice(&handle.bytes);
    // SAFETY: `raw` is laid out as the kernel's file_handle, with `length` bytes that are its own, and outlives the
    // call.
    let opened = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            &raw mut raw,
            flags,
        )
    };
    if opened < 0 {
        return Err(io::Error::last_os_error());
    }
    let opened = RawFd::try_from(opened).map_err(io::Error::other)?;
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(opened) })
}
