//! What is written of what a task says: all of it or, with a rate limit, as much as may be; with the time, where that is
//! wanted; and how much was left out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use dialect::RateLimit;
use tracing::warn;

use super::files::Files;
use super::rate::Rate;
use super::stamp;

/// What the rest of the program may know of a stream while it is being written.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Bytes in files, the oldest of which may be gone.
    pub(super) written: AtomicU64,
    /// Lines that were left out.
    pub(super) dropped: AtomicU64,
}

/// Writes one stream.
#[derive(Debug)]
pub(super) struct Scribe {
    files: Files,
    timestamps: bool,
    rate: Option<Rate>,
    line: Line,
    /// The last line in the file broke off: what follows does not belong to it.
    broken: bool,
    lost: Lost,
    counts: Arc<Counts>,
    /// It is in the executor's log already that the files cannot be written.
    warned: bool,
}

/// The line that what comes next belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// A new one.
    New,
    /// One whose begin was let through.
    Passing,
    /// One whose begin was left out, and so is its end.
    Dropped(Why),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Rate,
    Disk,
}

/// Something left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) lines: u64,
    pub(super) bytes: u64,
}

impl Dropped {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}

/// What was left out and is not told yet.
#[derive(Debug, Default)]
struct Lost {
    to_rate: Dropped,
    to_disk: Dropped,
    /// When the note on it is due.
    note_at: Option<Instant>,
}

/// A note on what was left out comes so much after the first of it: one for all of it.
const NOTE_AFTER: Duration = Duration::from_secs(5);

impl Scribe {
    pub(super) fn new(
        files: Files,
        timestamps: bool,
        rate_limit: Option<&RateLimit>,
        counts: Arc<Counts>,
        now: Instant,
    ) -> Self {
        Self {
            files,
            timestamps,
            rate: rate_limit.map(|limit| Rate::new(limit, now)),
            line: Line::New,
            broken: false,
            lost: Lost::default(),
            counts,
            warned: false,
        }
    }

    /// Before what was read together is [taken](Scribe::take).
    pub(super) fn begin(&mut self, now: Instant) {
        self.files.look();
        if let Some(rate) = &mut self.rate {
            rate.fill(now);
        }
        self.note_if_due(now);
    }

    /// Writes what the task said next. Blocks for as long as the disk does.
    pub(super) fn take(&mut self, bytes: &[u8], now: Instant, time: SystemTime) {
        let is_plain = !self.timestamps && self.rate.is_none();
        if is_plain && matches!(self.line, Line::New | Line::Passing) {
            self.line = match bytes.ends_with(b"\n") {
                true => Line::New,
                false => Line::Passing,
            };
            self.write(bytes, now);
            return;
        }
        let mut out = Vec::with_capacity(bytes.len());
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.sort(part, &mut out, now, time);
        }
        self.write(&out, now);
    }

    /// A line, its begin or its end, into `out` or out of the way.
    fn sort(&mut self, part: &[u8], out: &mut Vec<u8>, now: Instant, time: SystemTime) {
        let rate = self.rate.as_mut();
        let dropped = match self.line {
            Line::New => match rate.is_none_or(|rate| rate.passes(part.len())) {
                true => {
                    if self.timestamps {
                        stamp::push(out, time);
                    }
                    None
                }
                false => Some(Why::Rate),
            },
            Line::Passing => {
                if let Some(rate) = rate {
                    rate.charge(part.len());
                }
                None
            }
            Line::Dropped(why) => Some(why),
        };
        match dropped {
            None => out.extend_from_slice(part),
            Some(why) => self.lose(part, why, now),
        }
        self.line = match (part.ends_with(b"\n"), dropped) {
            (true, _) => Line::New,
            (false, None) => Line::Passing,
            (false, Some(why)) => Line::Dropped(why),
        };
    }

    fn write(&mut self, bytes: &[u8], now: Instant) {
        if let Err(written) = self.append(bytes) {
            self.lose(&bytes[written..], Why::Disk, now);
            self.broken = true;
            if self.line == Line::Passing {
                self.line = Line::Dropped(Why::Disk);
            }
        }
    }

    /// How many bytes got to a file, when not all did.
    fn append(&mut self, bytes: &[u8]) -> Result<(), usize> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.broken && self.files.in_line() {
            self.files.append(b"\n").map_err(|_| 0_usize)?;
        }
        self.broken = false;
        let outcome = self.files.append(bytes);
        let written = self.files.written();
        self.counts.written.store(written, Ordering::Relaxed);
        outcome.map_err(|unwritten| {
            if !std::mem::replace(&mut self.warned, true) {
                warn!("lines of a task are lost: {}", unwritten.error);
            }
            unwritten.written
        })
    }

    fn lose(&mut self, bytes: &[u8], why: Why, now: Instant) {
        let mut dropped = Dropped::default();
        dropped.add(bytes);
        self.lost(dropped, why, now);
    }

    fn lost(&mut self, dropped: Dropped, why: Why, now: Instant) {
        let all = match why {
            Why::Rate => &mut self.lost.to_rate,
            Why::Disk => &mut self.lost.to_disk,
        };
        all.lines += dropped.lines;
        all.bytes += dropped.bytes;
        self.lost.note_at.get_or_insert(now + NOTE_AFTER);
        let counted = &self.counts.dropped;
        counted.fetch_add(dropped.lines, Ordering::Relaxed);
    }

    /// Somebody else read on meanwhile, since the disk did not answer, and dropped what he read. `in_line` says that it
    /// ended within a line.
    pub(super) fn was_passed_over(&mut self, dropped: Dropped, in_line: bool, now: Instant) {
        self.lost(dropped, Why::Disk, now);
        self.broken = true;
        self.line = match in_line {
            true => Line::Dropped(Why::Disk),
            false => Line::New,
        };
    }

    /// When the note on what was left out is due.
    pub(super) fn note_at(&self) -> Option<Instant> {
        self.lost.note_at
    }

    fn note_if_due(&mut self, now: Instant) {
        if self.note_at().is_none_or(|at| now < at) {
            return;
        }
        match self.line {
            Line::New | Line::Dropped(_) => self.note(now),
            // Not in the middle of a line.
            Line::Passing => self.lost.note_at = Some(now + NOTE_AFTER),
        }
    }

    /// Tells in the log itself what was left out of it.
    fn note(&mut self, now: Instant) {
        let reasons = [
            (
                self.lost.to_rate,
                "they came faster than the rate limit of the task allows",
            ),
            (self.lost.to_disk, "the disk did not take them"),
        ];
        let told = reasons.iter().filter(|(dropped, _)| dropped.bytes > 0);
        let lines = told.map(|(Dropped { lines, bytes }, why)| {
            format!("mesos-sandbox-executor: {lines} lines ({bytes} bytes) dropped: {why}\n")
        });
        let text: String = lines.collect();
        self.broken |= self.files.in_line();
        match self.append(text.as_bytes()) {
            Ok(()) => {
                self.lost = Lost::default();
                self.warned = false;
            }
            // Later, together with what is lost until then.
            Err(_) => self.lost.note_at = Some(now + NOTE_AFTER),
        }
    }

    /// Nothing more comes for now: what was left out is told.
    pub(super) fn pause(&mut self, now: Instant) {
        if self.lost.note_at.is_some() {
            self.note(now);
        }
    }

    /// The last bytes of what was written after the first `since`, `most` at the most, and whether there were more.
    pub(super) fn last(&self, since: u64, most: u64) -> io::Result<(Vec<u8>, bool)> {
        self.files.last(since, most)
    }

    /// How much was written so far, in bytes.
    pub(super) fn written(&self) -> u64 {
        self.files.written()
    }
}

#[cfg(test)]
mod tests;
