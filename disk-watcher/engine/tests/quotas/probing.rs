//! Whether there are quotas, and why not.

use std::fs::{self, File};
use std::os::fd::AsFd;

use disk_engine::quota::{NoQuota, ProjectLimits, ProjectQuota, QuotaError, QuotaKind};

use crate::filesystem::{FileSystem, Kind, as_nobody, succeed};

#[test]
fn what_counts_and_enforces_says_so() {
    for (kind, expected) in [(Kind::Xfs, QuotaKind::Xfs), (Kind::Ext4, QuotaKind::Ext4)] {
        let quota = FileSystem::new(kind).probe().unwrap();
        assert_eq!((quota.kind(), quota.is_enforced()), (expected, true));
    }
}

#[test]
fn a_file_system_that_is_mounted_without_is_told_from_one_that_could_not() {
    let without = [
        FileSystem::made_by(&["mkfs.xfs", "-q"], "defaults"),
        FileSystem::made_by(&["mkfs.xfs", "-q"], "uquota"),
        FileSystem::made_by(&["mkfs.ext4", "-q"], "defaults"),
        FileSystem::made_by(&["mkfs.ext4", "-q", "-O", "quota"], "defaults"),
    ];
    for filesystem in without {
        let why = filesystem.probe().unwrap_err();
        assert!(matches!(why, NoQuota::AccountingOff { .. }), "{why:?}");
    }
    let btrfs = FileSystem::made_by(&["mkfs.btrfs", "-q"], "defaults");
    let why = btrfs.probe().unwrap_err();
    assert!(
        matches!(why, NoQuota::OtherFileSystem { magic: 0x9123_683e }),
        "{why:?}"
    );
}

#[test]
fn an_overlay_is_told_from_what_lies_below_it() {
    let filesystem = FileSystem::new(Kind::Ext4);
    let path = |name: &str| filesystem.path().join(name);
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(path(name)).unwrap();
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        path("lower").display(),
        path("upper").display(),
        path("work").display()
    );
    let merged = path("merged");
    succeed(
        "mount",
        [
            "-t",
            "overlay",
            "overlay",
            "-o",
            &options,
            merged.to_str().unwrap(),
        ],
    );
    let why = ProjectQuota::probe(File::open(&merged).unwrap().as_fd()).unwrap_err();
    succeed("umount", [merged]);
    assert!(matches!(why, NoQuota::Overlay), "{why:?}");
}

#[test]
fn where_limits_are_not_enforced_usage_counts_and_a_limit_is_refused() {
    let not_enforced = [
        FileSystem::made_by(&["mkfs.xfs", "-q"], "pqnoenforce"),
        FileSystem::made_by(
            &[
                "mkfs.ext4",
                "-q",
                "-O",
                "quota,project",
                "-E",
                "quotatype=prjquota",
            ],
            "defaults",
        ),
    ];
    for filesystem in not_enforced {
        let sandbox = filesystem.sandbox(5_001);
        assert!(!sandbox.quota.is_enforced());
        sandbox.tree.file("f", 1 << 20);
        sandbox.assert_agrees_with_the_walk();
        let limits = ProjectLimits {
            hard: Some(1 << 20),
            ..ProjectLimits::NONE
        };
        let error = sandbox.quota.set_limits(sandbox.id, limits);
        assert!(matches!(error, Err(QuotaError::NotEnforced)), "{error:?}");
    }
}

#[test]
fn quotas_that_are_switched_on_or_off_are_seen_by_the_next_probe() {
    let filesystem = FileSystem::new(Kind::Ext4);
    assert!(filesystem.probe().unwrap().is_enforced());
    succeed("quotaoff", ["-P".as_ref(), filesystem.path().as_os_str()]);
    assert!(!filesystem.probe().is_ok_and(|quota| quota.is_enforced()));
    succeed("quotaon", ["-P".as_ref(), filesystem.path().as_os_str()]);
    assert!(filesystem.probe().unwrap().is_enforced());
}

#[test]
fn an_ordinary_user_is_told_that_he_may_not() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let why = as_nobody(|| filesystem.probe().unwrap_err());
        assert!(matches!(why, NoQuota::NotPermitted), "{kind:?}: {why:?}");
    }
}

#[test]
fn older_kernels_are_asked_by_the_device_and_say_the_same() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        sandbox.tree.file("f", 1 << 20);
        let by_device = sandbox.quota.asked_by_device().unwrap();
        assert_eq!(by_device.is_enforced(), sandbox.quota.is_enforced());
        let limits = ProjectLimits {
            hard: Some(4 << 20),
            soft_inodes: Some(100),
            ..ProjectLimits::NONE
        };
        by_device.set_limits(sandbox.id, limits).unwrap();
        let counted = sandbox.assert_agrees_with_the_walk();
        assert_eq!(by_device.usage(sandbox.id).unwrap(), counted, "{kind:?}");
        assert_eq!(counted.limits, limits);
    }
}
