use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::Error;
use crate::kernel_file::{read_keyed, write};
use crate::version::Version;

/// The out-of-memory events of one cgroup: a descriptor that becomes readable, for `poll` or an
/// asynchronous runtime, and [`OomEvents::drain`] to take what came.
///
/// An event says that an allocation failed at the limit *of this cgroup or of one above it*. On v1
/// it comes before the kernel has chosen whom to kill, so ask [`crate::Cgroup::broke_memory_limit`]
/// once the task has ended: only when that is so did this task die of its own limit.
#[derive(Debug)]
pub struct OomEvents {
    source: Source,
    path: PathBuf,
    seen: u64,
}

#[derive(Debug)]
enum Source {
    /// The kernel counts events into an eventfd; it does so too when the cgroup is removed.
    V1(EventFd),
    /// `memory.events` is modified, for other reasons too.
    V2(Inotify),
}

impl OomEvents {
    pub(crate) fn watch(directory: &Path, version: Version) -> Result<OomEvents, Error> {
        match version {
            Version::V1 => {
                let path = directory.join("memory.oom_control");
                let failed = |source| Error::Watch {
                    path: path.clone(),
                    source,
                };
                let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
                let event = EventFd::from_flags(flags).map_err(|errno| failed(errno.into()))?;
                // Only needed while it is written: the kernel keeps its own reference.
                let control = File::open(&path).map_err(failed)?;
                let line = format!("{} {}", event.as_fd().as_raw_fd(), control.as_raw_fd());
                write(&directory.join("cgroup.event_control"), &line)?;
                Ok(OomEvents {
                    source: Source::V1(event),
                    path,
                    seen: 0,
                })
            }
            Version::V2 => {
                let path = directory.join("memory.events");
                let failed = |errno: Errno| Error::Watch {
                    path: path.clone(),
                    source: errno.into(),
                };
                let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
                let inotify = Inotify::init(flags).map_err(failed)?;
                inotify
                    .add_watch(&path, AddWatchFlags::IN_MODIFY)
                    .map_err(failed)?;
                Ok(OomEvents {
                    source: Source::V2(inotify),
                    path,
                    seen: 0,
                })
            }
        }
    }

    /// Takes what came, so that the descriptor is no longer readable, and tells whether there was
    /// an out-of-memory event among it.
    ///
    /// # Errors
    /// The descriptor, or on v2 `memory.events`, cannot be read.
    pub fn drain(&mut self) -> Result<bool, Error> {
        match &self.source {
            Source::V1(event) => match event.read() {
                // The last event is the cgroup's removal.
                Ok(_) => Ok(self.path.exists()),
                Err(Errno::EAGAIN) => Ok(false),
                Err(errno) => Err(self.failed(errno)),
            },
            Source::V2(inotify) => {
                loop {
                    match inotify.read_events() {
                        Ok(_) => {}
                        Err(Errno::EAGAIN) => break,
                        Err(errno) => return Err(self.failed(errno)),
                    }
                }
                let count = match read_keyed(&self.path, "oom") {
                    Err(Error::Read { source, .. }) if is_removed(&source) => return Ok(false),
                    count => count?.unwrap_or(0),
                };
                let is_new = count > self.seen;
                self.seen = count;
                Ok(is_new)
            }
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::Watch {
            path: self.path.clone(),
            source: errno.into(),
        }
    }
}

fn is_removed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ENODEV as i32)
}

impl AsFd for OomEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::V1(event) => event.as_fd(),
            Source::V2(inotify) => inotify.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn on_v2_only_a_higher_oom_count_is_an_event() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory.events");
        fs::write(&path, "high 0\nmax 0\noom 0\noom_kill 0\n").unwrap();
        let mut events = OomEvents::watch(directory.path(), Version::V2).unwrap();
        assert!(!events.drain().unwrap(), "nothing has happened yet");
        fs::write(&path, "high 0\nmax 9\noom 0\noom_kill 0\n").unwrap();
        assert!(!events.drain().unwrap(), "reclaim at the limit is no death");
        fs::write(&path, "high 0\nmax 12\noom 1\noom_kill 1\n").unwrap();
        assert!(events.drain().unwrap());
        assert!(!events.drain().unwrap(), "an event is told once");
    }

    #[test]
    fn a_removed_cgroup_is_no_event() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory.events");
        fs::write(&path, "oom 0\n").unwrap();
        let mut events = OomEvents::watch(directory.path(), Version::V2).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!events.drain().unwrap());
    }

    #[test]
    fn a_cgroup_without_a_memory_controller_cannot_be_watched() {
        let directory = tempfile::tempdir().unwrap();
        let error = OomEvents::watch(directory.path(), Version::V1)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("memory.oom_control for out-of-memory events"),
            "{error}"
        );
    }
}
