//! The segments of one directory: written at one end, read and removed at the other.
//!
//! ```text
//!   [ confirmed | outstanding | unread ............ ][ being written ]
//!     removed     ^ kept until  ^ read next             ^ appended to
//!                   confirmed
//! ```
//!
//! A record that was read stays on disk until [`Store::confirm`] says that carbon can have read its
//! points; [`Store::rewind`] makes all that was not confirmed unread again. Only whole segments are
//! removed, and no position is kept on disk: what was read of the first segment before a crash is
//! read again after it. Points that arrive twice are harmless, and a segment is small.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::SpoolName;
use super::directory::{Directory, DirectoryError};
use super::encode::Encoder;
use super::record::HEADER;
use super::segment::{self, Found, Kind, START};
use crate::Batch;

/// A segment is closed at this size, or at a sixteenth of the spool's.
const SEGMENT_MAX: u64 = 1 << 20;
const SEGMENT_MIN: u64 = 64 << 10;
/// No segment is larger than this, as no record is; what is, is not ours.
const FILE_MAX: u64 = 64 << 20;

/// Why points could not be put on disk, or read from it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("{attempt} {}: {source}", .path.display())]
    File {
        attempt: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// A place between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    segment: u64,
    offset: u64,
}

/// A record that was read.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) batch: Batch,
    /// Whether its points had been handed to the kernel before they were put on disk.
    pub(crate) again: bool,
    /// The time of its oldest point, in seconds since the epoch.
    pub(crate) oldest: u64,
    /// Where it ends: what to [`Store::confirm`].
    pub(crate) end: Place,
}

/// What has been lost so far, in points but for `places`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Removed since the spool had reached its size.
    pub(crate) dropped: u64,
    /// Not read back, as far as it is known how many there were.
    pub(crate) damaged: u64,
    /// Stretches of segments that could not be read.
    pub(crate) places: u64,
}

impl Losses {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            dropped: self.dropped + other.dropped,
            damaged: self.damaged + other.damaged,
            places: self.places + other.places,
        }
    }
}

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
    /// Points not read yet.
    unread: u64,
    /// The time of the oldest point, of those not read yet as far as that is known.
    oldest: u64,
}

#[derive(Debug)]
struct Outstanding {
    start: Place,
    end: Place,
    points: u64,
    oldest: u64,
}

/// An open spool.
pub(crate) struct Store {
    directory: Directory,
    limit: u64,
    encoder: Encoder,
    packed: Vec<u8>,
    /// The oldest first. The last is the one being written if `writer` is there.
    segments: VecDeque<Segment>,
    writer: Option<File>,
    next_number: u64,
    /// Written since the last sync: to the file, and files made.
    unsynced: bool,
    made: bool,
    read: Place,
    /// What was loaded of the segment at `read`, from this offset on.
    loaded: Vec<u8>,
    loaded_from: u64,
    outstanding: VecDeque<Outstanding>,
    losses: Losses,
}

impl Store {
    /// Opens the spool of this name and looks at what an earlier process has left there. It may then
    /// take up to `limit` bytes. `least` is the lowest number that a new segment may have: places of
    /// a store that was open before must mean nothing in this one.
    ///
    /// # Errors
    /// If the directory cannot be used. A file in it that cannot is told and left alone.
    pub(crate) fn open(
        all: &Path,
        name: &SpoolName,
        limit: u64,
        least: u64,
    ) -> Result<Self, StoreError> {
        let directory = Directory::open(all, name)?;
        let listing = directory.list()?;
        let next_number = listing
            .segments
            .last()
            .map_or(1, |last| last + 1)
            .max(least);
        let mut store = Self {
            directory,
            limit,
            encoder: Encoder::new(),
            packed: Vec::new(),
            segments: VecDeque::new(),
            writer: None,
            next_number,
            unsynced: false,
            made: false,
            read: Place {
                segment: 0,
                offset: START as u64,
            },
            loaded: Vec::new(),
            loaded_from: 0,
            outstanding: VecDeque::new(),
            losses: Losses::default(),
        };
        for name in &listing.foreign {
            warn!(
                "{} is no segment of a spool, and left alone",
                store.directory.path().join(name).display()
            );
        }
        for number in listing.segments {
            match store.take_over(number) {
                Ok(segment) => store.segments.extend(segment),
                Err(error) => warn!("left alone: {error}"),
            }
        }
        store.make_room(0);
        Ok(store)
    }

    /// Looks at a segment that an earlier process has written. `None` if it has nothing to read, or
    /// is not ours.
    fn take_over(&mut self, number: u64) -> Result<Option<Segment>, StoreError> {
        let path = self.directory.path_of(number);
        let file = self.directory.open_segment(number)?;
        let length = file
            .metadata()
            .map_err(self.failed("look at", number))?
            .len();
        if length > FILE_MAX {
            warn!(
                "{} is too large for a segment, and left alone",
                path.display()
            );
            return Ok(None);
        }
        let bytes = self.load(&file, number, 0, length)?;
        match segment::kind(&bytes) {
            Kind::Ours => {}
            Kind::Stillborn => {
                self.directory.remove(number)?;
                return Ok(None);
            }
            Kind::OtherVersion(version) => {
                warn!(
                    "{} has the format {version}, and is left alone",
                    path.display()
                );
                return Ok(None);
            }
            Kind::Foreign => {
                warn!(
                    "{} is no segment of a spool, and left alone",
                    path.display()
                );
                return Ok(None);
            }
        }
        let mut found = Segment {
            number,
            bytes: length,
            unread: 0,
            oldest: u64::MAX,
        };
        let mut rest = &bytes[START..];
        loop {
            match segment::next(rest) {
                Found::Record(header) => {
                    found.unread += header.points;
                    found.oldest = found.oldest.min(header.oldest);
                    rest = &rest[HEADER + header.payload..];
                }
                // Counted when it is come upon by reading.
                Found::Damage(bytes) => rest = &rest[bytes..],
                Found::Torn(bytes) => {
                    info!("{} ends in {bytes} bytes of no record: cut", path.display());
                    found.bytes -= bytes as u64;
                    file.set_len(found.bytes)
                        .map_err(self.failed("cut", number))?;
                    break;
                }
                Found::End => break,
            }
        }
        if found.unread == 0 {
            self.directory.remove(number)?;
            return Ok(None);
        }
        Ok(Some(found))
    }

    /// Gives up the oldest segments until so many bytes more are within the limit.
    fn make_room(&mut self, bytes: u64) {
        while self.bytes() + bytes > self.limit {
            let Some(oldest) = self.segments.front() else {
                return;
            };
            let unread = oldest.unread;
            if unread > 0 {
                self.tell_dropping();
            }
            self.losses.dropped += unread;
            self.remove_first();
        }
    }

    /// Once in the life of a store; the count tells the rest.
    fn tell_dropping(&self) {
        if self.losses.dropped == 0 {
            warn!(
                "{} has reached its {} bytes: dropping the oldest points",
                self.directory.path().display(),
                self.limit
            );
        }
    }

    fn remove_first(&mut self) {
        let Some(segment) = self.segments.pop_front() else {
            return;
        };
        if self.segments.is_empty() {
            self.writer = None;
            self.unsynced = false;
        }
        if self.read.segment <= segment.number {
            self.go_to(segment.number + 1);
        }
        if let Err(error) = self.directory.remove(segment.number) {
            // It stays, is not counted any more, and is read once more after the next start.
            warn!("{error}");
        }
    }

    fn load(&self, file: &File, number: u64, from: u64, to: u64) -> Result<Vec<u8>, StoreError> {
        let size = usize::try_from(to - from).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size];
        let read = file.read_exact_at(&mut bytes, from);
        read.map_err(self.failed("read", number))?;
        Ok(bytes)
    }

    fn failed(
        &self,
        attempt: &'static str,
        number: u64,
    ) -> impl Fn(io::Error) -> StoreError + use<> {
        let path = self.directory.path_of(number);
        move |source| StoreError::File {
            attempt,
            path: path.clone(),
            source,
        }
    }

    /// Points not read yet.
    pub(crate) fn points(&self) -> u64 {
        self.segments.iter().map(|segment| segment.unread).sum()
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The time of the oldest point not read yet, in seconds since the epoch.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let unread = self.segments.iter().filter(|segment| segment.unread > 0);
        unread.map(|segment| segment.oldest).min()
    }

    /// The number that the next segment is to have.
    pub(crate) fn next_number(&self) -> u64 {
        self.next_number
    }

    pub(crate) fn losses(&self) -> Losses {
        self.losses
    }
}

#[cfg(test)]
impl Place {
    /// The end of some record.
    pub(crate) fn test(number: u64) -> Self {
        Self {
            segment: 1,
            offset: number,
        }
    }
}
