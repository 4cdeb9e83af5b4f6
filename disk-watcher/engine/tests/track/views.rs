//! Whoever writes, and from wherever; and what nobody reports.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use disk_engine::Drift;

use crate::Tracked;
use crate::image::{Format, Image, du, run, settle};

/// Runs it in a mount namespace of its own.
fn elsewhere(script: &str, arguments: &[&Path]) {
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "sh", "-euc", script, "sh"]);
    run(shell.args(arguments));
}

#[test]
fn what_is_written_through_another_mount_and_from_another_namespace_is_seen() {
    for format in Format::ALL {
        let image = Image::new(format);
        let root = image.tree("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        let mut tree = Tracked::new(&root);
        let place = image.tree("place");
        let script =
            "mount --bind \"$1\" \"$2\"; mkdir \"$2/c\"; head -c 100000 /dev/zero > \"$2/c/file\"";
        elsewhere(script, &[&root.join("a/b"), &place]);
        tree.assert_agrees(&format!("a write through a bind mount on {format:?}"));
        assert_eq!(tree.usage().inodes, 5);
    }
}

#[test]
fn what_an_overlay_writes_to_its_upper_directory_is_seen() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    let places = ["lower", "work", "merged"].map(|name| image.tree(name));
    fs::write(places[0].join("file"), [1; 100_000]).unwrap();
    let mut tree = Tracked::new(&root);
    let script = "mount -t overlay overlay -o \"lowerdir=$2,upperdir=$1,workdir=$3\" \"$4\"
        echo more >> \"$4/file\"
        mkdir \"$4/new\"
        head -c 50000 /dev/zero > \"$4/new/other\"";
    elsewhere(script, &[&root, &places[0], &places[1], &places[2]]);
    tree.assert_agrees("an overlay was written to");
    assert!(tree.usage().bytes > 150_000);
}

#[test]
fn what_is_mounted_in_a_tree_is_left_out() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    for name in ["plain", "mounted"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    let without = du(&root) - du(&root.join("mounted"));
    let mount = root.join("mounted");
    run(Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs"])
        .arg(&mount));
    fs::write(mount.join("file"), [1; 100_000]).unwrap();
    let mut tree = Tracked::new(&root);
    let before = tree.usage();
    fs::write(mount.join("other"), [1; 100_000]).unwrap();
    let after = tree.usage();
    run(Command::new("umount").arg(&mount));
    assert_eq!((before.bytes, before.mounts_skipped), (without, 1));
    assert_eq!(before, after);
}

/// Somebody who has filled a file through a mapping that is still there.
pub(crate) struct Stored {
    python: Child,
    output: BufReader<ChildStdout>,
}

impl Stored {
    pub(crate) fn through_a_mapping(file: &Path) -> Self {
        let script = "import mmap, sys
file = open(sys.argv[1], 'r+b')
view = mmap.mmap(file.fileno(), 0)
view[:] = b'x' * len(view)
view.flush()
print('stored', flush=True)
sys.stdin.read()";
        let mut python = Command::new("python3");
        python.args(["-c", script]).arg(file);
        let mut python = python
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(python.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "stored\n");
        Self { python, output }
    }

    pub(crate) fn close(&mut self) {
        drop(self.python.stdin.take());
        self.output.read_to_string(&mut String::new()).unwrap();
        assert!(self.python.wait().unwrap().success());
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        // Its input ends, and so does it.
        drop(self.python.stdin.take());
        let _ = self.python.wait();
    }
}

#[test]
fn stores_through_a_mapping_are_found_by_the_comparison_which_says_how_much_that_was() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    for name in ["a", "b", "c"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    let file = root.join("b/sparse");
    File::create(&file).unwrap().set_len(1 << 20).unwrap();
    let mut tree = Tracked::new(&root);
    let before = tree.usage().bytes;
    let mut stored = Stored::through_a_mapping(&file);
    settle(&root);
    assert_eq!(
        tree.usage().bytes,
        before,
        "the kernel reports stores by now: say so"
    );

    let mut steps = 0;
    let drift = loop {
        steps += 1;
        // A step looks at a directory at least.
        if let Some(drift) = tree.tracker.reconcile(tree.id, 1).unwrap() {
            break drift;
        }
    };
    assert_eq!(steps, 4);
    let bytes = 1 << 20;
    assert_eq!(
        drift,
        Drift {
            bytes,
            directories: 1
        }
    );
    tree.assert_agrees("a comparison");
    stored.close();
    let drift = tree.tracker.reconcile(tree.id, u64::MAX).unwrap();
    assert_eq!(drift, Some(Drift::default()));
}

#[test]
fn what_xfs_allocates_ahead_of_a_writer_is_given_back_when_he_closes() {
    let image = Image::mounted(Format::Xfs, "loop");
    let root = image.tree("root");
    let mut tree = Tracked::new(&root);
    run(Command::new("sh")
        .args([
            "-euc",
            "exec 3> \"$1/log\"; head -c 3000000 /dev/zero >&3",
            "sh",
        ])
        .arg(&root));
    tree.assert_agrees("an appending writer has closed");
}
