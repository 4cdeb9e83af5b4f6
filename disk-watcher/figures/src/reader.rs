//! Asking a daemon that runs.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{NoReport, Report};

/// Longer is no report of a daemon's.
const LONGEST: usize = 64 << 20;

/// Why a daemon did not tell.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nobody listens there.
    #[error("connect to {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It began to tell, and then not.
    #[error("read from {}: {source}", path.display())]
    Read {
        /// The socket.
        path: PathBuf,
        /// What the kernel said; timed out, when it took too long.
        source: io::Error,
    },
    /// It has more to tell than there can be.
    #[error("read from {}: longer than {LONGEST} bytes", path.display())]
    TooLong {
        /// The socket.
        path: PathBuf,
    },
    /// What it tells is no report.
    #[error("{}: {source}", path.display())]
    NoReport {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: NoReport,
    },
}

/// What the daemon that listens on this socket knows now. Blocks, for `patience` at the most.
///
/// # Errors
/// See [`ReadError`].
pub fn read(socket: &Path, patience: Duration) -> Result<Report, ReadError> {
    let path = || socket.to_owned();
    let read_error = |source| ReadError::Read {
        path: path(),
        source,
    };
    let until = Instant::now() + patience;
    let mut stream = UnixStream::connect(socket).map_err(|source| ReadError::Connect {
        path: path(),
        source,
    })?;
    let mut text = Vec::new();
    let mut chunk = [0; 64 * 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(read_error(io::ErrorKind::TimedOut.into()));
        }
        stream.set_read_timeout(Some(left)).map_err(read_error)?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(read_error(io::ErrorKind::TimedOut.into()));
            }
            Err(error) => return Err(read_error(error)),
        }
        if text.len() > LONGEST {
            return Err(ReadError::TooLong { path: path() });
        }
    }
    Report::parse(&text).map_err(|source| ReadError::NoReport {
        path: path(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What comes of asking one who answers so.
    fn asked(answer: impl FnOnce(UnixStream) + Send + 'static) -> Result<Report, ReadError> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let told = thread::spawn(move || answer(listener.accept().unwrap().0));
        let outcome = read(&socket, Duration::from_millis(300));
        told.join().unwrap();
        outcome
    }

    #[test]
    fn a_daemon_tells_what_it_knows() {
        let report = Report::at(1000.0);
        let line = report.line();
        let told = asked(move |mut client| client.write_all(&line).unwrap()).unwrap();
        assert_eq!(told, report);
    }

    #[test]
    fn one_who_is_slow_or_tells_something_else_is_an_error_that_names_the_socket() {
        let slow = asked(|client| {
            thread::sleep(Duration::from_millis(600));
            drop(client);
        });
        assert!(matches!(slow, Err(ReadError::Read { .. })), "{slow:?}");
        let trickle = asked(|mut client| {
            // Each byte in time, and all of them not.
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(50));
                if client.write_all(b" ").is_err() {
                    break;
                }
            }
        });
        assert!(
            matches!(trickle, Err(ReadError::Read { .. })),
            "{trickle:?}"
        );
        let other = asked(|mut client| client.write_all(b"hello\n").unwrap());
        assert!(
            matches!(other, Err(ReadError::NoReport { .. })),
            "{other:?}"
        );
        let gone = read(
            Path::new("/nowhere/figures.sock"),
            Duration::from_millis(100),
        );
        assert!(
            gone.unwrap_err()
                .to_string()
                .contains("/nowhere/figures.sock")
        );
    }
}
