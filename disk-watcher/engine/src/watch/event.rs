//! What a [`Watch`](crate::Watch) tells of its own accord.

use std::fmt;
use std::path::PathBuf;

use super::sample::{Sample, Source};
use super::tree::TreeId;

/// Something that happened. Sent to the sink of [`Watch::start`](crate::Watch::start).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A tree has come to hold more than its soft limit. Sent once for each time that it crosses it, and before the
    /// breach where one look finds both.
    SoftLimit(Breach),
    /// A tree holds more than a hard limit: confirmed by an exact look before this is sent, and sent once until
    /// [`Recovered`](Self::Recovered).
    Breach(Breach),
    /// A tree whose breach was sent is within its hard limits again.
    Recovered {
        /// Which.
        tree: TreeId,
    },
    /// The file system has refused to let a tree grow beyond a limit that it was given
    /// ([`Limits::in_kernel`](crate::Limits::in_kernel)), which is so never broken. Sent once a minute at the most.
    Refused {
        /// Which.
        tree: TreeId,
        /// Of what it would have come to hold too much.
        of: Amount,
        /// In bytes or inodes.
        limit: u64,
    },
    /// Something is known in part only, or not at all; sent once until it has changed.
    Trouble {
        /// The tree that it is about, if it is about one.
        tree: Option<TreeId>,
        /// What, for a log. Names that a task chose are escaped.
        text: String,
    },
    /// A walk found other than what change tracking had summed up, which is put right by that.
    Drift {
        /// Which tree.
        tree: TreeId,
        /// What the walk found less what was known.
        bytes: i64,
    },
    /// Files of a tree are not in its project, and so not in the kernel's account of it: their owner may take them
    /// out.
    Strayed {
        /// Which tree.
        tree: TreeId,
        /// How many there are.
        files: u64,
        /// One of them, below the tree's root. Its bytes are chosen by whoever writes to the tree.
        example: PathBuf,
    },
    /// The trees of a file system are measured in another way from now on; sent for each file system once at first.
    Layer {
        /// Which.
        file_system: FileSystem,
        /// How its trees are measured.
        source: Source,
        /// Why not in a better way; empty where there is none.
        why: String,
    },
}

/// A file system that has trees in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileSystem {
    /// `st_dev` of the roots.
    pub dev: u64,
    /// Such as `ext4`, or in hexadecimal where the name is not known.
    pub kind: String,
}

impl fmt::Display for FileSystem {
    /// `ext4 8:1`: what it is, and the device's numbers as /proc/self/mountinfo has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = (rustix::fs::major(self.dev), rustix::fs::minor(self.dev));
        write!(f, "{} {major}:{minor}", self.kind)
    }
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Amount {
    /// Bytes.
    Bytes,
    /// Inodes: files, directories, links.
    Inodes,
}

/// A tree beyond one of its limits. [`message`](Self::message) says all of it to people.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// Which tree.
    pub tree: TreeId,
    /// Of what it holds too much.
    pub of: Amount,
    /// The look that found it.
    pub sample: Sample,
    /// The limit, in bytes or inodes.
    pub limit: u64,
    /// Whether deleted files that are still open count ([`Limits::count_deleted`](crate::Limits::count_deleted)).
    pub counts_deleted: bool,
    /// By how many bytes a second the tree grew over the last few seconds.
    pub growth: Option<f64>,
    /// Where most of it is, the largest first; at most a handful.
    pub largest: Vec<Largest>,
    /// Whether [`sample`](Self::sample) is a second, exact look. Always so in [`Event::Breach`].
    pub confirmed: bool,
}

/// A file, or a directory with what of it is not named itself, that holds much: see [`largest`](crate::largest()).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Largest {
    /// Below the tree's root. Its bytes are chosen by whoever writes to the tree: escape it.
    pub path: PathBuf,
    /// What it holds, allocated.
    pub bytes: u64,
    /// In how many inodes: 1 for a file.
    pub inodes: u64,
    /// Whether it is a directory.
    pub is_directory: bool,
}
