//! The pickle protocol: messages of `[(path, (timestamp, value)), ...]` as Python pickles them, each behind its length in
//! four bytes (carbon: `lib/carbon/protocols.py`, `MetricPickleReceiver`).
//!
//! Only lists, tuples, strings and numbers are in it, in the operations of protocol 2, which every Python knows from 2.3
//! on and which carbon's safe unpickler takes.

use crate::Batch;

/// The most points in a message, as many as carbon's own relay puts in (carbon.conf: `MAX_DATAPOINTS_PER_MESSAGE`).
const POINTS: usize = 500;

/// A message that has reached this is large enough: carbon closes the connection at one of more than a mebibyte
/// (carbon.conf: `PICKLE_RECEIVER_MAX_LENGTH`).
const FULL: usize = 512 * 1024;

/// Appends the points of the batch in as many messages as it takes. Leaves out a line that is not a point, as carbon does.
pub(crate) fn encode(out: &mut Vec<u8>, batch: &Batch) {
    let mut points = batch.lines().filter_map(Point::parse).peekable();
    while points.peek().is_some() {
        let start = out.len();
        // The length, known at the end; protocol 2; an empty list; a mark for what is appended to it.
        out.extend_from_slice(b"\0\0\0\0\x80\x02](");
        let mut count = 0;
        while count < POINTS
            && out.len() - start < FULL
            && let Some(point) = points.next()
        {
            point.encode(out);
            count += 1;
        }
        // Append, and stop.
        out.extend_from_slice(b"e.");
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// What a line says.
struct Point<'a> {
    path: &'a str,
    value: Number,
    timestamp: Number,
}

enum Number {
    Integer(i128),
    Float(f64),
}

impl<'a> Point<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        let (path, value, timestamp) = (words.next()?, words.next()?, words.next()?);
        words.next().is_none().then_some(())?;
        Some(Self {
            path,
            value: Number::parse(value)?,
            timestamp: Number::parse(timestamp)?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        // A string in UTF-8 behind its length; then each pair is made of the last two.
        out.push(b'X');
        out.extend_from_slice(&(self.path.len() as u32).to_le_bytes());
        out.extend_from_slice(self.path.as_bytes());
        self.timestamp.encode(out);
        self.value.encode(out);
        out.extend_from_slice(b"\x86\x86");
    }
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let integer = text.parse().map(Self::Integer);
        integer.or_else(|_| text.parse().map(Self::Float)).ok()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Integer(integer) => {
                if let Ok(small) = i32::try_from(integer) {
                    out.push(b'J');
                    out.extend_from_slice(&small.to_le_bytes());
                } else {
                    // As many bytes as are counted before them, the lowest first.
                    let bytes = integer.to_le_bytes();
                    out.extend_from_slice(&[0x8a, bytes.len() as u8]);
                    out.extend_from_slice(&bytes);
                }
            }
            Self::Float(float) => {
                out.push(b'G');
                out.extend_from_slice(&float.to_be_bytes());
            }
        }
    }
}
