//! From a pipe to a scribe, for as long as there is something to come.
//!
//! ```text
//!            readable                    a turn                   all read
//!   waiting ---------> wants a turn ---------> copying ------------------------> waiting
//!                           |                    |  ^
//!                           | PATIENCE           |  | PATIENCE without a byte written
//!                           v                    v  |
//!                        passing over: what comes is read, dropped and counted, until the disk answers
//! ```
//!
//! Waiting costs a registration with the runtime. Copying blocks, on one of the runtime's threads for that; a few streams
//! copy at a time, each a bounded amount before the next has its turn. While a disk is slow, a task that says much waits
//! for it, as it would for a file of its own. When it does not move at all the task waits no more: then lines are lost,
//! and counted.

use std::cell::RefCell;
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::unistd::read;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, sleep_until, timeout};

use super::scribe::{Counts, Dropped, Scribe};

/// How long a disk may take for nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is read at once: all that a pipe holds.
const CHUNK: usize = 64 << 10;

/// So many chunks, and it is another stream's turn.
const CHUNKS_IN_A_TURN: usize = 16;

/// Who says little at a time is heard so much later, so that many lines cost one turn.
const NAP: Duration = Duration::from_millis(5);
const LITTLE: usize = 4 << 10;

/// While lines are dropped, no more than this is read in each [`NAP`]: reading is the work of the thread that everything
/// else waits on.
const PASSED_OVER_AT_ONCE: usize = 4;

/// A drain that takes more turns than this has somebody at the other end who never stops.
const MOST_TURNS_OF_A_DRAIN: usize = 64;

/// The threads that copy. One for all streams of a process.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    /// Held by who copies.
    copying: Arc<Semaphore>,
    /// Held instead by who hangs, as long as there is room: others can have the turn then.
    hanging: Arc<Semaphore>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self {
            copying: Arc::new(Semaphore::new(8)),
            // The runtime has 64 threads that can block.
            hanging: Arc::new(Semaphore::new(16)),
        }
    }
}

/// One stream's way.
#[derive(Debug)]
pub(super) struct Pump {
    pub(super) reader: Arc<AsyncFd<OwnedFd>>,
    pub(super) scribe: Arc<Mutex<Scribe>>,
    pub(super) counts: Arc<Counts>,
    pub(super) turns: Turns,
    /// What was dropped without the scribe's knowledge, and whether that ended within a line.
    pub(super) passed_over: Option<(Dropped, bool)>,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copied {
    /// All there was, so many bytes.
    All(usize),
    /// There may be more.
    Some,
    /// Nobody is left to write.
    Closed,
}

/// Whether the pipe is still the copying thread's to read.
type Reading = Arc<Mutex<bool>>;

/// A scribe is as good after a panic as before: it has no invariant that spans two calls.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pump {
    /// Runs until nobody is left to write, or to ask it to `drain`: whoever does is told when all that was written before
    /// is in the files.
    pub(super) async fn run(mut self, mut drains: UnboundedReceiver<SyncSender<()>>) {
        let mut note_at = None;
        let mut asleep_until = Instant::now();
        loop {
            let reader = Arc::clone(&self.reader);
            let awake_and_readable = async {
                sleep_until(asleep_until.into()).await;
                reader.readable().await
            };
            let written = self.written();
            let (mut ready, drain) = tokio::select! {
                ready = awake_and_readable => match ready {
                    Ok(ready) => (Some(ready), None),
                    // The runtime's own end.
                    Err(_) => return,
                },
                drain = drains.recv() => match drain {
                    Some(drain) => (None, Some(drain)),
                    None => return,
                },
                () = until(note_at) => (None, None),
            };
            let copied = match drain {
                Some(done) => {
                    let copied = self.drain().await;
                    // Whoever asked may have lost patience.
                    let _ = done.try_send(());
                    copied
                }
                None => self.copy().await,
            };
            note_at = match self.scribe.try_lock() {
                Ok(scribe) => scribe.note_at(),
                // A copy that hangs comes back to it.
                Err(_) => None,
            };
            match copied {
                Copied::All(bytes) => {
                    if let Some(ready) = &mut ready {
                        ready.clear_ready();
                    }
                    if bytes > 0 && bytes < LITTLE {
                        asleep_until = Instant::now() + NAP;
                    }
                }
                // All of it was beyond the rate limit: there is no hurry.
                Copied::Some if written == self.written() => {
                    asleep_until = Instant::now() + NAP;
                }
                Copied::Some => {}
                Copied::Closed => return,
            }
        }
    }

    async fn drain(&mut self) -> Copied {
        let mut copied = Copied::Some;
        for _ in 0..MOST_TURNS_OF_A_DRAIN {
            copied = self.copy().await;
            if copied != Copied::Some {
                break;
            }
        }
        let scribe = Arc::clone(&self.scribe);
        let paused = spawn_blocking(move || locked(&scribe).pause(Instant::now()));
        // One that hangs ends by itself, or never.
        let _ = timeout(PATIENCE, paused).await;
        copied
    }

    /// One turn.
    async fn copy(&mut self) -> Copied {
        let mut wants = std::pin::pin!(Arc::clone(&self.turns.copying).acquire_owned());
        let turn = loop {
            match timeout(PATIENCE, &mut wants).await {
                // It is closed never.
                Ok(turn) => break turn.ok(),
                // Those that have a turn hang.
                Err(_) => self.pass_over(),
            }
            sleep(NAP).await;
        };
        let reading: Reading = Arc::new(Mutex::new(true));
        let job = {
            let (reader, scribe) = (Arc::clone(&self.reader), Arc::clone(&self.scribe));
            let (reading, passed_over) = (Arc::clone(&reading), self.passed_over.take());
            spawn_blocking(move || {
                let mut scribe = locked(&scribe);
                let now = Instant::now();
                if let Some((dropped, in_line)) = passed_over {
                    scribe.was_passed_over(dropped, in_line, now);
                }
                scribe.begin(now);
                copy(&reader, &mut scribe, &reading)
            })
        };
        self.watch(job, &reading, turn).await
    }

    /// Waits for the copying thread; reads in its place while it hangs.
    async fn watch(
        &mut self,
        mut job: JoinHandle<Copied>,
        reading: &Reading,
        mut turn: Option<OwnedSemaphorePermit>,
    ) -> Copied {
        let mut written = self.written();
        loop {
            // A panic there has ended the executor.
            if let Ok(copied) = timeout(PATIENCE, &mut job).await {
                return copied.unwrap_or(Copied::Closed);
            }
            let before = std::mem::replace(&mut written, self.written());
            if before == written {
                break;
            }
        }
        *locked(reading) = false;
        let hanging = Arc::clone(&self.turns.hanging).try_acquire_owned().ok();
        if hanging.is_some() {
            drop(turn.take());
        }
        loop {
            self.pass_over();
            if let Ok(copied) = timeout(NAP, &mut job).await {
                return copied.unwrap_or(Copied::Closed);
            }
        }
    }

    fn written(&self) -> u64 {
        self.counts.written.load(Ordering::Relaxed)
    }

    /// Reads some of what the task says, and counts it.
    fn pass_over(&mut self) {
        with_chunk(|chunk| {
            for _ in 0..PASSED_OVER_AT_ONCE {
                let Ok(length @ 1..) = read(self.reader.get_ref(), chunk) else {
                    return;
                };
                let bytes = &chunk[..length];
                let (dropped, in_line) = self.passed_over.get_or_insert_default();
                dropped.add(bytes);
                *in_line = !bytes.ends_with(b"\n");
            }
        });
    }
}

/// Copies until there is nothing more, the turn is over, or somebody else reads.
fn copy(reader: &AsyncFd<OwnedFd>, scribe: &mut Scribe, reading: &Reading) -> Copied {
    with_chunk(|chunk| {
        let mut all = 0;
        for _ in 0..CHUNKS_IN_A_TURN {
            let found = {
                let reading = locked(reading);
                match *reading {
                    true => read(reader.get_ref(), chunk),
                    false => return Copied::Some,
                }
            };
            match found {
                Ok(0) => return Copied::Closed,
                Ok(length) => {
                    scribe.take(&chunk[..length], Instant::now(), SystemTime::now());
                    all += length;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Copied::All(all),
                // A pipe has no other.
                Err(_) => return Copied::Closed,
            }
        }
        Copied::Some
    })
}

/// Each thread has one chunk, so that memory goes with the threads and not with the streams.
fn with_chunk<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static CHUNK_OF_THREAD: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
    }
    CHUNK_OF_THREAD.with_borrow_mut(|chunk| read(chunk))
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// A pipe whose reading end does not wait.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    // The task's end waits, as programs expect of their output.
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((reader, writer))
}

#[cfg(test)]
mod tests;
