//! RecordIO, the framing of the event streams: each record is its length in decimal digits, a line feed, and that
//! many bytes (Mesos: 3rdparty/stout/include/stout/recordio.hpp, docs/recordio.md).
//!
//! ```
//! use mesos_proto::recordio::{Decoder, encode};
//!
//! let mut decoder = Decoder::new(1024);
//! decoder.push(&encode(b"hello"));
//! assert_eq!(decoder.next_record()?.as_deref(), Some(&b"hello"[..]));
//! assert_eq!(decoder.next_record()?, None);
//! # Ok::<(), mesos_proto::recordio::RecordError>(())
//! ```

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// The digits of the longest length that a `u64` holds. A header with more is refused before its line feed comes.
const MAX_HEADER_DIGITS: usize = 20;

/// Why a stream cannot be read any further: after a bad header nobody can tell where the next record starts.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// A line feed where the length should have been.
    #[error("record has an empty length header")]
    EmptyHeader,
    /// A byte other than a decimal digit in the length.
    #[error("record has byte {byte:#04x} in its length header, want decimal digits")]
    NotADigit {
        /// The byte.
        byte: u8,
    },
    /// More digits than any length has.
    #[error("record has a length header of more than {MAX_HEADER_DIGITS} digits")]
    HeaderTooLong,
    /// A record longer than the decoder's limit.
    #[error("record claims {claimed} bytes, the limit is {limit}")]
    TooLong {
        /// The length in the header, in bytes.
        claimed: u64,
        /// The decoder's limit, in bytes.
        limit: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Reading the length; `digits` of it are there and have the value `length`.
    Header {
        digits: usize,
        length: u64,
    },
    /// Waiting for this many bytes.
    Body {
        length: usize,
    },
    Failed(RecordError),
}

/// The state between two records.
const START: State = State::Header {
    digits: 0,
    length: 0,
};

/// Takes a stream in chunks as they arrive, split anywhere, and gives back whole records.
///
/// Holds no more than what was pushed and not yet taken out: a header reserves nothing. Take records out until there
/// are none before pushing again, then that is at most one unfinished record and one chunk.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    state: State,
    /// What has been pushed and not been looked at yet.
    buffer: BytesMut,
}

impl Decoder {
    /// A decoder at the start of a stream that refuses records of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            state: START,
            buffer: BytesMut::new(),
        }
    }

    /// Adds the next bytes of the stream. After an error they are dropped.
    pub fn push(&mut self, chunk: &[u8]) {
        if !matches!(self.state, State::Failed(_)) {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// The next record, `None` when more bytes are needed for one. An empty record is a record.
    ///
    /// # Errors
    ///
    /// If a header is not a length or the length is above the limit. The decoder stays in that error.
    pub fn next_record(&mut self) -> Result<Option<Bytes>, RecordError> {
        let next = self.advance();
        if let Err(error) = next {
            self.state = State::Failed(error);
            self.buffer = BytesMut::new();
        }
        next
    }

    /// Whether the stream would be cut short if it ended here: part of a record has come, or a whole one that has not
    /// been taken out. True after an error.
    #[must_use]
    pub fn is_mid_record(&self) -> bool {
        !self.buffer.is_empty() || !matches!(self.state, State::Header { digits: 0, .. })
    }

    fn advance(&mut self) -> Result<Option<Bytes>, RecordError> {
        loop {
            match self.state {
                State::Header { digits, length } => {
                    if self.buffer.is_empty() {
                        return Ok(None);
                    }
                    let byte = self.buffer.get_u8();
                    self.state = self.after_header_byte(digits, length, byte)?;
                }
                State::Body { length } => {
                    if self.buffer.len() < length {
                        return Ok(None);
                    }
                    self.state = START;
                    return Ok(Some(self.buffer.split_to(length).freeze()));
                }
                State::Failed(error) => return Err(error),
            }
        }
    }

    fn after_header_byte(
        &self,
        digits: usize,
        length: u64,
        byte: u8,
    ) -> Result<State, RecordError> {
        match byte {
            b'\n' if digits == 0 => Err(RecordError::EmptyHeader),
            b'\n' => match usize::try_from(length) {
                Ok(length) if length <= self.limit => Ok(State::Body { length }),
                _ => Err(RecordError::TooLong {
                    claimed: length,
                    limit: self.limit,
                }),
            },
            b'0'..=b'9' if digits == MAX_HEADER_DIGITS => Err(RecordError::HeaderTooLong),
            b'0'..=b'9' => Ok(State::Header {
                digits: digits + 1,
                // What does not fit is above every limit, too.
                length: length
                    .saturating_mul(10)
                    .saturating_add(u64::from(byte - b'0')),
            }),
            _ => Err(RecordError::NotADigit { byte }),
        }
    }
}

/// One record with its header.
#[must_use]
pub fn encode(record: &[u8]) -> Vec<u8> {
    let mut framed = format!("{}\n", record.len()).into_bytes();
    framed.extend_from_slice(record);
    framed
}
