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

/// So many descriptors and mappings are looked at in one call, about 2 µs each: whoever opens more is not worth more.
const MOST_LOOKS: usize = 100_000;
/// A kernel allows 100,000 mounts in a namespace; nobody's need is that.
const LONGEST_TEXT: u64 = 16 << 20;

/// The deleted files that these processes hold open, for each of `trees` in their order; a file counts toward the
/// innermost tree that it was in. Processes that end meanwhile are passed over.
///
/// Costs about 2 µs for each open descriptor, and reads each process's list of mappings; bounded.
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

struct Search {
    /// `None` where it could not be found out.
    places: Vec<Option<Place>>,
    found: Vec<Deleted>,
    seen: HashSet<FileId>,
    /// Mounts of this process's namespace and of those looked at, by number; `None` is one that nobody knows.
    mounts: HashMap<u64, Option<Mount>>,
    looks: usize,
    missed: bool,
    buffer: Vec<u8>,
}

impl Search {
    fn new(trees: &[BorrowedFd<'_>]) -> Self {
        let own = Process::myself()
            .ok()
            .and_then(|own| read(&own, "mountinfo").ok());
        let text = own.unwrap_or_default();
        let mounts = proc_text::mounts(&text);
        let mut search = Self {
            places: Vec::new(),
            found: vec![Deleted::default(); trees.len()],
            seen: HashSet::new(),
            mounts: mounts.map(|mount| (mount.id, Some(mount))).collect(),
            looks: 0,
            missed: false,
            buffer: Vec::with_capacity(32 * 1024),
        };
        search.places = trees
            .iter()
            .map(|tree| search.place_of_tree(*tree))
            .collect();
        search
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
        match attributes::at_link(links, name) {
            Ok(found) if self.may_count(&found) => {}
            Ok(_) => return Ok(()),
            // Closed meanwhile, or the process has ended, which its next file will tell as well.
            Err(Errno::NOENT | Errno::SRCH) => return Ok(()),
            Err(_) => return Err(Trouble::Unreadable),
        }
        // By name it might be another from one question to the next. Such a handle opens nothing, not even a device.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(links, name, flags, Mode::empty()) else {
            return Ok(());
        };
        let Ok(found) = attributes::of(file.as_fd()) else {
            return Ok(());
        };
        if self.may_count(&found)
            && let Some(tree) = self.tree_of(process, file.as_fd(), &found)
            && self.seen.insert(found.id)
        {
            self.found[tree].bytes += found.blocks * 512;
            self.found[tree].files += 1;
        }
        Ok(())
    }

    fn may_count(&self, found: &Attributes) -> bool {
        let mut places = self.places.iter().flatten();
        found.nlink == 0 && !found.is_dir && places.any(|place| place.dev == found.id.dev)
    }

    /// The innermost tree that the file was in.
    fn tree_of(
        &mut self,
        process: &Process,
        file: BorrowedFd<'_>,
        found: &Attributes,
    ) -> Option<usize> {
        let id = found.mount.or_else(|| attributes::mount_from_proc(file))?;
        let mount = self.mount(process, id)?;
        let place = place_of_file(mount, &text_of(file)?);
        let holds = |tree: &Place| tree.dev == found.id.dev && place.starts_with(&tree.path);
        let trees = self.places.iter().enumerate();
        trees
            .filter_map(|(index, tree)| Some((index, tree.as_ref().filter(|tree| holds(tree))?)))
            .max_by_key(|(_, tree)| tree.path.components().count())
            .map(|(index, _)| index)
    }

    fn mount(&mut self, process: &Process, id: u64) -> Option<&Mount> {
        if !self.mounts.contains_key(&id) {
            let text = read(process, "mountinfo").unwrap_or_default();
            for mount in proc_text::mounts(&text) {
                self.mounts.entry(mount.id).or_insert(Some(mount));
            }
        }
        self.mounts.entry(id).or_insert(None).as_ref()
    }

    fn finish(self) -> Vec<Deleted> {
        let finish = |(mut found, place): (Deleted, &Option<Place>)| {
            found.at_least = self.missed || place.is_none();
            found
        };
        self.found
            .into_iter()
            .zip(&self.places)
            .map(finish)
            .collect()
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

/// Where in its file system a file was; where the text tells nothing, the mounted directory, which it was somewhere in.
fn place_of_file(mount: &Mount, text: &Path) -> PathBuf {
    let bytes = text.as_os_str().as_bytes();
    let name = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    let below = Path::new(OsStr::from_bytes(name)).strip_prefix(&mount.point);
    below.map_or_else(|_| mount.root.clone(), |below| mount.root.join(below))
}

/// What the kernel calls an open file.
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
