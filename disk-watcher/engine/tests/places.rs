//! Where the bytes of a tree are: by its directories, and in a few names.

#![allow(clippy::unwrap_used)]

mod tree;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use disk_engine::{
    Completeness, Explanation, FileId, Largest, Options, explain, largest, open_root,
};
use tree::{Tree, make_chain, make_file_at, usage};

fn explained(path: &Path, depth: usize) -> Explanation {
    explain(open_root(path).unwrap().as_fd(), &Options::default(), depth).unwrap()
}

fn named(path: &Path, how_many: usize) -> Vec<Largest> {
    largest(
        open_root(path).unwrap().as_fd(),
        &Options::default(),
        how_many,
    )
    .unwrap()
}

fn names(explanation: &Explanation) -> Vec<&OsStr> {
    let directories = explanation.directories.iter();
    directories.map(|directory| &*directory.name).collect()
}

/// What `du` prints for each directory down to `depth` levels.
fn du_by_directory(path: &Path, depth: usize) -> BTreeMap<PathBuf, u64> {
    let output = Command::new("du")
        .args(["-0", "-B1", "-d", &depth.to_string()])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success());
    let line = |line: &[u8]| {
        let tab = line.iter().position(|byte| *byte == b'\t').unwrap();
        let bytes = std::str::from_utf8(&line[..tab]).unwrap().parse().unwrap();
        let below = Path::new(OsStr::from_bytes(&line[tab + 1..])).strip_prefix(path);
        (below.unwrap().to_owned(), bytes)
    };
    let lines = output.stdout.split(|byte| *byte == 0);
    lines.filter(|text| !text.is_empty()).map(line).collect()
}

/// Directories with files, some of them with names that a terminal would not like.
fn tree_with_odd_names() -> Tree {
    let tree = Tree::new();
    let odd = [&b"new\nline"[..], b"not\xffutf8", b"-rf *", b"a"];
    for (number, outer) in odd.iter().enumerate() {
        for inner in odd {
            let name = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
            let directory = PathBuf::from(name(outer))
                .join(name(inner))
                .join("deep/deeper");
            tree.directory(&directory);
            tree.file(directory.join("file"), 10_000 * (number + 1));
            tree.file(directory.parent().unwrap().join("file"), 30_000);
        }
    }
    tree
}

#[test]
fn the_total_of_each_directory_is_what_du_says() {
    let tree = tree_with_odd_names();
    for depth in 0..6 {
        let found = explained(tree.path(), depth);
        assert_eq!(found.usage, usage(tree.path()));
        assert_eq!(found.directories[0].total.bytes, found.usage.bytes);
        assert_eq!(found.directories[0].total.inodes, found.usage.inodes);
        let totals = found.directories.iter().enumerate();
        let ours: BTreeMap<PathBuf, u64> = totals
            .map(|(index, directory)| (found.path(index), directory.total.bytes))
            .collect();
        assert_eq!(ours, du_by_directory(tree.path(), depth));
    }
}

#[test]
fn what_is_too_deep_belongs_to_the_directory_above_it() {
    let tree = Tree::new();
    tree.directory("a/b/c");
    tree.file("a/b/c/file", 100_000);
    tree.file("a/file", 50_000);
    let found = explained(tree.path(), 1);
    assert_eq!(names(&found), ["", "a"]);
    assert_eq!(found.directories[1].own, found.directories[1].total);
    assert_eq!(found.directories[1].total.inodes, 5);
    let deeper = explained(tree.path(), 3);
    assert_eq!(deeper.path(3), Path::new("a/b/c"));
    assert!(deeper.directories[1].own.bytes < deeper.directories[1].total.bytes);
}

#[test]
fn larger_directories_come_first_each_below_its_own_parent() {
    let tree = Tree::new();
    for (directory, bytes) in [
        ("small/x", 10_000),
        ("large/y", 500_000),
        ("large/z", 900_000),
    ] {
        tree.directory(directory);
        tree.file(format!("{directory}/file"), bytes);
    }
    let found = explained(tree.path(), 9);
    assert_eq!(names(&found), ["", "large", "z", "y", "small", "x"]);
    assert_eq!(found.directories[2].depth, 2);
}

#[test]
fn an_excluded_directory_has_no_line() {
    let tree = Tree::new();
    tree.directory("kept");
    let volume = tree.directory("volume");
    tree.file("volume/file", 100_000);
    let options = Options {
        exclude: vec![FileId::of(fs::File::open(&volume).unwrap()).unwrap()],
        ..Options::default()
    };
    let root = open_root(tree.path()).unwrap();
    let found = explain(root.as_fd(), &options, 9).unwrap();
    assert_eq!(names(&found), ["", "kept"]);
}

#[test]
fn a_tree_of_100000_directories_is_explained_with_bounded_memory_and_an_exact_sum() {
    let tree = Tree::in_memory();
    for outer in 0..100 {
        let outer = tree.directory(outer.to_string());
        for inner in 0..1_000 {
            fs::create_dir(outer.join(inner.to_string())).unwrap();
        }
    }
    tree.file("0/file", 1 << 20);
    let found = explained(tree.path(), usize::MAX);
    assert_eq!(found.directories.len(), 1 << 16);
    assert_eq!(found.directories[0].total.inodes, 100_102);
    assert_eq!(found.usage, usage(tree.path()));
    let named = named(tree.path(), 3);
    assert_eq!(named[0].path, Path::new("0/file"));
}

#[test]
fn a_log_and_a_cache_of_many_files_are_what_is_named() {
    let tree = Tree::new();
    tree.directory("logs");
    tree.file("logs/app.log", 8 << 20);
    tree.file("logs/old.log", 10_000);
    for directory in 0..64 {
        tree.directory(format!("cache/{directory}"));
        for file in 0..8 {
            tree.file(format!("cache/{directory}/{file}"), 4_096);
        }
    }
    let named = named(tree.path(), 3);
    assert_eq!(named[0].path, Path::new("logs/app.log"));
    assert_eq!((named[0].inodes, named[0].is_directory), (1, false));
    assert!(named[0].bytes >= 8 << 20);
    assert_eq!(named[1].path, Path::new("cache"));
    assert_eq!(
        (named[1].inodes, named[1].is_directory),
        (1 + 64 + 512, true)
    );
}

#[test]
fn nothing_is_named_twice_or_beyond_the_whole() {
    let tree = tree_with_odd_names();
    let whole = usage(tree.path()).bytes;
    for how_many in 0..40 {
        let named = named(tree.path(), how_many);
        assert!(named.len() <= how_many);
        assert_eq!(named.is_empty(), how_many == 0);
        assert!(named.iter().map(|largest| largest.bytes).sum::<u64>() <= whole);
        assert!(named.is_sorted_by(|a, b| a.bytes >= b.bytes));
    }
}

#[test]
fn a_file_that_is_measured_itself_is_the_largest_of_itself() {
    let tree = Tree::new();
    let file = tree.file("file", 100_000);
    let named = named(&file, 3);
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].path, Path::new(""));
    assert_eq!(named[0].bytes, usage(&file).bytes);
}

#[test]
fn the_largest_file_at_the_end_of_5000_directories_is_named_by_one_above_it() {
    let tree = Tree::in_memory();
    make_chain(tree.path(), 5_000, |here| make_file_at(here, "file", b"x"));
    let root = open_root(tree.path()).unwrap();
    let mut here = rustix::io::dup(&root).unwrap();
    for _ in 0..5_000 {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        here = rustix::fs::openat(&here, c"deeper", flags, rustix::fs::Mode::empty()).unwrap();
    }
    make_file_at(&here, "large", &vec![1; 64 << 20]);
    let named = named(tree.path(), 2);
    assert_eq!(named.len(), 1);
    let path = &named[0].path;
    assert_eq!(
        path.components().count(),
        128,
        "a path has to fit into a message"
    );
    assert!(named[0].bytes >= 64 << 20);
    let found = explained(tree.path(), 10_000);
    assert_eq!(found.usage.completeness, Completeness::Complete);
    assert_eq!(found.directories.len(), 5_001);
    assert_eq!(found.path(5_000).components().count(), 5_000);
}
