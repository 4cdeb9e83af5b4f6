//! Directories that tell when something in them comes or goes.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use crate::directory::Directory;
use crate::sys;

/// A watch; the kernel uses no number twice in one queue before it has told of 2^31.
pub(super) type WatchId = i32;

/// The queue, and all watches on it.
#[derive(Debug)]
pub(super) struct Inotify(AsyncFd<OwnedFd>);

/// What happened since it was asked last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Happened {
    /// Something came or went: the name, in the watched directory.
    pub(super) within: BTreeSet<(WatchId, OsString)>,
    /// The watched directory itself was removed or renamed.
    pub(super) lost: BTreeSet<WatchId>,
    /// The kernel has left something out: everything has to be listed anew.
    pub(super) overflowed: bool,
}

impl Inotify {
    /// Has to be called within a runtime of tokio.
    pub(super) fn new() -> io::Result<Self> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        sys::when_readable(queue).map(Self)
    }

    /// Watches the very directory that is open here, whatever its path leads to meanwhile. One that is watched already
    /// keeps its watch.
    pub(super) fn watch(&self, directory: &Directory) -> io::Result<WatchId> {
        let path = format!("/proc/self/fd/{}", directory.as_fd().as_raw_fd());
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        Ok(inotify::add_watch(self.0.get_ref(), path.as_str(), flags)?)
    }

    /// Ends a watch; one that has ended by itself is none any more.
    pub(super) fn unwatch(&self, watch: WatchId) {
        // EINVAL: it went with its directory.
        let _ = inotify::remove_watch(self.0.get_ref(), watch);
    }

    /// Waits until something happens and takes all of it. Can be dropped without losing anything.
    pub(super) async fn happened(&self) -> io::Result<Happened> {
        let mut ready = self.0.readable().await?;
        let happened = self.take()?;
        ready.clear_ready();
        Ok(happened)
    }

    /// Takes what has happened so far.
    pub(super) fn take(&self) -> io::Result<Happened> {
        let mut happened = Happened::default();
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut reader = Reader::new(self.0.get_ref(), &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::WOULDBLOCK) => return Ok(happened),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            let flags = event.events();
            let is_lost = ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF;
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                happened.overflowed = true;
            } else if flags.intersects(is_lost) {
                happened.lost.insert(event.wd());
            } else if let Some(name) = event.file_name() {
                let name = OsStr::from_bytes(name.to_bytes()).to_owned();
                happened.within.insert((event.wd(), name));
            }
        }
    }
}
