//! Encoded points that travel together.

use crate::{MetricPath, Value, encode_point};

/// Whole lines, ready to be written. It is the unit of queueing, writing, dropping and resending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    points: u64,
    refused: u64,
}

impl Batch {
    /// The size in bytes from which a batch is worth sending: large enough that a write's cost is
    /// spread over some 500 points, small enough that losing one is little.
    pub const FULL: usize = 32 * 1024;

    /// Adds one point; `timestamp` is in seconds since the epoch. A value that is not finite is
    /// left out and counted, see [`Batch::refused`].
    pub fn add(&mut self, path: &MetricPath, value: impl Into<Value>, timestamp: u64) {
        let path = path.as_str().as_bytes();
        self.add_named(|out| out.extend_from_slice(path), value.into(), timestamp);
    }

    /// Adds one point as [`Batch::add`] does, whose series' whole name is what `name` appends: in the characters of a
    /// [`MetricPath`], or with Graphite's tags behind that.
    pub fn add_named(&mut self, name: impl FnOnce(&mut Vec<u8>), value: Value, timestamp: u64) {
        match encode_point(&mut self.bytes, name, value, timestamp) {
            true => self.points += 1,
            false => self.refused += 1,
        }
    }

    /// Adds one line of another batch, its line feed included.
    pub(crate) fn add_line(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.points += 1;
    }

    /// Its lines, each with its line feed.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.split_inclusive(|&byte| byte == b'\n')
    }

    /// Whether it has reached [`Batch::FULL`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= Self::FULL
    }

    /// Whether it holds no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many points it holds.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.points
    }

    /// How many points were left out since their value was not finite.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// So many lines that were encoded before.
    pub(crate) fn of_lines(bytes: Vec<u8>, points: u64) -> Self {
        Self {
            bytes,
            points,
            refused: 0,
        }
    }

    /// Gives back memory set aside for growing: what waits shall take no more than it counts for.
    pub(crate) fn compact(mut self) -> Self {
        self.bytes.shrink_to_fit();
        self
    }

    /// The encoded lines, as they are written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The encoded lines.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_what_it_holds_and_what_it_refused() {
        let path = MetricPath::parse("a").unwrap();
        let mut batch = Batch::default();
        assert!(batch.is_empty());
        batch.add(&path, 1_u64, 10);
        batch.add(&path, f64::NAN, 10);
        batch.add(&path, 0.5, 20);
        assert_eq!((batch.points(), batch.refused()), (2, 1));
        assert_eq!(batch.bytes(), b"a 1 10\na 0.5 20\n");
    }

    #[test]
    fn a_batch_is_full_at_its_size() {
        let path = MetricPath::parse("a").unwrap();
        let mut batch = Batch::default();
        while !batch.is_full() {
            batch.add(&path, 1_u64, 10);
        }
        assert!((Batch::FULL..Batch::FULL + 20).contains(&batch.bytes().len()));
    }
}
