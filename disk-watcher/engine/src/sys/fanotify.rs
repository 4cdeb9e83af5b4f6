//! A fanotify group: what is marked, and its descriptor to read events from.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

const IGNORE_BEFORE_6_0: libc::c_uint =
    libc::FAN_MARK_IGNORED_MASK | libc::FAN_MARK_IGNORED_SURV_MODIFY;

/// A group that reports directories by their handles (Linux 5.9). Its marks go with it.
#[derive(Debug)]
pub(crate) struct Group(OwnedFd);

impl Group {
    /// A group with no marks that tells the directory of each event, and whose queue has no bound of the kernel's: the default one, of 16,384 events, is full
    /// within a moment of a build.
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN in the first user namespace, `EINVAL` before Linux 5.9, `ENOSYS` where fanotify
    /// was not built, `EMFILE` when this user has too many groups.
    pub(crate) fn of_directories() -> io::Result<Self> {
        Self::new(libc::FAN_REPORT_DIR_FID)
    }

    /// The same, which tells the name in the directory as well.
    ///
    /// # Errors
    /// As [`of_directories`](Self::of_directories).
    pub(crate) fn of_names() -> io::Result<Self> {
        Self::new(libc::FAN_REPORT_DFID_NAME)
    }

    fn new(report: libc::c_uint) -> io::Result<Self> {
        let flags = libc::FAN_CLASS_NOTIF
            | report
            | libc::FAN_UNLIMITED_QUEUE
            | libc::FAN_UNLIMITED_MARKS
            | libc::FAN_CLOEXEC
            | libc::FAN_NONBLOCK;
        // SAFETY: takes numbers alone.
        let made = unsafe { libc::fanotify_init(flags, 0) };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows of it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(made) }))
    }

    /// Reports `mask` of everything on the file system that holds `any`, no `O_PATH` descriptor.
    ///
    /// # Errors
    /// `ENODEV` where the file system has no id, `EXDEV` on a btrfs subvolume (before Linux 6.8), `EOPNOTSUPP` where
    /// it has no handles.
    pub(crate) fn mark_file_system(&self, any: BorrowedFd<'_>, mask: u64) -> io::Result<()> {
        self.mark(
            libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM,
            mask,
            any,
            None,
        )
    }

    /// Takes the mark back.
    ///
    /// # Errors
    /// `ENOENT` when there is none.
    pub(crate) fn unmark_file_system(&self, any: BorrowedFd<'_>, mask: u64) -> io::Result<()> {
        self.mark(
            libc::FAN_MARK_REMOVE | libc::FAN_MARK_FILESYSTEM,
            mask,
            any,
            None,
        )
    }

    /// Reports `mask` of an open directory and, with `FAN_EVENT_ON_CHILD`, of the files in it.
    ///
    /// # Errors
    /// `ENOSPC` or `ENOMEM` when there can be no more marks.
    pub(crate) fn mark_directory(&self, directory: BorrowedFd<'_>, mask: u64) -> io::Result<()> {
        let flags = libc::FAN_MARK_ADD | libc::FAN_MARK_ONLYDIR;
        self.mark(flags, mask, directory, None)
    }

    /// Takes such a mark back.
    ///
    /// # Errors
    /// `ENOENT` when there is none.
    pub(crate) fn unmark_directory(&self, directory: BorrowedFd<'_>, mask: u64) -> io::Result<()> {
        self.mark(libc::FAN_MARK_REMOVE, mask, directory, None)
    }

    /// Reports no more writes to a file, of which this is any descriptor, an `O_PATH` one as well.
    ///
    /// # Errors
    /// Where /proc is not mounted; `ENOSPC` or `ENOMEM` when there can be no more marks.
    pub(crate) fn ignore_writes(&self, file: RawFd) -> io::Result<()> {
        let add = libc::FAN_MARK_ADD;
        match self.mark_by_descriptor(add | libc::FAN_MARK_IGNORE_SURV, file) {
            // Linux before 6.0.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                self.mark_by_descriptor(add | IGNORE_BEFORE_6_0, file)
            }
            done => done,
        }
    }

    /// Reports writes to such a file again.
    ///
    /// # Errors
    /// Where /proc is not mounted; `ENOENT` when they are reported.
    pub(crate) fn heed_writes(&self, file: RawFd) -> io::Result<()> {
        let remove = libc::FAN_MARK_REMOVE;
        match self.mark_by_descriptor(remove | libc::FAN_MARK_IGNORE_SURV, file) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                self.mark_by_descriptor(remove | IGNORE_BEFORE_6_0, file)
            }
            done => done,
        }
    }

    /// Takes back every mark on a file or a directory; those on file systems stay.
    ///
    /// # Errors
    /// None that is known.
    pub(crate) fn unmark_all(&self, any: BorrowedFd<'_>) -> io::Result<()> {
        self.mark(libc::FAN_MARK_FLUSH, 0, any, None)
    }

    /// A descriptor that is open for nothing cannot be marked but by its link in /proc.
    fn mark_by_descriptor(&self, flags: libc::c_uint, file: RawFd) -> io::Result<()> {
        let link = CString::new(format!("/proc/self/fd/{file}"))?;
        self.mark(flags, libc::FAN_MODIFY, self.0.as_fd(), Some(&link))
    }

    fn mark(
        &self,
        flags: libc::c_uint,
        mask: u64,
        dir: BorrowedFd<'_>,
        name: Option<&CStr>,
    ) -> io::Result<()> {
        let name = name.map_or(ptr::null(), CStr::as_ptr);
        // SAFETY: `name` is null or ends in a NUL, and outlives the call.
        let done =
            unsafe { libc::fanotify_mark(self.0.as_raw_fd(), flags, mask, dir.as_raw_fd(), name) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The id that events name the file system of `any` by; zeros where it has none.
///
/// # Errors
/// As `fstatfs`.
pub(crate) fn file_system_id(any: BorrowedFd<'_>) -> io::Result<[i32; 2]> {
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the kernel fills in the whole of `found`, which outlives the call.
    let done = unsafe { libc::fstatfs(any.as_raw_fd(), found.as_mut_ptr()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so that all of it is filled in.
    let found = unsafe { found.assume_init() };
    // SAFETY: the kernel's `__kernel_fsid_t` is two numbers of 32 bits, which libc keeps private.
    Ok(unsafe { mem::transmute::<libc::fsid_t, [i32; 2]>(found.f_fsid) })
}
