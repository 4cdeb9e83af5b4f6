//! What comes from the disk, between the thread that reads it and the task that writes it to
//! carbon.

use std::collections::VecDeque;
use std::time::Duration;

use super::pace::Pace;
use super::store::{Place, Record};
use crate::Batch;

/// How many records are read ahead.
const AHEAD: usize = 2;

/// Records that were read, cut into pieces that go out at a limited rate.
#[derive(Debug)]
pub(crate) struct Replay {
    pace: Pace,
    ahead: VecDeque<Record>,
    /// How much of the first record went out in pieces.
    bytes: usize,
    points: u64,
    /// Points written since the last record that was confirmed.
    unconfirmed: u64,
    /// Points to come that were written before the last rewind.
    repeated: u64,
}

/// Records up to this place are confirmed; `points` is how many they had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Confirmed {
    pub(crate) place: Place,
    points: u64,
}

/// What to write next.
#[derive(Debug)]
pub(crate) enum Next {
    Piece {
        batch: Batch,
        /// Whether its points had been handed to the kernel before they were put on disk.
        again: bool,
        /// If it is the last of its record.
        end: Option<Confirmed>,
    },
    /// Not before so long.
    Wait(Duration),
    /// Nothing is at hand.
    Nothing,
}

impl Confirmed {
    /// Both; `later` was written later.
    pub(crate) fn and(self, later: Self) -> Self {
        Self {
            place: later.place,
            points: self.points + later.points,
        }
    }

    #[cfg(test)]
    pub(crate) fn test(number: u64) -> Self {
        Self {
            place: Place::test(number),
            points: number,
        }
    }
}

impl Replay {
    pub(crate) fn new(points_per_second: u32) -> Self {
        Self {
            pace: Pace::new(points_per_second),
            ahead: VecDeque::new(),
            bytes: 0,
            points: 0,
            unconfirmed: 0,
            repeated: 0,
        }
    }

    /// Whether another record should be read.
    pub(crate) fn wants_more(&self) -> bool {
        self.ahead.len() < AHEAD
    }

    /// Takes in the record that was read next.
    pub(crate) fn offer(&mut self, record: Record) {
        self.ahead.push_back(record);
    }

    /// The next piece. `now` is the time since any fixed moment.
    pub(crate) fn next(&mut self, now: Duration) -> Next {
        let Some(record) = self.ahead.front() else {
            return Next::Nothing;
        };
        let wait = self.pace.wait(now);
        if !wait.is_zero() {
            return Next::Wait(wait);
        }
        let (rest, left) = (
            &record.batch.bytes()[self.bytes..],
            record.batch.points() - self.points,
        );
        let points = left.min(self.pace.piece());
        let bytes = if points == left {
            rest.len()
        } else {
            lines(rest, points)
        };
        let batch = Batch::of_lines(rest[..bytes].to_vec(), points);
        let again = record.again;
        let end = (points == left).then_some(Confirmed {
            place: record.end,
            points: record.batch.points(),
        });
        if end.is_some() {
            self.ahead.pop_front();
            (self.bytes, self.points) = (0, 0);
        } else {
            self.bytes += bytes;
            self.points += points;
        }
        Next::Piece { batch, again, end }
    }

    /// Notes that a piece was written at `now`. Returns how many of its points had been written
    /// before, on a connection that was lost.
    pub(crate) fn written(&mut self, now: Duration, points: u64) -> u64 {
        self.pace.went(now, points);
        self.unconfirmed += points;
        let repeated = points.min(self.repeated);
        self.repeated -= repeated;
        repeated
    }

    pub(crate) fn confirm(&mut self, confirmed: Confirmed) {
        self.unconfirmed = self.unconfirmed.saturating_sub(confirmed.points);
    }

    /// The connection is lost: reading begins again behind the last record that was confirmed.
    pub(crate) fn rewind(&mut self) {
        self.repeated += std::mem::take(&mut self.unconfirmed);
        self.ahead.clear();
        (self.bytes, self.points) = (0, 0);
    }

    /// Points at hand that were not taken.
    pub(crate) fn points(&self) -> u64 {
        let ahead: u64 = self.ahead.iter().map(|record| record.batch.points()).sum();
        ahead - self.points
    }

    /// The time of the oldest of them, in seconds since the epoch.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.ahead.iter().map(|record| record.oldest).min()
    }
}

/// How many bytes so many lines have.
fn lines(bytes: &[u8], count: u64) -> usize {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    ends.take(count).last().map_or(0, |(at, _)| at + 1)
}
