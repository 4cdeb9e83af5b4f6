//! Packs lines into records, see [`super::record`].

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::record::{HEADER, Header, TEXT_MAX, push_number, zigzag};

/// A record is closed when it has so many bytes of lines: more than usually go to disk at once, so
/// that they are not cut in two.
const TEXT_ENOUGH: usize = 320 << 10;

/// Packs lines into records. It keeps its memory from one record to the next.
pub(crate) struct Encoder {
    deflate: DeflateEncoder<Vec<u8>>,
    columns: Columns,
    again: bool,
    sum: Encoded,
}

/// What [`Encoder::finish`] tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// Points that had not been handed to the kernel before.
    pub(crate) first: u64,
    /// Points that had.
    pub(crate) again: u64,
    /// Lines that are none, or too long for a record.
    pub(crate) refused: u64,
    /// The time of the oldest point, in seconds since the epoch.
    pub(crate) oldest: Option<u64>,
}

/// The lines of one record, split.
#[derive(Default)]
struct Columns {
    /// How many bytes each name has in common with the one before.
    shared: Vec<u8>,
    /// The rest of each name, each with a line's end.
    suffixes: Vec<u8>,
    /// The difference of each time to the one before.
    times: Vec<u8>,
    /// The values, each with a line's end.
    texts: Vec<u8>,
    points: u64,
    text: usize,
    oldest: Option<u64>,
    last_name: Vec<u8>,
    last_time: u64,
}

impl Encoder {
    /// The quickest level of deflate: 0.25 µs a point. The default one makes a point 8 % smaller, in
    /// two and a half times the time.
    pub(crate) fn new() -> Self {
        Self {
            deflate: DeflateEncoder::new(Vec::new(), Compression::fast()),
            columns: Columns::default(),
            again: false,
            sum: Encoded::default(),
        }
    }

    /// Takes lines in, and appends a record to `out` whenever there is enough for one. `again` says
    /// that the points had been handed to the kernel before.
    pub(crate) fn add(&mut self, lines: &[u8], again: bool, out: &mut Vec<u8>) {
        if again != self.again {
            self.close(out);
            self.again = again;
        }
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let Some(fields) = fields(line).filter(|_| line.len() <= TEXT_MAX - TEXT_ENOUGH) else {
                self.sum.refused += 1;
                continue;
            };
            self.columns.add(line.len(), fields);
            if self.columns.text >= TEXT_ENOUGH {
                self.close(out);
            }
        }
    }

    /// Appends what is left, and tells what went into records since the last time.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Encoded {
        self.close(out);
        std::mem::take(&mut self.sum)
    }

    /// Makes a record of the columns, if they hold anything.
    fn close(&mut self, out: &mut Vec<u8>) {
        let columns = &mut self.columns;
        let Some(oldest) = columns.oldest else {
            return;
        };
        let start = out.len();
        out.resize(start + HEADER, 0);
        let mut pack = |first: &[u8], second: &[u8]| -> io::Result<usize> {
            self.deflate.write_all(first)?;
            self.deflate.write_all(second)?;
            let packed = self.deflate.reset(Vec::new())?;
            out.extend_from_slice(&packed);
            Ok(packed.len())
        };
        let packed_names =
            pack(&columns.shared, &columns.suffixes).expect("a Vec takes every byte");
        pack(&columns.times, &columns.texts).expect("a Vec takes every byte");
        let payload = &out[start + HEADER..];
        let header = Header {
            payload: payload.len(),
            points: columns.points,
            oldest,
            again: self.again,
            text: columns.text,
            names: columns.shared.len() + columns.suffixes.len(),
            packed_names,
            sum: crc32fast::hash(payload),
        };
        header.write(&mut out[start..start + HEADER]);
        self.sum.add(columns.points, oldest, self.again);
        columns.clear();
    }
}

impl Encoded {
    fn add(&mut self, points: u64, oldest: u64, again: bool) {
        if again {
            self.again += points;
        } else {
            self.first += points;
        }
        self.oldest = Some(self.oldest.map_or(oldest, |before| before.min(oldest)));
    }

    /// Points in all.
    pub(crate) fn points(&self) -> u64 {
        self.first + self.again
    }
}

impl Columns {
    fn add(&mut self, bytes: usize, (name, value, time): (&[u8], &[u8], u64)) {
        let alike = name.iter().zip(&self.last_name);
        let alike = alike.take_while(|(one, other)| one == other).count();
        push_number(&mut self.shared, alike as u64);
        self.suffixes.extend_from_slice(&name[alike..]);
        self.suffixes.push(b'\n');
        let later = time.wrapping_sub(self.last_time).cast_signed();
        push_number(&mut self.times, zigzag(later));
        self.texts.extend_from_slice(value);
        self.texts.push(b'\n');
        self.points += 1;
        self.text += bytes;
        self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
        self.last_name.truncate(alike);
        self.last_name.extend_from_slice(&name[alike..]);
        self.last_time = time;
    }

    fn clear(&mut self) {
        for column in [
            &mut self.shared,
            &mut self.suffixes,
            &mut self.times,
            &mut self.texts,
            &mut self.last_name,
        ] {
            column.clear();
        }
        (self.points, self.text, self.last_time, self.oldest) = (0, 0, 0, None);
    }
}

/// The three fields of a line: name, value and time.
fn fields(line: &[u8]) -> Option<(&[u8], &[u8], u64)> {
    let line = line.strip_suffix(b"\n")?;
    let mut fields = line.split(|byte| *byte == b' ');
    let (name, value, time) = (fields.next()?, fields.next()?, fields.next()?);
    let text = std::str::from_utf8(time).ok()?;
    let seconds: u64 = text.parse().ok()?;
    // What is read back is to be the very same text.
    let canonical = text == "0" || !text.starts_with(['+', '0']);
    (canonical && fields.next().is_none() && !name.is_empty() && !value.is_empty())
        .then_some((name, value, seconds))
}
