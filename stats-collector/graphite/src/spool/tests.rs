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

/// What 1,000 containers say in a turn, made up: a third of them idle, the others more or less busy;
/// counters, gauges in pages, and shares and rates with every digit of a float.
fn turn_of_a_thousand() -> Vec<u8> {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut batch = crate::Batch::default();
    for container in 0..1000 {
        let busy = if container % 3 == 0 { 0.0 } else { random() };
        let base = format!(
            "mesos.agent17.containers.team{}_service.{container}",
            container % 7
        );
        let base = crate::MetricPath::parse(&base).unwrap();
        let pages = |share: f64| (share * 250_000.0) as u64 * 4096;
        let ticks = |most: f64, random: f64| (random * most * 100.0).floor() / 100.0;
        let limit = [0.1, 0.5, 1.0, 2.0][container % 4];
        let (periods, throttled) = ((random() * 1e6) as u64, (busy * 1e4) as u64);
        let rss = pages(random());
        let mut put = |name: &str, value: crate::Value| {
            batch.add(&base.child(name), value, 1_795_253_790);
        };
        let fixed: [(&str, crate::Value); 6] = [
            ("cpus_limit", limit.into()),
            ("cpus_soft_limit", limit.into()),
            ("mem_limit_bytes", (1_u64 << 30).into()),
            ("mem_soft_limit_bytes", (1_u64 << 30).into()),
            ("mem_swap_bytes", 0_u64.into()),
            ("disk_limit_bytes", (1_u64 << 30).into()),
        ];
        let counted: [(&str, crate::Value); 14] = [
            ("cpus_user_time_secs", ticks(1e5, random()).into()),
            ("cpus_system_time_secs", ticks(1e4, random()).into()),
            ("cpus_nr_periods", periods.into()),
            ("cpus_nr_throttled", throttled.into()),
            (
                "cpus_throttled_time_secs",
                ((busy * 1e12).floor() / 1e9).into(),
            ),
            ("mem_total_bytes", (rss + pages(random())).into()),
            ("mem_rss_bytes", rss.into()),
            ("mem_cache_bytes", pages(random()).into()),
            ("mem_mapped_file_bytes", pages(random() / 10.0).into()),
            ("disk_used_bytes", pages(random()).into()),
            ("net_rx_bytes", ((random() * 1e10) as u64).into()),
            ("net_rx_packets", ((random() * 1e7) as u64).into()),
            ("net_tx_bytes", ((random() * 1e10) as u64).into()),
            ("net_tx_packets", ((random() * 1e7) as u64).into()),
        ];
        let used = busy * limit;
        let worked_out: [(&str, f64); 12] = [
            ("cpus_used", used),
            ("cpus_used_share_of_limit", used / limit),
            ("cpus_used_share_of_request", used / limit),
            (
                "cpus_throttled_share",
                throttled as f64 / periods as f64 * busy.round(),
            ),
            ("cpus_throttled_seconds_per_second", busy * busy / 3.0),
            ("mem_used_share", rss as f64 / (1_u64 << 30) as f64),
            ("mem_headroom_bytes", (1_u64 << 30).abs_diff(rss) as f64),
            ("disk_used_share", random()),
            (
                "disk_growth_bytes_per_second",
                busy.round() * random() * 4096.0,
            ),
            ("net_rx_bytes_per_second", busy * random() * 1e6),
            ("net_tx_bytes_per_second", busy * random() * 1e6),
            (
                "blkio_write_bytes_per_second",
                busy.round() * random() * 4096.0,
            ),
        ];
        for (name, value) in fixed.into_iter().chain(counted) {
            put(name, value);
        }
        for (name, value) in worked_out {
            put(name, value.into());
        }
    }
    batch.into_bytes()
}

#[test]
fn a_day_without_carbon_fits_the_default_size() {
    let turn = turn_of_a_thousand();
    let points = turn.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(points, 32_000);
    // As it goes to disk: so much at once.
    let mut packed = Vec::new();
    let mut encoder = Encoder::new();
    for chunk in turn
        .chunk_by(|one, _| *one != b'\n')
        .collect::<Vec<_>>()
        .chunks(2500)
    {
        encoder.add(&chunk.concat(), false, &mut packed);
        encoder.finish(&mut packed);
    }
    let day = packed.len() as u64 * (24 * 60 * 60 / 10);
    println!(
        "{:.2} bytes a point, {day} bytes a day",
        packed.len() as f64 / points as f64
    );
    // With a fifth to spare.
    assert!(day < crate::SpoolConfig::BYTES / 5 * 4, "{day} bytes a day");
}
