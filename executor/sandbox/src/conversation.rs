//! What the executor and the processes of one launch say to each other, on a socket of their own:
//! one way the order, the other way [`Report`]s, until all of their ends are closed.

use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::socket::sockopt::PassCred;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, sendmsg, setsockopt,
};
use serde::{Deserialize, Serialize};

use crate::Degraded;
use crate::report::{Failure, Report};
use crate::sys;

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
    /// Whose first word it was.
    first: Option<i32>,
    pub(crate) heard: Heard,
}

/// What was told until now.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    anything: bool,
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
    /// The kernel does not take the socket's options.
    pub(crate) fn new(socket: UnixStream) -> io::Result<Conversation> {
        socket.set_read_timeout(Some(LOOK))?;
        socket.set_write_timeout(Some(LOOK))?;
        // Before anything is sent, or it would come without its sender's id.
        setsockopt(&socket, PassCred, &true)?;
        Ok(Conversation {
            socket: BufReader::new(socket),
            line: Vec::new(),
            first: None,
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
            if self.heard.ready {
                return Pause::Ready;
            }
            match self.hear() {
                Ok(Some(report)) => self.heard.take(report, self.first),
                Ok(None) => return Pause::Closed,
                Err(error) if is_pause(&error) => {
                    if cancelled.load(Ordering::Acquire) {
                        return Pause::Cancelled;
                    }
                }
                // The other side went without having read everything.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Pause::Closed;
                }
                Err(_) => {
                    // Something was said, whatever it was.
                    self.heard.anything = true;
                    return Pause::Closed;
                }
            }
        }
    }

    /// The next report, `None` at the end.
    fn hear(&mut self) -> io::Result<Option<Report>> {
        if self.first.is_none() {
            self.first = sender_of_next(self.socket.get_ref())?;
        }
        if self.socket.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        // A half line is that of a process that was killed while writing, which its end tells.
        let report = serde_json::from_slice(&self.line)?;
        self.line.clear();
        Ok(Some(report))
    }

    /// Waits, in the place of a launch that was given up, for the init that may still be made, and
    /// has the kernel forget it: nobody else knows its id. It blocks as long as that takes.
    pub(crate) fn outlast(mut self) {
        // What is still to be executed sees that nobody wants it. An other side that is gone
        // needs no telling.
        let _ = self.socket.get_ref().shutdown(Shutdown::Write);
        self.listen(&AtomicBool::new(false));
        if let Some(pid) = self.heard.pid {
            // Where SIGCHLD is ignored the kernel has done it.
            let _ = sys::wait(pid, true);
        }
    }
}

/// Who wrote what is to be read next, by the id that it has for us, wherever it lives: the kernel
/// tells it. `None` when nothing more comes.
fn sender_of_next(socket: &UnixStream) -> io::Result<Option<i32>> {
    let mut control = nix::cmsg_space!(UnixCredentials);
    let mut byte = [0];
    let mut slices = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    let pid = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
        _ => None,
    });
    // 0 is who cannot be seen from here, and as an id would mean ourselves.
    Ok(pid.filter(|pid| message.bytes > 0 && *pid > 0))
}

/// What is sent to let a held launch run.
const RELEASE: [u8; 1] = [1];

impl Heard {
    /// Whether nobody has said anything. An init's first word comes before its first deed.
    pub(crate) fn nothing(&self) -> bool {
        !self.anything
    }

    fn take(&mut self, report: Report, sender: Option<i32>) {
        self.anything = true;
        match report {
            Report::Init => self.pid = sender,
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
