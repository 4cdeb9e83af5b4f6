//! A stream of records: a byte for the longest record that is taken, one for the length of chunks, then the stream.

use bytes::Bytes;
use mesos_proto::recordio::{Decoder, RecordError, encode};

use crate::input::Input;

/// However the stream is split, the same records come out of it, none too long; and what came out can go in again.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (Some(limit), Some(chunk)) = (input.byte(), input.byte()) else {
        return;
    };
    let limit = usize::from(limit);
    let (records, end) = decode(&bytes[2..], limit, bytes.len());
    let (same, same_end) = decode(&bytes[2..], limit, usize::from(chunk).max(1));
    assert_eq!(
        (&records, &end),
        (&same, &same_end),
        "depends on the chunks"
    );
    assert!(records.iter().all(|record| record.len() <= limit));

    let again: Vec<u8> = records.iter().flat_map(|record| encode(record)).collect();
    assert_eq!(
        decode(&again, limit, bytes.len()),
        (records, Ok(false)),
        "does not come back"
    );
}

/// The records, and how it ends: in an error, or within a record or not.
fn decode(stream: &[u8], limit: usize, chunk: usize) -> (Vec<Bytes>, Result<bool, RecordError>) {
    let mut decoder = Decoder::new(limit);
    let mut records = Vec::new();
    for chunk in stream.chunks(chunk) {
        decoder.push(chunk);
        loop {
            match decoder.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next_record(), Err(error), "an error stays");
                    return (records, Err(error));
                }
            }
        }
    }
    (records, Ok(decoder.is_mid_record()))
}
