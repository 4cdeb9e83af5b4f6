//! A file system of its own for what is measured: the same on every machine, empty at first, gone with one file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A mounted image of ext4.
pub(super) struct Image {
    directory: TempDir,
}

impl Image {
    /// With room for so many files and bytes.
    pub(super) fn ext4(files: u64, bytes: u64) -> Self {
        // Not in /tmp, which may be in memory.
        let directory = tempfile::Builder::new()
            .prefix("bench-disk-")
            .tempdir_in("/var/tmp");
        let image = Self {
            directory: directory.expect("a place for an image"),
        };
        let file = image.directory.path().join("image");
        let sparse = File::create(&file).and_then(|file| file.set_len(bytes));
        sparse.expect("a sparse file");
        fs::create_dir(image.path()).expect("a directory");
        // Its tables are made now and not by the kernel while something is measured.
        let options = "lazy_itable_init=0,lazy_journal_init=0";
        let files = files.to_string();
        let mut format = Command::new("mkfs.ext4");
        run(format.args(["-q", "-E", options, "-N", &files]).arg(&file));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&file)
            .arg(image.path()));
        image
    }

    /// Where it is mounted.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("bench: {} stays mounted", self.path().display());
        }
    }
}

/// Writes what is dirty and empties the kernel's caches of files, directories and inodes.
pub(super) fn forget_files() {
    run(&mut Command::new("sync"));
    fs::write("/proc/sys/vm/drop_caches", "3").expect("root's rights");
}

/// `files` files in directories of so many, and those in groups of 100 if there are more; each tenth has something in
/// it.
pub(super) fn grow(tree: &Path, files: usize, in_each: usize) {
    let directories = files.div_ceil(in_each);
    for directory in 0..directories {
        let group = tree.join((directory / 100).to_string());
        let above = if directories > 100 { &group } else { tree };
        let place = above.join(format!("directory-{directory}"));
        fs::create_dir_all(&place).expect("room");
        for file in (directory * in_each..files).take(in_each) {
            let content: &[u8] = if file % 10 == 0 { &[b'x'; 500] } else { b"" };
            fs::write(place.join(format!("file-{file}")), content).expect("room");
        }
    }
}

fn run(command: &mut Command) {
    let status = command.status();
    let done = matches!(&status, Ok(status) if status.success());
    assert!(done, "{command:?}: {status:?}");
}
