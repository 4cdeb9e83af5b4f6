//! The plaintext protocol: one point a line, `path value timestamp\n`.
//!
//! Carbon splits the line at any white space and calls `float()` on value and timestamp (carbon:
//! `lib/carbon/protocols.py`, `MetricLineReceiver.lineReceived`).

use std::io::Write;

/// The value of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Written with every digit, also above 2^53.
    Integer(u64),
    /// The same below zero.
    Signed(i64),
    /// Written with the fewest digits that read back as the same number.
    Float(f64),
}

impl Value {
    /// Whether it is a number that there is: neither infinite nor NaN.
    #[must_use]
    pub fn is_finite(self) -> bool {
        match self {
            Self::Integer(_) | Self::Signed(_) => true,
            Self::Float(float) => float.is_finite(),
        }
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Integer(u64::from(value))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Signed(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// Appends one point to `out`, named by what `name` appends. `timestamp` is in seconds since the epoch.
///
/// False, and `out` as it was, for a value that is not finite: carbon would store an infinity, which spoils every graph
/// over it, and drop NaN unsaid.
#[must_use]
pub fn encode_point(
    out: &mut Vec<u8>,
    name: impl FnOnce(&mut Vec<u8>),
    value: Value,
    timestamp: u64,
) -> bool {
    if !value.is_finite() {
        return false;
    }
    name(out);
    out.push(b' ');
    encode_value(out, value);
    out.push(b' ');
    encode_integer(out, timestamp);
    out.push(b'\n');
    true
}

/// Appends a value as carbon's and Prometheus's texts and JSON have it, which differ in nothing but what is not finite:
/// integers with every digit, floats with the fewest digits that read back as the same number.
pub fn encode_value(out: &mut Vec<u8>, value: Value) {
    let written = match value {
        Value::Integer(integer) => return encode_integer(out, integer),
        Value::Signed(integer) => write!(out, "{integer}"),
        // Without an exponent 1e300 is 301 digits.
        Value::Float(float) if float != 0.0 && !(1e-5..1e16).contains(&float.abs()) => {
            write!(out, "{float:e}")
        }
        Value::Float(float) => write!(out, "{float}"),
    };
    written.expect("a Vec takes every byte");
}

/// What the machinery of format strings does, in a third of its time: most of a sample are integers.
fn encode_integer(out: &mut Vec<u8>, mut integer: u64) {
    /// Of `u64::MAX`.
    const DIGITS: usize = 20;
    let mut digits = [0; DIGITS];
    let mut start = DIGITS;
    loop {
        start -= 1;
        // Less than ten.
        digits[start] = b'0' + (integer % 10) as u8;
        integer /= 10;
        if integer == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(out: &mut Vec<u8>) {
        out.extend_from_slice(b"a.b");
    }

    fn line(value: impl Into<Value>) -> String {
        let mut out = Vec::new();
        assert!(encode_point(&mut out, name, value.into(), 1_795_253_796));
        String::from_utf8(out).unwrap()
    }

    fn read_back(value: f64) -> f64 {
        let line = line(value);
        let fields: Vec<_> = line.strip_suffix('\n').unwrap().split(' ').collect();
        assert_eq!(fields.len(), 3, "{line:?}");
        assert_eq!((fields[0], fields[2]), ("a.b", "1795253796"));
        fields[1].parse().unwrap()
    }

    #[test]
    fn a_point_is_path_value_and_time_on_one_line() {
        assert_eq!(line(8192_u64), "a.b 8192 1795253796\n");
        assert_eq!(line(0.2), "a.b 0.2 1795253796\n");
        assert_eq!(line(1.0), "a.b 1 1795253796\n");
        assert_eq!(line(0.0), "a.b 0 1795253796\n");
        assert_eq!(line(7_u32), "a.b 7 1795253796\n");
    }

    #[test]
    fn integers_keep_every_digit() {
        assert_eq!(line(u64::MAX), "a.b 18446744073709551615 1795253796\n");
        assert_eq!(line((1_u64 << 53) + 1), "a.b 9007199254740993 1795253796\n");
        assert_eq!(line(i64::MIN), "a.b -9223372036854775808 1795253796\n");
        for value in (0..20).map(|power| 10_u64.pow(power)) {
            for value in [value - 1, value, value + 1] {
                assert_eq!(line(value), format!("a.b {value} 1795253796\n"));
            }
        }
    }

    #[test]
    fn floats_read_back_exactly_and_stay_short() {
        for value in [
            0.299_931_295,
            0.1 + 0.2,
            -1.5,
            1e16,
            9.999e15,
            1e-5,
            9.9e-6,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            -0.0,
        ] {
            assert_eq!(read_back(value).to_bits(), value.to_bits(), "{value:e}");
            assert!(line(value).len() < 50, "{}", line(value));
        }
    }

    #[test]
    fn what_is_not_finite_is_refused_and_leaves_no_trace() {
        for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let mut out = b"before".to_vec();
            assert!(!encode_point(&mut out, name, Value::Float(value), 1));
            assert_eq!(out, b"before");
        }
    }
}
