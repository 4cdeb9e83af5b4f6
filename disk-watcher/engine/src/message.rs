//! A breach in words: Mesos's own first line, then what helps to find the culprit.

use std::fmt::Write;

use mesos_proto::Bytes;

use crate::{Amount, Breach, Largest};

impl Breach {
    /// What is set against the limit: inodes, or bytes rounded up to KiB as `du -k` does.
    pub fn charged(&self) -> u64 {
        match self.of {
            Amount::Inodes => self.sample.usage.inodes,
            Amount::Bytes => in_kib(self.sample.charged(self.counts_deleted)),
        }
    }

    /// The breach in words. The first line is that of Mesos's `disk/du`, to the letter:
    /// `Disk usage (30732KB) exceeds quota (10MB)`. The lines after it tell how fast the tree grows, what in it is
    /// largest, and what is deleted but still open. Names from the tree are escaped.
    ///
    /// Mesos: src/slave/containerizer/mesos/isolators/posix/disk.cpp
    pub fn message(&self) -> String {
        let first = match self.of {
            Amount::Bytes => format!(
                "Disk usage ({}) exceeds quota ({})",
                Bytes::new(self.charged()),
                Bytes::new(self.limit)
            ),
            Amount::Inodes => self.inodes(),
        };
        self.with_details(first)
    }

    /// As [`message`](Self::message), for a persistent volume, with the first line of Mesos's `disk/xfs`:
    /// `Disk usage (30732KB) exceeded quota (10MB) for volume 'id'`.
    ///
    /// Mesos: src/slave/containerizer/mesos/isolators/xfs/disk.cpp
    pub fn message_for_volume(&self, persistence_id: &str) -> String {
        let first = match self.of {
            Amount::Bytes => format!(
                "Disk usage ({}) exceeded quota ({}) for volume '{persistence_id}'",
                Bytes::new(self.charged()),
                Bytes::new(self.limit)
            ),
            Amount::Inodes => format!("{} for volume '{persistence_id}'", self.inodes()),
        };
        self.with_details(first)
    }

    fn inodes(&self) -> String {
        format!(
            "Disk usage ({} inodes) exceeds quota ({} inodes)",
            self.charged(),
            self.limit
        )
    }

    fn with_details(&self, mut message: String) -> String {
        // Writing to a string never fails.
        let mut line = |text: std::fmt::Arguments<'_>| {
            let _ = write!(message, "\n{text}");
        };
        if let Some(growth) = self.growth.filter(|growth| *growth >= 1.0) {
            line(format_args!("growing by {}/s", rounded(growth as u64)));
        }
        if let Some(deleted) = self.sample.deleted.filter(|deleted| deleted.files > 0) {
            line(format_args!(
                "{}{} in {} deleted but still open, {}",
                if deleted.at_least { "at least " } else { "" },
                rounded(deleted.bytes),
                plural(deleted.files, "file"),
                if self.counts_deleted {
                    "counted"
                } else {
                    "not counted"
                },
            ));
        }
        for largest in &self.largest {
            line(format_args!(
                "{} in {}",
                rounded(largest.bytes),
                place(largest)
            ));
        }
        message
    }
}

/// A path as a log can have it: Debug escapes what a hostile name may hold, such as a line feed.
fn place(largest: &Largest) -> String {
    let path = &largest.path;
    if path.as_os_str().is_empty() {
        "small files here and there".to_owned()
    } else if largest.is_directory {
        let files = plural(largest.inodes, "file");
        format!("{:?} ({files})", path.join(""))
    } else {
        format!("{path:?}")
    }
}

fn in_kib(bytes: u64) -> u64 {
    bytes.div_ceil(1024).saturating_mul(1024)
}

fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// For people: three digits or so.
fn rounded(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    if unit == 0 || amount >= 100.0 {
        format!("{amount:.0} {}", UNITS[unit])
    } else {
        format!("{amount:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Deleted, Largest, Sample, Source, TreeId, Usage};
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    const MB: u64 = 1 << 20;

    fn breach(bytes: u64, limit: u64) -> Breach {
        Breach {
            tree: TreeId::unused(),
            of: Amount::Bytes,
            sample: Sample {
                usage: Usage {
                    bytes,
                    inodes: 1_234,
                    ..Usage::default()
                },
                deleted: None,
                source: Source::Walk,
                taken: Instant::now(),
                cost: Duration::ZERO,
            },
            limit,
            counts_deleted: false,
            growth: None,
            largest: Vec::new(),
            confirmed: true,
        }
    }

    #[test]
    fn a_breach_is_told_in_the_words_of_disk_du() {
        assert_eq!(
            breach(30_732 * 1024, 10 * MB).message(),
            "Disk usage (30732KB) exceeds quota (10MB)"
        );
        assert_eq!(
            breach(1025 * 1024, MB).message(),
            "Disk usage (1025KB) exceeds quota (1MB)"
        );
        assert_eq!(
            breach(2048 * MB, 1000).message(),
            "Disk usage (2GB) exceeds quota (1000B)"
        );
    }

    #[test]
    fn the_usage_is_rounded_up_to_kib_as_du_does() {
        let breach = breach(10 * MB + 512, 10 * MB);
        assert_eq!(breach.charged(), 10 * MB + 1024);
        assert_eq!(
            breach.message(),
            "Disk usage (10241KB) exceeds quota (10MB)"
        );
    }

    #[test]
    fn a_breach_of_a_volume_is_told_in_the_words_of_disk_xfs() {
        assert_eq!(
            breach(30_732 * 1024, 10 * MB).message_for_volume("data-1"),
            "Disk usage (30732KB) exceeded quota (10MB) for volume 'data-1'"
        );
    }

    #[test]
    fn too_many_inodes_are_told_as_such() {
        let breach = Breach {
            of: Amount::Inodes,
            ..breach(MB, 1_000)
        };
        assert_eq!(breach.charged(), 1_234);
        assert_eq!(
            breach.message(),
            "Disk usage (1234 inodes) exceeds quota (1000 inodes)"
        );
        assert_eq!(
            breach.message_for_volume("v"),
            "Disk usage (1234 inodes) exceeds quota (1000 inodes) for volume 'v'"
        );
    }

    #[test]
    fn after_the_first_line_comes_what_helps_to_find_the_culprit() {
        let mut breach = breach(20 * MB, 25 * MB);
        breach.sample.deleted = Some(Deleted {
            bytes: 6 * MB + MB / 2,
            files: 1,
            at_least: true,
        });
        breach.counts_deleted = true;
        breach.growth = Some(200.0 * MB as f64);
        let named = |path: &str, bytes, is_directory| Largest {
            path: PathBuf::from(path),
            bytes,
            inodes: if is_directory { 23_000 } else { 1 },
            is_directory,
        };
        breach.largest = vec![
            named("core\nDisk usage (0B)", 12 * MB, false),
            named("cache", 7 * MB, true),
            named("", 1000, true),
        ];
        assert_eq!(
            breach.message(),
            "Disk usage (27136KB) exceeds quota (25MB)\n\
             growing by 200 MB/s\n\
             at least 6.5 MB in 1 file deleted but still open, counted\n\
             12.0 MB in \"core\\nDisk usage (0B)\"\n\
             7.0 MB in \"cache/\" (23000 files)\n\
             1000 B in small files here and there"
        );
    }

    #[test]
    fn deleted_files_that_do_not_count_are_told_of_as_such() {
        let mut breach = breach(20 * MB, 10 * MB);
        breach.sample.deleted = Some(Deleted {
            bytes: 3 * MB,
            files: 2,
            at_least: false,
        });
        assert_eq!(
            breach.message(),
            "Disk usage (20MB) exceeds quota (10MB)\n\
             3.0 MB in 2 files deleted but still open, not counted"
        );
    }
}
