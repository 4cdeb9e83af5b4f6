//! The engine and GNU du agree on any tree at rest.

#![allow(clippy::unwrap_used)]

mod tree;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;

use disk_engine::{Completeness, Options};
use proptest::prelude::*;
use rustix::fs::{CWD, FallocateFlags, FileType, Mode};
use tree::{Tree, assert_agrees_with_du, du, usage, usage_with};

/// Something done to a tree; the numbers choose among what there is.
#[derive(Clone, Debug)]
enum Operation {
    MakeDirectory(usize, Vec<u8>),
    WriteFile(usize, Vec<u8>, usize),
    Append(usize, usize),
    Truncate(usize, u64),
    WriteFarOut(usize, u64),
    Allocate(usize, u64),
    PunchHole(usize),
    LinkHard(usize, usize, Vec<u8>),
    LinkSoft(usize, Vec<u8>, usize),
    MakePipe(usize, Vec<u8>),
    MoveDirectory(usize, usize, Vec<u8>),
    RemoveFile(usize),
    RemoveDirectory(usize),
}

/// Few names, so that operations meet; some of them nasty.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-d]".prop_map(String::into_bytes),
        Just(b"new\nline".to_vec()),
        Just(b"not\xffutf8".to_vec()),
        Just(b"-rf *".to_vec()),
        Just(vec![b'n'; 255]),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let pick = || 0usize..1_000;
    prop_oneof![
        3 => (pick(), name()).prop_map(|(d, n)| MakeDirectory(d, n)),
        3 => (pick(), name(), 0usize..200_000).prop_map(|(d, n, s)| WriteFile(d, n, s)),
        1 => (pick(), 1usize..100_000).prop_map(|(f, s)| Append(f, s)),
        1 => (pick(), 0u64..300_000).prop_map(|(f, s)| Truncate(f, s)),
        1 => (pick(), 0u64..1 << 30).prop_map(|(f, at)| WriteFarOut(f, at)),
        1 => (pick(), 1u64..1 << 20).prop_map(|(f, s)| Allocate(f, s)),
        1 => pick().prop_map(PunchHole),
        2 => (pick(), pick(), name()).prop_map(|(f, d, n)| LinkHard(f, d, n)),
        1 => (pick(), name(), 1usize..300).prop_map(|(d, n, l)| LinkSoft(d, n, l)),
        1 => (pick(), name()).prop_map(|(d, n)| MakePipe(d, n)),
        1 => (pick(), pick(), name()).prop_map(|(from, to, n)| MoveDirectory(from, to, n)),
        1 => pick().prop_map(RemoveFile),
        1 => pick().prop_map(RemoveDirectory),
    ]
}

/// The tree as the test knows it: what there is to choose from.
struct Model {
    tree: Tree,
}

impl Model {
    /// All directories, the root first, and all regular files.
    fn list(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let (mut directories, mut files) = (vec![self.tree.path().to_owned()], Vec::new());
        let mut next = 0;
        while let Some(directory) = directories.get(next).cloned() {
            next += 1;
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => directories.push(entry.path()),
                    kind if kind.is_file() => files.push(entry.path()),
                    _ => {}
                }
            }
        }
        (directories, files)
    }

    /// Whether it works out is no matter: names may be taken and paths too long.
    fn apply(&self, operation: Operation) -> std::io::Result<()> {
        let (directories, files) = self.list();
        let directory = |pick: usize| directories[pick % directories.len()].clone();
        let within =
            |pick: usize, name: Vec<u8>| directory(pick).join(std::ffi::OsString::from_vec(name));
        let file = |pick: usize| {
            files
                .get(pick % files.len().max(1))
                .cloned()
                .ok_or(std::io::ErrorKind::NotFound)
        };
        let open = |pick: usize| OpenOptions::new().write(true).open(file(pick)?);
        match operation {
            Operation::MakeDirectory(d, name) => fs::create_dir(within(d, name)),
            Operation::WriteFile(d, name, size) => {
                File::create_new(within(d, name))?.write_all(&vec![1; size])
            }
            Operation::Append(f, size) => OpenOptions::new()
                .append(true)
                .open(file(f)?)?
                .write_all(&vec![2; size]),
            Operation::Truncate(f, size) => open(f)?.set_len(size),
            Operation::WriteFarOut(f, at) => open(f)?.write_all_at(b"far", at),
            Operation::Allocate(f, size) => Ok(rustix::fs::fallocate(
                open(f)?,
                FallocateFlags::KEEP_SIZE,
                0,
                size,
            )?),
            Operation::PunchHole(f) => {
                let flags = FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE;
                Ok(rustix::fs::fallocate(open(f)?, flags, 4_096, 16_384)?)
            }
            Operation::LinkHard(f, d, name) => fs::hard_link(file(f)?, within(d, name)),
            Operation::LinkSoft(d, name, length) => symlink("../".repeat(length), within(d, name)),
            Operation::MakePipe(d, name) => Ok(rustix::fs::mknodat(
                CWD,
                within(d, name),
                FileType::Fifo,
                Mode::RUSR,
                0,
            )?),
            Operation::MoveDirectory(from, to, name) => {
                fs::rename(directory(from), within(to, name))
            }
            Operation::RemoveFile(f) => fs::remove_file(file(f)?),
            Operation::RemoveDirectory(d) if directory(d) != self.tree.path() => {
                fs::remove_dir_all(directory(d))
            }
            Operation::RemoveDirectory(_) => Ok(()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_agrees_with_du_after_each_of_many_changes(
        operations in prop::collection::vec(operation(), 10..40)
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
