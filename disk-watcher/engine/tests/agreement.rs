//! The engine and GNU du agree on any tree at rest.

#![allow(clippy::unwrap_used)]

mod tree;

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use disk_engine::{Completeness, Options};
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode};
use tree::changes::{Model, operation};
use tree::{Tree, assert_agrees_with_du, du, usage, usage_with};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_du_after_each_of_many_changes(
        operations in prop::collection::vec(operation(), 10..60)
    ) {
        let model = Model { tree: Tree::new() };
        for operation in operations {
            let _ = model.apply(operation);
            assert_agrees_with_du(model.tree.path());
        }
    }
}

#[test]
fn an_empty_directory_costs_what_du_says() {
    let tree = Tree::new();
    assert_agrees_with_du(tree.path());
    assert_eq!(usage(tree.path()).inodes, 1);
}

#[test]
fn a_file_a_link_and_a_pipe_can_be_measured_themselves() {
    let tree = Tree::new();
    let target = tree.file("file", 100_000);
    let link = tree.join("link");
    symlink(&target, &link).unwrap();
    let pipe = tree.join("pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
    for path in [target, link.clone(), pipe] {
        assert_agrees_with_du(&path);
    }
    assert!(
        usage(&link).bytes <= 4_096,
        "the link itself is measured, not the file that it leads to"
    );
}

#[test]
fn a_hard_link_is_counted_once() {
    let tree = Tree::new();
    let original = tree.file("a", 1 << 20);
    let before = usage(tree.path());
    tree.directory("below");
    let with_directory = usage(tree.path());
    for name in ["b", "c", "below/d"] {
        fs::hard_link(&original, tree.join(name)).unwrap();
    }
    let after = usage(tree.path());
    assert_eq!(after.bytes, with_directory.bytes);
    assert_eq!(after.inodes, before.inodes + 1);
    assert_agrees_with_du(tree.path());
}

#[test]
fn a_sparse_file_costs_its_blocks_not_its_length() {
    let tree = Tree::new();
    File::create(tree.join("sparse"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    assert!(usage(tree.path()).bytes < 1 << 20);
    assert_agrees_with_du(tree.path());
}

#[test]
fn an_excluded_directory_is_left_out_by_identity_whatever_its_name() {
    let tree = Tree::new();
    tree.directory("keep");
    tree.file("keep/file", 100_000);
    let volume = tree.directory("vol[1]");
    let without_content = usage(&volume).bytes;
    tree.directory("vol[1]/below");
    tree.file("vol[1]/below/file", 500_000);
    let all = usage(tree.path()).bytes;
    let options = Options {
        exclude: vec![disk_engine::FileId::of(File::open(&volume).unwrap()).unwrap()],
        ..Options::default()
    };
    let kept = usage_with(tree.path(), &options);
    assert_eq!(kept.bytes, all - du(&volume, &[]));
    assert_eq!(
        kept.completeness,
        Completeness::Complete,
        "what is left out on purpose is no gap"
    );
    assert!(du(&volume, &[]) > without_content + 500_000);
    fs::rename(&volume, tree.join("keep/moved")).unwrap();
    assert_eq!(usage_with(tree.path(), &options).bytes, kept.bytes);
}
