//! The kernel refuses what is beyond a limit.

use std::fs;
use std::io;

use disk_engine::quota::{ProjectLimits, QuotaError};

use crate::filesystem::{FileSystem, Kind, NOBODY, Sandbox, as_nobody, everybodys, write};

const MIB: u64 = 1 << 20;

fn hard(bytes: u64) -> ProjectLimits {
    ProjectLimits {
        hard: Some(bytes),
        ..ProjectLimits::NONE
    }
}

/// What a file system says of a write beyond a limit.
fn refusal(kind: Kind) -> io::ErrorKind {
    match kind {
        Kind::Xfs => io::ErrorKind::StorageFull,
        Kind::Ext4 => io::ErrorKind::QuotaExceeded,
    }
}

fn try_write(sandbox: &Sandbox, name: &str, bytes: usize) -> Result<(), io::ErrorKind> {
    write(&sandbox.tree.join(name), bytes).map_err(|error| error.kind())
}

#[test]
fn no_byte_is_written_beyond_a_hard_limit() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let (sandbox, neighbour) = (filesystem.sandbox(5_001), filesystem.sandbox(5_002));
        sandbox
            .quota
            .set_limits(sandbox.id, hard(12 * MIB))
            .unwrap();
        assert_eq!(sandbox.usage().limits, hard(12 * MIB));
        let refused = as_nobody(|| try_write(&sandbox, "f", 40 << 20));
        assert_eq!(refused, Err(refusal(kind)), "{kind:?}");
        let used = sandbox.usage().bytes;
        assert!(used <= 12 * MIB && used > 11 * MIB, "{kind:?}: {used}");
        as_nobody(|| try_write(&neighbour, "f", 20 << 20)).unwrap();
        sandbox.assert_agrees_with_the_walk();
    }
}

#[test]
fn a_limit_that_is_raised_or_lifted_lets_write_on() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        let limit = |limits| sandbox.quota.set_limits(sandbox.id, limits).unwrap();
        limit(hard(2 * MIB));
        as_nobody(|| try_write(&sandbox, "a", 4 << 20)).unwrap_err();
        limit(hard(8 * MIB));
        as_nobody(|| try_write(&sandbox, "b", 4 << 20)).unwrap();
        as_nobody(|| try_write(&sandbox, "c", 4 << 20)).unwrap_err();
        limit(ProjectLimits::NONE);
        assert_eq!(sandbox.usage().limits, ProjectLimits::NONE);
        as_nobody(|| try_write(&sandbox, "d", 20 << 20)).unwrap();
    }
}

#[test]
fn a_limit_below_what_is_used_stops_what_comes_and_takes_nothing_away() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        as_nobody(|| try_write(&sandbox, "f", 8 << 20)).unwrap();
        sandbox.quota.set_limits(sandbox.id, hard(4 * MIB)).unwrap();
        assert_eq!(
            as_nobody(|| try_write(&sandbox, "g", 1 << 20)),
            Err(refusal(kind))
        );
        assert_eq!(fs::metadata(sandbox.tree.join("f")).unwrap().len(), 8 * MIB);
    }
}

#[test]
fn root_is_refused_by_xfs_and_by_ext4_only_without_a_capability() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        sandbox.quota.set_limits(sandbox.id, hard(4 * MIB)).unwrap();
        let as_root = try_write(&sandbox, "f", 8 << 20);
        match kind {
            Kind::Xfs => assert_eq!(as_root, Err(io::ErrorKind::StorageFull)),
            Kind::Ext4 => assert_eq!(as_root, Ok(())),
        }
        let without_capability = std::thread::scope(|scope| {
            let act = || {
                let mut sets = rustix::thread::capabilities(None).unwrap();
                sets.effective -= rustix::thread::CapabilitySet::SYS_RESOURCE;
                rustix::thread::set_capabilities(None, sets).unwrap();
                try_write(&sandbox, "g", 8 << 20)
            };
            scope.spawn(act).join().unwrap()
        });
        assert_eq!(without_capability, Err(refusal(kind)), "{kind:?}");
    }
}

#[test]
fn no_file_is_made_beyond_a_limit_of_inodes() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        let limits = ProjectLimits {
            hard_inodes: Some(10),
            ..ProjectLimits::NONE
        };
        sandbox.quota.set_limits(sandbox.id, limits).unwrap();
        let made = as_nobody(|| {
            (0..20)
                .filter(|number| try_write(&sandbox, &number.to_string(), 0).is_ok())
                .count()
        });
        assert_eq!(made, 9, "{kind:?}: the directory itself is one of ten");
    }
}

#[test]
fn a_file_whose_owner_gives_it_away_counts_as_before() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        let file = sandbox.tree.file("f", 1 << 20);
        let before = sandbox.assert_agrees_with_the_walk();
        std::os::unix::fs::chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
        everybodys(&file);
        assert_eq!(sandbox.usage(), before, "{kind:?}");
    }
}

#[test]
fn limits_that_make_no_sense_are_refused_and_change_nothing() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        sandbox.quota.set_limits(sandbox.id, hard(8 * MIB)).unwrap();
        let upside_down = ProjectLimits {
            soft: Some(9 * MIB),
            ..hard(8 * MIB)
        };
        let error = sandbox.quota.set_limits(sandbox.id, upside_down);
        assert!(matches!(error, Err(QuotaError::UpsideDown { .. })));
        assert_eq!(sandbox.usage().limits, hard(8 * MIB));
        let odd = ProjectLimits {
            soft: Some(5_000_001),
            ..hard(9_999_999)
        };
        sandbox.quota.set_limits(sandbox.id, odd).unwrap();
        let kept = sandbox.usage().limits;
        let at_least = |limit: Option<u64>, asked: u64| {
            limit.is_some_and(|limit| (asked..asked + 4096).contains(&limit))
        };
        assert!(at_least(kept.soft, 5_000_001), "{kind:?}: {kept:?}");
        assert!(at_least(kept.hard, 9_999_999), "{kind:?}: {kept:?}");
    }
}
