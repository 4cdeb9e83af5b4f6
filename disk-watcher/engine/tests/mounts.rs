//! Mounts inside the tree. Each test works in a mount namespace of its own thread, which ends with it.

#![allow(clippy::unwrap_used)]

mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use disk_engine::{Completeness, Options};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use tree::{Tree, assert_agrees_with_du, du, usage, usage_with};

const NONE: Option<&str> = None;

/// What was mounted, unmounted again before the tree is removed.
struct Mounts(Vec<PathBuf>);

impl Mounts {
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).unwrap();
        Self(Vec::new())
    }

    fn bind(&mut self, what: &Path, to: &Path) {
        mount(Some(what), to, NONE, MsFlags::MS_BIND, NONE).unwrap();
        self.0.push(to.to_owned());
    }

    fn tmpfs(&mut self, to: &Path) {
        mount(Some("tmpfs"), to, Some("tmpfs"), MsFlags::empty(), NONE).unwrap();
        self.0.push(to.to_owned());
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let _ = umount2(path, MntFlags::MNT_DETACH);
        }
    }
}

fn crossing() -> Options {
    Options {
        cross_mounts: true,
        ..Options::default()
    }
}

#[test]
fn what_is_mounted_inside_is_left_out_and_told() {
    let (volume, tree) = (Tree::new(), Tree::new());
    volume.file("big", 4 << 20);
    tree.file("file", 10_000);
    for name in ["bound", "tmpfs", "plain"] {
        tree.directory(name);
    }
    tree.file("bound-file", 0);
    let (bound, tmpfs, bound_file) = (
        tree.join("bound"),
        tree.join("tmpfs"),
        tree.join("bound-file"),
    );
    let empty = |path: &Path| usage(path).bytes;
    let expected = usage(tree.path()).bytes - empty(&bound) - empty(&tmpfs) - empty(&bound_file);

    let mut mounts = Mounts::new();
    mounts.bind(volume.path(), &bound);
    mounts.tmpfs(&tmpfs);
    mounts.bind(&volume.join("big"), &bound_file);
    fs::write(tmpfs.join("memory"), vec![1; 1 << 20]).unwrap();

    let found = usage(tree.path());
    assert_eq!(
        found.bytes, expected,
        "`du -x` counts a bind mount of the same device, the engine does not"
    );
    assert_eq!(found.mounts_skipped, 3);
    assert_eq!(found.completeness, Completeness::Complete);
}

#[test]
fn crossing_mounts_agrees_with_du() {
    let (volume, tree) = (Tree::new(), Tree::new());
    volume.directory("below");
    volume.file("below/big", 4 << 20);
    for name in ["bound", "twice", "tmpfs"] {
        tree.directory(name);
    }
    let mut mounts = Mounts::new();
    mounts.bind(volume.path(), &tree.join("bound"));
    mounts.bind(volume.path(), &tree.join("twice"));
    mounts.tmpfs(&tree.join("tmpfs"));
    fs::write(tree.join("tmpfs/memory"), vec![1; 1 << 20]).unwrap();

    let found = usage_with(tree.path(), &crossing());
    assert_eq!(found.bytes, du(tree.path(), &[]));
    assert!(
        found.bytes > 9 << 20,
        "both views of the volume count, and the tmpfs"
    );
    assert_eq!(found.mounts_skipped, 0);
}

#[test]
fn a_directory_mounted_inside_itself_is_counted_once_when_mounts_are_crossed() {
    let tree = Tree::new();
    tree.file("file", 1 << 20);
    tree.directory("a/again");
    tree.directory("b");
    let mut mounts = Mounts::new();
    mounts.bind(tree.path(), &tree.join("a/again"));
    mounts.bind(&tree.join("a"), &tree.join("b"));

    assert_eq!(
        usage_with(tree.path(), &crossing()).bytes,
        du(tree.path(), &[])
    );
    let kept = usage(tree.path());
    assert_eq!(kept.mounts_skipped, 2);
    assert!(kept.bytes < 2 << 20);
}

#[test]
fn a_root_that_is_a_mount_point_is_measured() {
    let tree = Tree::new();
    tree.directory("tmpfs");
    let mut mounts = Mounts::new();
    mounts.tmpfs(&tree.join("tmpfs"));
    fs::write(tree.join("tmpfs/memory"), vec![1; 1 << 20]).unwrap();
    assert_agrees_with_du(&tree.join("tmpfs"));
    assert!(usage(&tree.join("tmpfs")).bytes >= 1 << 20);
}
