//! Segments and records: what is written is read, whatever happens to the bytes.

use proptest::prelude::*;

use super::encode::{Encoded, Encoder};
use super::record::{HEADER, Header};
use super::segment::{Found, Kind, START, kind, next, start};

/// What a reader gets out of a segment.
#[derive(Debug, Default, PartialEq)]
struct Read {
    /// The lines of each record that could be decoded.
    records: Vec<String>,
    /// Records with a whole header and a payload that is not.
    undecoded: usize,
    damaged: usize,
    torn: usize,
}

fn read(segment: &[u8]) -> Read {
    assert_eq!(kind(segment), Kind::Ours);
    let mut read = Read::default();
    let mut rest = &segment[START..];
    loop {
        match next(rest) {
            Found::Record(header) => {
                match header.decode(&rest[HEADER..][..header.payload]) {
                    Ok(lines) => {
                        let lines = String::from_utf8(lines).unwrap();
                        assert_eq!(lines.lines().count() as u64, header.points);
                        read.records.push(lines);
                    }
                    Err(_) => read.undecoded += 1,
                }
                rest = &rest[HEADER + header.payload..];
            }
            Found::Damage(bytes) => {
                read.damaged += bytes;
                rest = &rest[bytes..];
            }
            Found::Torn(bytes) => {
                read.torn = bytes;
                return read;
            }
            Found::End => return read,
        }
    }
}

fn encode(lines: &[u8], again: bool, out: &mut Vec<u8>) -> Encoded {
    let mut encoder = Encoder::new();
    encoder.add(lines, again, out);
    encoder.finish(out)
}

fn segment(records: &[String]) -> Vec<u8> {
    let mut bytes = start().to_vec();
    for lines in records {
        let encoded = encode(lines.as_bytes(), false, &mut bytes);
        assert_eq!(
            (encoded.points(), encoded.refused),
            (lines.lines().count() as u64, 0)
        );
    }
    bytes
}

fn some_records() -> Vec<String> {
    let line = |record: usize, n: usize| {
        format!(
            "a.host.containers.web.{n}.mem_bytes {} 17952{record}\n",
            n * 4096
        )
    };
    (0..3)
        .map(|record| (0..4).map(|n| line(record, n)).collect())
        .collect()
}

#[test]
fn a_cut_anywhere_leaves_the_whole_records_before_it() {
    let records = some_records();
    let whole = segment(&records);
    let mut ends = vec![START];
    for count in 1..=records.len() {
        ends.push(segment(&records[..count]).len());
    }
    for cut in START..whole.len() {
        let read = read(&whole[..cut]);
        let kept = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(read.records, records[..kept], "cut at {cut}");
        assert_eq!(
            (read.torn, read.damaged),
            (cut - ends[kept], 0),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_flipped_bit_anywhere_takes_one_record_and_no_other() {
    let records = some_records();
    let whole = segment(&records);
    for place in START..whole.len() {
        for bit in [0, 3, 7] {
            let mut flipped = whole.clone();
            flipped[place] ^= 1 << bit;
            let read = read(&flipped);
            assert_eq!(
                read.records.len(),
                records.len() - 1,
                "byte {place}, bit {bit}"
            );
            assert!(read.records.iter().all(|record| records.contains(record)));
            assert!(read.undecoded + read.damaged + read.torn > 0);
        }
    }
}

#[test]
fn what_a_file_is_is_told_by_its_start_alone() {
    let ours = start();
    assert_eq!(kind(&ours), Kind::Ours);
    for length in 0..START {
        assert_eq!(kind(&ours[..length]), Kind::Stillborn, "{length}");
    }
    assert_eq!(kind(&[0; 4096]), Kind::Stillborn);
    assert_eq!(kind(b"no"), Kind::Foreign);
    assert_eq!(kind(b"somebody else's file, and long"), Kind::Foreign);
    let mut newer = ours;
    newer[8] = 2;
    assert_eq!(
        kind(&newer),
        Kind::Foreign,
        "a flipped bit is not a version"
    );
    let sum = crc32fast::hash(&newer[..12]);
    newer[12..].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(kind(&newer), Kind::OtherVersion(2));
}

#[test]
fn what_is_no_line_is_refused_and_counted_and_the_rest_kept() {
    let mut bytes = start().to_vec();
    let lines = b"a 1 10\nb 2\n\na  1 10\na 1 +10\nc 1 007\nd 1 10 4\ne 1 0\nno end 1";
    let encoded = encode(lines, true, &mut bytes);
    assert_eq!(
        (encoded.again, encoded.refused, encoded.oldest),
        (2, 7, Some(0))
    );
    assert_eq!(read(&bytes).records, ["a 1 10\ne 1 0\n"]);
}

#[test]
fn a_header_that_claims_what_cannot_be_is_no_header() {
    let bytes = segment(&["a 1 10\n".to_owned()]);
    let header = Header::read(&bytes[START..]).unwrap();
    let impossible = [
        Header {
            text: usize::MAX >> 32,
            ..header
        },
        Header {
            points: 1 << 30,
            ..header
        },
        Header {
            packed_names: header.payload + 1,
            ..header
        },
        Header {
            payload: 1 << 30,
            ..header
        },
    ];
    for claimed in impossible {
        let mut bytes = bytes.clone();
        claimed.write(&mut bytes[START..]);
        assert!(
            matches!(next(&bytes[START..]), Found::Torn(_)),
            "{claimed:?}"
        );
    }
    // Within bounds, but not so.
    for claimed in [
        Header { text: 60, ..header },
        Header {
            text: 60,
            points: 2,
            ..header
        },
        Header { names: 1, ..header },
    ] {
        let mut bytes = bytes.clone();
        claimed.write(&mut bytes[START..]);
        assert_eq!(read(&bytes).undecoded, 1, "{claimed:?}");
    }
}

/// Lines as they come: names that share much with their neighbours, or nothing.
fn any_lines() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[a-c.]{1,6}",
        "prefix\\.host\\.[a-z]{1,3}\\.[0-9]\\.(cpus|mem)_[a-z]{1,4}",
        "n;a=[a-z=]{1,4}"
    ];
    let value = prop_oneof![
        any::<u64>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| format!("{value:e}")),
        "[ -~&&[^ ]]{1,20}"
    ];
    let time = prop_oneof![Just(1_795_253_790), any::<u64>()];
    let line =
        (name, value, time).prop_map(|(name, value, time)| format!("{name} {value} {time}\n"));
    prop::collection::vec(line, 0..40).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn what_is_read_is_to_the_byte_what_was_written(records in prop::collection::vec(any_lines(), 0..4)) {
        let records: Vec<_> = records.into_iter().filter(|lines| !lines.is_empty()).collect();
        let expected = Read { records: records.clone(), ..Read::default() };
        prop_assert_eq!(read(&segment(&records)), expected);
    }

    #[test]
    fn whatever_overwrites_a_stretch_what_lies_outside_of_it_is_read(
        at in 0.0..1.0, noise in prop::collection::vec(any::<u8>(), 1..80),
    ) {
        let records = some_records();
        let mut bytes = segment(&records);
        let start_at = START + ((bytes.len() - START) as f64 * at) as usize;
        let end = (start_at + noise.len()).min(bytes.len());
        bytes[start_at..end].copy_from_slice(&noise[..end - start_at]);
        let read = read(&bytes);
        let mut place = START;
        for count in 1..=records.len() {
            let record_end = segment(&records[..count]).len();
            if record_end <= start_at || place >= end {
                prop_assert!(read.records.contains(&records[count - 1]));
            }
            place = record_end;
        }
        prop_assert!(read.records.iter().all(|record| records.contains(record)));
    }
}
