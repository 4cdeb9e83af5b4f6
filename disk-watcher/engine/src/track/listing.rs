//! One directory, opened by its handle and looked at.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::parked::Notice;
use super::table::{Content, Entry, Files, Linked};
use crate::attributes::{self, Attributes, Changed};
use crate::sys::{self, Handle};

const FLAGS: i32 = libc::O_RDONLY
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_CLOEXEC
    | libc::O_NONBLOCK
    | libc::O_NOATIME;

/// Where the directories of a tree are opened: a descriptor of its mount, and that mount's id.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) fd: OwnedFd,
    /// As `name_to_handle_at` tells it.
    pub(super) id: u64,
    pub(super) dev: u64,
}

/// Why a directory was not looked at.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It is gone.
    Gone,
    /// It lies on another device although nothing is mounted there: a btrfs subvolume.
    Subvolume,
    /// The kernel refuses.
    Unreadable(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ESTALE | libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => Self::Gone,
            _ => Self::Unreadable(error),
        }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

/// A directory that is open, and what it was when it was opened.
pub(super) struct Open {
    pub(super) fd: OwnedFd,
    pub(super) attributes: Attributes,
}

/// What was found in a directory.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) content: Content,
    /// The directories in it, with their inode numbers, where they were asked for.
    pub(super) directories: Vec<(Handle, u64)>,
    /// What is mounted on directories, where they were asked for.
    pub(super) directory_mounts: u32,
    /// Entries looked at.
    pub(super) entries: u64,
    /// Each file, where that was asked for.
    pub(super) files: Option<Box<Files>>,
    /// There are more files than were asked for, and the rest was not looked at.
    pub(super) is_cut: bool,
}

/// What to look for in a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Which directories lie in it.
    pub(super) structure: bool,
    /// Each file by name.
    pub(super) files: bool,
    /// No more files than these.
    pub(super) most: usize,
}

/// Opens the directory that `handle` names.
pub(super) fn open(mount: &Mount, handle: &Handle) -> Result<Open, Refusal> {
    let fd = sys::handle::open(mount.fd.as_fd(), handle, FLAGS)?;
    let attributes = attributes::of(fd.as_fd())?;
    if attributes.nlink == 0 {
        return Err(Refusal::Gone); // removed, and still somebody's working directory
    }
    if attributes.id.dev != mount.dev {
        return Err(Refusal::Subvolume);
    }
    Ok(Open { fd, attributes })
}

/// Looks at every file of a directory.
pub(super) fn list(
    directory: &Open,
    mount: &Mount,
    wanted: Wanted,
    notice: &mut Notice<'_>,
    buffer: &mut Vec<u8>,
) -> Result<Found, Refusal> {
    let mut found = Found::default();
    found.content.bytes = directory.attributes.blocks * 512;
    found.content.inodes = 1;
    if wanted.files {
        found.files = Some(Box::new(Files::of_directory(found.content.bytes)));
    }
    let mut files = 0;
    let fd = directory.fd.as_fd();
    let mut listing = RawDir::new(fd, buffer.spare_capacity_mut());
    while let Some(entry) = listing.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        found.entries += 1;
        let mut is_directory = entry.file_type() == FileType::Directory;
        if !is_directory {
            match look(directory, name) {
                Look::Directory => is_directory = true,
                Look::Gone => {}
                Look::File {
                    entry: file,
                    changed,
                } => {
                    notice.file(name, file, changed);
                    files += 1;
                    if files > wanted.most {
                        found.is_cut = true;
                        break;
                    }
                    found.content.count(file);
                    if let Some(files) = &mut found.files {
                        files.keep(name, file);
                    }
                }
            }
        }
        if is_directory && wanted.structure {
            find_directory(&mut found, fd, name, entry.ino(), mount.id);
        }
    }
    Ok(found)
}

/// The names and inode numbers of everything in a directory, as its listing tells them.
pub(super) fn inodes(
    directory: &Open,
    buffer: &mut Vec<u8>,
    mut each: impl FnMut(&CStr, u64),
) -> Result<(), Refusal> {
    let mut listing = RawDir::new(directory.fd.as_fd(), buffer.spare_capacity_mut());
    while let Some(entry) = listing.next() {
        let entry = entry?;
        each(entry.file_name(), entry.ino());
    }
    Ok(())
}

/// What is under a name.
pub(super) enum Look {
    File { entry: Entry, changed: Changed },
    Directory,
    Gone,
}

/// Looks at one name in a directory.
pub(super) fn look(directory: &Open, name: &CStr) -> Look {
    let file = match attributes::at(directory.fd.as_fd(), name) {
        Ok(file) => file,
        Err(errno) if attributes::is_gone(errno) => return Look::Gone,
        Err(_) => {
            return Look::File {
                entry: Entry::Unread,
                changed: Changed::default(),
            };
        }
    };
    let bytes = file.blocks * 512;
    if file.is_dir {
        return Look::Directory;
    }
    let is_mount = file.mount.is_some() && file.mount != directory.attributes.mount;
    let entry = match file.nlink {
        _ if is_mount => Entry::Mounted,
        2.. => Entry::Linked(Linked {
            ino: file.id.ino,
            bytes,
            nlink: file.nlink,
        }),
        _ => Entry::Single { bytes },
    };
    Look::File {
        entry,
        changed: file.changed,
    }
}

fn find_directory(found: &mut Found, parent: BorrowedFd<'_>, name: &CStr, ino: u64, mount: u64) {
    match sys::handle::of(parent, name) {
        Ok((_, on)) if on != mount => found.directory_mounts += 1,
        Ok((handle, _)) => found.directories.push((handle, ino)),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ESTALE) => {}
            _ => found.content.unread += 1,
        },
    }
}
