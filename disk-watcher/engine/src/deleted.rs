//! Files that are deleted and still open: no walk finds them, and their blocks are taken all the same.
//!
//! They are found through the processes that hold them, as descriptors or as mappings. What `/proc` says of such a
//! file's place is text that a task has a hand in, so the mount decides that the file was opened through:
//!
//! * The kernel numbers mounts, and tells of each which directory of its file system is mounted. A file that was opened
//!   through a mount of the tree, or of a directory in it, was in the tree, whatever it was called. A task with a file
//!   system of its own has its sandbox by such a mount.
//! * Through a mount of something above the tree, the host's own root for example, the rest of the path tells, which
//!   the kernel spells relative to that mount. That is how a library that the host has replaced, or a temporary file
//!   elsewhere, is told apart from the tree's own.
//!
//! What cannot be placed is not counted: a limit is never broken by a guess. So the number is a lower bound: what is
//! on its way through a socket, registered with io_uring alone, or open in a process that was not named, is not seen.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use procfs::ProcError;
use procfs::process::Process;
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::attributes::{self, Attributes};
use crate::proc_text::{self, Mount};
use crate::{Deleted, FileId};

/// So many descriptors and mappings are looked at in one call, about 2 µs each, and 10 µs where one is deleted: whoever
/// opens more is not worth more.
const MOST_LOOKS: usize = 100_000;
/// A kernel allows 100,000 mounts in a namespace; nobody's need is that.
const LONGEST_TEXT: u64 = 16 << 20;

/// The deleted files that these processes hold open, for each of `trees` in their order; a file counts toward the
/// innermost tree that it was in. Processes that end meanwhile are passed over.
///
/// Costs about 2 µs for each open descriptor and 10 µs for each deleted file, and reads each process's list of
/// mappings; bounded.
pub fn deleted(pids: impl IntoIterator<Item = u32>, trees: &[BorrowedFd<'_>]) -> Vec<Deleted> {
    let mut search = Search::new(trees);
    for pid in pids {
        match search.look_at(pid) {
            Err(Trouble::Gone) | Ok(()) => {}
            Err(Trouble::Unreadable) => search.missed = true,
            Err(Trouble::TooMany) => {
                search.missed = true;
                break;
            }
        }
    }
    search.finish()
}

/// Why a process was not looked at to its end.
enum Trouble {
    /// It has ended.
    Gone,
    /// It is not ours to look at.
    Unreadable,
    /// Enough has been looked at.
    TooMany,
}

impl From<ProcError> for Trouble {
    fn from(error: ProcError) -> Self {
        match error {
            ProcError::NotFound(_) => Self::Gone,
            ProcError::Io(error, _) if error.raw_os_error() == Some(ESRCH) => Self::Gone,
            _ => Self::Unreadable,
        }
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::SRCH => Self::Gone,
            _ => Self::Unreadable,
        }
    }
}

const ESRCH: i32 = Errno::SRCH.raw_os_error();

/// Where a tree is: no path, but the place in its file system.
struct Place {
    dev: u64,
    /// From the root of the file system.
    path: PathBuf,
}

/// Where a file was.
struct FilePlace {
    /// From the root of its file system.
    path: PathBuf,
    /// Whether that is the file's own; else it is a directory that the file was somewhere in.
    is_exact: bool,
}

impl FilePlace {
    /// Of a file that was opened through `mount`, and that the kernel calls `text`.
    fn new(mount: &Mount, text: Option<&Path>) -> Self {
        let bytes = text.map(|text| text.as_os_str().as_bytes());
        let name = bytes.map(|bytes| bytes.strip_suffix(b" (deleted)").unwrap_or(bytes));
        let below = name.and_then(|name| {
            Path::new(OsStr::from_bytes(name))
                .strip_prefix(&mount.point)
                .ok()
        });
        Self {
            path: below.map_or_else(|| mount.root.clone(), |below| mount.root.join(below)),
            is_exact: below.is_some(),
        }
    }
}

struct Search<'t> {
    trees: &'t [BorrowedFd<'t>],
    /// Each tree's device.
    devices: Vec<Option<u64>>,
    /// Where the trees are, found out when there is something to place.
    places: Option<Vec<Option<Place>>>,
    found: Vec<Deleted>,
    seen: HashSet<FileId>,
    /// Mounts of this process's namespace and of those looked at, by number; `None` is one that nobody knows.
    mounts: HashMap<u64, Option<Mount>>,
    looks: usize,
    missed: bool,
    buffer: Vec<u8>,
}

impl<'t> Search<'t> {
    fn new(trees: &'t [BorrowedFd<'t>]) -> Self {
        let device = |tree: &BorrowedFd<'_>| Some(attributes::of(*tree).ok()?.id.dev);
        Self {
            trees,
            devices: trees.iter().map(device).collect(),
            places: None,
            found: vec![Deleted::default(); trees.len()],
            seen: HashSet::new(),
            mounts: HashMap::new(),
            looks: 0,
            missed: false,
            buffer: Vec::with_capacity(32 * 1024),
        }
    }

    /// Reads the mounts of this process, before those of any other, and finds the trees in them.
    fn locate_trees(&mut self) {
        if self.places.is_none() {
            if let Ok(own) = Process::myself() {
                self.read_mounts(&own);
            }
            let trees = self.trees.iter();
            self.places = Some(trees.map(|tree| self.place_of_tree(*tree)).collect());
        }
    }

    fn place_of_tree(&self, tree: BorrowedFd<'_>) -> Option<Place> {
        let found = attributes::of(tree).ok()?;
        let id = found.mount.or_else(|| attributes::mount_from_proc(tree))?;
        let mount = self.mounts.get(&id)?.as_ref()?;
        let text = text_of(tree)?;
        let below = text.strip_prefix(&mount.point).ok()?;
        Some(Place {
            dev: found.id.dev,
            path: mount.root.join(below),
        })
    }

    fn read_mounts(&mut self, process: &Process) {
        let text = read(process, "mountinfo").unwrap_or_default();
        for mount in proc_text::mounts(&text) {
            self.mounts.entry(mount.id).or_insert(Some(mount));
        }
    }

    fn look_at(&mut self, pid: u32) -> Result<(), Trouble> {
        let pid = i32::try_from(pid).map_err(|_| Trouble::Gone)?;
        let process = Process::new(pid)?;
        let descriptors = process.open_relative_flags("fd", DIRECTORY)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut listing = RawDir::new(&descriptors, buffer.spare_capacity_mut());
        let mut outcome = Ok(());
        while let Some(entry) = listing.next() {
            outcome = entry.map_err(Trouble::from).and_then(|entry| {
                self.look_at_file(&process, descriptors.as_fd(), entry.file_name())
            });
            if outcome.is_err() {
                break;
            }
        }
        self.buffer = buffer;
        outcome?;
        self.look_at_mappings(&process)
    }

    fn look_at_mappings(&mut self, process: &Process) -> Result<(), Trouble> {
        let maps = read(process, "maps")?;
        let mut deleted = proc_text::deleted_mappings(&maps).peekable();
        if deleted.peek().is_none() {
            return Ok(());
        }
        let mappings = process.open_relative_flags("map_files", DIRECTORY)?;
        for (from, to) in deleted {
            let name = CString::new(format!("{from:x}-{to:x}")).map_err(|_| Trouble::Gone)?;
            self.look_at_file(process, mappings.as_fd(), &name)?;
        }
        Ok(())
    }

    /// Counts what `name`, a link of the kernel's in `/proc/PID`, leads to, if it is a deleted file of a tree.
    fn look_at_file(
        &mut self,
        process: &Process,
        links: BorrowedFd<'_>,
        name: &CStr,
    ) -> Result<(), Trouble> {
        self.looks += 1;
        if self.looks > MOST_LOOKS {
            return Err(Trouble::TooMany);
        }
        // One that cannot be looked at hides none of the others.
        match self.look_through(process, links, name) {
            // Closed meanwhile, or the process has ended, which its next file will tell as well.
            Ok(()) | Err(Errno::NOENT | Errno::SRCH) => {}
            Err(_) => self.missed = true,
        }
        Ok(())
    }

    fn look_through(
        &mut self,
        process: &Process,
        links: BorrowedFd<'_>,
        name: &CStr,
    ) -> Result<(), Errno> {
        let found = attributes::at_link(links, name)?;
        if !self.may_count(&found) || self.seen.contains(&found.id) {
            return Ok(());
        }
        // By name it might be another from one question to the next. Such a handle opens nothing, not even a device.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = rustix::fs::openat(links, name, flags, Mode::empty())?;
        let found = attributes::of(file.as_fd())?;
        if self.may_count(&found) && !self.seen.contains(&found.id) {
            let place = self.place(process, file.as_fd(), &found);
            let is_counted = place
                .as_ref()
                .is_some_and(|place| self.count(&found, place));
            self.missed |= !is_counted && !place.is_some_and(|place| place.is_exact);
        }
        Ok(())
    }

    /// Whether it is deleted, and on a device that a tree is on.
    fn may_count(&self, found: &Attributes) -> bool {
        found.nlink == 0 && !found.is_dir && self.devices.contains(&Some(found.id.dev))
    }

    /// Where in its file system the file was.
    fn place(
        &mut self,
        process: &Process,
        file: BorrowedFd<'_>,
        found: &Attributes,
    ) -> Option<FilePlace> {
        self.locate_trees();
        let id = found.mount.or_else(|| attributes::mount_from_proc(file))?;
        if !self.mounts.contains_key(&id) {
            self.read_mounts(process);
        }
        let mount = self.mounts.entry(id).or_insert(None).as_ref()?;
        Some(FilePlace::new(mount, text_of(file).as_deref()))
    }

    /// Counts the file toward the innermost tree that has this place. `false`: none has.
    fn count(&mut self, file: &Attributes, place: &FilePlace) -> bool {
        let holds = |tree: &Place| tree.dev == file.id.dev && place.path.starts_with(&tree.path);
        let trees = self.places.iter().flatten().enumerate();
        let innermost = trees
            .filter_map(|(index, tree)| Some((index, tree.as_ref().filter(|tree| holds(tree))?)))
            .max_by_key(|(_, tree)| tree.path.components().count());
        if let Some((index, _)) = innermost {
            self.seen.insert(file.id);
            self.found[index].bytes += file.blocks * 512;
            self.found[index].files += 1;
        }
        innermost.is_some()
    }

    fn finish(mut self) -> Vec<Deleted> {
        for (index, found) in self.found.iter_mut().enumerate() {
            let places = self.places.as_ref();
            let is_lost = places.is_some_and(|places| places[index].is_none());
            found.at_least = self.missed || is_lost || self.devices[index].is_none();
        }
        self.found
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// What the kernel calls an open file. It spells no path that is longer than a system call may have it.
fn text_of(file: BorrowedFd<'_>) -> Option<PathBuf> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let text = rustix::fs::readlink(link, Vec::new()).ok()?;
    Some(OsString::from_vec(text.into_bytes()).into())
}

fn read(process: &Process, name: &str) -> Result<Vec<u8>, Trouble> {
    let mut text = Vec::new();
    let file = process.open_relative(name)?;
    match file.take(LONGEST_TEXT).read_to_end(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.raw_os_error() == Some(ESRCH) => Err(Trouble::Gone),
        Err(_) => Err(Trouble::Unreadable),
    }
}
