//! Trees that change while they are walked.

#![allow(clippy::unwrap_used)]

mod tree;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use disk_engine::{Completeness, Usage};
use rustix::fs::{CWD, FallocateFlags, RenameFlags};
use tree::{Tree, make_comb, usage};

/// Larger than all else that these tests write.
const OUTSIDE: u64 = 64 << 20;

/// Runs `disturb` again and again in another thread, and `watch` on what is measured meanwhile.
fn measure_during(path: &Path, rounds: usize, disturb: impl Fn() + Sync, watch: impl Fn(Usage)) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                disturb();
            }
        });
        let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..rounds {
                watch(usage(path));
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = watched {
            std::panic::resume_unwind(panic);
        }
    });
}

fn allocate(path: &Path, bytes: u64) {
    rustix::fs::fallocate(
        File::create(path).unwrap(),
        FallocateFlags::empty(),
        0,
        bytes,
    )
    .unwrap();
}

fn exchange(a: &Path, b: &Path) {
    rustix::fs::renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
}

#[test]
fn files_and_directories_that_vanish_are_passed_over() {
    let tree = Tree::new();
    for number in 0..300 {
        tree.file(format!("steady-{number}"), 100);
    }
    let steady = usage(tree.path());
    let churn = || {
        for number in 0..50 {
            tree.file(format!("churn-{number}"), 5_000);
            tree.directory(format!("churning-{number}/below"));
        }
        for number in 0..50 {
            fs::remove_file(tree.join(format!("churn-{number}"))).unwrap();
            fs::remove_dir_all(tree.join(format!("churning-{number}"))).unwrap();
        }
    };
    measure_during(tree.path(), 300, churn, |found| {
        assert_eq!(found.completeness, Completeness::Complete);
        assert!(
            found.inodes >= steady.inodes,
            "what nobody touches is always found"
        );
    });
}

#[test]
fn a_directory_replaced_by_a_link_never_leads_out_of_the_tree() {
    let (outside, tree) = (Tree::new(), Tree::new());
    allocate(&outside.join("big"), OUTSIDE);
    outside.directory("a/b");
    allocate(&outside.join("a/b/big"), OUTSIDE);
    for number in 0..20 {
        tree.directory(format!("{number}/a/b"));
    }
    symlink(outside.path(), tree.join("link")).unwrap();
    let swap = || {
        for number in 0..20 {
            exchange(&tree.join(number.to_string()), &tree.join("link"));
            exchange(&tree.join(number.to_string()), &tree.join("link"));
        }
    };
    measure_during(tree.path(), 1_000, swap, |found| {
        assert!(
            found.bytes < OUTSIDE,
            "something outside was counted: {found:?}"
        );
        assert_eq!(found.completeness, Completeness::Complete);
    });
}

#[test]
fn a_directory_moved_out_of_the_tree_does_not_take_the_walk_with_it() {
    // In the outer directory lies what a walk would count that climbed out of the moved part and went on there.
    let outer = Tree::new();
    outer.directory("beside");
    allocate(&outer.join("beside/big"), OUTSIDE);
    let inside = outer.directory("tree");
    make_comb(&inside, 300);
    let half_way = (0..150).fold(inside.clone(), |path, _| path.join("deeper"));
    let away = outer.join("deeper");
    let shift = || {
        fs::rename(&half_way, &away).unwrap();
        fs::rename(&away, &half_way).unwrap();
    };
    measure_during(&inside, 200, shift, |found| {
        assert!(
            found.bytes < OUTSIDE,
            "something outside was counted: {found:?}"
        );
    });
    assert_eq!(usage(&inside).inodes, 901);
}

#[test]
fn a_file_replaced_by_a_directory_and_back_is_no_error() {
    let tree = Tree::new();
    tree.file("one", 10_000);
    tree.directory("two/below");
    let swap = || exchange(&tree.join("one"), &tree.join("two"));
    measure_during(tree.path(), 2_000, swap, |found| {
        assert_eq!(found.completeness, Completeness::Complete);
    });
}

#[test]
fn a_directory_moved_between_two_parents_is_never_counted_twice() {
    let tree = Tree::new();
    for number in 0..40 {
        tree.directory(format!("{number}/below"));
    }
    tree.directory("0/moving");
    allocate(&tree.join("0/moving/big"), OUTSIDE);
    let all = usage(tree.path());
    let shift = || {
        for number in 0..40 {
            let next = (number + 1) % 40;
            let from = tree.join(format!("{number}/moving"));
            fs::rename(from, tree.join(format!("{next}/below/moving"))).unwrap();
            let from = tree.join(format!("{next}/below/moving"));
            fs::rename(from, tree.join(format!("{next}/moving"))).unwrap();
        }
    };
    measure_during(tree.path(), 1_000, shift, |found| {
        assert!(found.bytes < 2 * OUTSIDE, "counted twice: {found:?}");
        assert!(found.inodes <= all.inodes, "{found:?} of {all:?}");
    });
}

#[test]
fn a_storm_of_hard_links_is_one_file() {
    let tree = Tree::new();
    let file = tree.file("file", 0);
    allocate(&file, OUTSIDE);
    for number in 0..20 {
        tree.directory(number.to_string());
    }
    let all = usage(tree.path());
    let storm = || {
        for number in 0..400 {
            let link = tree.join(format!("{}/{number}", number % 20));
            fs::hard_link(&file, link).unwrap();
        }
        for number in 0..400 {
            fs::remove_file(tree.join(format!("{}/{number}", number % 20))).unwrap();
        }
    };
    measure_during(tree.path(), 300, storm, |found| {
        // At a moment without links it is an ordinary file, and that is met under the name that stays, and only there.
        assert!(
            found.bytes >= OUTSIDE && found.bytes < 2 * OUTSIDE + (1 << 20),
            "{found:?}"
        );
        assert!(found.inodes >= all.inodes && found.inodes <= all.inodes + 1);
    });
}

#[test]
fn directories_moved_ahead_of_the_walk_do_not_keep_it_from_ending() {
    let tree = Tree::new();
    for place in ["a", "b"] {
        for number in 0..10 {
            tree.directory(format!("{place}/{number}/below"));
        }
    }
    // Each goes below the other in turn, as long as the walk lasts.
    let [a, b] = ["a", "b"].map(|name| tree.join(name));
    let chase = || {
        for number in 0..10 {
            fs::rename(&b, a.join(format!("{number}/below/b"))).unwrap();
            fs::rename(a.join(format!("{number}/below/b")), &b).unwrap();
            fs::rename(&a, b.join(format!("{number}/below/a"))).unwrap();
            fs::rename(b.join(format!("{number}/below/a")), &a).unwrap();
        }
    };
    measure_during(tree.path(), 1_000, chase, |found| {
        assert!(found.inodes <= 43, "something was counted twice: {found:?}");
        assert_eq!(found.completeness, Completeness::Complete);
    });
}
