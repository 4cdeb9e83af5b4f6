//! The end of a store at which points come in.

use std::os::unix::fs::FileExt;

use super::super::encode::Encoded;
use super::super::segment::{self, START};
use super::{SEGMENT_MAX, SEGMENT_MIN, Segment, Store, StoreError};

impl Store {
    /// Puts the points of all these lines on disk; each lot says whether they had been handed to the
    /// kernel before. The oldest segments go if there is no room.
    ///
    /// # Errors
    /// If nothing of it is on disk.
    pub(crate) fn append<'a>(
        &mut self,
        lots: impl Iterator<Item = (&'a [u8], bool)>,
    ) -> Result<Encoded, StoreError> {
        self.directory.check()?;
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        for (lines, again) in lots {
            self.encoder.add(lines, again, &mut packed);
        }
        let encoded = self.encoder.finish(&mut packed);
        let written = self.write(&packed, encoded);
        self.packed = packed;
        written.map(|()| encoded)
    }

    fn write(&mut self, packed: &[u8], encoded: Encoded) -> Result<(), StoreError> {
        let Some(oldest) = encoded.oldest else {
            return Ok(());
        };
        let size = packed.len() as u64;
        if START as u64 + size > self.limit {
            self.tell_dropping();
            self.losses.dropped += encoded.points();
            return Ok(());
        }
        let most = (self.limit / 16).clamp(SEGMENT_MIN, SEGMENT_MAX);
        if self
            .writing()
            .is_some_and(|segment| segment.bytes + size > most)
        {
            self.close()?;
        }
        self.make_room(size + START as u64);
        if self.writer.is_none() {
            self.begin()?;
        }
        let Some((file, segment)) = self.writer.as_ref().zip(self.segments.back_mut()) else {
            return Ok(());
        };
        if let Err(source) = file.write_all_at(packed, segment.bytes) {
            let number = segment.number;
            // Half a record would only be skipped by whoever reads, but takes room.
            if file.set_len(segment.bytes).is_err() {
                self.writer = None;
            }
            return Err(self.failed("write", number)(source));
        }
        segment.bytes += size;
        segment.unread += encoded.points();
        segment.oldest = segment.oldest.min(oldest);
        self.unsynced = true;
        Ok(())
    }

    /// The segment being written.
    pub(super) fn writing(&self) -> Option<&Segment> {
        self.segments.back().filter(|_| self.writer.is_some())
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        let number = self.next_number;
        let file = self.directory.create(number)?;
        self.next_number += 1;
        self.made = true;
        if let Err(source) = file.write_all_at(&segment::start(), 0) {
            let error = self.failed("write", number)(source);
            self.directory.remove(number)?;
            return Err(error);
        }
        self.writer = Some(file);
        self.segments.push_back(Segment {
            number,
            bytes: START as u64,
            unread: 0,
            oldest: u64::MAX,
        });
        Ok(())
    }

    /// Ends the segment being written; the next record begins another.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        let synced = self.sync();
        self.writer = None;
        synced
    }

    /// Makes sure that what was written outlives a loss of power.
    ///
    /// # Errors
    /// Then nobody can tell whether it does, and the kernel does not say so a second time; what
    /// comes later goes into a new segment.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        let (unsynced, made) = (self.unsynced, self.made);
        (self.unsynced, self.made) = (false, false);
        if let Some((file, segment)) = self.writer.as_ref().zip(self.segments.back())
            && unsynced
            && let Err(source) = file.sync_data()
        {
            let error = self.failed("sync", segment.number)(source);
            self.writer = None;
            return Err(error);
        }
        if made {
            self.directory.sync()?;
        }
        Ok(())
    }

    /// Whether [`Store::sync`] has anything to do.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.unsynced || self.made
    }
}
