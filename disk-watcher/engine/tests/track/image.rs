//! File systems of their own, in files: a mark on one slows nobody else, and goes with it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted image; unmounted and removed in the end, also after a panic.
pub(crate) struct Image {
    directory: PathBuf,
}

/// What it is formatted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Ext4,
    Xfs,
    Btrfs,
}

impl Format {
    pub(crate) const ALL: [Self; 3] = [Self::Ext4, Self::Xfs, Self::Btrfs];

    fn maker(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Ext4 => ("mkfs.ext4", &["-q", "-F"]),
            Self::Xfs => ("mkfs.xfs", &["-q", "-f"]),
            Self::Btrfs => ("mkfs.btrfs", &["-q", "-f"]),
        }
    }
}

impl Image {
    /// With XFS not allocating ahead of writers, which it takes back when it likes.
    pub(crate) fn new(format: Format) -> Self {
        Self::mounted(
            format,
            match format {
                Format::Xfs => "loop,allocsize=4k",
                Format::Ext4 | Format::Btrfs => "loop",
            },
        )
    }

    pub(crate) fn mounted(format: Format, options: &str) -> Self {
        let made = tempfile::Builder::new().prefix("disk-engine-").tempdir();
        let image = Self {
            directory: made.unwrap().keep(),
        };
        let file = image.directory.join("image");
        File::create_new(&file).unwrap().set_len(2 << 30).unwrap();
        fs::create_dir(image.path()).unwrap();
        let (maker, arguments) = format.maker();
        run(Command::new(maker).args(arguments).arg(&file));
        // Shared mounts of the host would show up in every namespace, and stay there.
        run(Command::new("mount")
            .args(["-o", options])
            .args([file.as_os_str(), image.path().as_os_str()]));
        image
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join("mounted")
    }

    /// An empty directory in it.
    pub(crate) fn tree(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Lazily: a descriptor that a failed test still holds must not keep it.
        let unmounted = Command::new("umount").arg("-l").arg(self.path()).status();
        let removed = fs::remove_dir_all(&self.directory);
        if !std::thread::panicking() {
            assert!(unmounted.unwrap().success());
            removed.unwrap();
        }
    }
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
}

/// What `du -s -B1` says.
pub(crate) fn du(path: &Path) -> u64 {
    let output = Command::new("du").args(["-sx", "-B1"]).arg(path).output();
    let output = output.unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "du: {words}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split('\t').next().unwrap().parse().unwrap()
}

/// Has the file system write down everything, after which no block moves any more.
pub(crate) fn settle(path: &Path) {
    rustix::fs::syncfs(File::open(path).unwrap()).unwrap();
}
