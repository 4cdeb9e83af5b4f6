//! From what a task asks for of its output to what is done about it.

use dialect::{LogWishes, RateLimit};
use mesos_proto::Bytes;

/// How the files of one stream are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Policy {
    /// In bytes; a file is longer only by the end of its last line.
    pub(crate) max_size: u64,
    /// With the one that is written to.
    pub(crate) max_files: u32,
    pub(crate) timestamps: bool,
    pub(crate) rate_limit: Option<RateLimit>,
}

const USUAL_FILES: u32 = 4;
const USUAL_SIZE: u64 = 10 << 20;
const SMALLEST_SIZE: u64 = 64 << 10;

/// All files of both streams together take this part of the task's disk quota at the most, unless the task names sizes.
const QUOTA_PART: u64 = 4;

impl Policy {
    /// What `wishes` come to for a task with this disk quota.
    pub(crate) fn of(wishes: &LogWishes, quota: Option<Bytes>) -> Self {
        let max_files = wishes.max_files.unwrap_or(USUAL_FILES);
        let share = quota.map(|quota| quota.as_u64() / QUOTA_PART / 2 / u64::from(max_files));
        let usual = share.map_or(USUAL_SIZE, |share| share.clamp(SMALLEST_SIZE, USUAL_SIZE));
        Self {
            max_size: wishes.max_size.map_or(usual, Bytes::as_u64),
            max_files,
            timestamps: wishes.timestamps,
            rate_limit: wishes.rate_limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wishes: &LogWishes, quota_mb: Option<u64>) -> Policy {
        Policy::of(wishes, quota_mb.map(|mb| Bytes::new(mb << 20)))
    }

    #[test]
    fn by_default_all_logs_fit_into_a_quarter_of_the_quota() {
        for quota in [4, 10, 32, 100, 1000, 100_000] {
            let policy = of(&LogWishes::default(), Some(quota));
            let most = 2 * policy.max_size * u64::from(policy.max_files);
            assert!(most <= (quota << 20) / 4, "{quota}: {most}");
        }
    }

    #[test]
    fn without_a_quota_a_file_has_ten_megabytes() {
        let policy = of(&LogWishes::default(), None);
        assert_eq!((policy.max_size, policy.max_files), (10 << 20, 4));
    }

    #[test]
    fn more_files_are_smaller_ones() {
        let wishes = LogWishes {
            max_files: Some(8),
            ..LogWishes::default()
        };
        assert_eq!(of(&wishes, Some(64)).max_size, 1 << 20);
    }

    #[test]
    fn a_size_that_the_task_names_counts_whatever_the_quota() {
        let wishes = LogWishes {
            max_size: Some(Bytes::new(5 << 20)),
            ..LogWishes::default()
        };
        assert_eq!(of(&wishes, Some(1)).max_size, 5 << 20);
    }
}
