//! A word before a cgroup runs out of memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::kernel_file::{Keyed, read_keyed, write};
use crate::memory::{Ceiling, limit};
use crate::version::Version;
use crate::{Error, kernel_file};

/// Stood still for want of memory for a tenth of the time. A window of two seconds, or some times
/// that, is what the kernel takes from those who lack `CAP_SYS_RESOURCE` (Linux 6.5).
const TRIGGER: &str = "some 200000 2000000";

/// The part of the limit, in percent, from which on v1 memory is short when it cannot be dropped.
const SHORT: u64 = 90;

/// Tells when a cgroup is short of memory: a descriptor to poll, and [`MemoryPressure::drain`].
///
/// On v2 that is when its processes stand still for want of it (PSI; Linux:
/// Documentation/accounting/psi.rst), or where there is no PSI when reclaim begins at its limit. v1
/// has neither: there it is when nine tenths of the limit are in use and cannot be dropped, as is
/// looked at whenever use crosses that mark, or the kernel finds little to drop.
#[derive(Debug)]
pub struct MemoryPressure {
    source: Source,
    directory: PathBuf,
}

#[derive(Debug)]
enum Source {
    V1(EventFd),
    /// Ready with `POLLPRI`.
    Stalls(File),
    Events {
        inotify: Inotify,
        seen: u64,
    },
}

impl MemoryPressure {
    pub(crate) fn watch(directory: &Path, version: Version) -> Result<MemoryPressure, Error> {
        let source = match version {
            Version::V1 => watch_v1(directory)?,
            Version::V2 => match watch_stalls(&directory.join("memory.pressure")) {
                Ok(file) => Source::Stalls(file),
                // Switched off, not there, or not for us.
                Err(_) => watch_events(&directory.join("memory.events"))?,
            },
        };
        Ok(MemoryPressure {
            source,
            directory: directory.to_owned(),
        })
    }

    /// Whether the descriptor is ready with `POLLPRI` instead of `POLLIN`.
    pub fn is_priority(&self) -> bool {
        matches!(self.source, Source::Stalls(_))
    }

    /// Takes what came, and tells whether memory is short.
    ///
    /// # Errors
    /// A file cannot be read, as when the cgroup is gone.
    pub fn drain(&mut self) -> Result<bool, Error> {
        match &mut self.source {
            Source::V1(event) => match event.read() {
                Ok(_) => is_short(&self.directory),
                Err(Errno::EAGAIN) => Ok(false),
                Err(errno) => Err(failed(&self.directory)(errno.into())),
            },
            // The kernel tells it once in its window.
            Source::Stalls(_) => Ok(true),
            Source::Events { inotify, seen } => {
                loop {
                    match inotify.read_events() {
                        Ok(_) => {}
                        Err(Errno::EAGAIN) => break,
                        Err(errno) => return Err(failed(&self.directory)(errno.into())),
                    }
                }
                let path = self.directory.join("memory.events");
                let count = read_keyed(&path, "max")?.unwrap_or(0);
                Ok(count > std::mem::replace(seen, count))
            }
        }
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    |source| Error::WatchPressure {
        path: path.to_owned(),
        source,
    }
}

fn watch_v1(directory: &Path) -> Result<Source, Error> {
    let failed = failed(directory);
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let event = EventFd::from_flags(flags).map_err(|errno| failed(errno.into()))?;
    let mark = match limit(directory, Version::V1)? {
        Ceiling::Bytes(bytes) => Some((bytes / 100).saturating_mul(SHORT)),
        Ceiling::Max => None,
    };
    let sources = [
        ("memory.usage_in_bytes", mark.map(|mark| mark.to_string())),
        // What it finds in cgroups below is told here.
        ("memory.pressure_level", Some("medium".to_owned())),
    ];
    for (file, argument) in sources {
        let Some(argument) = argument else {
            continue;
        };
        // Only needed while it is written: the kernel keeps its own reference.
        let control = File::open(directory.join(file)).map_err(&failed)?;
        let (event, control) = (event.as_fd().as_raw_fd(), control.as_raw_fd());
        let line = format!("{event} {control} {argument}");
        write(&directory.join("cgroup.event_control"), &line)?;
    }
    Ok(Source::V1(event))
}

/// Whether most of v1's limit is in use by what is not just page cache that nobody wanted lately.
fn is_short(directory: &Path) -> Result<bool, Error> {
    let usage = directory.join("memory.usage_in_bytes");
    // The last event is the cgroup's removal.
    let Some(usage) = kernel_file::read_number_if_present(&usage)? else {
        return Ok(false);
    };
    let Ceiling::Bytes(limit) = limit(directory, Version::V1)? else {
        return Ok(false);
    };
    let path = directory.join("memory.stat");
    let stat = Keyed::read_if_present(&path)?;
    let droppable = stat.get("total_inactive_file")?.unwrap_or(0);
    Ok(usage.saturating_sub(droppable) >= (limit / 100).saturating_mul(SHORT))
}

fn watch_stalls(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let mut file = options.custom_flags(libc::O_NONBLOCK).open(path)?;
    file.write_all(TRIGGER.as_bytes())?;
    Ok(file)
}

fn watch_events(path: &Path) -> Result<Source, Error> {
    let failed = failed(path);
    let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
    let inotify = Inotify::init(flags).map_err(|errno| failed(errno.into()))?;
    inotify
        .add_watch(path, AddWatchFlags::IN_MODIFY)
        .map_err(|errno| failed(errno.into()))?;
    let seen = read_keyed(path, "max")?.unwrap_or(0);
    Ok(Source::Events { inotify, seen })
}

impl AsFd for MemoryPressure {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::V1(event) => event.as_fd(),
            Source::Stalls(file) => file.as_fd(),
            Source::Events { inotify, .. } => inotify.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn page_cache_that_can_be_dropped_is_no_shortage() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        fs::write(at.join("memory.limit_in_bytes"), "1000000\n").unwrap();
        fs::write(at.join("memory.usage_in_bytes"), "990000\n").unwrap();
        for (droppable, short) in [(0, true), (80_000, true), (400_000, false)] {
            let stat = format!("total_inactive_file {droppable}\n");
            fs::write(at.join("memory.stat"), stat).unwrap();
            assert_eq!(is_short(at).unwrap(), short, "{droppable}");
        }
        fs::remove_file(at.join("memory.usage_in_bytes")).unwrap();
        assert!(!is_short(at).unwrap(), "it is gone");
    }

    #[test]
    fn without_psi_reclaim_at_the_limit_is_the_sign() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory.events");
        fs::write(&path, "max 3\noom 0\n").unwrap();
        let mut pressure = MemoryPressure::watch(directory.path(), Version::V2).unwrap();
        assert!(!pressure.is_priority());
        assert!(!pressure.drain().unwrap(), "what was before");
        fs::write(&path, "max 4\noom 0\n").unwrap();
        assert!(pressure.drain().unwrap());
        assert!(!pressure.drain().unwrap(), "told once");
    }
}
