//! Whether a file is the one that was asked for.

use dialect::Checksum;
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};

/// A file's content is another.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("checksum {actual}, expected {expected}")]
pub struct ChecksumError {
    /// Lower-case hexadecimal digits, with the algorithm's name before them.
    pub expected: String,
    /// The same of what was received.
    pub actual: String,
}

/// A checksum of what was seen so far.
pub(crate) enum Summing {
    Nothing,
    Md5(Box<Md5>, String),
    Sha256(Box<Sha256>, String),
    Sha512(Box<Sha512>, String),
}

impl Summing {
    pub(crate) fn new(expected: Option<&Checksum>) -> Self {
        match expected {
            None => Summing::Nothing,
            Some(Checksum::Md5(digits)) => Summing::Md5(Box::default(), digits.clone()),
            Some(Checksum::Sha256(digits)) => Summing::Sha256(Box::default(), digits.clone()),
            Some(Checksum::Sha512(digits)) => Summing::Sha512(Box::default(), digits.clone()),
        }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        match self {
            Summing::Nothing => {}
            Summing::Md5(sum, _) => sum.update(bytes),
            Summing::Sha256(sum, _) => sum.update(bytes),
            Summing::Sha512(sum, _) => sum.update(bytes),
        }
    }

    pub(crate) fn check(self) -> Result<(), ChecksumError> {
        let (algorithm, expected, actual) = match self {
            Summing::Nothing => return Ok(()),
            Summing::Md5(sum, expected) => ("md5", expected, digits(&sum.finalize())),
            Summing::Sha256(sum, expected) => ("sha256", expected, digits(&sum.finalize())),
            Summing::Sha512(sum, expected) => ("sha512", expected, digits(&sum.finalize())),
        };
        if actual.eq_ignore_ascii_case(&expected) {
            return Ok(());
        }
        Err(ChecksumError {
            expected: format!("{algorithm}:{expected}"),
            actual: format!("{algorithm}:{actual}"),
        })
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
