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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::{MetricPath, Value};

    /// Path, value as Python writes it, and timestamp.
    type Read = (String, String, u64);

    /// What carbon's own unpickler makes of it: of each message the length and the points.
    fn unpickled(bytes: &[u8]) -> Vec<(usize, Vec<Read>)> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/unpickle.py");
        let mut child = Command::new(test_support::graphite_pypi().join("bin/python"))
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success());
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn pickled(batch: &Batch) -> Vec<(usize, Vec<Read>)> {
        let mut out = Vec::new();
        encode(&mut out, batch);
        unpickled(&out)
    }

    #[test]
    fn carbon_reads_every_point_as_it_was_and_every_digit() {
        let values = [
            (Value::Integer(0), "0"),
            (Value::Integer(7), "7"),
            (Value::Integer(u64::from(u32::MAX)), "4294967295"),
            (Value::Integer((1 << 53) + 1), "9007199254740993"),
            (Value::Integer(u64::MAX), "18446744073709551615"),
            (Value::Signed(-1), "-1"),
            (Value::Signed(i64::MIN), "-9223372036854775808"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(-2.5e-300), "-2.5e-300"),
            (Value::Float(5e-324), "5e-324"),
            (Value::Float(1e300), "1e+300"),
        ];
        let mut batch = Batch::default();
        let name = |index: usize| format!("a.b{index};tag=größe");
        for (index, &(value, _)) in values.iter().enumerate() {
            let name = name(index);
            let timestamp = 1_795_253_796 + 3_000_000_000 * (index as u64 % 2);
            batch.add_named(
                |out| out.extend_from_slice(name.as_bytes()),
                value,
                timestamp,
            );
        }
        let expected = values.iter().enumerate().map(|(index, &(_, text))| {
            let timestamp = 1_795_253_796 + 3_000_000_000 * (index as u64 % 2);
            (name(index), text.to_owned(), timestamp)
        });
        let messages = pickled(&batch);
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].1, expected.collect::<Vec<_>>());
    }

    #[test]
    fn no_message_is_too_large_for_carbon_and_no_point_is_missing_or_twice() {
        let mut batch = Batch::default();
        for number in 0..1700_u64 {
            batch.add(&MetricPath::parse("p").unwrap(), number, 1000);
        }
        let long = "x".repeat(14_000).into_bytes();
        for number in 1700..1900 {
            batch.add_named(
                |out| out.extend_from_slice(&long),
                Value::Integer(number),
                1000,
            );
        }
        let messages = pickled(&batch);
        for (length, points) in &messages {
            assert!(*length < 600 * 1024 && points.len() <= POINTS, "{length}");
        }
        let values = messages
            .iter()
            .flat_map(|(_, points)| points.iter().map(|point| point.1.clone()));
        let expected = (0..1900).map(|number: u64| number.to_string());
        assert!(values.eq(expected));
    }

    #[test]
    fn what_is_no_point_is_left_out_as_carbon_would() {
        let mut batch = Batch::default();
        for line in [
            "a 1 1000\n",
            "b one 1000\n",
            "c 1\n",
            "d 1 1000 x\n",
            "e 2 1000\n",
        ] {
            batch.add_line(line.as_bytes());
        }
        batch.add_line(b"\xff 1 1000\n");
        let point = |path: &str, value: &str| (path.to_owned(), value.to_owned(), 1000);
        assert_eq!(pickled(&batch)[0].1, [point("a", "1"), point("e", "2")]);
        assert_eq!(pickled(&Batch::default()), []);
    }
}
