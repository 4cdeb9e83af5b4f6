//! The kernel tells of a limit that is reached.

use std::os::fd::AsFd;
use std::time::Duration;

use disk_engine::FileId;
use disk_engine::quota::{Heard, ProjectLimits, Warning, WarningKind, Warnings};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::filesystem::{
    FileSystem, Kind, Sandbox, as_nobody, eventually, in_noise, in_quiet, write,
};

const MIB: u64 = 1 << 20;

/// Of one file system: others may reach limits at the same time.
fn hear(warnings: &Warnings, of: &Sandbox) -> Vec<WarningKind> {
    let device = FileId::of(of.root()).unwrap().dev;
    let is_own = |warning: &&Warning| warning.device == device && warning.project == of.id;
    let heard = warnings.read().unwrap();
    heard
        .warnings
        .iter()
        .filter(is_own)
        .map(|warning| warning.kind)
        .collect()
}

fn await_kind(warnings: &Warnings, of: &Sandbox, kind: WarningKind) {
    eventually(&format!("{kind:?}"), || {
        hear(warnings, of).contains(&kind).then_some(())
    });
}

fn limit(sandbox: &Sandbox) {
    let limits = ProjectLimits {
        soft: Some(4 * MIB),
        hard: Some(8 * MIB),
        ..ProjectLimits::NONE
    };
    sandbox.quota.set_limits(sandbox.id, limits).unwrap();
}

#[test]
fn a_soft_and_a_hard_limit_are_told_of_when_they_are_reached() {
    let _guard = in_quiet();
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let (sandbox, other) = (filesystem.sandbox(5_001), filesystem.sandbox(5_002));
        limit(&sandbox);
        let warnings = Warnings::subscribe().unwrap();
        as_nobody(|| {
            write(&other.tree.join("f"), 6 << 20).unwrap();
            write(&sandbox.tree.join("f"), 3 << 20).unwrap();
        });
        assert_eq!(hear(&warnings, &sandbox), [], "{kind:?}");
        as_nobody(|| write(&sandbox.tree.join("g"), 2 << 20)).unwrap();
        await_kind(&warnings, &sandbox, WarningKind::BytesAboveSoft);
        as_nobody(|| write(&sandbox.tree.join("h"), 8 << 20)).unwrap_err();
        await_kind(&warnings, &sandbox, WarningKind::BytesAtHard);
        assert_eq!(hear(&warnings, &other), [], "{kind:?}");
    }
}

#[test]
fn a_warning_wakes_whoever_waits_for_one() {
    let _guard = in_quiet();
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        limit(&sandbox);
        let warnings = Warnings::subscribe().unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let mut sockets = [PollFd::from_borrowed_fd(warnings.as_fd(), PollFlags::IN)];
                let patience = Timespec::try_from(Duration::from_secs(30)).unwrap();
                poll(&mut sockets, Some(&patience)).unwrap()
            });
            as_nobody(|| write(&sandbox.tree.join("f"), 6 << 20)).unwrap();
            assert_eq!(waits.join().unwrap(), 1, "{kind:?}");
        });
    }
}

#[test]
fn ext4_tells_when_usage_is_below_the_soft_limit_again() {
    let _guard = in_quiet();
    let filesystem = FileSystem::new(Kind::Ext4);
    let sandbox = filesystem.sandbox(5_001);
    limit(&sandbox);
    let warnings = Warnings::subscribe().unwrap();
    as_nobody(|| write(&sandbox.tree.join("f"), 6 << 20)).unwrap();
    await_kind(&warnings, &sandbox, WarningKind::BytesAboveSoft);
    std::fs::remove_file(sandbox.tree.join("f")).unwrap();
    await_kind(&warnings, &sandbox, WarningKind::BytesBelowSoft);
}

#[test]
fn a_task_that_goes_on_at_its_limit_is_heard_once_and_what_did_not_fit_is_said_to_be_lost() {
    let _guard = in_noise();
    let filesystem = FileSystem::new(Kind::Xfs);
    let sandbox = filesystem.sandbox(5_001);
    limit(&sandbox);
    let warnings = Warnings::subscribe().unwrap();
    as_nobody(|| {
        for _ in 0..2_000 {
            let _ = write(&sandbox.tree.join("f"), 16 << 20);
        }
    });
    let Heard {
        warnings: heard,
        lost,
    } = warnings.read().unwrap();
    assert!(lost, "the kernel keeps some hundreds");
    let device = FileId::of(sandbox.root()).unwrap().dev;
    let own = |warning: &&Warning| {
        warning.device == device
            && warning.project == sandbox.id
            && warning.kind == WarningKind::BytesAtHard
    };
    assert!(heard.iter().filter(own).count() <= 1, "{heard:?}");
    // What comes after is heard again.
    as_nobody(|| write(&sandbox.tree.join("g"), 1 << 20)).unwrap_err();
    await_kind(&warnings, &sandbox, WarningKind::BytesAtHard);
}
