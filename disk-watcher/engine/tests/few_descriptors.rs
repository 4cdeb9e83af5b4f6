//! A process that may open few files. Alone in this program, since the limit is the whole process's.

#![allow(clippy::unwrap_used)]

mod tree;

use disk_engine::{Completeness, Usage, measure, open_root};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::os::fd::AsFd;
use tree::{Tree, du, make_comb};

#[test]
fn a_comb_of_3000_levels_is_counted_in_full_with_few_descriptors() {
    let tree = Tree::in_memory();
    make_comb(tree.path(), 3_000);
    let expected = du(tree.path(), &[]);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    for limit in [1_024, 100, 30, 20] {
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard).unwrap();
        let root = open_root(tree.path()).unwrap();
        let usage = measure(root.as_fd(), &disk_engine::Options::default()).unwrap();
        assert_eq!(
            usage.completeness,
            Completeness::Complete,
            "{limit} descriptors"
        );
        assert_eq!(usage.bytes, expected, "{limit} descriptors");
    }
    let root = open_root(tree.path()).unwrap();
    let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let starved: Usage = measure(root.as_fd(), &disk_engine::Options::default()).unwrap();
    drop(taken);
    assert!(
        matches!(starved.completeness, Completeness::LowerBound(_)) && starved.bytes < expected,
        "without a descriptor to spare the result says that it is a part: {starved:?}"
    );
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
}
