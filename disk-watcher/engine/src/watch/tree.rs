//! What to watch: a tree, its limits, and whose processes may hold its deleted files.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::FileId;

/// Names a tree from its [`Watch::add`](crate::Watch::add) to its removal. Never used twice in a process, so that what
/// is said of a tree that is gone cannot be taken for a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreeId(u64);

impl TreeId {
    /// One that was not there before.
    pub fn unused() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// A share of one, spread evenly over ids that follow each other: by the golden ratio.
    pub(crate) fn spread(self) -> f64 {
        (self.0 as f64 * 0.618_033_988_749_895).fract()
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tree {}", self.0)
    }
}

/// A tree to watch.
#[derive(Debug)]
pub struct Tree {
    /// Its root, most often a directory; an `O_PATH` handle will do. Not a path, since whoever writes to the directory
    /// above could have it name another tree from one moment to the next. See [`open_root`](crate::open_root).
    pub root: OwnedFd,
    /// The tree that this one lies in and counts toward, such as the sandbox of the container that a task's directory
    /// is in. It has to be watched already.
    pub inside: Option<TreeId>,
    /// Directories that do not count, with all below them: persistent volumes, which have limits of their own.
    pub exclude: Vec<FileId>,
    /// What it may hold.
    pub limits: Limits,
    /// Who may hold files of it open that are deleted.
    pub processes: Processes,
    /// Count what is mounted inside it, too, as `du` without `-x` does. Such a tree can only be walked.
    pub cross_mounts: bool,
}

impl Tree {
    /// A tree without a limit, of which nothing is left out.
    pub fn new(root: OwnedFd) -> Self {
        Self {
            root,
            inside: None,
            exclude: Vec::new(),
            limits: Limits::default(),
            processes: Processes::Nobody,
            cross_mounts: false,
        }
    }
}

/// What a tree may hold. A limit is broken by strictly more, after rounding up to KiB, as with Mesos's `disk/du`
/// ([`Usage::exceeds`](crate::Usage::exceeds)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// In bytes: more is an [`Event::Breach`](crate::Event::Breach).
    pub hard: Option<u64>,
    /// In bytes: more is an [`Event::SoftLimit`](crate::Event::SoftLimit), a warning.
    pub soft: Option<u64>,
    /// How many inodes, the root among them: more is a breach. It is what keeps a tree of millions of empty files,
    /// which no walk can be through with soon, from being free.
    pub inodes: Option<u64>,
    /// Whether files that are deleted but still open count toward [`hard`](Self::hard) and [`soft`](Self::soft). They
    /// fill the disk like any other, and `du` does not see them. Told of in any case where the tree has
    /// [`Processes`]. A project quota counts them whatever is said here.
    pub count_deleted: bool,
    /// Make [`hard`](Self::hard) and [`soft`](Self::soft) limits of the file system's project quota, too, where the
    /// tree has a project: the kernel then refuses the write.
    pub in_kernel: bool,
}

/// Whose open descriptors are looked through for a tree's deleted files.
#[derive(Clone, Default)]
pub enum Processes {
    /// Nobody's: deleted files are not looked for.
    #[default]
    Nobody,
    /// Those in the cgroup at this path and in those below it: the numbers in `cgroup.procs`.
    Cgroup(PathBuf),
    /// Those that are listed when it is called, which is on a thread of the engine's. Must not block.
    List(Arc<dyn Fn() -> Vec<u32> + Send + Sync>),
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Cgroup(path) => f.debug_tuple("Cgroup").field(path).finish(),
            Self::List(_) => f.write_str("List"),
        }
    }
}
