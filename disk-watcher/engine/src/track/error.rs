//! Why a tree is not tracked.

use std::io;

use super::event::Malformed;

/// Why the changes of a file system, or of a tree on it, cannot be tracked. Another layer takes over.
#[derive(Debug, thiserror::Error)]
pub enum NoTracking {
    /// Linux before 5.9.
    #[error("the kernel cannot report the directories of changes, as Linux can from 5.9 on")]
    OldKernel,
    /// A kernel without fanotify.
    #[error("the kernel was built without fanotify")]
    NoFanotify,
    /// Marks on file systems are for who administers the host.
    #[error("marking a file system needs CAP_SYS_ADMIN in the host's user namespace")]
    NotAdministrator,
    /// Opening directories by handle is for who may read everything.
    #[error("opening directories by handle needs CAP_DAC_READ_SEARCH in the host's user namespace")]
    MayNotOpenHandles,
    /// Too many groups of this user, or too many open files.
    #[error("no further fanotify group can be had")]
    TooManyGroups,
    /// `statfs` tells no id, or fanotify does not trust it.
    #[error("the file system has no id that events could name it by")]
    NoFileSystemId,
    /// No handles, or such as cannot be opened.
    #[error("the file system's directories cannot be found again by a handle")]
    NoHandles,
    /// A btrfs subvolume, or one below the root.
    #[error("events of a btrfs subvolume cannot be told from the rest of its file system")]
    Subvolume,
    /// The bound on memory is reached.
    #[error(
        "{directories} directories and linked files are tracked already, as many as memory is allowed for"
    )]
    TooManyDirectories {
        /// How many.
        directories: usize,
    },
    /// The same root is tracked already.
    #[error("the tree is tracked already")]
    AlreadyTracked,
    /// No such tree was added, or it was refused.
    #[error("the tree is not tracked")]
    NotTracked,
    /// The root was removed.
    #[error("the tree's root is gone")]
    RootGone,
    /// The root cannot be read.
    #[error("cannot read the tree's root")]
    Root {
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel's queue cannot be read.
    #[error("cannot read what has changed")]
    Read {
        /// What the kernel said.
        source: io::Error,
    },
    /// What was read makes no sense.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Anything else that the kernel says.
    #[error("cannot watch the file system for changes")]
    Mark {
        /// What the kernel said.
        source: io::Error,
    },
}

impl NoTracking {
    pub(super) fn of_group(source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EINVAL) => Self::OldKernel,
            Some(libc::ENOSYS) => Self::NoFanotify,
            Some(libc::EPERM) => Self::NotAdministrator,
            Some(libc::EMFILE | libc::ENFILE) => Self::TooManyGroups,
            _ => Self::Mark { source },
        }
    }

    pub(super) fn of_mark(source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENODEV) => Self::NoFileSystemId,
            Some(libc::EXDEV) => Self::Subvolume,
            Some(libc::EOPNOTSUPP) => Self::NoHandles,
            Some(libc::EPERM) => Self::NotAdministrator,
            _ => Self::Mark { source },
        }
    }

    pub(super) fn of_handle(source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::EPERM) => Self::MayNotOpenHandles,
            Some(libc::EOPNOTSUPP | libc::EOVERFLOW | libc::ESTALE) => Self::NoHandles,
            _ => Self::Root { source },
        }
    }
}
