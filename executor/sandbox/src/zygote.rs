//! The executor's side of the process that is forked for each sandbox ([`crate::init`]).

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::error::LaunchError;
use crate::init::ARGUMENT;
use crate::line;
use crate::namespaces::Own;

/// A running zygote. It ends when this is dropped; the sandboxes that came from it do not.
#[derive(Debug)]
pub(crate) struct Zygote {
    line: OwnedFd,
    child: Mutex<Child>,
}

impl Zygote {
    fn start(program: &Path) -> io::Result<Zygote> {
        let (line, theirs) = line::pair()?;
        // The command owns the other end and is dropped on return: were that open here as well, the
        // zygote's end would never be seen.
        let child = Command::new(program)
            .arg(ARGUMENT)
            .env_clear()
            .stdin(theirs)
            .stdout(Stdio::null())
            .spawn()?;
        let child = Mutex::new(child);
        Ok(Zygote { line, child })
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // It may have ended, which is as well.
        let _ = child.kill();
        let _ = child.wait();
    }
}

type Reply = mpsc::SyncSender<io::Result<Zygote>>;

/// Has a zygote at hand, and starts another one when it was killed, from a thread that stays as long
/// as this does: the inits are children of the thread that started their zygote, and the kernel kills
/// them when that ends.
#[derive(Debug)]
pub(crate) struct Zygotes {
    program: PathBuf,
    jobs: mpsc::Sender<Reply>,
    now: Mutex<Option<Arc<Zygote>>>,
}

/// Between two looks whether a zygote that has more to do than its line holds has room again.
const PAUSE: Duration = Duration::from_millis(1);

impl Zygotes {
    /// # Errors
    /// There can be no more threads.
    pub(crate) fn start(program: PathBuf) -> io::Result<Zygotes> {
        let (jobs, queue) = mpsc::channel::<Reply>();
        let path = program.clone();
        let thread = thread::Builder::new().name("launcher".to_owned());
        thread.spawn(move || {
            for reply in queue {
                // Whoever asked waits for the answer.
                let _ = reply.send(Zygote::start(&path));
            }
        })?;
        let zygotes = Zygotes {
            program,
            jobs,
            now: Mutex::new(None),
        };
        // The first launch need not wait for it. If it fails, the first launch says so.
        let _ = zygotes.at_hand();
        Ok(zygotes)
    }

    /// Has an init made with `namespaces`, for the conversation whose other end `socket` is, and says
    /// who was asked.
    ///
    /// # Errors
    /// There is no zygote, or it was cancelled before the request was made.
    pub(crate) fn request(
        &self,
        namespaces: Own,
        socket: &UnixStream,
        cancelled: &AtomicBool,
    ) -> Result<Arc<Zygote>, LaunchError> {
        let mut is_second = false;
        loop {
            if cancelled.load(Ordering::Acquire) {
                return Err(LaunchError::Cancelled);
            }
            let zygote = self.at_hand()?;
            match line::pass(&zygote.line, namespaces.to_byte(), socket) {
                Ok(()) => return Ok(zygote),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
                // Killed, perhaps for want of memory.
                Err(error) if line::is_gone(&error) && !is_second => {
                    is_second = true;
                    self.put_away(&zygote);
                }
                Err(source) => return Err(LaunchError::Prepare { source }),
            }
        }
    }

    fn at_hand(&self) -> Result<Arc<Zygote>, LaunchError> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zygote) = &*now {
            return Ok(Arc::clone(zygote));
        }
        let (reply, answer) = mpsc::sync_channel(1);
        let gone = || LaunchError::LauncherEnded;
        self.jobs.send(reply).map_err(|_| gone())?;
        let started = answer.recv().map_err(|_| gone())?;
        let zygote = started.map_err(|source| LaunchError::StartInit {
            program: self.program.clone(),
            source,
        })?;
        Ok(Arc::clone(now.insert(Arc::new(zygote))))
    }

    /// Forgets a zygote that is gone, unless another took its place already.
    pub(crate) fn put_away(&self, gone: &Arc<Zygote>) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.take_if(|zygote| Arc::ptr_eq(zygote, gone));
    }
}
