//! Segments of a spool: a byte that says what follows. Either a segment as it lies on disk, its start left out; or a
//! payload behind a header whose checksums are right and whose numbers are not; or lines, some of whose bytes on disk are
//! changed afterwards.

use std::collections::BTreeSet;

use crate::input::Input;

use format::encode::Encoder;
use format::record::HEADER;
use format::segment::{Found, Kind, START, kind, next, start};

// They are the inside of a library, and its own business.
#[path = "../../../../stats-collector/graphite/src/spool"]
mod format {
    pub(super) mod encode;
    pub(super) mod record;
    pub(super) mod segment;
}

/// Reading ends, takes no more than it was promised, and gives whole lines that were written.
pub(crate) fn run(bytes: &[u8]) {
    let Some((what, rest)) = bytes.split_first() else {
        return;
    };
    match what % 4 {
        0 => {
            kind(rest);
            read(&[start().as_slice(), rest].concat());
        }
        1 => forged(rest),
        _ => changed(rest),
    }
}

/// The lines of each record that can be read.
fn read(segment: &[u8]) -> Vec<Vec<u8>> {
    assert_eq!(kind(segment), Kind::Ours);
    let mut records = Vec::new();
    let mut rest = &segment[START..];
    loop {
        let step = match next(rest) {
            Found::Record(header) => {
                let step = HEADER + header.payload;
                if let Ok(lines) = header.decode(&rest[HEADER..step]) {
                    let count = lines.iter().filter(|byte| **byte == b'\n').count();
                    assert!(
                        count as u64 >= header.points && lines.ends_with(b"\n") || lines.is_empty()
                    );
                    records.push(lines);
                }
                step
            }
            Found::Damage(bytes) => bytes,
            Found::Torn(bytes) => {
                assert_eq!(bytes, rest.len());
                return records;
            }
            Found::End => return records,
        };
        assert!(step > 0);
        rest = &rest[step..];
    }
}

fn forged(bytes: &[u8]) {
    let Some((numbers, payload)) = bytes.split_at_checked(32) else {
        return;
    };
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&format::record::MARKER);
    header[4..36].copy_from_slice(numbers);
    header[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[36..40].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    let sum = crc32fast::hash(&header[..40]);
    header[40..].copy_from_slice(&sum.to_le_bytes());
    read(&[start().as_slice(), &header, payload].concat());
}

fn changed(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut segment, mut written, mut ends) = (start().to_vec(), Vec::new(), vec![START]);
    let changes = input.sized().unwrap_or_default();
    while let Some(lines) = input.sized() {
        let before = segment.len();
        let mut encoder = Encoder::new();
        encoder.add(lines, false, &mut segment);
        let encoded = encoder.finish(&mut segment);
        if encoded.points() == 0 {
            assert_eq!(segment.len(), before);
            continue;
        }
        if encoded.refused == 0 {
            assert_eq!(read(&segment).last().map(Vec::as_slice), Some(lines));
        }
        written.extend(read(&segment).pop());
        ends.push(segment.len());
    }
    let mut damaged = BTreeSet::new();
    for change in changes.chunks_exact(3) {
        let place = START + usize::from(u16::from_le_bytes([change[0], change[1]]));
        if place < segment.len() && change[2] != 0 {
            segment[place] ^= change[2];
            damaged.insert(ends.partition_point(|end| *end <= place) - 1);
        }
    }
    let read = read(&segment);
    // Two changes may undo each other.
    for (record, lines) in written.iter().enumerate() {
        assert!(
            damaged.contains(&record) || read.contains(lines),
            "record {record} is lost"
        );
    }
    assert!(read.iter().all(|lines| written.contains(lines)));
}
