//! Random changes to a tree, to see whether somebody keeps up with them.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;

use proptest::prelude::*;
use rustix::fs::{CWD, FallocateFlags, FileType, Mode};

use super::Tree;

/// Something done to a tree; the numbers choose among what there is.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
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
pub(crate) fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-d]".prop_map(String::into_bytes),
        Just(b"new\nline".to_vec()),
        Just(b"not\xffutf8".to_vec()),
        Just(b"-rf *".to_vec()),
        Just(vec![b'n'; 255]),
    ]
}

/// Any of them.
pub(crate) fn operation() -> impl Strategy<Value = Operation> {
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
pub(crate) struct Model {
    pub(crate) tree: Tree,
}

impl Model {
    /// All directories, the root first, and all regular files.
    pub(crate) fn list(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
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
    pub(crate) fn apply(&self, operation: Operation) -> std::io::Result<()> {
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
