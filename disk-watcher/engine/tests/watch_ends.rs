//! What is left of a watch when it has ended: nothing. A program of its own, since it counts what the process has.

#![allow(clippy::unwrap_used)]

mod tree;
mod watching;

use std::fs;

use tree::Tree;
use watching::{BOTH, Watching, limited, settings};

fn threads_and_descriptors() -> (usize, usize) {
    let count = |path| fs::read_dir(path).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

#[test]
fn no_thread_and_no_descriptor_outlives_a_watch() {
    let directory = Tree::new();
    for n in 0..50 {
        directory.directory(format!("d{n}"));
    }
    for n in 0..3_000 {
        directory.file(format!("d{}/f{n}", n % 50), 100);
    }
    let before = threads_and_descriptors();
    for settings in BOTH.map(settings) {
        let watching = Watching::start(settings.clone());
        for _ in 0..10 {
            watching.add(limited(&directory, 1 << 30));
        }
        let tree = watching.add(limited(&directory, 1 << 10));
        watching.breach();
        // While they look, too.
        watching.look_now(tree);
        drop(watching);
        assert_eq!(threads_and_descriptors(), before, "{settings:?}");
    }
}
