//! Change tracking: of a tree that nothing happens in, nothing is looked at.
//!
//! ```text
//!   kernel ── events ──> drain ──> directories that wait ──> read ──> sums
//!                          │                                  │
//!                   by file handle                  opened by handle, listed,
//!                                                   compared with what was known
//! ```
//!
//! A fanotify mark on each file system reports in which directory something happened, whoever did it, through
//! whatever mount or descriptor. For each directory of a tree the [table] has a sum; what an event names waits
//! there until the tree is read, and only then is it listed again. A directory that appears is walked by the same
//! means, one that disappears is forgotten unless it appears elsewhere.
//!
//! A file that is written all the time is [parked]: what it costs its writer is worth more than the news.
//! In a directory of many files each is [kept](named), and looked at alone when it changes.
//!
//! Kept on purpose: renames are told by both directories, so `FAN_RENAME` (Linux 5.17) would add nothing. What the
//! kernel does not report stays unseen until the directory is looked at for another reason: stores through a mapping
//! before it is unmapped, and blocks that the file system itself gives or takes later. [`Tracker::reconcile`] finds
//! them, and says by how much the sum was off.

mod error;
mod event;
mod hunt;
mod later;
mod links;
mod listing;
mod named;
mod parked;
mod read;
mod reconcile;
mod sums;
mod table;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::sys::Handle;
use crate::sys::fanotify::Group;
use crate::{FileId, TreeId, Usage, attributes, sys};
pub use error::NoTracking;
pub use event::{Event as TrackEvent, Events as TrackEvents, FileSystemId, Malformed};
use hunt::Allowance;
use later::Later;
use listing::Mount;
use parked::Parked;
pub use reconcile::Drift;
use reconcile::Progress;
use sums::TreeIndex;
use table::{At, Directory, Dirty, Key, Linked, Table};

/// What is reported of every file of a marked file system.
const MASK: u64 = libc::FAN_CREATE
    | libc::FAN_DELETE
    | libc::FAN_MOVED_FROM
    | libc::FAN_MOVED_TO
    | libc::FAN_MODIFY
    | libc::FAN_ATTRIB // extended attributes have blocks
    | libc::FAN_CLOSE_WRITE // ends what was written through a mapping, and preallocation
    | libc::FAN_DELETE_SELF
    | libc::FAN_ONDIR;
/// Which of it change what directories lie in a directory, with `FAN_ONDIR`.
const STRUCTURE: u64 =
    libc::FAN_CREATE | libc::FAN_DELETE | libc::FAN_MOVED_FROM | libc::FAN_MOVED_TO;

/// Room for the events of one system call, about a thousand.
const EVENT_BYTES: usize = 64 * 1024;
/// Room for the entries of one system call.
const LISTING_BYTES: usize = 256 * 1024;

/// How much memory tracking may take, and when it looks closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Directories and files with several links of all trees together, about 300 bytes each. A tree that would bring more is refused.
    pub size: usize,
    /// Files in a directory from which on it is large: which of its files changes is told by name then, and the others
    /// are not looked at.
    pub large: usize,
    /// Files of large directories of all trees together, about 70 bytes each. Of what would bring more, all files are
    /// looked at when one changes.
    pub files: usize,
    /// So many times in a row something happened in a directory when its tree was read, before the file in it that was
    /// written last is [parked](Tracker::parked).
    pub busy: u8,
    /// Bytes of events that are read at once. The kernel's queue has no bound of its own; when it holds more than
    /// this, it is thrown away, and everything is looked at again.
    pub event_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            size: 1 << 20,
            large: 512,
            files: 1 << 19,
            busy: 8,
            event_bytes: 64 << 20,
        }
    }
}

/// Follows the changes of many trees. One for a process: every file system is marked once.
///
/// A mark costs everybody who writes to the file system, in whichever tree, some hundred nanoseconds a write. It is
/// taken back with the last tree on the file system, and with the tracker.
#[derive(Debug)]
pub struct Tracker {
    bounds: Bounds,
    group: Group,
    /// The one that tells names, in large directories.
    named: Group,
    /// In the order of the first component of a directory's key. `None`: no tree is on it any more.
    file_systems: Vec<Option<FileSystemId>>,
    trees: HashMap<TreeId, Tracked>,
    by_index: HashMap<TreeIndex, TreeId>,
    next_index: u32,
    table: Table,
    later: Later,
    allowance: Allowance,
    parked: Vec<Parked>,
    events: Vec<u8>,
    listing: Vec<u8>,
}

/// What a group tells of.
#[derive(Clone, Copy, Debug)]
enum Told {
    Directories,
    Names,
}

/// A tree.
#[derive(Debug)]
struct Tracked {
    index: TreeIndex,
    file_system: u16,
    mount: Arc<Mount>,
    root: At,
    /// Inode numbers of directories that are left out.
    exclude: Vec<u64>,
    /// The directory of another tree that this one lies in.
    outer: Option<Key>,
    /// Files of which another name may have been counted before they had several.
    suspects: Vec<Linked>,
    progress: Option<Progress>,
    /// How many times it was read.
    reads: u32,
}

/// What came of [`Tracker::drain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Events that were read.
    pub events: u64,
    /// Events were lost: everything is to be looked at again.
    pub overflowed: bool,
}

impl Tracker {
    /// A tracker with no trees.
    ///
    /// # Errors
    /// When the kernel or this process's rights do not allow it.
    pub fn start() -> Result<Self, NoTracking> {
        Self::within(Bounds::default())
    }

    /// The same with bounds of one's own.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn within(bounds: Bounds) -> Result<Self, NoTracking> {
        Ok(Self {
            bounds,
            group: Group::of_directories().map_err(NoTracking::of_group)?,
            named: Group::of_names().map_err(NoTracking::of_group)?,
            file_systems: Vec::new(),
            trees: HashMap::new(),
            by_index: HashMap::new(),
            next_index: 0,
            table: Table::default(),
            later: Later::default(),
            allowance: Allowance::new(),
            parked: Vec::new(),
            events: vec![0; EVENT_BYTES],
            listing: Vec::with_capacity(LISTING_BYTES),
        })
    }

    /// Takes a tree in: marks its file system and walks it once, which takes about as long as any walk. `exclude` and
    /// the roots of other trees in it are left out, with all below them; a tree that is added later and lies in this
    /// one is taken out of it.
    ///
    /// # Errors
    /// When changes of this tree cannot all be known. Nothing of it is kept then.
    pub fn add(
        &mut self,
        tree: TreeId,
        root: BorrowedFd<'_>,
        exclude: &[FileId],
    ) -> Result<Usage, NoTracking> {
        if self.trees.contains_key(&tree) {
            return Err(NoTracking::AlreadyTracked);
        }
        let mount = open_mount(root)?;
        let (handle, _) = sys::handle::of(mount.fd.as_fd(), c"").map_err(NoTracking::of_handle)?;
        listing::open(&mount, &handle).map_err(|refusal| match refusal {
            listing::Refusal::Unreadable(source) => NoTracking::of_handle(source),
            listing::Refusal::Gone => NoTracking::NoHandles,
            listing::Refusal::Subvolume => NoTracking::Subvolume,
        })?;
        let file_system = self.mark(&mount)?;
        let key = (file_system, handle);
        let index = TreeIndex(self.next_index);
        self.next_index += 1;
        let known = self.table.find(&key);
        if known
            .and_then(|at| self.table.get(at))
            .is_some_and(|found| found.is_root)
        {
            return Err(NoTracking::AlreadyTracked);
        }
        let (root, outer) = match known {
            Some(at) => (at, self.table.make_root(at, index)),
            None => (self.table.insert(key, index, None), None),
        };
        let exclude = exclude.iter().filter(|id| id.dev == mount.dev);
        let tracked = Tracked {
            index,
            file_system,
            exclude: exclude.map(|id| id.ino).collect(),
            mount: Arc::new(mount),
            root,
            outer,
            suspects: Vec::new(),
            progress: None,
            reads: 0,
        };
        self.trees.insert(tree, tracked);
        self.by_index.insert(index, tree);
        self.read(tree)
    }

    /// Forgets a tree. What lies in another tree counts there again.
    pub fn remove(&mut self, tree: TreeId) {
        let Some(tracked) = self.trees.remove(&tree) else {
            return;
        };
        self.by_index.remove(&tracked.index);
        self.table.forget_tree(tracked.index, tracked.root);
        self.unmark_released(tracked.file_system, &tracked.mount);
        if let Some(outer) = tracked.outer.and_then(|key| self.table.find(&key)) {
            self.table.soil(outer, Dirty::ALL);
        }
        let on_same = |other: &Tracked| other.file_system == tracked.file_system;
        if !self.trees.values().any(on_same) {
            self.release_all(tracked.file_system, &tracked.mount);
            self.file_systems[usize::from(tracked.file_system)] = None;
            // Where even that fails, events come in that nobody waits for, until the tracker ends.
            let _ = self
                .group
                .unmark_file_system(tracked.mount.fd.as_fd(), MASK);
        }
    }

    /// Reads what has happened since the last time. Cheap, but not to be done at once after each event: they merge
    /// in the kernel's queue, and what is woken for each of them makes writers four times as slow.
    ///
    /// # Errors
    /// When the queue cannot be read; nothing is known of any tree any more then.
    pub fn drain(&mut self) -> Result<Drained, NoTracking> {
        let mut drained = Drained::default();
        let now = Instant::now();
        self.later.soil_due(&mut self.table, now);
        self.allowance.renew();
        // The one that tells names last: what the other told of a large directory is told there, too.
        let mut taken = self.drain_one(Told::Directories, now, &mut drained)?;
        taken += self.drain_one(Told::Names, now, &mut drained)?;
        if taken > self.bounds.event_bytes {
            self.start_over()?;
            drained.overflowed = true;
        }
        // After the events: where one of them says that a parked file went is looked at when that is parked no more.
        self.look_at_parked()?;
        if drained.overflowed {
            for tracked in self.trees.values() {
                self.table.soil_all(tracked.index);
            }
        }
        Ok(drained)
    }

    /// Reads one group's events, and tells how many bytes that were: more than are allowed for if not all were read.
    fn drain_one(
        &mut self,
        told: Told,
        now: Instant,
        drained: &mut Drained,
    ) -> Result<usize, NoTracking> {
        let mut taken = 0;
        let mut room = std::mem::take(&mut self.events);
        let done = loop {
            let group = match told {
                Told::Directories => &self.group,
                Told::Names => &self.named,
            };
            let length = match rustix::io::read(group, &mut room) {
                Ok(0) | Err(Errno::AGAIN) => break Ok(taken),
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                Err(errno) => {
                    break Err(NoTracking::Read {
                        source: errno.into(),
                    });
                }
            };
            if let Err(malformed) = self.hear(&room[..length], told, now, drained) {
                break Err(malformed.into());
            }
            taken += length;
            if taken > self.bounds.event_bytes {
                break Ok(taken);
            }
        };
        self.events = room;
        done
    }

    /// Has wait what events name.
    fn hear(
        &mut self,
        events: &[u8],
        told: Told,
        now: Instant,
        drained: &mut Drained,
    ) -> Result<(), Malformed> {
        for event in TrackEvents::new(events) {
            let event = event?;
            drained.events += 1;
            drained.overflowed |= event.mask & libc::FAN_Q_OVERFLOW != 0;
            let Some(at) = event.directory.and_then(|known| self.find(known)) else {
                continue;
            };
            let structure = event.mask & libc::FAN_ONDIR != 0 && event.mask & STRUCTURE != 0;
            let is_large = self.table.get(at).is_some_and(Directory::is_large);
            match told {
                Told::Directories if is_large && !structure => continue,
                Told::Names if is_large => {
                    let name = event.name.filter(|name| *name != c".");
                    self.table.soil_file(at, name);
                }
                // What is told by name of a directory that is large no longer may be told by name alone.
                Told::Directories | Told::Names => {
                    let dirty = Dirty {
                        structure,
                        ..Dirty::FILES
                    };
                    self.table.soil(at, dirty);
                }
            }
            self.later.remember(&mut self.table, at, now);
        }
        Ok(())
    }

    /// How many directories of a tree are to be looked at again, as far as events were [drained](Self::drain).
    pub fn dirty(&self, tree: TreeId) -> usize {
        let tracked = self.trees.get(&tree);
        tracked.map_or(0, |tracked| self.table.waiting(tracked.index))
    }

    /// The trees of which something is to be looked at again.
    pub fn dirty_trees(&self) -> impl Iterator<Item = TreeId> {
        let trees = self.table.waiting_trees();
        trees.filter_map(|index| self.by_index.get(&index).copied())
    }

    /// How many directories are known, of all trees.
    pub fn directories(&self) -> usize {
        self.table.directories()
    }

    fn find(&self, (id, handle): (FileSystemId, Handle)) -> Option<At> {
        let known = |known: &Option<FileSystemId>| *known == Some(id);
        let at = self.file_systems.iter().position(known)?;
        self.table.find(&(u16::try_from(at).ok()?, handle))
    }

    /// Marks the file system of a tree, unless it is.
    fn mark(&mut self, mount: &Mount) -> Result<u16, NoTracking> {
        let id = file_system_id(mount)?;
        let at = match self
            .file_systems
            .iter()
            .position(|known| *known == Some(id))
        {
            Some(at) => at,
            None => {
                self.group
                    .mark_file_system(mount.fd.as_fd(), MASK)
                    .map_err(NoTracking::of_mark)?;
                let free = self.file_systems.iter().position(Option::is_none);
                let at = free.unwrap_or_else(|| {
                    self.file_systems.push(None);
                    self.file_systems.len() - 1
                });
                self.file_systems[at] = Some(id);
                at
            }
        };
        u16::try_from(at).map_err(|_| NoTracking::TooManyGroups)
    }

    /// A new group in the place of one with more events than can be read.
    fn start_over(&mut self) -> Result<(), NoTracking> {
        let group = Group::of_directories().map_err(NoTracking::of_group)?;
        for (at, _) in self.file_systems.iter().enumerate() {
            let tree = self
                .trees
                .values()
                .find(|tracked| usize::from(tracked.file_system) == at);
            if let Some(tracked) = tree {
                group
                    .mark_file_system(tracked.mount.fd.as_fd(), MASK)
                    .map_err(NoTracking::of_mark)?;
            }
        }
        self.group = group;
        self.named = Group::of_names().map_err(NoTracking::of_group)?;
        self.table.forget_files();
        self.parked.clear();
        Ok(())
    }
}

impl AsFd for Tracker {
    /// Readable when something has happened.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }
}

/// A descriptor on the tree's mount that directories can be opened by: an `O_PATH` one, as roots are, is none.
fn open_mount(root: BorrowedFd<'_>) -> Result<Mount, NoTracking> {
    let cannot = |errno: Errno| NoTracking::Root {
        source: errno.into(),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::openat(root, c".", flags, Mode::empty()).map_err(cannot)?;
    let found = attributes::of(fd.as_fd()).map_err(cannot)?;
    let (_, id) = sys::handle::of(fd.as_fd(), c"").map_err(NoTracking::of_handle)?;
    Ok(Mount {
        fd,
        id,
        dev: found.id.dev,
    })
}

fn file_system_id(mount: &Mount) -> Result<FileSystemId, NoTracking> {
    match sys::fanotify::file_system_id(mount.fd.as_fd()) {
        Ok([0, 0]) => Err(NoTracking::NoFileSystemId),
        Ok(id) => Ok(FileSystemId(id)),
        Err(source) => Err(NoTracking::Root { source }),
    }
}
