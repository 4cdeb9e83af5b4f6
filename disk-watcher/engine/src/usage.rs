//! What a measurement found.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The disk usage of one directory tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Allocated bytes: the sum of `st_blocks * 512` over the root and everything below it, as `du -B1` counts.
    pub bytes: u64,
    /// Distinct inodes counted, the root among them; a file with several hard links is one, as in `du --inodes`.
    pub inodes: u64,
    /// Mount points found and left out, because they hold another file system's bytes or another sandbox's.
    pub mounts_skipped: u64,
    /// Entries that were listed but gone by the time they were looked at. A busy tree has some; it is no error.
    pub vanished: u64,
    /// Whether [`bytes`](Self::bytes) is the whole truth.
    pub completeness: Completeness,
}

impl Usage {
    /// The usage in KiB, rounded up: the number that `du -k` prints, and that Mesos's `disk/du` isolator compares.
    pub fn kib_rounded_up(&self) -> u64 {
        self.bytes.div_ceil(1024)
    }

    /// Whether the usage breaks a limit of `limit` bytes: strictly more, after rounding up to KiB.
    ///
    /// Mesos: src/slave/containerizer/mesos/isolators/posix/disk.cpp, which compares what `du -k` printed. A lower
    /// bound above the limit is a breach like any other, since the truth can only be larger.
    pub fn exceeds(&self, limit: u64) -> bool {
        self.kib_rounded_up().saturating_mul(1024) > limit
    }

    /// Adds what another thread found in the same tree.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.inodes += other.inodes;
        self.mounts_skipped += other.mounts_skipped;
        self.vanished += other.vanished;
        if let Completeness::LowerBound(theirs) = other.completeness {
            let ours = self.gaps();
            ours.unread += theirs.unread;
            ours.example = ours.example.take().or(theirs.example);
            ours.over_budget |= theirs.over_budget;
            ours.stopped |= theirs.stopped;
        }
    }

    /// The gaps, to add one to: from here on this usage is a lower bound.
    pub(crate) fn gaps(&mut self) -> &mut Gaps {
        if self.completeness == Completeness::Complete {
            self.completeness = Completeness::LowerBound(Gaps::default());
        }
        match &mut self.completeness {
            Completeness::LowerBound(gaps) => gaps,
            Completeness::Complete => unreachable!("replaced above"),
        }
    }
}

/// Whether a measurement saw everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// Everything below the root was counted, but for what [`Usage`] says was left out on purpose.
    #[default]
    Complete,
    /// Something was not counted: the usage is at least the number given.
    LowerBound(Gaps),
}

/// What a measurement could not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Directories that could not be listed and entries that could not be looked at.
    pub unread: u64,
    /// One of those, to name in a message.
    pub example: Option<Unread>,
    /// The walk ended early because it had seen as many entries as
    /// [`Options::max_entries`](crate::Options::max_entries) allows.
    pub over_budget: bool,
    /// The walk ended early because it was [told to](crate::Stop).
    pub stopped: bool,
}

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(example) = &self.example {
            write!(f, "{example}")?;
            if self.unread > 1 {
                write!(f, " (and {} more)", self.unread - 1)?;
            }
        }
        let ends = [
            (self.over_budget, "more entries than the walk may count"),
            (self.stopped, "the walk was stopped"),
        ];
        let mut join = if self.example.is_some() { "; " } else { "" };
        for (_, end) in ends.into_iter().filter(|(is_so, _)| *is_so) {
            write!(f, "{join}{end}")?;
            join = "; ";
        }
        Ok(())
    }
}

/// An entry that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Relative to the measured root; empty for the root itself. Its bytes are chosen by whoever writes to the tree.
    pub path: PathBuf,
    /// The error number of the system call that failed.
    pub errno: i32,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = io::Error::from_raw_os_error(self.errno);
        if self.path.as_os_str().is_empty() {
            write!(f, "cannot read the directory itself: {cause}")
        } else {
            // Debug escapes what a hostile name may hold, such as a line feed.
            write!(f, "cannot read {:?}: {cause}", self.path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(bytes: u64) -> Usage {
        Usage {
            bytes,
            ..Usage::default()
        }
    }

    #[test]
    fn kibibytes_round_up() {
        assert_eq!(usage(0).kib_rounded_up(), 0);
        assert_eq!(usage(512).kib_rounded_up(), 1);
        assert_eq!(usage(1024).kib_rounded_up(), 1);
        assert_eq!(usage(1025).kib_rounded_up(), 2);
    }

    #[test]
    fn usage_equal_to_the_limit_is_no_breach() {
        assert!(!usage(4096).exceeds(4096));
        assert!(usage(4097).exceeds(4096));
    }

    #[test]
    fn the_comparison_is_made_after_rounding_up() {
        assert!(usage(512).exceeds(1000), "1 KiB is more than 1000 bytes");
        assert!(!usage(512).exceeds(1024));
    }

    #[test]
    fn gaps_name_an_example_with_its_bytes_escaped() {
        let gaps = Gaps {
            unread: 3,
            example: Some(Unread {
                path: PathBuf::from("a\nb"),
                errno: 13,
            }),
            over_budget: true,
            stopped: true,
        };
        assert_eq!(
            gaps.to_string(),
            "cannot read \"a\\nb\": Permission denied (os error 13) (and 2 more); \
             more entries than the walk may count; the walk was stopped"
        );
    }
}
