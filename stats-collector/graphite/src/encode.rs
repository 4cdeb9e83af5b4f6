//! The plaintext protocol: one point a line, `path value timestamp\n`.
//!
//! Carbon splits the line at any white space and calls `float()` on value and timestamp (carbon:
//! `lib/carbon/protocols.py`, `MetricLineReceiver.lineReceived`).

use std::io::Write;

use crate::MetricPath;

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

/// Why a point is not sent.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum EncodeError {
    /// Carbon would store an infinity, which spoils every graph over it, and drop NaN unsaid.
    #[error("value {value} of {path} is not finite")]
    NotFinite {
        /// The series.
        path: String,
        /// Infinity or NaN.
        value: f64,
    },
}

/// Appends one point to `out`. `timestamp` is in seconds since the epoch.
///
/// # Errors
/// [`EncodeError::NotFinite`]; `out` is then as it was.
pub fn encode_point(
    out: &mut Vec<u8>,
    path: &MetricPath,
    value: Value,
    timestamp: u64,
) -> Result<(), EncodeError> {
    if let Value::Float(float) = value
        && !float.is_finite()
    {
        return Err(EncodeError::NotFinite {
            path: path.to_string(),
            value: float,
        });
    }
    out.extend_from_slice(path.as_str().as_bytes());
    let written = match value {
        Value::Integer(integer) => writeln!(out, " {integer} {timestamp}"),
        Value::Signed(integer) => writeln!(out, " {integer} {timestamp}"),
        // Without an exponent 1e300 is 301 digits.
        Value::Float(float) if float != 0.0 && !(1e-5..1e16).contains(&float.abs()) => {
            writeln!(out, " {float:e} {timestamp}")
        }
        Value::Float(float) => writeln!(out, " {float} {timestamp}"),
    };
    written.expect("a Vec takes every byte");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: impl Into<Value>) -> String {
        let mut out = Vec::new();
        let path = MetricPath::parse("a.b").unwrap();
        encode_point(&mut out, &path, value.into(), 1_795_253_796).unwrap();
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
        let path = MetricPath::parse("a.b").unwrap();
        for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let mut out = b"before".to_vec();
            let refused = encode_point(&mut out, &path, Value::Float(value), 1);
            assert!(matches!(refused, Err(EncodeError::NotFinite { .. })));
            assert_eq!(out, b"before");
        }
    }
}
