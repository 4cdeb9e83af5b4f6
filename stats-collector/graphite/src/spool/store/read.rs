//! The end of a store at which points go out.

use tracing::warn;

use super::super::record::HEADER;
use super::super::segment::{self, Found, START};
use super::{Outstanding, Place, Record, Store, StoreError};
use crate::Batch;

impl Store {
    /// Reads the next record.
    ///
    /// # Errors
    /// If the disk does not give it. The next call tries again, unless [`Store::skip`] gives the
    /// segment up.
    pub(crate) fn read(&mut self) -> Result<Option<Record>, StoreError> {
        loop {
            let at = self
                .segments
                .partition_point(|segment| segment.number < self.read.segment);
            let Some(segment) = self.segments.get(at) else {
                return Ok(None);
            };
            let (number, end) = (segment.number, segment.bytes);
            if number > self.read.segment {
                self.go_to(number);
            }
            if self.read.offset >= end {
                let last = at + 1 == self.segments.len();
                if last && self.writer.is_some() {
                    return Ok(None);
                }
                // A header that was whole when the segment was taken over, and is not any more.
                self.losses.damaged += std::mem::take(&mut self.segments[at].unread);
                self.go_to(number + 1);
                continue;
            }
            if self.loaded_from + self.loaded.len() as u64 <= self.read.offset {
                let file = self.directory.open_segment(number)?;
                self.loaded = self.load(&file, number, self.read.offset, end)?;
                self.loaded_from = self.read.offset;
            }
            if let Some(record) = self.next_record(at) {
                return Ok(Some(record));
            }
        }
    }

    /// Takes a step in what is loaded of a segment; `None` if that did not come upon a record.
    fn next_record(&mut self, at: usize) -> Option<Record> {
        let segment = &mut self.segments[at];
        let from = usize::try_from(self.read.offset - self.loaded_from).unwrap_or(usize::MAX);
        let loaded = &self.loaded[from..];
        let (step, found) = match segment::next(loaded) {
            Found::Record(header) => {
                segment.unread = segment.unread.saturating_sub(header.points);
                segment.oldest = header.oldest;
                let step = HEADER + header.payload;
                let decoded = header.decode(&loaded[HEADER..step]);
                if let Err(error) = &decoded {
                    self.losses.damaged += header.points;
                    warn!(
                        "{} points at byte {} of {} are lost: {error}",
                        header.points,
                        self.read.offset,
                        self.directory.path_of(segment.number).display()
                    );
                }
                (step, decoded.ok().map(|lines| (header, lines)))
            }
            Found::Damage(bytes) | Found::Torn(bytes) => {
                warn!(
                    "{bytes} bytes at byte {} of {} are no record",
                    self.read.offset,
                    self.directory.path_of(segment.number).display()
                );
                (bytes, None)
            }
            Found::End => (0, None),
        };
        let start = self.read;
        self.read.offset += step as u64;
        let Some((header, lines)) = found else {
            self.losses.places += 1;
            return None;
        };
        self.outstanding.push_back(Outstanding {
            start,
            end: self.read,
            points: header.points,
            oldest: header.oldest,
        });
        Some(Record {
            batch: Batch::of_lines(lines, header.points),
            again: header.again,
            oldest: header.oldest,
            end: self.read,
        })
    }

    /// Gives up the segment that [`Store::read`] cannot read.
    pub(crate) fn skip(&mut self) {
        let number = self.read.segment;
        if let Some(segment) = self
            .segments
            .iter_mut()
            .find(|segment| segment.number == number)
        {
            self.losses.damaged += std::mem::take(&mut segment.unread);
            self.losses.places += 1;
        }
        if self
            .writing()
            .is_some_and(|segment| segment.number == number)
        {
            self.writer = None;
            self.unsynced = false;
        }
        self.go_to(number + 1);
        self.clean();
    }

    /// Carbon can have read every record up to this place, which is the end of one.
    pub(crate) fn confirm(&mut self, place: Place) {
        while self
            .outstanding
            .front()
            .is_some_and(|record| record.end <= place)
        {
            self.outstanding.pop_front();
        }
        self.clean();
    }

    /// All that was read and not confirmed is to be read once more.
    pub(crate) fn rewind(&mut self) {
        let outstanding = std::mem::take(&mut self.outstanding);
        let Some(first) = outstanding.front() else {
            return;
        };
        self.read = first.start;
        self.forget_loaded();
        for record in outstanding {
            let number = record.start.segment;
            match self
                .segments
                .iter_mut()
                .find(|segment| segment.number == number)
            {
                Some(segment) => {
                    segment.unread += record.points;
                    segment.oldest = segment.oldest.min(record.oldest);
                }
                None => self.losses.dropped += record.points,
            }
        }
    }

    /// Removes the segments whose every record is confirmed.
    fn clean(&mut self) {
        let floor = self
            .outstanding
            .front()
            .map_or(self.read, |record| record.start);
        while let Some(first) = self.segments.front() {
            let done = first.number < floor.segment
                || (first.number == floor.segment && first.bytes <= floor.offset);
            if !done {
                return;
            }
            self.remove_first();
        }
    }

    pub(super) fn go_to(&mut self, segment: u64) {
        self.read = Place {
            segment,
            offset: START as u64,
        };
        self.forget_loaded();
    }

    fn forget_loaded(&mut self) {
        self.loaded = Vec::new();
        self.loaded_from = 0;
    }
}
