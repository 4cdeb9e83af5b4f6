//! A watch where the file system counts by project.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use disk_engine::quota::{ProjectId, ProjectLimits, ProjectQuota, ProjectUsage, project_of};
use disk_engine::{Amount, Event, Limits, QuotaUse, Settings, Source, TreeId};

use crate::filesystem::{
    FileSystem, Kind, as_nobody, eventually, everybodys, id, in_quiet, succeed, write,
};
use crate::tree::Tree;
use crate::watching::{Watching, unlimited};

const MIB: u64 = 1 << 20;
const FIRST: u32 = 7_000;

/// Projects are given out, and it is looked for strayed files all the time.
fn assigning(filesystem: &FileSystem) -> Settings {
    Settings {
        quota: QuotaUse::Assign(FIRST..=FIRST + 5),
        project_records: records(filesystem),
        reconcile: Duration::from_millis(100),
        ..Settings::default()
    }
}

fn records(filesystem: &FileSystem) -> PathBuf {
    filesystem.path().join("records")
}

fn directory(filesystem: &FileSystem) -> Tree {
    let tree = Tree::below(&filesystem.path());
    everybodys(tree.path());
    tree
}

fn in_kernel(hard: u64) -> Limits {
    Limits {
        hard: Some(hard),
        in_kernel: true,
        ..Limits::default()
    }
}

fn add(watching: &Watching, directory: &Tree, limits: Limits) -> TreeId {
    let tree = watching.add(disk_engine::Tree {
        limits,
        ..unlimited(directory)
    });
    watching.wait_for(tree);
    tree
}

fn project(directory: &Tree) -> Option<ProjectId> {
    let root = File::open(directory.path()).unwrap();
    project_of(root.as_fd()).unwrap().project
}

fn usage(quota: &ProjectQuota, directory: &Tree) -> ProjectUsage {
    quota.usage(project(directory).unwrap()).unwrap()
}

fn fill(directory: &Tree, name: &str, bytes: u64) -> std::io::Result<()> {
    let bytes = usize::try_from(bytes).unwrap();
    as_nobody(|| write(&directory.join(name), bytes))
}

#[test]
fn a_tree_gets_a_project_and_is_known_without_a_walk() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let directory = directory(&filesystem);
        directory.file("before", 300_000);
        let watching = Watching::start(assigning(&filesystem));
        let tree = add(&watching, &directory, Limits::default());
        assert_eq!(project(&directory), Some(id(FIRST)), "{kind:?}");
        fill(&directory, "after", 2 * MIB).unwrap();
        watching.look_again(tree);
        let latest = watching.latest(tree).unwrap().sample;
        assert_eq!(latest.source, Source::ProjectQuota, "{kind:?}");
        let root = File::open(directory.path()).unwrap();
        let walked = disk_engine::measure(root.as_fd(), &Default::default()).unwrap();
        assert_eq!(latest.usage.bytes, walked.bytes, "{kind:?}");
        assert_eq!(watching.figures().walks, 0, "{kind:?}");
    }
}

#[test]
fn a_project_of_somebody_elses_is_read_and_its_limits_are_left_alone() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let of_mesos = filesystem.sandbox(5_001);
        let limits = ProjectLimits {
            hard: Some(64 * MIB),
            ..ProjectLimits::NONE
        };
        of_mesos.quota.set_limits(of_mesos.id, limits).unwrap();
        let watching = Watching::start(assigning(&filesystem));
        let tree = add(&watching, &of_mesos.tree, in_kernel(8 * MIB));
        let latest = watching.latest(tree).unwrap().sample;
        assert_eq!(latest.source, Source::ProjectQuota, "{kind:?}");
        fill(&of_mesos.tree, "f", 10 * MIB).unwrap();
        let breach = watching.breach();
        assert!(breach.confirmed && breach.limit == 8 * MIB, "{breach:?}");
        watching.remove(tree);
        drop(watching);
        assert_eq!(of_mesos.usage().limits, limits, "{kind:?}");
    }
}

#[test]
fn a_breach_is_told_soon_and_little_is_written_beyond_the_limit() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let directory = directory(&filesystem);
        let watching = Watching::start(assigning(&filesystem));
        add(
            &watching,
            &directory,
            Limits {
                hard: Some(32 * MIB),
                ..Limits::default()
            },
        );
        let (crossed, told) = thread::scope(|scope| {
            let writes = scope.spawn(|| {
                let mut crossed = None;
                for written in 1..=160 {
                    fill(&directory, "f", MIB).unwrap();
                    if written == 33 {
                        crossed = Some(Instant::now());
                    }
                }
                crossed.unwrap()
            });
            let breach = watching.breach();
            let told = (Instant::now(), breach);
            (writes.join().unwrap(), told)
        });
        let (at, breach) = told;
        let beyond = breach.charged().saturating_sub(breach.limit);
        println!(
            "{kind:?}: breach to event {:?}, {} KiB beyond the limit",
            at.saturating_duration_since(crossed),
            beyond / 1024
        );
        assert!(breach.confirmed && beyond > 0, "{breach:?}");
    }
}

#[test]
fn with_limits_in_the_kernel_a_write_is_refused_which_is_told_and_nothing_is_broken() {
    let _guard = in_quiet();
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let directory = directory(&filesystem);
        let watching = Watching::start(assigning(&filesystem));
        let tree = add(&watching, &directory, in_kernel(8 * MIB));
        let begun = Instant::now();
        fill(&directory, "f", 40 * MIB).unwrap_err();
        let refused = watching.event();
        println!("{kind:?}: write to refusal told {:?}", begun.elapsed());
        let expected = Event::Refused {
            tree,
            of: Amount::Bytes,
            limit: 8 * MIB,
        };
        assert_eq!(refused, expected, "{kind:?}");
        fill(&directory, "g", MIB).unwrap_err();
        watching.look_again(tree);
        assert_eq!(watching.so_far(), [], "{kind:?}");

        watching.set_limits(tree, in_kernel(16 * MIB));
        let quota = filesystem.probe().unwrap();
        eventually("the limit", || {
            (usage(&quota, &directory).limits.hard == Some(16 * MIB)).then_some(())
        });
        fill(&directory, "h", 4 * MIB).unwrap();
    }
}

#[test]
fn a_soft_limit_in_the_kernel_is_told_when_it_is_crossed() {
    let _guard = in_quiet();
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let directory = directory(&filesystem);
        let watching = Watching::start(assigning(&filesystem));
        let limits = Limits {
            soft: Some(4 * MIB),
            ..in_kernel(64 * MIB)
        };
        let tree = add(&watching, &directory, limits);
        fill(&directory, "f", 6 * MIB).unwrap();
        let told = watching.event();
        let is_soft = matches!(&told, Event::SoftLimit(breach) if breach.tree == tree);
        assert!(is_soft, "{kind:?}: {told:?}");
        assert!(watching.figures().quota_warnings > 0, "{kind:?}");
    }
}

#[test]
fn the_limits_of_a_tree_that_is_removed_are_lifted_and_its_id_is_free_when_it_is_gone() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let quota = filesystem.probe().unwrap();
        let directory = directory(&filesystem);
        let watching = Watching::start(assigning(&filesystem));
        let tree = add(&watching, &directory, in_kernel(8 * MIB));
        assert_eq!(usage(&quota, &directory).limits.hard, Some(8 * MIB));
        watching.remove(tree);
        // What was handed over is done before the end.
        drop(watching);
        assert_eq!(usage(&quota, &directory).limits, ProjectLimits::NONE);
        fill(&directory, "f", 10 * MIB).unwrap();

        let record = records(&filesystem).join(FIRST.to_string());
        assert!(record.exists(), "{kind:?}");
        drop(directory);
        eventually("the end of the last file", || {
            (quota.usage(id(FIRST)).unwrap().inodes == 0).then_some(())
        });
        let next = self::directory(&filesystem);
        let watching = Watching::start(assigning(&filesystem));
        add(&watching, &next, Limits::default());
        assert_eq!(project(&next), Some(id(FIRST)), "{kind:?}");
    }
}

#[test]
fn a_watch_that_ends_leaves_limits_and_the_next_one_takes_them_over() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let quota = filesystem.probe().unwrap();
        let directory = directory(&filesystem);
        let watching = Watching::start(assigning(&filesystem));
        add(&watching, &directory, in_kernel(8 * MIB));
        drop(watching);
        assert_eq!(usage(&quota, &directory).limits.hard, Some(8 * MIB));
        fill(&directory, "f", 9 * MIB).unwrap_err();
        let watching = Watching::start(assigning(&filesystem));
        let tree = add(&watching, &directory, in_kernel(12 * MIB));
        assert_eq!(project(&directory), Some(id(FIRST)), "{kind:?}");
        assert_eq!(usage(&quota, &directory).limits.hard, Some(12 * MIB));
        watching.remove(tree);
        // The directory is somebody else's by now, whose limits stay.
        for round in 0..20 {
            let tree = add(&watching, &directory, in_kernel((20 + round) * MIB));
            watching.remove(tree);
        }
        let last = add(&watching, &directory, in_kernel(40 * MIB));
        watching.look_again(last);
        eventually("the last limit", || {
            let held = usage(&quota, &directory).limits.hard;
            (held == Some(40 * MIB)).then_some(())
        });
    }
}

#[test]
fn files_that_left_their_project_are_told_of_and_fetched_back() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let quota = filesystem.probe().unwrap();
        let directory = directory(&filesystem);
        let watching = Watching::start(assigning(&filesystem));
        let tree = add(&watching, &directory, Limits::default());
        fill(&directory, "f", 3 * MIB).unwrap();
        let out = directory.join("f");
        as_nobody(|| succeed("chattr", ["-p".as_ref(), "0".as_ref(), out.as_os_str()]));
        assert!(usage(&quota, &directory).bytes < MIB, "{kind:?}");
        let strayed = Event::Strayed {
            tree,
            files: 1,
            example: PathBuf::from("f"),
        };
        assert_eq!(watching.event(), strayed, "{kind:?}");
        assert!(usage(&quota, &directory).bytes >= 3 * MIB, "{kind:?}");
    }
}

#[test]
fn a_breach_is_told_of_although_the_kernels_limits_were_switched_off() {
    let filesystem = FileSystem::new(Kind::Ext4);
    let directory = directory(&filesystem);
    let watching = Watching::start(assigning(&filesystem));
    let tree = add(&watching, &directory, in_kernel(8 * MIB));
    succeed("quotaoff", ["-P".as_ref(), filesystem.path().as_os_str()]);
    fill(&directory, "f", 12 * MIB).unwrap();
    let breach = watching.breach();
    assert!(breach.confirmed && breach.tree == tree, "{breach:?}");
}
