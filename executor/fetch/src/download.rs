//! One file, from wherever it is, into the sandbox.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dialect::Uri;

use crate::budget::{Budget, BudgetError};
use crate::checksum::{ChecksumError, Summing};
use crate::error::Cause;
use crate::http::{Arriving, Client, HttpError};
use crate::inside::Inside;
use crate::local::{self, LocalError};
use crate::place::Place;
use crate::progress::Progress;
use crate::uri::{Source, redacted, source};

/// Of what comes from a server (Mesos: `net::download`), less the umask.
const MODE: u32 = 0o644;
const BUFFER: usize = 128 * 1024;
/// How often the log hears of a long download.
const REPORT: Duration = Duration::from_secs(5);

/// Why a file did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// A file of this host.
    #[error("{0}")]
    Local(#[from] LocalError),
    /// A file of a server.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// Content in the URI itself.
    #[error("not valid base64: {0}")]
    Inline(#[from] base64::DecodeError),
    /// It is larger than what is left of the quota.
    #[error("{0}")]
    Budget(#[from] BudgetError),
    /// It is another file than was asked for.
    #[error("{0}")]
    Checksum(#[from] ChecksumError),
}

enum From {
    Local(File),
    Web(Box<Arriving>),
    Inline(Cursor<Vec<u8>>),
}

impl From {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, DownloadError> {
        match self {
            From::Web(arriving) => Ok(arriving.read(buffer)?),
            From::Inline(content) => Ok(content.read(buffer).map_err(LocalError::Read)?),
            From::Local(file) => loop {
                match file.read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return Ok(result.map_err(LocalError::Read)?),
                }
            },
        }
    }
}

/// Fetches `uri` to `name`; its file and size.
pub(crate) fn download(
    uri: &Uri,
    name: &Inside,
    place: Place<'_>,
    client: &Client,
    budget: &mut Budget,
    progress: &mut dyn FnMut(Progress),
) -> Result<(File, u64), Cause> {
    let shown = redacted(&uri.value);
    let (mut from, size, mode) = match source(&uri.value)? {
        Source::Local(path) => {
            let local = local::open(path).map_err(DownloadError::from)?;
            (From::Local(local.file), Some(local.size), local.mode)
        }
        Source::Inline(content) => {
            let content = BASE64_STANDARD
                .decode(content)
                .map_err(DownloadError::from)?;
            let size = content.len() as u64;
            (From::Inline(Cursor::new(content)), Some(size), MODE)
        }
        Source::Web(url) => {
            let arriving = client
                .get(url, budget.deadline())
                .map_err(DownloadError::from)?;
            let size = arriving.announced;
            (From::Web(Box::new(arriving)), size, MODE)
        }
    };
    progress(Progress::Started {
        uri: shown.clone(),
        file: name.to_string(),
        size,
    });
    budget
        .announce(size.unwrap_or(0))
        .map_err(DownloadError::from)?;

    let mut growing = place.create(name, mode, budget)?;
    let mut summing = Summing::new(uri.checksum.as_ref());
    let mut bytes = 0;
    let mut reported = Instant::now();
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        growing.write(&buffer[..length], budget)?;
        summing.add(&buffer[..length]);
        bytes += length as u64;
        if reported.elapsed() >= REPORT {
            reported = Instant::now();
            progress(Progress::Received {
                uri: shown.clone(),
                bytes,
                size,
            });
        }
    }
    summing.check().map_err(DownloadError::from)?;
    if uri.executable {
        growing.make_executable()?;
    }
    let (file, bytes) = growing.finish()?;
    progress(Progress::Fetched {
        uri: shown,
        file: name.to_string(),
        bytes,
    });
    Ok((file, bytes))
}
