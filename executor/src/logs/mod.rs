//! What tasks write to stdout and stderr, held by the executor: pipes, from which it writes files that it rotates.
//!
//! ```text
//!   the task           the executor                                         the task's directory
//!   --------           ------------                                         --------------------
//!   stdout ==pipe==>   pump: waits, a turn at a time, never blocked     ->  stdout  stdout.1  stdout.2 ...
//!                        scribe: rate limit, time, what was left out
//!                          files: appends, rotates between two lines
//!   stderr ==pipe==>   the same                                         ->  stderr  stderr.1  stderr.2 ...
//! ```
//!
//! Plain read(2) and write(2) through one bounded buffer: splice(2) neither sees where lines end nor appends, and saves
//! nothing on small lines. The pipes are empty whenever nothing is said; what was said before a task's end is in its files
//! before that is reported.

mod files;
mod policy;
mod pump;
mod rate;
mod scribe;
mod stamp;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid, fchown};
use sandbox::identity::Identity;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use crate::sys;
use files::{Files, Place};
pub(crate) use policy::Policy;
use pump::Pump;
pub(crate) use pump::{Turns, locked};
use scribe::{Counts, Scribe};

/// How long a drain may take: a disk that hangs must not keep a task's end from being told.
const DRAIN_PATIENCE: Duration = Duration::from_secs(3);

/// How long a log that is being written is waited for by who wants to read its end.
const ASKING_PATIENCE: Duration = Duration::from_secs(1);

/// Where a task's output goes.
pub(crate) struct Directory<'a> {
    /// The task's directory.
    pub(crate) handle: &'a OwnedFd,
    /// Its path, for messages.
    pub(crate) path: PathBuf,
    /// Whose the files are, when they are not the executor's.
    pub(crate) owner: Option<&'a Identity>,
    /// `stdout` in it, open for reading and appending.
    pub(crate) stdout: File,
    /// `stderr` in it, alike.
    pub(crate) stderr: File,
}

/// A task's output, held. Dropping it ends the copying; [`Logs::drain`] comes before.
#[derive(Debug)]
pub(crate) struct Logs {
    stdout: Stream,
    stderr: Stream,
}

/// What is known of a task's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogFigures {
    /// Bytes that were written to `stdout` so far.
    pub(crate) stdout: u64,
    /// Bytes that were written to `stderr` so far.
    pub(crate) stderr: u64,
    /// Lines that were dropped so far.
    pub(crate) dropped: u64,
}

#[derive(Debug)]
struct Stream {
    /// Kept, so that whatever is started for the task next can have it, and the pipe is never at its end.
    writer: OwnedFd,
    scribe: Arc<Mutex<Scribe>>,
    counts: Arc<Counts>,
    drains: UnboundedSender<SyncSender<()>>,
    pump: AbortHandle,
}

/// The end of what was written to a stream, to be read while it may still be written to.
#[derive(Clone, Debug)]
pub(crate) struct Ending(Arc<Mutex<Scribe>>);

impl Logs {
    /// Begins to copy. To be called within the runtime.
    ///
    /// # Errors
    ///
    /// There are no descriptors left.
    pub(crate) fn open(
        directory: Directory<'_>,
        policy: &Policy,
        turns: &Turns,
    ) -> io::Result<Self> {
        let handle = Arc::new(directory.handle.try_clone()?);
        let stream = |name, file| {
            let place = Place {
                directory: Arc::clone(&handle),
                path: directory.path.clone(),
                name,
                owner: directory.owner.cloned(),
            };
            Stream::open(place, file, policy, turns)
        };
        Ok(Self {
            stdout: stream("stdout", directory.stdout)?,
            stderr: stream("stderr", directory.stderr)?,
        })
    }

    /// Both, for something of the task to write to.
    ///
    /// # Errors
    ///
    /// There are no descriptors left.
    pub(crate) fn writers(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        let [stdout, stderr] = [&self.stdout, &self.stderr].map(|one| one.writer.try_clone());
        Ok((stdout?, stderr?))
    }

    /// Waits until everything that was written before is in the files. Blocks, but not for long.
    pub(crate) fn drain(&self) {
        let until = Instant::now() + DRAIN_PATIENCE;
        let asked = [&self.stdout, &self.stderr].map(|stream| {
            let (done, drained) = sync_channel(1);
            // Without a pump nothing can be waited for, and hearing of it fails at once.
            let _ = stream.drains.send(done);
            drained
        });
        for drained in asked {
            let left = until.saturating_duration_since(Instant::now());
            let _ = drained.recv_timeout(left);
        }
    }

    /// The end of stderr.
    pub(crate) fn stderr(&self) -> Ending {
        Ending(Arc::clone(&self.stderr.scribe))
    }

    pub(crate) fn figures(&self) -> LogFigures {
        let [stdout, stderr] = [&self.stdout.counts, &self.stderr.counts];
        let dropped = [stdout, stderr].map(|counts| counts.dropped.load(Ordering::Relaxed));
        LogFigures {
            stdout: stdout.written.load(Ordering::Relaxed),
            stderr: stderr.written.load(Ordering::Relaxed),
            dropped: dropped.iter().sum(),
        }
    }
}

impl Stream {
    fn open(place: Place, file: File, policy: &Policy, turns: &Turns) -> io::Result<Self> {
        let (reader, writer) = pump::pipe()?;
        if let Some(Identity { uid, gid, .. }) = place.owner {
            // For programs that open /dev/stdout again, which asks whose the pipe is.
            fchown(
                writer.as_fd(),
                Some(Uid::from_raw(uid)),
                Some(Gid::from_raw(gid)),
            )?;
        }
        let files = Files::new(place, file, policy.max_size, policy.max_files);
        let counts = Arc::new(Counts::default());
        let scribe = Scribe::new(
            files,
            policy.timestamps,
            policy.rate_limit.as_ref(),
            Arc::clone(&counts),
            Instant::now(),
        );
        let scribe = Arc::new(Mutex::new(scribe));
        let pump = Pump {
            reader: Arc::new(sys::when_readable(reader)?),
            scribe: Arc::clone(&scribe),
            counts: Arc::clone(&counts),
            turns: turns.clone(),
            passed_over: None,
        };
        let (drains, wanted) = unbounded_channel();
        let pump = Handle::current().spawn(pump.run(wanted)).abort_handle();
        Ok(Self {
            writer,
            scribe,
            counts,
            drains,
            pump,
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Ending {
    /// The last bytes of what was written after the first `since`, `most` at the most, and whether there were more.
    ///
    /// # Errors
    ///
    /// They cannot be read, or the disk hangs.
    pub(crate) fn last(&self, since: u64, most: u64) -> io::Result<(Vec<u8>, bool)> {
        self.with(|scribe| scribe.last(since, most))?
    }

    /// How many bytes were written so far.
    ///
    /// # Errors
    ///
    /// The disk hangs.
    pub(crate) fn written(&self) -> io::Result<u64> {
        self.with(Scribe::written)
    }

    /// Blocks while something is written, and not for long when the disk hangs.
    fn with<T>(&self, ask: impl FnOnce(&Scribe) -> T) -> io::Result<T> {
        let begin = Instant::now();
        loop {
            match self.0.try_lock() {
                Ok(scribe) => return Ok(ask(&scribe)),
                Err(TryLockError::Poisoned(scribe)) => return Ok(ask(&scribe.into_inner())),
                Err(TryLockError::WouldBlock) if begin.elapsed() < ASKING_PATIENCE => {
                    sleep(Duration::from_millis(2));
                }
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
