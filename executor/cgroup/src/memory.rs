use std::path::Path;

use crate::Error;
use crate::kernel_file::{
    malformed, read, read_if_present, read_keyed, read_number, read_number_if_present,
};
use crate::version::Version;

/// A limit as the kernel holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceiling {
    /// This many bytes.
    Bytes(u64),
    /// None: v2's `max`, v1's largest number of whole pages.
    Max,
}

/// What a cgroup's memory controller has to say after an out-of-memory kill. Mesos puts these
/// three into the status message (Mesos:
/// src/slave/containerizer/mesos/isolators/cgroups/subsystems/memory.cpp).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryStatistics {
    /// `memory.limit_in_bytes`, `memory.max`.
    pub limit: Ceiling,
    /// Bytes: `memory.max_usage_in_bytes`, `memory.peak`; before Linux 5.19 v2 has no peak, and
    /// this is `memory.current`.
    pub max_usage: u64,
    /// `memory.stat` as it is, ending in a newline.
    pub stat: String,
}

/// v1 shows "no limit" as the largest 64-bit number in whole pages; anything of an exbibyte or
/// more is that, whatever the page size.
const V1_UNLIMITED: u64 = 1 << 60;

/// The limit of the cgroup itself.
pub(crate) fn limit(directory: &Path, version: Version) -> Result<Ceiling, Error> {
    match version {
        Version::V1 => match read_number(&directory.join("memory.limit_in_bytes"))? {
            V1_UNLIMITED.. => Ok(Ceiling::Max),
            bytes => Ok(Ceiling::Bytes(bytes)),
        },
        Version::V2 => {
            let path = directory.join("memory.max");
            match read(&path)?.trim() {
                "max" => Ok(Ceiling::Max),
                text => {
                    let bytes = text.parse().map_err(|_| malformed(&path, 1, text))?;
                    Ok(Ceiling::Bytes(bytes))
                }
            }
        }
    }
}

pub(crate) fn statistics(directory: &Path, version: Version) -> Result<MemoryStatistics, Error> {
    let limit = limit(directory, version)?;
    let max_usage = match version {
        Version::V1 => read_number(&directory.join("memory.max_usage_in_bytes"))?,
        Version::V2 => {
            let peak = directory.join("memory.peak");
            match read_number_if_present(&peak)? {
                Some(peak) => peak,
                None => read_number(&directory.join("memory.current"))?,
            }
        }
    };
    Ok(MemoryStatistics {
        limit,
        max_usage,
        stat: read(&directory.join("memory.stat"))?,
    })
}

/// How many processes of this cgroup the kernel killed for want of memory.
pub(crate) fn oom_kills(directory: &Path, version: Version) -> Result<u64, Error> {
    let file = match version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    // Both files have had the key since Linux 4.13.
    Ok(read_keyed(&directory.join(file), "oom_kill")?.unwrap_or(0))
}

/// Whether it did so at this cgroup's own limit. Kills are counted where the victim was; whose limit
/// was reached is told elsewhere.
pub(crate) fn broke_limit(directory: &Path, version: Version) -> Result<bool, Error> {
    let at_limit = match version {
        // How often memory could not be charged at once because of this very limit.
        Version::V1 => {
            read_number(&directory.join("memory.failcnt"))? > 0 || was_full_with_swap(directory)?
        }
        Version::V2 => read_keyed(&directory.join("memory.events"), "oom")?.unwrap_or(0) > 0,
    };
    Ok(at_limit && oom_kills(directory, version)? > 0)
}

/// The most bytes whose charge may end in a kill: for more than eight pages (the kernel's
/// `PAGE_ALLOC_COSTLY_ORDER`) it fails the allocation instead.
const LARGEST_FATAL_CHARGE: u64 = 8 * 4096;

/// Whether there was ever no room left below v1's limit of memory and swap together. It is the same
/// number as the limit of memory and the kernel charges it first, so `memory.failcnt` may stay 0;
/// `memory.memsw.failcnt` would tell, but stays 0 on Linux 6.18.
fn was_full_with_swap(directory: &Path) -> Result<bool, Error> {
    let path = directory.join("memory.memsw.limit_in_bytes");
    let Some(text) = read_if_present(&path)? else {
        return Ok(false);
    };
    let limit: u64 = text
        .trim()
        .parse()
        .map_err(|_| malformed(&path, 1, text.trim()))?;
    let most = read_number(&directory.join("memory.memsw.max_usage_in_bytes"))?;
    Ok(most.saturating_add(LARGEST_FATAL_CHARGE) > limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn cgroup(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn v1_numbers_and_the_text_of_memory_stat_come_as_they_are() {
        let directory = cgroup(&[
            ("memory.limit_in_bytes", "100663296\n"),
            ("memory.max_usage_in_bytes", "100663295\n"),
            ("memory.stat", "cache 4096\nrss 540672\n"),
            (
                "memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            ),
        ]);
        let statistics = statistics(directory.path(), Version::V1).unwrap();
        assert_eq!(statistics.limit, Ceiling::Bytes(96 << 20));
        assert_eq!(statistics.max_usage, 100_663_295);
        assert_eq!(statistics.stat, "cache 4096\nrss 540672\n");
        assert_eq!(oom_kills(directory.path(), Version::V1).unwrap(), 3);
    }

    #[test]
    fn only_a_kill_here_and_at_the_limit_here_breaks_the_limit() {
        for (at_the_limit, kills) in [(0, 0), (0, 1), (7, 0), (7, 1)] {
            let directory = cgroup(&[
                ("memory.failcnt", &format!("{at_the_limit}\n")),
                ("memory.oom_control", &format!("oom_kill {kills}\n")),
                (
                    "memory.events",
                    &format!("max 9\noom {at_the_limit}\noom_kill {kills}\n"),
                ),
            ]);
            for version in [Version::V1, Version::V2] {
                assert_eq!(
                    broke_limit(directory.path(), version).unwrap(),
                    at_the_limit > 0 && kills > 0,
                    "{version:?}: {at_the_limit} at the limit, {kills} killed"
                );
            }
        }
    }

    #[test]
    fn on_v1_a_kill_with_memory_and_swap_full_to_the_limit_breaks_it_whatever_failcnt_says() {
        const LIMIT: u64 = 32 << 20;
        for (most, kills, broke) in [
            (LIMIT, 1, true),
            (LIMIT - 4096, 1, true),
            (LIMIT - LARGEST_FATAL_CHARGE, 1, false),
            (LIMIT, 0, false),
        ] {
            let directory = cgroup(&[
                ("memory.failcnt", "0\n"),
                ("memory.memsw.limit_in_bytes", &format!("{LIMIT}\n")),
                ("memory.memsw.max_usage_in_bytes", &format!("{most}\n")),
                ("memory.oom_control", &format!("oom_kill {kills}\n")),
            ]);
            assert_eq!(
                broke_limit(directory.path(), Version::V1).unwrap(),
                broke,
                "{most} bytes at most, {kills} killed"
            );
        }
    }

    #[test]
    fn no_limit_is_max_in_both_versions() {
        let v1 = cgroup(&[
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.max_usage_in_bytes", "0\n"),
            ("memory.stat", ""),
        ]);
        let v2 = cgroup(&[
            ("memory.max", "max\n"),
            ("memory.peak", "0\n"),
            ("memory.stat", ""),
        ]);
        assert_eq!(
            statistics(v1.path(), Version::V1).unwrap().limit,
            Ceiling::Max
        );
        assert_eq!(
            statistics(v2.path(), Version::V2).unwrap().limit,
            Ceiling::Max
        );
    }

    #[test]
    fn a_v2_kernel_without_the_peak_gives_the_current_usage() {
        let directory = cgroup(&[
            ("memory.max", "4096\n"),
            ("memory.current", "1024\n"),
            ("memory.stat", ""),
        ]);
        assert_eq!(
            statistics(directory.path(), Version::V2).unwrap().max_usage,
            1024
        );
    }

    #[test]
    fn a_limit_that_is_no_number_is_named() {
        let directory = cgroup(&[("memory.max", "lots\n")]);
        let error = statistics(directory.path(), Version::V2)
            .unwrap_err()
            .to_string();
        assert!(error.contains("memory.max line 1: 'lots'"), "{error}");
    }
}
