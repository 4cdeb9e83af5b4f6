//! What counts and how, as a table: each row is a tree on which the engine says what GNU du says, on each file system.

#![allow(clippy::unwrap_used)]

#[path = "track/image.rs"]
#[allow(dead_code)]
mod image;
mod tree;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use disk_engine::{Completeness, FileId, Options, Usage, explain, open_root};
use image::{Format, Image, settle};
use rustix::fs::{CWD, FallocateFlags, FileType, Mode, XattrFlags, inotify, makedev};
use std::os::fd::AsFd;
use tree::{Tree, du, usage, usage_with};

/// Makes the tree, and may use what lies beside it; what it returns stays open while the tree is measured.
type Make = fn(tree: &Path, beside: &Path) -> Vec<File>;

const ROWS: [(&str, Make); 17] = [
    ("an empty directory", |_, _| Vec::new()),
    ("a byte costs a block", |tree, _| {
        write(&tree.join("file"), 1);
        Vec::new()
    }),
    (
        "small files, which some file systems keep in odd places",
        |tree, _| {
            for length in [0, 1, 300, 511, 512, 513, 700, 1_500, 4_097] {
                write(&tree.join(length.to_string()), length);
            }
            Vec::new()
        },
    ),
    ("a hole costs nothing, whatever its length", |tree, _| {
        write(&tree.join("hole"), 0).set_len(1 << 40).unwrap();
        let far = write(&tree.join("far"), 5_000);
        far.write_all_at(b"far out", 1 << 30).unwrap();
        Vec::new()
    }),
    ("room beyond the end is room", |tree, _| {
        allocate(
            &write(&tree.join("file"), 10),
            FallocateFlags::KEEP_SIZE,
            0,
            1 << 20,
        );
        Vec::new()
    }),
    (
        "a hole punched into a file gives its blocks back",
        |tree, _| {
            let file = write(&tree.join("file"), 1 << 20);
            file.sync_all().unwrap();
            let punch = FallocateFlags::KEEP_SIZE | FallocateFlags::PUNCH_HOLE;
            allocate(&file, punch, 65_536, 524_288);
            Vec::new()
        },
    ),
    ("a file with several links is one", |tree, _| {
        fs::create_dir(tree.join("below")).unwrap();
        write(&tree.join("file"), 100_000);
        for link in ["link", "below/link", "below/another"] {
            fs::hard_link(tree.join("file"), tree.join(link)).unwrap();
        }
        Vec::new()
    }),
    (
        "a file with a link outside counts in full",
        |tree, beside| {
            fs::hard_link(beside.join("file"), tree.join("link")).unwrap();
            Vec::new()
        },
    ),
    ("links are not followed", |tree, beside| {
        let long = "x/".repeat(500);
        for (name, target) in [
            ("to-file", beside.join("file")),
            ("to-directory", beside.to_owned()),
            ("to-nothing", "absent".into()),
            ("to-itself", "to-itself".into()),
            ("to-above", "..".into()),
            ("long", long.into()),
        ] {
            symlink(target, tree.join(name)).unwrap();
        }
        Vec::new()
    }),
    ("pipes, sockets and devices", |tree, _| {
        make_special(tree);
        Vec::new()
    }),
    ("names are bytes", |tree, _| {
        let long = [b'n'; 255];
        let names: [&[u8]; 9] = [
            b"new\nline",
            b"not\xffutf8",
            b"-rf *",
            b"vol[1]",
            b"\x1b[31m",
            b" ",
            b"...",
            b"'\"\\",
            &long,
        ];
        for name in names {
            let directory = tree.join(OsStr::from_bytes(name));
            fs::create_dir(&directory).unwrap();
            write(&directory.join(OsStr::from_bytes(name)), 5_000);
        }
        Vec::new()
    }),
    ("a directory that was large keeps its blocks", |tree, _| {
        let directory = tree.join("was-large");
        fs::create_dir(&directory).unwrap();
        let name = |number: i32| directory.join(format!("{number:0100}"));
        for number in 0..1_000 {
            write(&name(number), 0);
        }
        for number in 0..1_000 {
            fs::remove_file(name(number)).unwrap();
        }
        Vec::new()
    }),
    ("attributes that need a block of their own", |tree, _| {
        write(&tree.join("file"), 10);
        let value = [b'x'; 2_000];
        let name = "trusted.long";
        rustix::fs::setxattr(tree.join("file"), name, &value, XattrFlags::empty()).unwrap();
        Vec::new()
    }),
    ("blocks that are shared count for each file", |tree, _| {
        copy_sharing_blocks(tree);
        Vec::new()
    }),
    (
        "what is deleted is no part of the tree, open or not",
        |tree, _| {
            let held = write(&tree.join("file"), 500_000);
            fs::remove_file(tree.join("file")).unwrap();
            vec![held]
        },
    ),
    ("what a mode forbids, root reads", |tree, _| {
        let closed = tree.join("closed");
        fs::create_dir(&closed).unwrap();
        write(&closed.join("file"), 50_000);
        fs::set_permissions(closed, Permissions::from_mode(0o000)).unwrap();
        Vec::new()
    }),
    ("a hundred levels", |tree, _| {
        let mut here = tree.to_owned();
        for _ in 0..100 {
            write(&here.join("file"), 1_000);
            here.push("deeper");
            fs::create_dir(&here).unwrap();
        }
        Vec::new()
    }),
];

fn write(path: &Path, length: usize) -> File {
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap();
    file.write_all(&vec![b'x'; length]).unwrap();
    file
}

fn allocate(file: &File, flags: FallocateFlags, from: u64, length: u64) {
    rustix::fs::fallocate(file, flags, from, length).unwrap();
}

fn make_special(tree: &Path) {
    let mode = Mode::RUSR | Mode::WUSR;
    for (name, kind, device) in [
        ("pipe", FileType::Fifo, 0),
        ("null", FileType::CharacterDevice, makedev(1, 3)),
        ("block", FileType::BlockDevice, makedev(7, 200)),
    ] {
        rustix::fs::mknodat(CWD, tree.join(name), kind, mode, device).unwrap();
    }
    // It stays when nobody listens any more.
    drop(UnixListener::bind(tree.join("socket")).unwrap());
}

/// Where the file system cannot, the copy is an ordinary one.
fn copy_sharing_blocks(tree: &Path) {
    write(&tree.join("original"), 1 << 20).sync_all().unwrap();
    let mut copy = Command::new("cp");
    copy.arg("--reflink=auto")
        .args([tree.join("original"), tree.join("copy")]);
    image::run(&mut copy);
}

/// The engine says of the tree what GNU du says: in bytes, in KiB as Mesos asks for them, and in inodes.
fn assert_agreement(what: &str, tree: &Path) {
    // What a file system does later, du does not see twice alike.
    for _ in 0..20 {
        settle(tree);
        let all_of_du = || {
            let inodes = Command::new("du")
                .args(["-s", "--inodes"])
                .arg(tree)
                .output();
            let kib = Command::new("du").args(["-s", "-k"]).arg(tree).output();
            (
                du(tree, &[]),
                number(kib.unwrap().stdout),
                number(inodes.unwrap().stdout),
            )
        };
        let before = all_of_du();
        let ours: Usage = usage(tree);
        let root = open_root(tree).unwrap();
        let explained = explain(root.as_fd(), &Options::default(), 3).unwrap();
        if all_of_du() == before {
            let found = (ours.bytes, ours.kib_rounded_up(), ours.inodes);
            assert_eq!(found, before, "{what}: {ours:?}");
            assert_eq!(ours.completeness, Completeness::Complete, "{what}");
            assert_eq!(explained.usage, ours, "{what}");
            return;
        }
    }
    panic!("{what}: the tree does not come to rest");
}

fn number(output: Vec<u8>) -> u64 {
    let text = String::from_utf8(output).unwrap();
    text.split('\t').next().unwrap().parse().unwrap()
}

fn every_row_agrees(place: &Path) {
    for (number, (what, make)) in ROWS.into_iter().enumerate() {
        let beside = place.join(number.to_string());
        fs::create_dir(&beside).unwrap();
        write(&beside.join("file"), 200_000);
        let tree = beside.join("tree");
        fs::create_dir(&tree).unwrap();
        let held = make(&tree, &beside);
        assert_agreement(what, &tree);
        drop(held);
    }
}

#[test]
fn every_row_agrees_with_du_on_ext4() {
    every_row_agrees(&Image::new(Format::Ext4).path());
}

#[test]
fn every_row_agrees_with_du_on_xfs() {
    every_row_agrees(&Image::new(Format::Xfs).path());
}

#[test]
fn every_row_agrees_with_du_on_btrfs() {
    every_row_agrees(&Image::new(Format::Btrfs).path());
}

#[test]
fn every_row_agrees_with_du_in_memory() {
    every_row_agrees(Tree::in_memory().path());
}

#[test]
fn a_block_that_two_files_share_is_counted_twice() {
    for format in [Format::Xfs, Format::Btrfs] {
        let image = Image::new(format);
        let tree = image.tree("tree");
        copy_sharing_blocks(&tree);
        settle(&tree);
        assert!(usage(&tree).bytes >= 2 << 20, "{format:?}");
    }
}

#[test]
fn a_name_that_is_a_pattern_leaves_out_what_has_it_and_nothing_else() {
    let tree = Tree::new();
    for (name, bytes) in [("vol[1]", 3 << 20), ("vol1", 5 << 20)] {
        tree.directory(name);
        tree.file(format!("{name}/file"), bytes);
    }
    let (volume, alike) = (tree.join("vol[1]"), tree.join("vol1"));
    let all = usage(tree.path()).bytes;
    let exclude = format!("--exclude={}", volume.display());
    let by_name = du(tree.path(), &[&exclude]);
    assert_eq!(
        by_name,
        all - du(&alike, &[]),
        "du takes the name for a pattern"
    );
    let options = Options {
        exclude: vec![FileId::of(File::open(&volume).unwrap()).unwrap()],
        ..Options::default()
    };
    let by_identity = usage_with(tree.path(), &options).bytes;
    assert_eq!(by_identity, all - du(&volume, &[]));
}

#[test]
fn nothing_but_directories_is_ever_opened() {
    let tree = Tree::new();
    let below = tree.directory("below");
    for directory in [tree.path(), &below] {
        make_special(directory);
        symlink("/dev/null", directory.join("link")).unwrap();
        write(&directory.join("file"), 5_000);
    }
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    for directory in [tree.path(), &below] {
        inotify::add_watch(&watch, directory, inotify::WatchFlags::OPEN).unwrap();
    }
    assert_eq!(usage(tree.path()).inodes, 14);
    let mut opened = 0;
    let mut buffer = [MaybeUninit::uninit(); 4_096];
    let mut events = inotify::Reader::new(&watch, &mut buffer);
    while let Ok(event) = events.next() {
        let is_directory = event.events().contains(inotify::ReadFlags::ISDIR);
        assert!(is_directory, "{:?} was opened", event.file_name());
        opened += 1;
    }
    assert!(opened > 0, "the watch works");
}
