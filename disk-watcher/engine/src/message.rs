//! A breach in words: Mesos's own first line, then what helps to find the culprit.

use std::fmt::Write;

use mesos_proto::Bytes;

use crate::{Amount, Breach};

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
                // Debug escapes what a hostile name may hold, such as a line feed.
                format_args!("{:?}", largest.path)
            ));
        }
        message
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
