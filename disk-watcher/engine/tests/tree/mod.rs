//! A temporary tree, GNU du to compare with, and ways to make shapes that paths are too long for.

// Every test program uses a part of this.
#![allow(dead_code)]

pub(crate) mod changes;

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use disk_engine::{Completeness, Options, Usage, measure, open_root};
use rustix::fs::{Mode, OFlags};

/// A directory that is removed in the end, however deep it has become.
pub(crate) struct Tree {
    path: PathBuf,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// For trees of many files, which a disk would take long to write.
    pub(crate) fn in_memory() -> Self {
        Self::below(Path::new("/dev/shm"))
    }

    /// On the file system of `parent`.
    pub(crate) fn below(parent: &Path) -> Self {
        let made = tempfile::Builder::new()
            .prefix("disk-engine-")
            .tempdir_in(parent);
        Self {
            path: made.unwrap().keep(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn directory(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn file(&self, name: impl AsRef<Path>, bytes: usize) -> PathBuf {
        let path = self.join(name);
        File::create(&path)
            .unwrap()
            .write_all(&vec![b'x'; bytes])
            .unwrap();
        path
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Not std's remove_dir_all: that holds a descriptor for each level.
        let removed = Command::new("rm").arg("-rf").arg(&self.path).status();
        assert!(
            removed.unwrap().success() || std::thread::panicking(),
            "cannot remove {:?}",
            self.path
        );
    }
}

/// Measures with the default options.
pub(crate) fn usage(path: &Path) -> Usage {
    usage_with(path, &Options::default())
}

pub(crate) fn usage_with(path: &Path, options: &Options) -> Usage {
    measure(open_root(path).unwrap().as_fd(), options).unwrap()
}

/// The sum that `du -s -B1` prints for `path`, with further arguments.
pub(crate) fn du(path: &Path, more: &[&str]) -> u64 {
    let output = Command::new("du")
        .args(["-s", "-B1"])
        .args(more)
        .arg(path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "du: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.split('\t').next().unwrap().parse().unwrap()
}

/// Asserts that the engine and du agree on `path`, on which nobody works.
pub(crate) fn assert_agrees_with_du(path: &Path) {
    // A file system may still be settling what was written: then du does not agree with itself.
    for _ in 0..20 {
        let before = du(path, &[]);
        let ours = usage(path);
        if du(path, &[]) == before {
            assert_eq!(ours.completeness, Completeness::Complete);
            assert_eq!(ours.bytes, before, "du says {before}, the engine {ours:?}");
            return;
        }
    }
    panic!("the tree did not come to rest");
}

pub(crate) fn open_directory(path: &Path) -> OwnedFd {
    rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .unwrap()
}

/// Makes a chain of `depth` directories below `path`, and calls `each` in every one.
pub(crate) fn make_chain(path: &Path, depth: usize, each: impl Fn(&OwnedFd)) {
    let mut here = open_directory(path);
    for _ in 0..depth {
        each(&here);
        rustix::fs::mkdirat(&here, c"deeper", Mode::RWXU).unwrap();
        here = rustix::fs::openat(
            &here,
            c"deeper",
            OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .unwrap();
    }
}

pub(crate) fn make_file_at(dir: &OwnedFd, name: &str, content: &[u8]) {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR).unwrap();
    File::from(file).write_all(content).unwrap();
}

/// A directory at each of `levels` levels beside the way down: what is left to do while going down grows with depth.
pub(crate) fn make_comb(path: &Path, levels: usize) {
    make_chain(path, levels, |here| {
        rustix::fs::mkdirat(here, c"beside", Mode::RWXU).unwrap();
        let beside = rustix::fs::openat(
            here,
            c"beside",
            OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .unwrap();
        make_file_at(&beside, "file", &[b'x'; 5_000]);
    });
}
