//! A watch over trees that the kernel counts.

use std::path::Path;

use disk_engine::quota::{ProjectLimits, project_of};
use disk_engine::{Event, Limits, QuotaUse, Settings, Source, Tree, TreeId, open_root};
use std::os::fd::AsFd;

use crate::filesystem::{
    FileSystem, Kind, Sandbox, as_nobody, eventually, everybodys, id, succeed, write,
};
use crate::watching::Watching;

const MIB: u64 = 1 << 20;

/// Gives out projects, and keeps its records on the file system itself.
fn giving(filesystem: &FileSystem) -> Settings {
    Settings {
        quota: QuotaUse::Assign(5_001..=5_009),
        project_records: filesystem.path().join("records"),
        budget: 1.0,
        ..Settings::default()
    }
}

fn observing() -> Settings {
    Settings {
        quota: QuotaUse::Observe,
        budget: 1.0,
        ..Settings::default()
    }
}

fn tree(path: &Path, hard: u64) -> Tree {
    Tree {
        limits: Limits {
            hard: Some(hard),
            in_kernel: true,
            ..Limits::default()
        },
        ..Tree::new(open_root(path).unwrap())
    }
}

fn put(path: &Path, project: &str) {
    as_nobody(|| {
        succeed(
            "chattr",
            ["-p".as_ref(), project.as_ref(), path.as_os_str()],
        );
    });
}

fn source(watching: &Watching, tree: TreeId) -> Source {
    watching.look_again(tree);
    watching.wait_for(tree).sample.source
}

/// A directory of an ordinary user's that has no project.
fn directory(filesystem: &FileSystem) -> crate::tree::Tree {
    let made = crate::tree::Tree::below(&filesystem.path());
    std::os::unix::fs::chown(made.path(), Some(65_534), Some(65_534)).unwrap();
    everybodys(made.path());
    made
}

#[test]
fn a_tree_is_given_a_project_and_the_kernel_refuses_what_is_too_much() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let made = directory(&filesystem);
        let watching = Watching::start(giving(&filesystem));
        let tree = watching.add(tree(made.path(), 8 * MIB));
        assert_eq!(
            watching.wait_for(tree).sample.source,
            Source::ProjectQuota,
            "{kind:?}"
        );
        as_nobody(|| write(&made.join("f"), 20 << 20)).unwrap_err();
        watching.look_again(tree);
        let used = watching.wait_for(tree).sample.usage.bytes;
        assert!(used > 7 * MIB && used <= 8 * MIB, "{kind:?}: {used}");
        watching.set_limits(tree, Limits::default());
        watching.look_again(tree);
        as_nobody(|| write(&made.join("f"), 20 << 20)).unwrap();
    }
}

#[test]
fn a_tree_whose_root_names_a_neighbours_project_changes_nothing_of_the_neighbours() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let (neighbour, thief) = (directory(&filesystem), directory(&filesystem));
        let watching = Watching::start(giving(&filesystem));
        let honest = watching.add(tree(neighbour.path(), 64 * MIB));
        watching.wait_for(honest);
        let root = std::fs::File::open(neighbour.path()).unwrap();
        let project = project_of(root.as_fd()).unwrap().project.unwrap();
        put(thief.path(), &project.to_string());
        as_nobody(|| succeed("chattr", ["+P".as_ref(), thief.path().as_os_str()]));
        let dishonest = watching.add(tree(thief.path(), MIB));
        watching.wait_for(dishonest);
        let quota = filesystem.probe().unwrap();
        assert_eq!(
            quota.usage(project).unwrap().limits.hard,
            Some(64 * MIB),
            "{kind:?}"
        );
        as_nobody(|| write(&neighbour.join("f"), 10 << 20)).unwrap();
    }
}

/// Takes the root out of its project, which is not told by any event, and fills it.
fn escape(sandbox: &Sandbox) {
    put(sandbox.tree.path(), "0");
    as_nobody(|| write(&sandbox.tree.join("f"), 20 << 20)).unwrap();
}

fn owned(filesystem: &FileSystem) -> Sandbox {
    let sandbox = filesystem.sandbox(5_001);
    std::os::unix::fs::chown(sandbox.tree.path(), Some(65_534), Some(65_534)).unwrap();
    sandbox
}

#[test]
fn a_tree_that_leaves_its_project_breaks_its_limit_all_the_same() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = owned(&filesystem);
        let watching = Watching::start(observing());
        let tree = watching.add(tree(sandbox.tree.path(), 10 * MIB));
        assert_eq!(source(&watching, tree), Source::ProjectQuota, "{kind:?}");
        escape(&sandbox);
        let mut told = Vec::new();
        eventually("the breach", || {
            watching.look_now(tree);
            told.extend(watching.so_far());
            let broken = |event: &Event| matches!(event, Event::Breach(_));
            told.iter().any(broken).then_some(())
        });
        let strayed = |event: &Event| matches!(event, Event::Strayed { .. });
        assert!(told.iter().any(strayed), "{kind:?}: {told:?}");
        // Back as it was, it is believed no more.
        put(sandbox.tree.path(), "5001");
        assert_eq!(source(&watching, tree), Source::Walk, "{kind:?}");
    }
}

#[test]
fn a_project_that_was_there_before_is_believed_when_all_of_the_tree_is_in_it() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = owned(&filesystem);
        // All that counts lies in a directory of no project.
        as_nobody(|| std::fs::create_dir(sandbox.tree.join("d")).unwrap());
        put(&sandbox.tree.join("d"), "0");
        as_nobody(|| write(&sandbox.tree.join("d/f"), 20 << 20)).unwrap();
        let watching = Watching::start(observing());
        let tree = watching.add(tree(sandbox.tree.path(), 10 * MIB));
        assert_eq!(
            watching.wait_for(tree).sample.source,
            Source::Walk,
            "{kind:?}"
        );
        let of_others = filesystem.probe().unwrap().usage(id(5_001)).unwrap();
        assert_eq!(of_others.limits, ProjectLimits::NONE, "not ours to limit");
    }
}
