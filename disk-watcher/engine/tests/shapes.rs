//! Trees of extreme shape.

#![allow(clippy::unwrap_used)]

mod tree;

use std::fs;

use disk_engine::{Completeness, Options};
use rustix::fs::AtFlags;
use tree::{
    Tree, assert_agrees_with_du, make_chain, make_comb, make_file_at, open_directory, usage,
    usage_with,
};

#[test]
fn a_chain_of_5000_directories_is_counted_in_full() {
    let tree = Tree::in_memory();
    make_chain(tree.path(), 5_000, |here| {
        make_file_at(here, "file", &[b'x'; 5_000]);
    });
    assert_agrees_with_du(tree.path());
    assert_eq!(usage(tree.path()).inodes, 10_001);
}

#[test]
fn a_directory_of_200000_entries_is_counted_in_full() {
    let tree = Tree::in_memory();
    let directory = open_directory(tree.path());
    // Links to a few files, since a file system makes those much faster than files.
    for file in 0..100 {
        let first = format!("{file}");
        make_file_at(&directory, &first, &[b'x'; 5_000]);
        for link in 1..2_000 {
            let name = format!("{file}-{link}");
            rustix::fs::linkat(&directory, &first, &directory, name, AtFlags::empty()).unwrap();
        }
    }
    assert_eq!(usage(tree.path()).inodes, 101);
    assert_agrees_with_du(tree.path());
}

#[test]
fn a_directory_of_20000_files_is_shared_between_threads() {
    let tree = Tree::in_memory();
    let directory = open_directory(tree.path());
    for file in 0..20_000 {
        make_file_at(&directory, &format!("{file}"), b"");
    }
    for _ in 0..20 {
        assert_eq!(usage(tree.path()).inodes, 20_001);
    }
}

/// 400 directories, 8,000 files, and a hard link from each directory to a file in the first.
fn broad_tree() -> Tree {
    let tree = Tree::in_memory();
    let shared = tree.file("shared", 300_000);
    for outer in 0..20 {
        for inner in 0..20 {
            let directory = format!("{outer}/{inner}");
            tree.directory(&directory);
            for file in 0..20 {
                tree.file(format!("{directory}/{file}"), outer * inner * file);
            }
            fs::hard_link(&shared, tree.join(format!("{directory}/shared"))).unwrap();
        }
    }
    tree
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let tree = broad_tree();
    assert_agrees_with_du(tree.path());
    let alone = usage_with(
        tree.path(),
        &Options {
            max_threads: 1,
            ..Options::default()
        },
    );
    assert_eq!(alone.inodes, 1 + 1 + 20 + 400 + 8_000);
    for round in 0..30 {
        let options = Options {
            max_threads: 1 + round % 5,
            ..Options::default()
        };
        assert_eq!(usage_with(tree.path(), &options), alone);
    }
}

#[test]
fn a_budget_of_all_entries_is_enough_and_one_less_makes_a_lower_bound() {
    let tree = Tree::in_memory();
    for directory in ["a", "a/b", "c"] {
        tree.directory(directory);
        tree.file(format!("{directory}/file"), 10_000);
    }
    let all = usage(tree.path());
    let with_budget = |entries| {
        usage_with(
            tree.path(),
            &Options {
                max_entries: Some(entries),
                ..Options::default()
            },
        )
    };
    assert_eq!(with_budget(7), all);
    for entries in 0..7 {
        let part = with_budget(entries);
        assert!(part.bytes < all.bytes && part.inodes <= all.inodes);
        match part.completeness {
            Completeness::LowerBound(gaps) => assert!(gaps.over_budget && gaps.unread == 0),
            Completeness::Complete => panic!("{entries} entries are not the whole tree"),
        }
    }
}

#[test]
fn a_budget_ends_a_walk_of_several_threads_too() {
    let tree = broad_tree();
    let part = usage_with(
        tree.path(),
        &Options {
            max_entries: Some(5_000),
            ..Options::default()
        },
    );
    assert!(part.inodes <= 5_000);
    assert!(matches!(part.completeness, Completeness::LowerBound(gaps) if gaps.over_budget));
}

#[test]
fn a_comb_of_3000_levels_is_counted_in_full() {
    let tree = Tree::in_memory();
    make_comb(tree.path(), 3_000);
    assert_agrees_with_du(tree.path());
    assert_eq!(usage(tree.path()).inodes, 9_001);
}

#[test]
fn a_walk_that_is_told_to_stop_ends_with_a_lower_bound() {
    let tree = broad_tree();
    let options = Options::default();
    let all = usage_with(tree.path(), &options);
    for wait in 0..20 {
        let options = Options::default();
        let found = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_micros(wait * 500));
                options.stop.stop();
            });
            usage_with(tree.path(), &options)
        });
        match &found.completeness {
            Completeness::Complete => assert_eq!(found, all),
            Completeness::LowerBound(gaps) => {
                assert!(gaps.stopped && !gaps.over_budget && gaps.unread == 0);
                assert!(found.bytes <= all.bytes && found.inodes < all.inodes);
            }
        }
        let at_once = usage_with(tree.path(), &options.clone());
        assert_eq!(at_once.inodes, 0, "the word stays said");
        assert!(matches!(at_once.completeness, Completeness::LowerBound(gaps) if gaps.stopped));
    }
}
