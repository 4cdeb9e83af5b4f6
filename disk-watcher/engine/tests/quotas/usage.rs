//! What is counted.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use disk_engine::quota::{ProjectLimits, project_of, usage_by_statfs};

use crate::filesystem::{FileSystem, Kind, as_nobody, eventually, id, write};

const MIB: u64 = 1 << 20;

#[test]
fn a_deleted_file_counts_until_it_is_closed() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        let before = sandbox.usage();
        let path = sandbox.tree.file("deleted", 8 << 20);
        let open = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let deleted = sandbox.usage();
        assert_eq!(deleted.inodes, before.inodes + 1, "{kind:?}");
        assert!(deleted.bytes >= before.bytes + 8 * MIB, "{kind:?}");
        drop(open);
        eventually("the space of the file", || {
            (sandbox.usage() == before).then_some(())
        });
    }
}

#[test]
fn what_is_written_counts_before_it_is_on_disk() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        let before = sandbox.usage().bytes;
        let file = File::create(sandbox.tree.join("f")).unwrap();
        file.write_all_at(&vec![1; 4 << 20], 0).unwrap();
        assert!(sandbox.usage().bytes >= before + 4 * MIB, "{kind:?}");
        drop(file);
        sandbox.assert_agrees_with_the_walk();
    }
}

#[test]
fn a_hard_link_that_leads_out_of_the_tree_keeps_its_file_in_the_project() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        let path = sandbox.tree.file("f", 1 << 20);
        let with_file = sandbox.usage();
        let outside = filesystem.path().join("outside");
        fs::hard_link(&path, &outside).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(sandbox.usage(), with_file, "{kind:?}");
        fs::remove_file(outside).unwrap();
        eventually("the space of the file", || {
            (sandbox.usage().inodes + 1 == with_file.inodes).then_some(())
        });
    }
}

#[test]
fn all_projects_of_a_file_system_can_be_gone_through() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandboxes = [5_009, 5_001, 70_000].map(|number| filesystem.sandbox(number));
        sandboxes[0].tree.file("f", 1 << 20);
        let quota = filesystem.probe().unwrap();
        let mut found = Vec::new();
        let mut from = id(1);
        while let Some((project, usage)) = quota.next_known(from).unwrap() {
            assert_eq!(usage, quota.usage(project).unwrap());
            found.push(project.get());
            from = id(project.get() + 1);
        }
        assert_eq!(found, [5_001, 5_009, 70_000], "{kind:?}");
    }
}

#[test]
fn an_ordinary_user_learns_by_statfs_what_a_limited_project_uses() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        let elsewhere = File::open(filesystem.path()).unwrap();
        let told =
            || as_nobody(|| usage_by_statfs(sandbox.root().as_fd(), elsewhere.as_fd()).unwrap());
        assert_eq!(told(), None, "without a limit nothing is told");

        let limit = ProjectLimits {
            hard: Some(20 * MIB),
            ..ProjectLimits::NONE
        };
        sandbox.quota.set_limits(sandbox.id, limit).unwrap();
        sandbox.tree.file("f", 7 << 20);
        let usage = sandbox.assert_agrees_with_the_walk();
        let found = told().unwrap();
        assert_eq!(
            (found.bytes, found.limit),
            (usage.bytes, 20 * MIB),
            "{kind:?}"
        );
        assert!(!found.is_lower_bound());

        let soft = ProjectLimits {
            soft: Some(4 * MIB),
            ..limit
        };
        sandbox.quota.set_limits(sandbox.id, soft).unwrap();
        let found = told().unwrap();
        assert_eq!((found.bytes, found.limit), (4 * MIB, 4 * MIB), "{kind:?}");
        assert!(
            found.is_lower_bound(),
            "what is above a soft limit is not seen"
        );
    }
}

#[test]
fn a_project_that_nothing_was_counted_for_uses_nothing() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let usage = filesystem
            .probe()
            .unwrap()
            .usage(id(4_000_000_000))
            .unwrap();
        assert_eq!(usage, Default::default(), "{kind:?}");
    }
}

#[test]
fn files_of_every_kind_that_are_made_in_a_project_are_of_it() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = filesystem.sandbox(5_001);
        let tree = &sandbox.tree;
        as_nobody(|| {
            fs::create_dir(tree.join("d")).unwrap();
            write(&tree.join("d/f"), 100_000).unwrap();
            std::os::unix::fs::symlink("x".repeat(1_000), tree.join("d/link")).unwrap();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                tree.join("d/pipe"),
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR,
                0,
            )
            .unwrap();
        });
        assert_eq!(sandbox.assert_agrees_with_the_walk().inodes, 5, "{kind:?}");
        let below = project_of(File::open(tree.join("d")).unwrap().as_fd()).unwrap();
        assert_eq!((below.project, below.inherits), (Some(sandbox.id), true));
    }
}
