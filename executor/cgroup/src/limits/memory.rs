use std::path::Path;

use cgroups_rs::fs::memory::MemController;

use super::{Limits, Place, refused};
use crate::degraded::{Degraded, Limit, Why};
use crate::kernel_file::{read_number_if_present, write_if_present};
use crate::version::Version;
use crate::{Error, kernel_file};

/// v1: memory and swap together.
const BOTH: &str = "memory.memsw.limit_in_bytes";

pub(super) fn write(
    limits: &Limits,
    place: Place<'_>,
    degraded: &mut Vec<Degraded>,
) -> Result<(), Error> {
    if !place.is_new || limits.memory.is_some() || limits.swap.is_some() {
        write_hard(limits, place, degraded)?;
    }
    if !place.is_new || limits.memory_soft.is_some() {
        write_soft(limits, place)?;
    }
    if place.version == Version::V2 && (!place.is_new || limits.oom_group) {
        let group = if limits.oom_group { "1" } else { "0" };
        // Linux 4.19. Who watches for its end without it ends all of it then.
        write_if_present(&place.directory.join("memory.oom.group"), group)?;
    }
    Ok(())
}

fn controller(place: Place<'_>) -> MemController {
    let (point, base) = (place.directory.to_owned(), place.directory.to_owned());
    MemController::new(point, base, place.version == Version::V2)
}

/// As cgroups-rs wants it: -1 is none.
fn number(limit: Option<u64>) -> i64 {
    limit.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

fn write_soft(limits: &Limits, place: Place<'_>) -> Result<(), Error> {
    let (file, limit) = match place.version {
        Version::V1 => ("memory.soft_limit_in_bytes", number(limits.memory_soft)),
        // None is protected then.
        Version::V2 => ("memory.low", number(Some(limits.memory_soft.unwrap_or(0)))),
    };
    controller(place)
        .set_soft_limit(limit)
        .map_err(refused(place.directory, file, limit))
}

/// The limit, and none of it to be had as swap on top but what is asked for: else a task beyond its
/// limit fills the host's swap instead of dying. A kernel without swap accounting lacks the file.
fn write_hard(
    limits: &Limits,
    place: Place<'_>,
    degraded: &mut Vec<Degraded>,
) -> Result<(), Error> {
    let limit = number(limits.memory);
    let set = |file| {
        controller(place)
            .set_limit(limit)
            .map_err(refused(place.directory, file, limit))
    };
    let without_swap = |file| Degraded {
        limit: Limit::Swap,
        why: Why::NoFile(file),
    };
    match place.version {
        Version::V1 => {
            let path = place.directory.join(BOTH);
            let now = read_number_if_present(&path)?;
            if limits.swap.is_some() && (now.is_none() || limits.memory.is_none()) {
                // Without a limit of memory v1 has none of swap alone.
                degraded.push(without_swap(match limits.memory {
                    Some(_) => BOTH,
                    None => "memory.swap.max",
                }));
            }
            let both = limits
                .memory
                .map(|memory| memory.saturating_add(limits.swap.unwrap_or(0)));
            let write_both = || match now {
                Some(_) => kernel_file::write(&path, &number(both).to_string()),
                None => Ok(()),
            };
            // The kernel refuses it below the limit of memory alone, so whichever of the two is the
            // greater goes first.
            if raises(both, now, place.is_new) {
                write_both()?;
                set("memory.limit_in_bytes")
            } else {
                set("memory.limit_in_bytes")?;
                write_both()
            }
        }
        Version::V2 => {
            set("memory.max")?;
            let swap = match (limits.swap, limits.memory) {
                (Some(bytes), _) => bytes.to_string(),
                (None, Some(_)) => "0".to_owned(),
                (None, None) => "max".to_owned(),
            };
            let path = place.directory.join("memory.swap.max");
            if limits.swap.is_some() && !exists(&path) {
                degraded.push(without_swap("memory.swap.max"));
            }
            write_if_present(&path, &swap)
        }
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Whether v1's limit of memory and swap together is to become greater than it is.
fn raises(both: Option<u64>, now: Option<u64>, is_new: bool) -> bool {
    match both {
        None => true,
        // There is none yet.
        Some(_) if is_new => false,
        Some(bytes) => now.is_some_and(|now| bytes > now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn limits(memory: Option<u64>, swap: Option<u64>) -> Limits {
        Limits {
            memory,
            swap,
            ..Limits::of_cpus(1.0)
        }
    }

    /// What does not hold of what is written.
    fn write_to(
        directory: &Path,
        version: Version,
        limits: &Limits,
        is_new: bool,
    ) -> Vec<Degraded> {
        let place = Place {
            version,
            directory,
            is_new,
        };
        let mut degraded = Vec::new();
        write(limits, place, &mut degraded).unwrap();
        degraded
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    #[test]
    fn v1_holds_memory_and_swap_together_to_the_limit_of_memory() {
        let directory = tempfile::tempdir().unwrap();
        let both = directory.path().join(BOTH);
        let write = |bytes, is_new| {
            write_to(directory.path(), Version::V1, &limits(bytes, None), is_new);
        };
        fs::write(&both, "9223372036854771712\n").unwrap();
        write(None, true);
        assert_eq!(text(&both), "9223372036854771712");
        fs::write(&both, "20480\n").unwrap();
        write(Some(12288), false);
        assert_eq!(text(&both), "12288");
        write(Some(16384), false);
        assert_eq!(text(&both), "16384");
        fs::write(&both, "99").unwrap();
        write(None, false);
        assert_eq!(text(&both), "-1");
    }

    #[test]
    fn on_v1_the_limit_with_swap_is_raised_before_the_limit_and_lowered_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let both = directory.path().join(BOTH);
        fs::write(&both, "12288\n").unwrap();
        // A directory in the limit's place: writing it fails, and what comes after is not done.
        fs::create_dir(directory.path().join("memory.limit_in_bytes")).unwrap();
        for (bytes, left) in [(8192, "12288"), (16384, "16384")] {
            let place = Place {
                version: Version::V1,
                directory: directory.path(),
                is_new: false,
            };
            write(&limits(Some(bytes), None), place, &mut Vec::new()).unwrap_err();
            assert_eq!(text(&both), left);
        }
    }

    #[test]
    fn swap_that_is_asked_for_comes_on_top_of_the_memory() {
        let directory = tempfile::tempdir().unwrap();
        let both = directory.path().join(BOTH);
        let swap = directory.path().join("memory.swap.max");
        // As in the kernel's, what is written replaces what was there.
        fs::write(&both, "99999\n").unwrap();
        fs::write(&swap, "").unwrap();
        let asked = limits(Some(8192), Some(4096));
        for version in [Version::V1, Version::V2] {
            assert_eq!(write_to(directory.path(), version, &asked, true), []);
        }
        assert_eq!(text(&both), "12288");
        assert_eq!(text(&swap), "4096");
    }

    #[test]
    fn swap_that_cannot_be_limited_is_told_of_when_it_was_asked_for() {
        for (version, memory, file) in [
            (Version::V1, Some(8192), BOTH),
            (Version::V1, None, "memory.swap.max"),
            (Version::V2, Some(8192), "memory.swap.max"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let asked = limits(memory, Some(4096));
            let expected = Degraded {
                limit: Limit::Swap,
                why: Why::NoFile(file),
            };
            let found = write_to(directory.path(), version, &asked, true);
            assert_eq!(found, [expected], "{version:?}");
            let unasked = limits(memory, None);
            assert_eq!(write_to(directory.path(), version, &unasked, true), []);
        }
    }

    #[test]
    fn v2_leaves_no_swap_to_a_task_with_a_limit() {
        let directory = tempfile::tempdir().unwrap();
        let swap = directory.path().join("memory.swap.max");
        for (bytes, is_new, written) in [
            (None, true, ""),
            (Some(4096), true, "0"),
            (None, false, "max"),
        ] {
            fs::write(&swap, "").unwrap();
            write_to(directory.path(), Version::V2, &limits(bytes, None), is_new);
            assert_eq!(text(&swap), written);
        }
    }

    #[test]
    fn where_swap_is_not_accounted_for_the_limit_of_memory_is_all_that_is_written() {
        for (version, file) in [
            (Version::V1, "memory.limit_in_bytes"),
            (Version::V2, "memory.max"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            write_to(directory.path(), version, &limits(Some(4096), None), true);
            assert_eq!(text(&directory.path().join(file)), "4096");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn the_soft_limit_is_v1s_own_and_v2s_protection_and_can_be_lifted() {
        for (version, file, lifted) in [
            (Version::V1, "memory.soft_limit_in_bytes", "-1"),
            (Version::V2, "memory.low", "0"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let asked = Limits {
                memory_soft: Some(8192),
                ..Limits::of_cpus(1.0)
            };
            write_to(directory.path(), version, &asked, true);
            assert_eq!(text(&directory.path().join(file)), "8192");
            write_to(directory.path(), version, &limits(None, None), false);
            assert_eq!(text(&directory.path().join(file)), lifted);
        }
    }

    #[test]
    fn v2_ends_all_of_a_task_at_once_when_that_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let group = directory.path().join("memory.oom.group");
        fs::write(&group, "0").unwrap();
        let asked = Limits {
            oom_group: true,
            ..limits(Some(4096), None)
        };
        write_to(directory.path(), Version::V2, &asked, true);
        assert_eq!(text(&group), "1");
        write_to(
            directory.path(),
            Version::V2,
            &limits(Some(4096), None),
            false,
        );
        assert_eq!(text(&group), "0");
    }
}
