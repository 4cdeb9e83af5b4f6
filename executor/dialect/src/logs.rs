//! What a task asks for of its output, as JSON: `logs` of the data, or a label of that name.
//!
//! ```json
//! { "rotate": true, "max_size": "10MB", "max_files": 4, "timestamps": false,
//!   "rate_limit": { "bytes_per_second": "1MB", "lines_per_second": 1000, "burst": "5secs" } }
//! ```
//!
//! All keys may be left out. With `"rotate": false` the task writes to its files by itself, and nothing else can be set.

use std::num::NonZeroU64;
use std::time::Duration;

use mesos_proto::{Bytes, MesosDuration};

use crate::json::{JsonError, Keys};

/// What becomes of a task's stdout and stderr.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogWishes {
    /// Whether the executor writes the files and rotates them, or the task writes by itself into files that only grow.
    /// None is as it is usual where the task runs.
    pub rotate: Option<bool>,
    /// How large a file grows before a new one is begun.
    pub max_size: Option<Bytes>,
    /// How many files of each of the two are kept, the one that is written to included.
    pub max_files: Option<u32>,
    /// Each line begins with the time when it came.
    pub timestamps: bool,
    /// How much is written at the most.
    pub rate_limit: Option<RateLimit>,
}

/// How fast a task's output may grow, stdout and stderr each. Lines beyond it are dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// None is without limit.
    pub bytes_per_second: Option<NonZeroU64>,
    /// None is without limit.
    pub lines_per_second: Option<NonZeroU64>,
    /// So many seconds' worth may come at once after a silence.
    pub burst: Duration,
}

/// What is smaller would hold hardly a line.
const SMALLEST_FILE: u64 = 64 << 10;

const MOST_FILES: u64 = 1000;

const DEFAULT_BURST: Duration = Duration::from_secs(5);

impl LogWishes {
    /// Whether it asks for anything that only the executor can do, which then has to hold the task's output.
    pub fn wants_rotation(&self) -> bool {
        let said_otherwise = self.max_size.is_some()
            || self.max_files.is_some()
            || self.timestamps
            || self.rate_limit.is_some();
        self.rotate.unwrap_or(said_otherwise)
    }
}

/// Reads the object, whole.
pub(crate) fn read(mut keys: Keys) -> Result<LogWishes, JsonError> {
    let rotate = keys.flag("rotate")?;
    if rotate == Some(false) {
        let contradicting = ["max_size", "max_files", "timestamps", "rate_limit"];
        if let Some(key) = contradicting.into_iter().find(|key| keys.has(key)) {
            let key = keys.path(key);
            let other = "\"rotate\": false";
            return Err(JsonError::Both { key, other });
        }
    }
    let wishes = LogWishes {
        rotate,
        max_size: size(&mut keys, "max_size")?
            .map(|size| {
                let enough = size.as_u64() >= SMALLEST_FILE;
                enough.then_some(size).ok_or_else(|| JsonError::Type {
                    key: keys.path("max_size"),
                    wanted: "64KB or more",
                })
            })
            .transpose()?,
        max_files: match keys.count("max_files")? {
            None => None,
            Some(files @ 1..=MOST_FILES) => Some(files as u32),
            Some(_) => {
                return Err(JsonError::Type {
                    key: keys.path("max_files"),
                    wanted: "from 1 to 1000",
                });
            }
        },
        timestamps: keys.flag("timestamps")?.unwrap_or_default(),
        rate_limit: keys.object("rate_limit")?.map(rate_limit).transpose()?,
    };
    keys.end()?;
    Ok(wishes)
}

fn rate_limit(mut keys: Keys) -> Result<RateLimit, JsonError> {
    let not_zero = |keys: &Keys, key: &str, found: Option<u64>| {
        let checked = found.map(|number| {
            NonZeroU64::new(number).ok_or_else(|| JsonError::Type {
                key: keys.path(key),
                wanted: "more than nothing",
            })
        });
        checked.transpose()
    };
    let bytes = size(&mut keys, "bytes_per_second")?.map(Bytes::as_u64);
    let bytes_per_second = not_zero(&keys, "bytes_per_second", bytes)?;
    let lines = keys.count("lines_per_second")?;
    let lines_per_second = not_zero(&keys, "lines_per_second", lines)?;
    if bytes_per_second.is_none() && lines_per_second.is_none() {
        return Err(JsonError::Missing {
            key: keys.path("bytes_per_second"),
        });
    }
    let burst = match keys.text("burst")? {
        None => DEFAULT_BURST,
        Some(text) => {
            let parsed = text.parse().ok().and_then(MesosDuration::to_std);
            // Less holds no line, more is no limit.
            let sensible = parsed.filter(|burst| (1..=3600).contains(&burst.as_secs()));
            sensible.ok_or_else(|| JsonError::Type {
                key: keys.path("burst"),
                wanted: "a duration from 1secs to 1hrs",
            })?
        }
    };
    keys.end()?;
    Ok(RateLimit {
        bytes_per_second,
        lines_per_second,
        burst,
    })
}

fn size(keys: &mut Keys, key: &str) -> Result<Option<Bytes>, JsonError> {
    let Some(text) = keys.text(key)? else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| JsonError::Type {
        key: keys.path(key),
        wanted: "a size such as 10MB",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn parse(text: &str) -> Result<LogWishes, String> {
        let value = json::parse(text).unwrap();
        Keys::of("logs".to_owned(), value)
            .and_then(read)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn everything_that_can_be_said_is_heard() {
        let said = parse(
            r#"{ "rotate": true, "max_size": "2MB", "max_files": 3, "timestamps": true,
                 "rate_limit": { "bytes_per_second": "64KB", "lines_per_second": 100, "burst": "10secs" } }"#,
        );
        let wishes = LogWishes {
            rotate: Some(true),
            max_size: Some(Bytes::new(2 << 20)),
            max_files: Some(3),
            timestamps: true,
            rate_limit: Some(RateLimit {
                bytes_per_second: NonZeroU64::new(64 << 10),
                lines_per_second: NonZeroU64::new(100),
                burst: Duration::from_secs(10),
            }),
        };
        assert_eq!(said, Ok(wishes));
    }

    #[test]
    fn nothing_said_leaves_everything_as_usual() {
        let wishes = parse("{}").unwrap();
        assert_eq!(wishes, LogWishes::default());
        assert!(!wishes.wants_rotation());
        assert!(!parse(r#"{"rotate": false}"#).unwrap().wants_rotation());
        for text in [
            r#"{"rotate": true}"#,
            r#"{"max_files": 1}"#,
            r#"{"timestamps": true}"#,
        ] {
            assert!(parse(text).unwrap().wants_rotation(), "{text}");
        }
    }

    #[test]
    fn a_burst_of_five_seconds_is_usual() {
        let wishes = parse(r#"{"rate_limit": {"lines_per_second": 1}}"#).unwrap();
        assert_eq!(wishes.rate_limit.unwrap().burst, DEFAULT_BURST);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name() {
        for (text, complaint) in [
            (r#"{"max_size": 5}"#, "logs.max_size must be a text"),
            (
                r#"{"max_size": "5"}"#,
                "logs.max_size must be a size such as 10MB",
            ),
            (
                r#"{"max_size": "1KB"}"#,
                "logs.max_size must be 64KB or more",
            ),
            (
                r#"{"max_files": 0}"#,
                "logs.max_files must be from 1 to 1000",
            ),
            (
                r#"{"rotate": false, "max_files": 2}"#,
                "logs.max_files cannot be set together with \"rotate\": false",
            ),
            (
                r#"{"rate_limit": {}}"#,
                "logs.rate_limit.bytes_per_second is missing",
            ),
            (
                r#"{"rate_limit": {"lines_per_second": 0}}"#,
                "logs.rate_limit.lines_per_second must be more than nothing",
            ),
            (
                r#"{"rate_limit": {"lines_per_second": 1, "burst": "1ms"}}"#,
                "logs.rate_limit.burst must be a duration from 1secs to 1hrs",
            ),
            (
                r#"{"color": true}"#,
                "logs.color is not a key that is known here",
            ),
        ] {
            assert_eq!(parse(text), Err(complaint.to_owned()), "{text}");
        }
    }
}
