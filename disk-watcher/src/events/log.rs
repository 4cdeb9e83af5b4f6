//! Where events are written: a file that others may rename, or standard output. A thread of its own writes, so that a
//! disk that is full or hangs holds nobody up; what cannot be written is counted, and told as soon as something can be.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use tracing::{info, warn};

use super::Event;

/// Lines that may wait to be written.
const WAITING: usize = 4_096;

/// How long a stop waits for the lines that wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is written to where others read by name, and the kernel has no file to open: a socket of journald's.
const STDOUT: &str = "/dev/stdout";

/// Why events cannot be written from the beginning.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventLogError {
    #[error("open {path:?} for events: {source}")]
    Open { path: PathBuf, source: io::Error },
    #[error("start the thread that writes events: {0}")]
    Thread(io::Error),
}

/// Takes events and never waits. Dropping it writes what waits, for a second at the most.
#[derive(Debug)]
pub(crate) struct EventLog {
    /// `None`: nobody wants them.
    writing: Option<Writing>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Writing {
    orders: SyncSender<Order>,
    /// Its other end goes with the thread.
    ended: Receiver<()>,
}

#[derive(Debug)]
enum Order {
    Line(Vec<u8>),
    Reopen,
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    lost: AtomicU64,
}

impl EventLog {
    /// A log in the file of this name, `/dev/stdout` for standard output, or nowhere.
    ///
    /// # Errors
    /// The file cannot be opened for appending, or there is no thread to be had.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, EventLogError> {
        let counts = Arc::new(Counts::default());
        let Some(path) = path else {
            return Ok(Self {
                writing: None,
                counts,
            });
        };
        let output = if path == Path::new(STDOUT) {
            // A descriptor of our own: the standard library's lock belongs to whoever prints on the main thread.
            let stdout = io::stdout().as_fd().try_clone_to_owned();
            stdout.map(|stdout| Output::Stdout(stdout.into()))
        } else {
            LogFile::open(path).map(Output::File)
        };
        let output = output.map_err(|source| EventLogError::Open {
            path: path.to_owned(),
            source,
        })?;
        let (orders, taken) = sync_channel(WAITING);
        let (ending, ended) = sync_channel(1);
        let writer = Writer {
            output,
            counts: Arc::clone(&counts),
            lost_told: 0,
            is_torn: false,
            is_troubled: false,
        };
        let work = move || {
            // Goes when the thread does.
            let _ending = ending;
            writer.run(&taken);
        };
        thread::Builder::new()
            .name("events".to_owned())
            .spawn(work)
            .map_err(EventLogError::Thread)?;
        Ok(Self {
            writing: Some(Writing { orders, ended }),
            counts,
        })
    }

    /// Takes an event; never waits.
    pub(crate) fn write(&self, event: &Event<'_>) {
        let Some(writing) = &self.writing else {
            return;
        };
        match writing.orders.try_send(Order::Line(event.line(now()))) {
            Ok(()) => {}
            // Told with the next line that can be written.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Opens the file anew, after what was taken before is written. One that was renamed is opened anew in any case.
    pub(crate) fn reopen(&self) {
        if let Some(writing) = &self.writing {
            // With so much waiting, the file is looked at before each line all the same.
            let _ = writing.orders.try_send(Order::Reopen);
        }
    }

    /// How many events were written, and how many lost.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let Counts { written, lost } = &*self.counts;
        (
            written.load(Ordering::Relaxed),
            lost.load(Ordering::Relaxed),
        )
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        let Some(Writing { orders, ended }) = self.writing.take() else {
            return;
        };
        drop(orders);
        if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            warn!("events that wait for a slow reader or disk are not written");
        }
    }
}

/// The thread's own.
struct Writer {
    output: Output,
    counts: Arc<Counts>,
    /// Of the events lost, how many a line has told of.
    lost_told: u64,
    /// The last line is there in part.
    is_torn: bool,
    is_troubled: bool,
}

enum Output {
    File(LogFile),
    Stdout(File),
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        for order in orders {
            match order {
                Order::Line(line) => self.take(&line),
                Order::Reopen => {
                    if let Output::File(file) = &mut self.output
                        && let Err(error) = file.reopen()
                    {
                        warn!("{:?} for events stays as it was: {error}", file.path);
                    }
                }
            }
        }
    }

    fn take(&mut self, line: &[u8]) {
        let lost = self.counts.lost.load(Ordering::Relaxed);
        let told = match lost - self.lost_told {
            0 => Ok(()),
            events => self.put(&Event::Lost { events }.line(now())),
        };
        if told.is_ok() {
            self.lost_told = lost;
        }
        match told.and_then(|()| self.put(line)) {
            Ok(()) => {
                self.counts.written.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(&mut self.is_troubled) {
                    info!("events are written again");
                }
            }
            Err(error) => {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
                if !std::mem::replace(&mut self.is_troubled, true) {
                    warn!("events are lost: {error}");
                }
            }
        }
    }

    /// Writes one line, whole or, where the disk is full in the middle of it, in part; the next begins a line then.
    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let (output, is_torn) = match &mut self.output {
            Output::Stdout(stdout) => (stdout, self.is_torn),
            Output::File(file) => {
                let is_another = file.follow_name()?;
                (&mut file.file, self.is_torn && !is_another)
            }
        };
        self.is_torn = true;
        if is_torn {
            output.write_all(b"\n")?;
        }
        output.write_all(line)?;
        output.flush()?;
        self.is_torn = false;
        Ok(())
    }
}

/// A file that is looked for by its name again and again: whoever rotates logs renames it.
struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: append_to(path)?,
        })
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = append_to(&self.path)?;
        Ok(())
    }

    /// Whether the name is another file's by now, which is the one that is written to from here on.
    fn follow_name(&mut self) -> io::Result<bool> {
        let own = self.file.metadata()?;
        let is_own =
            |other: std::fs::Metadata| (own.dev(), own.ino()) == (other.dev(), other.ino());
        if std::fs::metadata(&self.path).is_ok_and(is_own) {
            return Ok(false);
        }
        self.reopen()?;
        Ok(true)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    // A pipe that nobody reads is an error, and none to wait for.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(flags)
        .open(path)
}

fn now() -> f64 {
    // A clock before 1970 gives 0, which is what it means.
    let since = SystemTime::UNIX_EPOCH.elapsed();
    since.unwrap_or_default().as_secs_f64()
}
