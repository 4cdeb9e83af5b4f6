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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every record that is there, and what came after the last.
    fn drain(decoder: &mut Decoder) -> (Vec<Bytes>, Result<(), RecordError>) {
        let mut records = Vec::new();
        loop {
            match decoder.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => return (records, Ok(())),
                Err(error) => return (records, Err(error)),
            }
        }
    }

    fn decode(stream: &[u8]) -> (Vec<Bytes>, Result<(), RecordError>) {
        let mut decoder = Decoder::new(1000);
        decoder.push(stream);
        drain(&mut decoder)
    }

    #[test]
    fn a_record_is_its_length_a_line_feed_and_its_bytes() {
        assert_eq!(encode(b"hello"), b"5\nhello");
        assert_eq!(encode(b""), b"0\n");
    }

    #[test]
    fn several_records_in_one_chunk_come_out_one_by_one() {
        let (records, end) = decode(b"5\nhello0\n6\nworld!");
        assert_eq!(records, ["hello", "", "world!"]);
        assert_eq!(end, Ok(()));
    }

    #[test]
    fn a_stream_may_be_split_at_any_byte() {
        let stream = b"12\nhello, world3\n4\n5";
        for split in 0..=stream.len() {
            let mut decoder = Decoder::new(1000);
            decoder.push(&stream[..split]);
            let (mut records, _) = drain(&mut decoder);
            decoder.push(&stream[split..]);
            records.extend(drain(&mut decoder).0);
            assert_eq!(records, ["hello, world", "4\n5"], "split at {split}");
        }
    }

    #[test]
    fn a_stream_that_ends_within_a_header_or_a_body_is_mid_record() {
        let mut decoder = Decoder::new(1000);
        assert!(!decoder.is_mid_record());
        for (chunk, mid) in [("1", true), ("\n", true), ("x", true)] {
            decoder.push(chunk.as_bytes());
            assert_eq!(decoder.is_mid_record(), mid, "after {chunk:?}");
        }
        assert_eq!(decoder.next_record(), Ok(Some(Bytes::from_static(b"x"))));
        assert!(!decoder.is_mid_record());
        assert_eq!(decoder.next_record(), Ok(None));
        assert!(!decoder.is_mid_record());
    }

    #[test]
    fn a_record_of_exactly_the_limit_is_the_longest_allowed() {
        let mut decoder = Decoder::new(3);
        decoder.push(b"3\nabc4\nabcd");
        assert_eq!(decoder.next_record(), Ok(Some(Bytes::from_static(b"abc"))));
        let too_long = RecordError::TooLong {
            claimed: 4,
            limit: 3,
        };
        assert_eq!(decoder.next_record(), Err(too_long));
    }

    #[test]
    fn a_length_that_no_integer_holds_is_too_long() {
        assert_eq!(
            decode(b"99999999999999999999\n").1,
            Err(RecordError::TooLong {
                claimed: u64::MAX,
                limit: 1000
            })
        );
    }

    #[test]
    fn a_header_that_is_no_length_is_refused_by_name() {
        assert_eq!(decode(b"\n").1, Err(RecordError::EmptyHeader));
        for (stream, byte) in [
            (&b"5\r\nhello"[..], b'\r'),
            (b"-1\n", b'-'),
            (b"+1\n", b'+'),
            (b" 1\n", b' '),
            (b"0x5\n", b'x'),
            (b"{\"type\"", b'{'),
            (b"\xff", 0xff),
        ] {
            assert_eq!(decode(stream).1, Err(RecordError::NotADigit { byte }));
        }
    }

    #[test]
    fn an_endless_header_is_refused_before_it_ends() {
        let digits = [b'0'; MAX_HEADER_DIGITS + 1];
        assert_eq!(decode(&digits).1, Err(RecordError::HeaderTooLong));
        assert_eq!(decode(&digits[1..]).1, Ok(()));
    }

    #[test]
    fn after_an_error_the_decoder_stays_in_it_and_holds_nothing() {
        let mut decoder = Decoder::new(1000);
        decoder.push(b"2\nhix2\nhi");
        let (records, end) = drain(&mut decoder);
        let error = RecordError::NotADigit { byte: b'x' };
        assert_eq!((records, end), (vec![Bytes::from("hi")], Err(error)));
        decoder.push(b"2\nhi");
        assert_eq!(decoder.next_record(), Err(error));
        assert!(decoder.is_mid_record());
        assert_eq!(decoder.buffer.capacity(), 0);
    }

    #[test]
    fn a_header_reserves_no_memory_for_what_it_claims() {
        let mut decoder = Decoder::new(usize::MAX);
        decoder.push(b"999999999999\n");
        assert_eq!(decoder.next_record(), Ok(None));
        assert!(decoder.buffer.capacity() < 1024);
    }

    #[test]
    fn a_long_record_may_arrive_byte_by_byte() {
        // Were each byte to cost a look at those before it, this would not end.
        let record = vec![b'1'; 1 << 20];
        let mut decoder = Decoder::new(record.len());
        let mut records = Vec::new();
        for byte in encode(&record) {
            decoder.push(&[byte]);
            records.extend(drain(&mut decoder).0);
        }
        assert_eq!(records, [record]);
    }

    proptest! {
        #[test]
        fn any_records_survive_any_chunking(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
            chunks in prop::collection::vec(1..100_usize, 1..20),
        ) {
            let stream: Vec<u8> = records.iter().flat_map(|record| encode(record)).collect();
            let mut rest = &stream[..];
            let mut decoder = Decoder::new(200);
            let mut decoded = Vec::new();
            for length in chunks.into_iter().cycle() {
                let (chunk, after) = rest.split_at(length.min(rest.len()));
                decoder.push(chunk);
                let (whole, end) = drain(&mut decoder);
                prop_assert_eq!(end, Ok(()));
                decoded.extend(whole);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(decoded, records);
            prop_assert!(!decoder.is_mid_record());
        }
    }
}
