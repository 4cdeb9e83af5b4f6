//! Files that are deleted and still open, in this process and in others.

#![allow(clippy::unwrap_used)]

mod tree;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::time::{Duration, Instant};

use disk_engine::{Deleted, deleted, open_root};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::Uid;
use tree::Tree;

/// A process that holds something open until it is dropped.
struct Holder(Child);

impl Holder {
    /// The command must print a line when it is ready, and wait for the end of its input.
    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `script`, of a shell in a mount namespace of its own, and what it leaves open as descriptor 3.
fn in_mounts_of_its_own(script: &str, arguments: &[&Path]) -> Holder {
    let script = format!("set -e; {script}; echo ready; read -r line");
    Holder::start(
        Command::new("unshare")
            .args(["--mount", "bash", "-c", &script, "-"])
            .args(arguments),
    )
}

fn held(pid: u32, tree: &Path) -> Deleted {
    let root = open_root(tree).unwrap();
    deleted([pid], &[root.as_fd()])[0]
}

fn bytes(blocks_of: &File) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(&blocks_of.metadata().unwrap()) * 512
}

/// A file that is open, and deleted already.
fn open_and_deleted(path: PathBuf, length: usize) -> File {
    let mut file = File::create_new(&path).unwrap();
    file.write_all(&vec![1; length]).unwrap();
    fs::remove_file(path).unwrap();
    file
}

#[test]
fn a_deleted_file_is_counted_once_however_often_it_is_open() {
    let tree = Tree::new();
    assert_eq!(held(id(), tree.path()), Deleted::default());
    let first = open_and_deleted(tree.join("first"), 300_000);
    let again = first.try_clone().unwrap();
    tree.directory("a/b");
    let second = open_and_deleted(tree.join("a/b/second"), 5_000);
    fs::remove_dir_all(tree.join("a")).unwrap();
    let found = held(id(), tree.path());
    assert_eq!(found.bytes, bytes(&first) + bytes(&second));
    assert_eq!((found.files, found.at_least), (2, false));
    drop((first, again, second));
    assert_eq!(held(id(), tree.path()), Deleted::default());
}

#[test]
fn a_file_that_never_had_a_name_is_counted() {
    let tree = Tree::new();
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, tree.path(), flags, Mode::RUSR | Mode::WUSR).unwrap();
    let mut file = File::from(file);
    file.write_all(&[1; 100_000]).unwrap();
    assert_eq!(held(id(), tree.path()).bytes, bytes(&file));
}

#[test]
fn a_file_with_a_name_left_is_not_counted_whatever_that_name_is() {
    let tree = Tree::new();
    let linked = tree.file("linked", 100_000);
    let _linked = File::open(&linked).unwrap();
    fs::hard_link(&linked, tree.join("other")).unwrap();
    fs::remove_file(linked).unwrap();
    let _called_deleted = File::open(tree.file("file (deleted)", 100_000)).unwrap();
    assert_eq!(held(id(), tree.path()), Deleted::default());
}

#[test]
fn hostile_names_hide_nothing() {
    let tree = Tree::new();
    for name in [
        &b"new\nline"[..],
        b"not\xffutf8",
        b"x (deleted)",
        b"(deleted)",
    ] {
        let name = std::ffi::OsString::from_vec(name.to_vec());
        let file = open_and_deleted(tree.join(name), 50_000);
        assert_eq!(held(id(), tree.path()).bytes, bytes(&file));
    }
}

#[test]
fn what_was_deleted_beside_the_tree_is_not_its_own() {
    let outer = Tree::new();
    let (tree, alike) = (outer.directory("tree"), outer.directory("tree2"));
    let _held = open_and_deleted(alike.join("file"), 100_000);
    let _held = open_and_deleted(outer.join("file"), 100_000);
    assert_eq!(held(id(), &tree), Deleted::default());
    assert_eq!(held(id(), outer.path()).files, 2);
}

#[test]
fn each_file_counts_toward_the_innermost_of_several_trees() {
    let outer = Tree::new();
    let inner = outer.directory("tasks/one");
    let _outer = open_and_deleted(outer.join("tasks/file"), 100_000);
    let _inner = open_and_deleted(inner.join("file"), 50_000);
    let roots = [outer.path(), &inner].map(|path| open_root(path).unwrap());
    let found = deleted([id()], &roots.each_ref().map(AsFd::as_fd));
    assert_eq!(
        found.iter().map(|found| found.files).collect::<Vec<_>>(),
        [1, 1]
    );
    assert!(found[0].bytes > found[1].bytes);
}

#[test]
fn a_file_that_is_mapped_and_not_open_is_counted() {
    let tree = Tree::new();
    let script = "import mmap, os, sys
path = sys.argv[1]
file = open(path, 'w+b')
file.write(b'x' * 200000)
file.flush()
mapped = mmap.mmap(file.fileno(), 0)
file.close()
os.unlink(path)
print('ready', flush=True)
sys.stdin.read()";
    let path = tree.join("mapped\nfile");
    let holder = Holder::start(Command::new("python3").args(["-c", script]).arg(path));
    let found = held(holder.pid(), tree.path());
    assert_eq!(found.files, 1);
    assert!(found.bytes >= 200_000);
}

#[test]
fn a_task_whose_sandbox_is_mounted_elsewhere_hides_nothing() {
    let (tree, place) = (Tree::new(), Tree::new());
    tree.directory("sandbox");
    let script =
        r#"mount --bind "$1" "$2"; exec 3>"$2/file"; head -c 100000 /dev/zero >&3; rm "$2/file""#;
    let holder = in_mounts_of_its_own(script, &[&tree.join("sandbox"), place.path()]);
    let found = held(holder.pid(), &tree.join("sandbox"));
    assert_eq!((found.files, found.at_least), (1, false));
    assert!(found.bytes >= 100_000);
    assert_eq!(
        held(holder.pid(), tree.path()).files,
        1,
        "it is in the tree above, too"
    );
    assert_eq!(held(holder.pid(), place.path()), Deleted::default());
}

#[test]
fn a_path_that_is_too_long_to_be_spelled_hides_nothing_from_a_mount_of_the_tree() {
    let (tree, place) = (Tree::new(), Tree::new());
    tree.directory("sandbox");
    let script = r#"mount --bind "$1" "$2"; cd "$2"; name=$(printf 'n%.0s' {1..200})
        for level in {1..30}; do mkdir $name; cd $name; done
        exec 3>file; head -c 100000 /dev/zero >&3; rm file"#;
    let holder = in_mounts_of_its_own(script, &[&tree.join("sandbox"), place.path()]);
    assert_eq!(held(holder.pid(), &tree.join("sandbox")).files, 1);

    let script = script.replace(r#"mount --bind "$1" "$2"; cd "$2""#, r#"cd "$2""#);
    let holder = in_mounts_of_its_own(&script, &[place.path(), place.path()]);
    let found = held(holder.pid(), place.path());
    assert!(
        found.files == 1 || found.at_least,
        "what cannot be told is said: {found:?}"
    );
}

#[test]
fn a_foreign_directory_mounted_in_the_tree_is_not_the_trees() {
    let (tree, volume) = (Tree::new(), Tree::new());
    let inside = tree.directory("volume");
    let script =
        r#"mount --bind "$1" "$2"; exec 3>"$2/file"; head -c 100000 /dev/zero >&3; rm "$2/file""#;
    let holder = in_mounts_of_its_own(script, &[volume.path(), &inside]);
    assert_eq!(held(holder.pid(), tree.path()), Deleted::default());
    assert_eq!(held(holder.pid(), volume.path()).files, 1);
}

#[test]
fn a_copy_of_the_hosts_mounts_tells_by_path() {
    let (tree, beside) = (Tree::new(), Tree::new());
    let script = r#"for dir; do exec {held}>"$dir/file"; rm "$dir/file"; done"#;
    let holder = in_mounts_of_its_own(script, &[tree.path(), beside.path()]);
    assert_eq!(held(holder.pid(), tree.path()).files, 1);
    assert_eq!(held(holder.pid(), beside.path()).files, 1);
}

#[test]
fn a_process_that_has_ended_is_passed_over() {
    let tree = Tree::new();
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    assert_eq!(held(pid, tree.path()), Deleted::default());
}

#[test]
fn whoever_may_not_look_at_a_process_says_so() {
    let tree = Tree::new();
    let root = open_root(tree.path()).unwrap();
    let found = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let nobody = Uid::from_raw(65_534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            deleted([1], &[root.as_fd()])
        });
        looking.join().unwrap()
    });
    assert!(found[0].at_least);
    assert_eq!(found[0].files, 0);
}

#[test]
fn processes_that_come_and_go_and_open_and_close_are_no_trouble() {
    let (tree, beside) = (Tree::new(), Tree::new());
    // Each holds a deleted file of the tree for a moment, and one beside it, again and again, in ever new processes.
    let script = r#"set -e; cd "$1"; echo ready
        while ! read -r -t 0; do
            for child in 1 2 3; do
                ( exec 3>file-$child 4>"$2/file-$child"; printf '%09999d' 0 >&3; printf '%09999d' 0 >&4
                  rm file-$child "$2/file-$child"; exec 3>&- ) &
            done
            wait
        done"#;
    let mut holder = Holder::start(
        Command::new("bash")
            .args(["-c", script, "-"])
            .args([tree.path(), beside.path()]),
    );
    let root = open_root(tree.path()).unwrap();
    let one = bytes(&open_and_deleted(tree.join("like-them"), 9_999));
    let end = Instant::now() + Duration::from_secs(60);
    let (mut looks, mut met) = (0, 0);
    while looks < 1_000 || met < 20 {
        assert!(Instant::now() < end, "{met} met in {looks} looks");
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", holder.pid()));
        let pids = children.unwrap_or_default();
        let pids = pids.split_whitespace().map(|pid| pid.parse().unwrap());
        let found = deleted(pids, &[root.as_fd()])[0];
        assert!(found.files <= 3 && found.bytes <= 3 * one, "{found:?}");
        assert!(!found.at_least, "who has ended holds nothing: {found:?}");
        looks += 1;
        met += found.files;
    }
    // The end of its input is its own, after that of its children.
    drop(holder.0.stdin.take());
    assert!(holder.0.wait().unwrap().success());
}
