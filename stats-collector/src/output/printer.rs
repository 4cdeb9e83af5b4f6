//! Lines to standard output or a file. A thread of its own writes, so that a disk that is full or hangs, or a reader that
//! has stopped to read, holds nobody up; what cannot be written is lost, and counted.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::{info, warn};

/// Chunks that may wait to be written; one is some 32 kB.
const WAITING: usize = 256;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Standard output.
    Stdout,
    /// Behind what is in this file, which is made if it is not there. It is opened anew for each chunk: whoever rotates
    /// it may rename it at any time.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Takes whole lines and never waits.
#[derive(Debug)]
pub(crate) struct Printer {
    chunks: mpsc::Sender<Chunk>,
    lost: Arc<AtomicU64>,
    ended: oneshot::Receiver<()>,
}

#[derive(Debug)]
struct Chunk {
    lines: Vec<u8>,
    points: u64,
}

impl Printer {
    /// Begins to write there.
    ///
    /// # Errors
    /// It cannot be written to, or there is no thread to be had.
    pub(crate) fn open(place: Place) -> io::Result<Self> {
        let output = match place {
            // A descriptor of our own: the standard library would look for the ends of lines.
            Place::Stdout => Output::Stdout(io::stdout().as_fd().try_clone_to_owned()?.into()),
            Place::File(path) => {
                append_to(&path)?;
                Output::File(path)
            }
        };
        let (chunks, taken) = mpsc::channel(WAITING);
        let (ending, ended) = oneshot::channel();
        let lost = Arc::default();
        let writer = Writer {
            output,
            lost: Arc::clone(&lost),
            is_torn: false,
            is_troubled: false,
        };
        let work = move || {
            // Goes when the thread does.
            let _ending = ending;
            writer.run(taken);
        };
        thread::Builder::new()
            .name("lines".to_owned())
            .spawn(work)?;
        Ok(Self {
            chunks,
            lost,
            ended,
        })
    }

    /// Takes whole lines that have so many points.
    pub(crate) fn push(&self, lines: Vec<u8>, points: u64) {
        if self.chunks.try_send(Chunk { lines, points }).is_err() {
            self.lost.fetch_add(points, Relaxed);
        }
    }

    /// Waits until at least half of what may wait is written.
    pub(crate) async fn caught_up(&self) {
        // An error is the end of the thread: nothing to wait for.
        let _ = self.chunks.reserve_many(WAITING / 2).await;
    }

    /// Points that could not be written.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Waits until all is written, for so long at the most.
    pub(crate) async fn finish(self, deadline: Duration) -> u64 {
        let Self {
            chunks,
            lost,
            ended,
        } = self;
        drop(chunks);
        if timeout(deadline, ended).await.is_err() {
            warn!("lines that wait for a slow reader or disk are not written");
        }
        lost.load(Relaxed)
    }
}

enum Output {
    Stdout(File),
    File(PathBuf),
}

/// The thread's own.
struct Writer {
    output: Output,
    lost: Arc<AtomicU64>,
    /// The last line is there in part.
    is_torn: bool,
    is_troubled: bool,
}

impl Writer {
    fn run(mut self, mut chunks: mpsc::Receiver<Chunk>) {
        while let Some(chunk) = chunks.blocking_recv() {
            match self.write(&chunk.lines) {
                Ok(()) => {
                    if std::mem::take(&mut self.is_troubled) {
                        info!("lines are written again");
                    }
                }
                Err(error) => {
                    self.lost.fetch_add(chunk.points, Relaxed);
                    if !std::mem::replace(&mut self.is_troubled, true) {
                        warn!("lines are lost: {error}");
                    }
                }
            }
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let opened;
        let mut output = match &self.output {
            Output::Stdout(stdout) => stdout,
            Output::File(path) => {
                opened = append_to(path)?;
                &opened
            }
        };
        let is_torn = std::mem::replace(&mut self.is_torn, true);
        if is_torn {
            output.write_all(b"\n")?;
        }
        output.write_all(lines)?;
        self.is_torn = false;
        Ok(())
    }
}

fn append_to(path: &PathBuf) -> io::Result<File> {
    // A pipe that nobody reads is an error, and none to wait for.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(flags)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn lines_are_behind_what_is_in_the_file_and_in_a_new_one_once_it_is_renamed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("points");
        std::fs::write(&file, "before\n").unwrap();
        let printer = Printer::open(Place::File(file.clone())).unwrap();
        printer.push(b"a\nb\n".to_vec(), 2);
        tokio::time::timeout(SOON, async {
            while std::fs::read(&file).unwrap() != b"before\na\nb\n" {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("nothing is written");
        std::fs::rename(&file, directory.path().join("points.1")).unwrap();
        printer.push(b"c\n".to_vec(), 1);
        assert_eq!(printer.finish(SOON).await, 0);
        assert_eq!(std::fs::read(&file).unwrap(), b"c\n");
    }

    #[tokio::test]
    async fn what_a_full_disk_does_not_take_is_lost_and_counted_and_holds_nobody_up() {
        let printer = Printer::open(Place::File("/dev/full".into())).unwrap();
        for _ in 0..3 {
            printer.push(b"a\nb\n".to_vec(), 2);
        }
        assert_eq!(printer.finish(SOON).await, 6);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_who_waits_goes_on_when_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        )
        .unwrap();
        // Nobody reads: it cannot even be opened.
        let refused = Printer::open(Place::File(pipe)).unwrap_err();
        assert_eq!(
            refused.raw_os_error(),
            Some(rustix::io::Errno::NXIO.raw_os_error())
        );

        let (chunks, mut taken) = mpsc::channel(WAITING);
        let (_ending, ended) = oneshot::channel();
        let printer = Printer {
            chunks,
            lost: Arc::default(),
            ended,
        };
        for _ in 0..WAITING + 2 {
            printer.push(b"a\n".to_vec(), 1);
        }
        assert_eq!(printer.lost(), 2);
        assert!(
            timeout(Duration::from_millis(10), printer.caught_up())
                .await
                .is_err()
        );
        for _ in 0..WAITING / 2 {
            taken.recv().await.unwrap();
        }
        timeout(SOON, printer.caught_up()).await.unwrap();
    }
}
