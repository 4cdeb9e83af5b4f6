//! A segment: a file of records, read as bytes. Nothing in here does any I/O.
//!
//! ```text
//!   magic (8) | version (4) | crc32 of both (4) | record | record | ...
//! ```
//!
//! A segment is written from its start to its end and never changed. A crash may tear its last
//! record, a bad disk damage any: whatever is not a record is skipped up to the next marker behind
//! which a header is whole.

use super::record::{HEADER, Header, MARKER};

/// Bytes before the first record.
pub(crate) const START: usize = 16;
const MAGIC: [u8; 8] = *b"\x89points\n";
/// What this program writes, and all that it reads.
const VERSION: u32 = 1;

/// What the start of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A segment that this program understands.
    Ours,
    /// One of another version of this program.
    OtherVersion(u32),
    /// A segment that never came to have a start: a crash came right after the file was made.
    Stillborn,
    /// Something else.
    Foreign,
}

/// The first [`START`] bytes of every segment.
pub(crate) fn start() -> [u8; START] {
    let mut start = [0; START];
    start[..8].copy_from_slice(&MAGIC);
    start[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let sum = crc32fast::hash(&start[..12]);
    start[12..].copy_from_slice(&sum.to_le_bytes());
    start
}

/// Tells what a file is by its first bytes, of which it may have fewer than [`START`].
pub(crate) fn kind(bytes: &[u8]) -> Kind {
    let Some(bytes) = bytes.get(..START) else {
        let torn = start().starts_with(bytes) || bytes.iter().all(|byte| *byte == 0);
        return if torn { Kind::Stillborn } else { Kind::Foreign };
    };
    if *bytes == start() {
        return Kind::Ours;
    }
    // After a loss of power a file may have its length, but none of its bytes.
    if bytes.iter().all(|byte| *byte == 0) {
        return Kind::Stillborn;
    }
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if bytes[..8] == MAGIC && crc32fast::hash(&bytes[..12]) == word(12) {
        return Kind::OtherVersion(word(8));
    }
    Kind::Foreign
}

/// What lies next in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A header, and that many bytes of a payload behind it, all there. Whether the payload is whole
    /// is seen when it is decoded.
    Record(Header),
    /// So many bytes that are no record; one follows.
    Damage(usize),
    /// So many bytes that are no record, and no record follows.
    Torn(usize),
    /// Nothing.
    End,
}

/// Looks at `bytes`, which go on to the segment's end.
pub(crate) fn next(bytes: &[u8]) -> Found {
    if bytes.is_empty() {
        return Found::End;
    }
    if let Some(header) = whole(bytes) {
        return Found::Record(header);
    }
    let later = (1..bytes.len())
        .find(|at| bytes[*at..].starts_with(&MARKER) && whole(&bytes[*at..]).is_some());
    match later {
        Some(skipped) => Found::Damage(skipped),
        None => Found::Torn(bytes.len()),
    }
}

/// The header at the start of `bytes` if its whole payload follows.
fn whole(bytes: &[u8]) -> Option<Header> {
    Header::read(bytes).filter(|header| bytes.len() - HEADER >= header.payload)
}
