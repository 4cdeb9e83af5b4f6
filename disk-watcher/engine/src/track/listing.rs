//! One directory, opened by its handle and looked at.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::table::{Content, Linked};
use crate::attributes::{self, Attributes};
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

/// Looks at every file of a directory and, if `structure`, finds which directories lie in it.
pub(super) fn list(
    directory: &Open,
    mount: &Mount,
    structure: bool,
    buffer: &mut Vec<u8>,
) -> Result<Found, Refusal> {
    let mut found = Found::default();
    found.content.bytes = directory.attributes.blocks * 512;
    found.content.inodes = 1;
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
            match attributes::at(fd, name) {
                Ok(file) if file.is_dir => is_directory = true,
                Ok(file) => count(&mut found.content, &file, directory.attributes.mount),
                Err(errno) if attributes::is_gone(errno) => {}
                Err(_) => found.content.unread += 1,
            }
        }
        if is_directory && structure {
            find_directory(&mut found, fd, name, entry.ino(), mount.id);
        }
    }
    Ok(found)
}

/// The inode numbers of everything in a directory, as its listing tells them.
pub(super) fn inodes(
    directory: &Open,
    buffer: &mut Vec<u8>,
    mut each: impl FnMut(u64),
) -> Result<(), Refusal> {
    let mut listing = RawDir::new(directory.fd.as_fd(), buffer.spare_capacity_mut());
    while let Some(entry) = listing.next() {
        each(entry?.ino());
    }
    Ok(())
}

fn count(content: &mut Content, file: &Attributes, mount: Option<u64>) {
    if file.mount.is_some() && file.mount != mount {
        content.mounts += 1;
    } else if file.nlink > 1 {
        content.linked.push(Linked {
            ino: file.id.ino,
            bytes: file.blocks * 512,
            nlink: file.nlink,
        });
    } else {
        content.bytes += file.blocks * 512;
        content.inodes += 1;
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
