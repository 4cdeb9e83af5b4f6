//! Goes through a tree for its own sake: each directory before what is in it, and each regular file, open.
//!
//! As the walk that measures does, it goes by descriptors, follows no link, leaves no mount, and holds few directories
//! open however deep the tree is.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::FileId;
use crate::attributes;
use crate::names::Names;
use crate::node::Node;
use crate::opener::{Opener, Refusal};
use crate::stack::{Frame, Stack};

/// Room for about 1,000 directory entries a system call.
const LISTING_BYTES: usize = 32 * 1024;

/// What there is at one place of the tree.
pub(super) enum Entry<'a> {
    /// A directory that will be listed next.
    Directory(BorrowedFd<'a>),
    /// A regular file, open for reading.
    File(BorrowedFd<'a>),
    /// A link, a FIFO, a socket or a device, which nobody opens.
    Other,
    /// Something that cannot be opened, and why.
    Unreadable(Errno),
}

/// What was left out on the way, and how far it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Visited {
    /// Directories below which not everything was seen: moved meanwhile, or they cannot be read.
    pub(super) unfinished: u64,
    /// It stopped at the most entries that it was to look at.
    pub(super) over_budget: bool,
}

/// Whoever goes along: is told each entry, with its path for those who ask.
pub(super) type Visit<'v> = dyn FnMut(&dyn Fn() -> PathBuf, Entry<'_>) + 'v;

/// Goes through `root`, a directory, but not through those in `exclude`, up to `most` entries.
///
/// # Errors
/// When the root itself cannot be read.
pub(super) fn visit(
    root: BorrowedFd<'_>,
    exclude: &[FileId],
    most: u64,
    each: &mut Visit<'_>,
) -> Result<Visited, Errno> {
    let found = attributes::of(root)?;
    let (opener, listing) = Opener::probe(root, &found, false)?;
    let listing = Arc::new(listing);
    let mut visitor = Visitor {
        opener,
        root: Arc::clone(&listing),
        exclude,
        left: most,
        stack: Stack::default(),
        here: None,
        visited: Visited::default(),
        each,
    };
    visitor.enter(Node::root(&found), listing);
    visitor.finish();
    Ok(visitor.visited)
}

struct Visitor<'v, 'e> {
    opener: Opener,
    root: Arc<OwnedFd>,
    exclude: &'v [FileId],
    left: u64,
    stack: Stack,
    /// The directory listed last, to climb from.
    here: Option<(Arc<Node>, Arc<OwnedFd>)>,
    visited: Visited,
    each: &'v mut Visit<'e>,
}

impl Visitor<'_, '_> {
    fn finish(&mut self) {
        while let Some(top) = self.stack.top() {
            let (node, fd) = (Arc::clone(&top.node), top.fd.clone());
            let Some(fd) = fd.or_else(|| self.reopen(&node)) else {
                self.visited.unfinished += self.stack.discard_top() as u64;
                continue;
            };
            let Some((parent, name)) = self.stack.take_name() else {
                continue;
            };
            let mut opened = self.opener.open(fd.as_fd(), &name);
            if matches!(opened, Err(Refusal::OutOfDescriptors)) && self.stack.close_all() {
                opened = self.opener.open(fd.as_fd(), &name);
            }
            match opened {
                Ok((_, found)) if self.exclude.contains(&found.id) => {}
                Ok((below, found)) => self.enter(parent.child(&name, &found), Arc::new(below)),
                Err(Refusal::Vanished | Refusal::Mount) => {}
                Err(refusal) => {
                    self.visited.unfinished += 1;
                    self.tell(&parent, &name, Entry::Unreadable(refusal.errno()));
                }
            }
        }
    }

    fn enter(&mut self, node: Arc<Node>, fd: Arc<OwnedFd>) {
        if !self.may_go_on() {
            return;
        }
        (self.each)(&|| node.path(), Entry::Directory(fd.as_fd()));
        let mut names = Names::default();
        let mut buffer = Vec::with_capacity(LISTING_BYTES);
        let mut listing = RawDir::new(&fd, buffer.spare_capacity_mut());
        while let Some(entry) = listing.next() {
            match entry {
                Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
                Ok(entry) => match entry.file_type() {
                    FileType::Directory => names.push(entry.file_name()),
                    FileType::RegularFile | FileType::Unknown => {
                        if !self.file(&node, &fd, entry.file_name(), &mut names) {
                            return;
                        }
                    }
                    _ => {
                        if !self.may_go_on() {
                            return;
                        }
                        self.tell(&node, entry.file_name(), Entry::Other);
                    }
                },
                Err(Errno::NOENT | Errno::STALE) => break,
                Err(errno) => {
                    self.visited.unfinished += 1;
                    (self.each)(&|| node.path(), Entry::Unreadable(errno));
                    break;
                }
            }
        }
        self.here = Some((Arc::clone(&node), Arc::clone(&fd)));
        self.stack.push(Frame {
            node,
            fd: Some(fd),
            names,
        });
    }

    /// Whether there may be more.
    fn file(&mut self, node: &Node, dir: &OwnedFd, name: &CStr, directories: &mut Names) -> bool {
        // What it is can change until it is open: first by a descriptor that opens nothing, then by that very descriptor.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(dir, name, flags, Mode::empty())
            .and_then(|handle| Ok((attributes::of(handle.as_fd())?, handle)));
        let (found, handle) = match opened {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::STALE) => return true,
            Err(errno) => {
                return self.may_go_on() && self.tell(node, name, Entry::Unreadable(errno));
            }
        };
        if found.is_dir {
            directories.push(name);
            return true;
        }
        if self.opener.is_on_another_mount(&found) {
            return true;
        }
        if !self.may_go_on() {
            return false;
        }
        match reopen_regular(handle.as_fd()) {
            Ok(Some(file)) => self.tell(node, name, Entry::File(file.as_fd())),
            Ok(None) => self.tell(node, name, Entry::Other),
            Err(errno) => self.tell(node, name, Entry::Unreadable(errno)),
        }
    }

    fn tell(&mut self, node: &Node, name: &CStr, entry: Entry<'_>) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let path = || {
            node.path()
                .join(std::ffi::OsStr::from_bytes(name.to_bytes()))
        };
        (self.each)(&path, entry);
        true
    }

    fn may_go_on(&mut self) -> bool {
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        if !may {
            self.visited.over_budget = true;
            self.stack.clear();
        }
        may
    }

    /// A directory that had to be closed in favour of deeper ones.
    fn reopen(&mut self, node: &Node) -> Option<Arc<OwnedFd>> {
        let fd = match &self.here {
            _ if node.is_root() => Some(Arc::clone(&self.root)),
            Some((here, fd)) if std::ptr::eq(&raw const **here, node) => Some(Arc::clone(fd)),
            Some((here, fd)) => node.climb_to(here, fd.as_fd()).map(Arc::new),
            None => None,
        };
        let fd = match fd {
            Some(fd) => fd,
            None => Arc::new(node.descend_to(&self.opener, self.root.as_fd()).ok()?),
        };
        self.stack.reopened(Arc::clone(&fd));
        Some(fd)
    }
}

/// A regular file, by its `O_PATH` descriptor; `None` when it is something else. A lease of somebody's is not waited for.
fn reopen_regular(handle: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Errno> {
    let mode = rustix::fs::fstat(handle)?.st_mode;
    if FileType::from_raw_mode(mode) != FileType::RegularFile {
        return Ok(None);
    }
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(&*path, flags | OFlags::NOATIME, Mode::empty()) {
        // Only its owner and root may leave its time of access alone.
        Err(Errno::PERM) => rustix::fs::open(&*path, flags, Mode::empty()).map(Some),
        other => other.map(Some),
    }
}
