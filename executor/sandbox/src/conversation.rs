//! What the executor and the processes of one launch say to each other, on a socket of their own:
//! one way the order, the other way [`Report`]s, until all of their ends are closed.

use std::io::{self, BufRead, BufReader, IoSlice, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde::{Deserialize, Serialize};

use crate::Degraded;
use crate::report::{Failure, Report};

/// What is handed over, as JSON behind its length. Descriptors travel before it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order<P> {
    pub(crate) plan: P,
    /// Whether all is to wait, right before the program is executed, until it is released.
    pub(crate) held: bool,
}

/// How often a wait looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// The executor's side.
#[derive(Debug)]
pub(crate) struct Conversation {
    socket: BufReader<UnixStream>,
    /// What has come of a line so far.
    line: Vec<u8>,
    pub(crate) heard: Heard,
}

/// What was told until now.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The init's process id, as the executor sees it.
    pub(crate) pid: Option<i32>,
    pub(crate) without: Vec<Degraded>,
    pub(crate) failure: Option<Failure>,
    /// All is set up and waits to be released.
    pub(crate) ready: bool,
}

/// Why listening came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// A held launch is ready.
    Ready,
    /// There is nobody left to tell anything: the program is executed, or never will be.
    Closed,
    /// Nobody wants to know any more.
    Cancelled,
}

impl Conversation {
    /// # Errors
    /// The kernel does not take the timeouts.
    pub(crate) fn new(socket: UnixStream) -> io::Result<Conversation> {
        socket.set_read_timeout(Some(LOOK))?;
        socket.set_write_timeout(Some(LOOK))?;
        Ok(Conversation {
            socket: BufReader::new(socket),
            line: Vec::new(),
            heard: Heard::default(),
        })
    }

    /// Hands the order over. Blocks while the other side does not read, unless that is cancelled.
    ///
    /// # Errors
    /// There is nobody on the other side, or it was cancelled.
    pub(crate) fn order<P: Serialize>(
        &mut self,
        plan: &P,
        held: bool,
        descriptors: &[RawFd],
        cancelled: &AtomicBool,
    ) -> io::Result<()> {
        let order = serde_json::to_vec(&Order { plan, held })?;
        let rights = [ControlMessage::ScmRights(descriptors)];
        let length = u32::try_from(order.len()).map_err(io::Error::other)?;
        // Descriptors travel with at least one byte, and the length is sent with them at once.
        let length = length.to_ne_bytes();
        let socket = self.socket.get_mut();
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(
            socket.as_raw_fd(),
            &[IoSlice::new(&length)],
            &rights,
            flags,
            None,
        )?;
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            match socket.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if is_pause(&error) && !cancelled.load(Ordering::Acquire) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Lets what is held run.
    ///
    /// # Errors
    /// There is nobody on the other side.
    pub(crate) fn release(&mut self) -> io::Result<()> {
        self.heard.ready = false;
        self.socket.get_mut().write_all(&RELEASE)
    }

    /// Listens until there is no more to hear for now.
    pub(crate) fn listen(&mut self, cancelled: &AtomicBool) -> Pause {
        loop {
            // The id may come last: it is another process that tells it.
            if self.heard.ready && self.heard.pid.is_some() {
                return Pause::Ready;
            }
            match self.socket.read_until(b'\n', &mut self.line) {
                Ok(0) => return Pause::Closed,
                Ok(_) => {
                    // A half line is that of a process that was killed while writing, which its end
                    // tells.
                    match serde_json::from_slice(&self.line) {
                        Ok(report) => self.heard.take(report),
                        Err(_) => return Pause::Closed,
                    }
                    self.line.clear();
                }
                Err(error) if is_pause(&error) => {
                    if cancelled.load(Ordering::Acquire) {
                        return Pause::Cancelled;
                    }
                }
                Err(_) => return Pause::Closed,
            }
        }
    }
}

/// What is sent to let a held launch run.
const RELEASE: [u8; 1] = [1];

impl Heard {
    fn take(&mut self, report: Report) {
        match report {
            Report::Init { pid } => self.pid = Some(pid),
            Report::Without(degraded) => self.without.push(degraded),
            // The first is the one that tells.
            Report::Failed(failure) => self.failure = self.failure.take().or(Some(failure)),
            Report::Ready => self.ready = true,
        }
    }
}

/// A timeout, which the kernel tells as either of these.
fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
