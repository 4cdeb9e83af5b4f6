//! A walk by a user who may not read everything.

#![allow(clippy::unwrap_used)]

mod tree;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use disk_engine::{Completeness, Gaps, Usage};
use rustix::process::Uid;
use tree::{Tree, usage};

const NOBODY: u32 = 65_534;

/// Measures in a thread that has given up root's powers, as only threads of Linux can.
fn usage_as_nobody(path: &Path) -> Usage {
    std::thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            let nobody = Uid::from_raw(NOBODY);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            usage(path)
        });
        measuring.join().unwrap()
    })
}

fn gaps(usage: &Usage) -> &Gaps {
    match &usage.completeness {
        Completeness::LowerBound(gaps) => gaps,
        Completeness::Complete => panic!("{usage:?} claims to be complete"),
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn an_unreadable_directory_makes_a_lower_bound_that_names_it() {
    let tree = Tree::new();
    mode(tree.path(), 0o755);
    tree.file("seen", 10_000);
    let closed = tree.directory("open/closed");
    tree.file("open/closed/hidden", 100_000);
    mode(&closed, 0o700);

    let (all, part) = (usage(tree.path()), usage_as_nobody(tree.path()));
    assert_eq!(all.completeness, Completeness::Complete);
    assert!(all.bytes >= part.bytes + 100_000);
    assert_eq!(
        part.inodes,
        all.inodes - 1,
        "the directory itself is counted, as du counts it"
    );
    assert_eq!(gaps(&part).unread, 1);
    assert_eq!(
        gaps(&part).to_string(),
        "cannot read \"open/closed\": Permission denied (os error 13)"
    );
}

#[test]
fn files_of_a_directory_that_may_be_listed_but_not_searched_are_gaps() {
    let tree = Tree::new();
    mode(tree.path(), 0o755);
    let listed = tree.directory("listed");
    for name in ["a", "b"] {
        tree.file(format!("listed/{name}"), 10_000);
    }
    tree.directory("listed/c");
    mode(&listed, 0o744);
    assert_eq!(gaps(&usage_as_nobody(tree.path())).unread, 3);
}

#[test]
fn an_unreadable_root_is_a_lower_bound_of_its_own_blocks() {
    let tree = Tree::new();
    tree.file("hidden", 100_000);
    mode(tree.path(), 0o700);
    let part = usage_as_nobody(tree.path());
    assert_eq!(part.inodes, 1);
    assert_eq!(
        gaps(&part).to_string(),
        "cannot read the directory itself: Permission denied (os error 13)"
    );
}

#[test]
fn directories_of_other_users_are_read_where_their_mode_allows() {
    let tree = Tree::new();
    mode(tree.path(), 0o755);
    let own = tree.directory("own");
    chown(&own, Some(NOBODY), None).unwrap();
    tree.file("own/file", 10_000);
    tree.directory("own/roots");
    mode(&tree.join("own/roots"), 0o755);
    tree.file("own/roots/file", 10_000);
    // Only an owner may ask not to be noticed (O_NOATIME): nobody is, of one directory, and is not, of the others.
    assert_eq!(usage_as_nobody(&own), usage(&own));
    assert_eq!(usage_as_nobody(tree.path()), usage(tree.path()));
}
