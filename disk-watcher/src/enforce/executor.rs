//! Telling our own executor, which ends the right task and reports the true reason, by its socket in its sandbox.
//!
//! The sandbox may be written to by tasks: the socket is opened by handle and no link is followed, and whoever answers has
//! to be of the container's processes, outside the pid namespaces that tasks have of their own. One that lies after all
//! gains a few seconds: what is not ended by then is ended in another way.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use disk_engine::Breach;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use task_figures::breach::{Answer, Command, DiskBreach, LONGEST_LINE, NoCommand, SOCKET};
use terminal::escaped;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::processes;
use crate::directory::{Directory, DirectoryError};
use crate::inventory::{Key, Process, Subject};

/// For the whole exchange: the executor looks for itself before it answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why an executor does not end what breaks its limit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    #[error("the container has no mesos-sandbox-executor")]
    NotOurs,
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot connect to the executor's socket")]
    Connect(#[source] io::Error),
    #[error("who answers on the executor's socket, process {pid:?}, is not the executor")]
    Impostor { pid: Option<i32> },
    #[error("cannot talk with the executor")]
    Talk(#[source] io::Error),
    #[error("the executor did not answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    #[error(transparent)]
    NoAnswer(#[from] NoCommand),
    #[error("the executor knows no such task")]
    UnknownTask,
    #[error("the executor refused: {why}")]
    Refused { why: String },
}

/// Tells the executor in `sandbox`, whose container has `first` for its first process, of a breach.
///
/// # Errors
/// When there is no such executor, it is not the one that answers, or it does not end the task.
///
/// Tells the id of the task that it ends.
pub(crate) async fn tell(
    sandbox: &Directory,
    first: Process,
    subject: &Subject,
    breach: &Breach,
    message: &str,
) -> Result<String, TellError> {
    let stream = connect(sandbox).await?;
    let pid = stream.peer_cred().map_err(TellError::Talk)?.pid();
    let is_executor = pid
        .and_then(|pid| u32::try_from(pid).ok())
        .is_some_and(|pid| processes::is_beside(pid, first));
    if !is_executor {
        return Err(TellError::Impostor { pid });
    }
    let command = Command::DiskBreach(disk_breach(subject, breach, message));
    let answer = timeout(PATIENCE, exchange(stream, &command.line())).await;
    match answer.map_err(|_| TellError::TimedOut)?? {
        Answer::Accepted { task_id } => Ok(task_id),
        Answer::UnknownTask => Err(TellError::UnknownTask),
        Answer::Refused { why } => Err(TellError::Refused {
            why: escaped(why.as_ref()),
        }),
    }
}

fn disk_breach(subject: &Subject, breach: &Breach, message: &str) -> DiskBreach {
    let (directory, volume) = match &subject.key {
        Key::Task(_, name) => (name.to_str().map(str::to_owned), None),
        Key::Volume { persistence_id, .. } => (None, Some(persistence_id.clone())),
        Key::Container(_) | Key::Nested(..) => (None, None),
    };
    DiskBreach {
        task_id: subject.task_id.clone(),
        directory,
        volume,
        used_bytes: breach.charged(),
        limit_bytes: breach.limit,
        message: message.to_owned(),
    }
}

async fn connect(sandbox: &Directory) -> Result<UnixStream, TellError> {
    let own = sandbox.enter(task_figures::DIRECTORY)?;
    let own = own.ok_or(TellError::NotOurs)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let socket = match openat(&own, SOCKET, flags, Mode::empty()) {
        Ok(socket) => socket,
        Err(Errno::NOENT) => return Err(TellError::NotOurs),
        Err(errno) => return Err(TellError::Connect(errno.into())),
    };
    let found = fstat(&socket).map_err(|errno| TellError::Connect(errno.into()))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(TellError::NotOurs);
    }
    // By way of the descriptor: what has the name by now may be something else.
    let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
    UnixStream::connect(path).await.map_err(TellError::Connect)
}

async fn exchange(mut stream: UnixStream, line: &[u8]) -> Result<Answer, TellError> {
    stream.write_all(line).await.map_err(TellError::Talk)?;
    let mut answer = Vec::new();
    let mut stream = stream.take(LONGEST_LINE as u64 + 1);
    while !answer.contains(&b'\n') {
        let read = stream.read_buf(&mut answer).await;
        if read.map_err(TellError::Talk)? == 0 {
            break;
        }
    }
    let end = answer.iter().position(|byte| *byte == b'\n');
    Ok(Answer::parse(&answer[..end.unwrap_or(answer.len())])?)
}
