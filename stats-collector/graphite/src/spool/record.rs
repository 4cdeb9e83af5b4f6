//! One record of a segment: some thousand points, packed so that each record can be read alone.
//!
//! ```text
//!   0  marker                       20  bytes of the packed names, the rest is values
//!   4  bytes of the payload         24  time of the oldest point, seconds since the epoch
//!   8  points                       32  flags
//!  12  bytes of their lines         36  crc32 of the payload
//!  16  bytes of the unpacked names  40  crc32 of all above
//!  44  the payload: deflate(names), deflate(values); all numbers are little-endian
//! ```
//!
//! The lines of a turn differ little from one to the next in name and hardly at all in time, so they
//! are split into columns, and what is alike lies together: of the names how many bytes are those
//! of the line before, then the rest of each; of the values the difference of each time to the one
//! before, then the values' own text. Points of real containers take 5 bytes each like this, and
//! 11 as deflated lines. Names remembered over a whole segment, and values as differences to the
//! turn before, would take 2.3, but also the memory for every name on both sides, and one damaged
//! record would take all behind it along.

use std::io::{self, Read, Write};

use flate2::read::DeflateDecoder;

/// The size of a record's header.
pub(crate) const HEADER: usize = 44;
/// What a header begins with; not text, and no two bytes of it alike.
pub(crate) const MARKER: [u8; 4] = [0xf5, b'p', b't', b'\n'];
/// No record has more bytes of lines than this, whatever its header claims.
pub(crate) const TEXT_MAX: usize = 1 << 20;
/// The flag of points that had been handed to the kernel before they were put on disk.
const AGAIN: u32 = 1;

/// What a header says of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the payload.
    pub(crate) payload: usize,
    pub(crate) points: u64,
    /// The time of the oldest point, in seconds since the epoch.
    pub(crate) oldest: u64,
    /// Whether the points had been handed to the kernel before.
    pub(crate) again: bool,
    /// Bytes of the lines.
    pub(super) text: usize,
    /// Bytes of the names' column.
    pub(super) names: usize,
    /// The same packed: where the payload's other part begins.
    pub(super) packed_names: usize,
    /// The payload's checksum.
    pub(super) sum: u32,
}

/// Why a payload gives no points.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// It is not what was written.
    #[error("checksum mismatch")]
    Sum,
    /// It cannot be unpacked.
    #[error("unpack: {0}")]
    Unpack(io::Error),
    /// It is whole, but not what its header says.
    #[error("the columns do not fit each other")]
    Columns,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` if there is none that is whole and makes
    /// sense.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.get(..HEADER)?.try_into().ok()?;
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let size = |at: usize| usize::try_from(word(at)).ok();
        if bytes[..4] != MARKER || crc32fast::hash(&bytes[..40]) != word(40) {
            return None;
        }
        let header = Self {
            payload: size(4)?,
            points: u64::from(word(8)),
            text: size(12)?,
            names: size(16)?,
            packed_names: size(20)?,
            oldest: u64::from(word(24)) | u64::from(word(28)) << 32,
            again: word(32) & AGAIN != 0,
            sum: word(36),
        };
        // The shortest line is a byte each of name, value and time, two spaces and its end.
        let sane = header.text <= TEXT_MAX
            && header.names <= 2 * TEXT_MAX
            && header.packed_names <= header.payload
            && header.payload <= 4 * TEXT_MAX
            && header.points <= (header.text / 6) as u64;
        sane.then_some(header)
    }

    /// Writes it over the first [`HEADER`] bytes of `out`.
    pub(super) fn write(&self, out: &mut [u8]) {
        let size = |size: usize| u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
        out[..4].copy_from_slice(&MARKER);
        out[4..8].copy_from_slice(&size(self.payload));
        out[8..12].copy_from_slice(&u32::try_from(self.points).unwrap_or(u32::MAX).to_le_bytes());
        out[12..16].copy_from_slice(&size(self.text));
        out[16..20].copy_from_slice(&size(self.names));
        out[20..24].copy_from_slice(&size(self.packed_names));
        out[24..32].copy_from_slice(&self.oldest.to_le_bytes());
        out[32..36].copy_from_slice(&(if self.again { AGAIN } else { 0 }).to_le_bytes());
        out[36..40].copy_from_slice(&self.sum.to_le_bytes());
        let sum = crc32fast::hash(&out[..40]);
        out[40..44].copy_from_slice(&sum.to_le_bytes());
    }

    /// The lines of the payload that belongs to this header, one for each of its points.
    pub(crate) fn decode(&self, payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
        if payload.len() != self.payload || crc32fast::hash(payload) != self.sum {
            return Err(DecodeError::Sum);
        }
        let (names, values) = payload.split_at(self.packed_names);
        let names = unpack(names, self.names)?;
        // Times of at most ten bytes each, and less than the lines themselves.
        let values = unpack(
            values,
            self.text + usize::try_from(self.points).unwrap_or(0) * 10,
        )?;
        self.lines(&names, &values).ok_or(DecodeError::Columns)
    }

    /// Puts the columns together again. `None` if they do not fit.
    fn lines(&self, names: &[u8], values: &[u8]) -> Option<Vec<u8>> {
        let points = usize::try_from(self.points).ok()?;
        let (mut shared, mut suffixes) = split_numbers(names, points)?;
        let (mut times, mut texts) = split_numbers(values, points)?;
        let mut lines = Vec::with_capacity(self.text);
        // Where the name before lies in `lines`.
        let (mut start, mut end) = (0, 0);
        let mut time = 0_u64;
        for _ in 0..points {
            let alike = usize::try_from(number(&mut shared)?).ok()?;
            let suffix = line(&mut suffixes)?;
            let text = line(&mut texts)?;
            if alike > end - start || lines.len() + alike + suffix.len() + text.len() > self.text {
                return None;
            }
            let here = lines.len();
            lines.extend_from_within(start..start + alike);
            lines.extend_from_slice(suffix);
            (start, end) = (here, lines.len());
            time = time.wrapping_add_signed(unzigzag(number(&mut times)?));
            lines.push(b' ');
            lines.extend_from_slice(text);
            writeln!(lines, " {time}").ok()?;
        }
        (lines.len() == self.text && suffixes.is_empty() && texts.is_empty()).then_some(lines)
    }
}

fn unpack(packed: &[u8], size: usize) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::new();
    let limit = u64::try_from(size).unwrap_or(u64::MAX);
    DeflateDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut out)
        .map_err(DecodeError::Unpack)?;
    Ok(out)
}

/// The part of a column that holds `count` numbers, and what follows it.
fn split_numbers(column: &[u8], count: usize) -> Option<(&[u8], &[u8])> {
    if count == 0 {
        return Some((&[], column));
    }
    let ends = column.iter().enumerate().filter(|(_, byte)| **byte < 0x80);
    let (last, _) = ends.take(count).nth(count - 1)?;
    Some(column.split_at(last + 1))
}

/// Takes the next line without its end.
fn line<'a>(column: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = column.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = column.split_at(end);
    *column = &rest[1..];
    Some(line)
}

/// Appends a number, seven bits a byte, the lowest first; all but the last byte have the eighth bit.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number(column: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = column.split_first()?;
        *column = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Small numbers of either sign as small ones without.
pub(crate) fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}
