//! What a hook says: its end is kept, and copied to its task's output.

use std::convert::Infallible;
use std::fs::File;
use std::future::pending;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use executor_core::{Moment, Probed};
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use sandbox::Stdio;
use tokio::net::unix::pipe::Receiver;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::debug;

use crate::host::launch::Belongings;

/// How much of what a hook says is kept: the end.
const MOST_OUTPUT: usize = 16 << 10;

/// How long what a hook said may take to reach the task's standard output.
const SAYING: Duration = Duration::from_secs(1);

/// What a hook says: its end is kept.
pub(super) struct Output {
    reader: Receiver,
    kept: Vec<u8>,
}

impl Output {
    /// And what it comes from.
    pub(super) fn held() -> io::Result<(Self, Stdio)> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        let output = Self {
            reader: Receiver::from_owned_fd(reader)?,
            kept: Vec::new(),
        };
        let stdio = Stdio {
            stdin: None,
            stdout: writer.try_clone()?,
            stderr: writer,
        };
        Ok((output, stdio))
    }

    /// Reads for as long as it is waited for.
    pub(super) async fn keep(&mut self) -> Infallible {
        while self.reader.readable().await.is_ok() {
            if self.take() == Took::End {
                break;
            }
        }
        pending().await
    }

    /// What is there and was not read yet, when nobody is left to write more.
    pub(super) fn rest(&mut self) {
        while self.take() == Took::Some {}
    }

    fn take(&mut self) -> Took {
        let mut some = [0; 4096];
        match self.reader.try_read(&mut some) {
            Ok(0) => Took::End,
            Ok(count) => {
                self.kept.extend(&some[..count]);
                let more = self.kept.len().saturating_sub(MOST_OUTPUT);
                self.kept.drain(..more);
                Took::Some
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Took::NothingYet,
            Err(_) => Took::End,
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Took {
    Some,
    NothingYet,
    End,
}

/// Copies what a hook said to the task's standard output, with the hook's name before each line.
pub(super) async fn say(belongings: &Arc<Belongings>, moment: Moment, outcome: &Probed) {
    let (Probed::Command { output, .. } | Probed::TimedOut { output }) = outcome else {
        return;
    };
    if output.trim().is_empty() {
        return;
    }
    let lines = output.lines().map(|line| format!("[{moment}] {line}\n"));
    let text: String = lines.collect();
    let belongings = Arc::clone(belongings);
    let said = spawn_blocking(move || {
        let again = belongings.again.as_ref();
        let stdout = again.map(|again| again.stdio.stdout.try_clone());
        let written = stdout.transpose().and_then(|stdout| match stdout {
            Some(stdout) => File::from(stdout).write_all(text.as_bytes()),
            None => Ok(()),
        });
        if let Err(error) = written {
            debug!("what a {moment} said is not in its task's log: {error}");
        }
    });
    // A disk that hangs must not hold the task up.
    drop(timeout(SAYING, said).await);
}
