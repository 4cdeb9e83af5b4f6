use std::io;
use std::path::Path;

use super::MemoryFigures;
use crate::Error;
use crate::kernel_file::{Keyed, read_number_if_present};
use crate::memory;
use crate::version::Version;

impl MemoryFigures {
    pub(super) fn read_v1(&mut self, directory: &Path) -> Result<(), Error> {
        let number = |file| read_number_if_present(&directory.join(file));
        self.current = number("memory.usage_in_bytes")?;
        self.peak = number("memory.max_usage_in_bytes")?;
        self.limit = if_present(memory::limit(directory, Version::V1))?;
        self.limit_reached = number("memory.failcnt")?;
        let path = directory.join("memory.stat");
        let stat = Keyed::read_if_present(&path)?;
        self.anonymous = stat.get("total_rss")?;
        self.file = stat.get("total_cache")?;
        self.shared = stat.get("total_shmem")?;
        self.swap = stat.get("total_swap")?;
        let path = directory.join("memory.oom_control");
        self.oom_kills = Keyed::read_if_present(&path)?.get("oom_kill")?;
        Ok(())
    }

    pub(super) fn read_v2(&mut self, directory: &Path) -> Result<(), Error> {
        let number = |file| read_number_if_present(&directory.join(file));
        self.current = number("memory.current")?;
        self.peak = number("memory.peak")?;
        self.limit = if_present(memory::limit(directory, Version::V2))?;
        self.swap = number("memory.swap.current")?;
        let path = directory.join("memory.stat");
        let stat = Keyed::read_if_present(&path)?;
        self.anonymous = stat.get("anon")?;
        self.file = stat.get("file")?;
        self.shared = stat.get("shmem")?;
        let path = directory.join("memory.events");
        let events = Keyed::read_if_present(&path)?;
        self.limit_reached = events.get("max")?;
        self.oom_kills = events.get("oom_kill")?;
        Ok(())
    }
}

/// `None` for a file that is not there.
fn if_present<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ceiling;
    use std::fs;

    #[test]
    fn v1_counts_child_cgroups_too_and_no_limit_is_max() {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("memory.usage_in_bytes", "8192"),
            ("memory.max_usage_in_bytes", "12288"),
            ("memory.limit_in_bytes", "9223372036854771712"),
            ("memory.failcnt", "4"),
            (
                "memory.stat",
                "rss 0\ntotal_cache 4096\ntotal_rss 2048\ntotal_shmem 1024",
            ),
            ("memory.oom_control", "under_oom 0\noom_kill 2"),
        ] {
            fs::write(directory.path().join(file), format!("{text}\n")).unwrap();
        }
        let mut figures = MemoryFigures::default();
        figures.read_v1(directory.path()).unwrap();
        let expected = MemoryFigures {
            current: Some(8192),
            peak: Some(12288),
            limit: Some(Ceiling::Max),
            anonymous: Some(2048),
            file: Some(4096),
            shared: Some(1024),
            // Not accounted for there.
            swap: None,
            limit_reached: Some(4),
            oom_kills: Some(2),
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn v2_before_it_had_a_peak_tells_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("memory.current", "8192"),
            ("memory.max", "65536"),
            ("memory.stat", "anon 2048\nfile 4096\nshmem 1024"),
            ("memory.events", "max 4\noom 1\noom_kill 2"),
        ] {
            fs::write(directory.path().join(file), format!("{text}\n")).unwrap();
        }
        let mut figures = MemoryFigures::default();
        figures.read_v2(directory.path()).unwrap();
        assert_eq!(figures.peak, None);
        assert_eq!(figures.current, Some(8192));
        assert_eq!(figures.limit, Some(Ceiling::Bytes(65536)));
        assert_eq!(
            (figures.limit_reached, figures.oom_kills),
            (Some(4), Some(2))
        );
    }
}
