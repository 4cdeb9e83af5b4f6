//! A measurement: the root, the walk below it, and who helps.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::fs::{Mode, OFlags};

use crate::attributes::{self, Attributes};
use crate::ledger::{Holding, Ledger};
use crate::opener::Opener;
use crate::pool::Pool;
use crate::seen::Seen;
use crate::stack::Frame;
use crate::usage::Unread;
use crate::walker::Walker;
use crate::{Options, Usage};

/// Why a tree could not be measured at all. What goes wrong below the root makes a lower bound instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path to measure could not be opened.
    #[error("cannot open '{}'", path.display())]
    Open {
        /// As it was given.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel does not tell what the opened root is.
    #[error("cannot read the attributes of the root to measure")]
    Root {
        /// What the kernel said.
        source: io::Error,
    },
}

/// A handle for [`measure()`] on whatever `path` names. A link in the last component is not followed: like `du`, a
/// measurement of a link is of the link itself. (Links further up are; open trees that others write to by a handle.)
///
/// The handle is an `O_PATH` one: opening a FIFO or a device has no effect.
///
/// # Errors
/// When there is no such file, or a directory on the way to it may not be searched.
pub fn open_root(path: &Path) -> Result<OwnedFd, Error> {
    rustix::fs::open(
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| Error::Open {
        path: path.to_owned(),
        source: errno.into(),
    })
}

/// The disk usage of `root`, a file or a directory with everything below it, as `du -x` counts: allocated blocks,
/// each inode once, links not followed, the root itself included.
///
/// The tree may change meanwhile, by the hand of someone hostile, too. Whatever happens, nothing outside the tree is
/// counted, nothing but directories is opened, and entries that vanish are passed over.
///
/// # Errors
/// Only when the root itself cannot be looked at.
pub fn measure(root: BorrowedFd<'_>, options: &Options) -> Result<Usage, Error> {
    // A single root is always met for the first time.
    Ok(measure_unseen(
        root,
        options,
        &Seen::within_one_root(options.cross_mounts),
        None,
        |opener| opener,
    )?
    .unwrap_or_default())
}

/// As [`measure()`], and writes down who holds what. No file counts twice, even if it is moved meanwhile.
pub(crate) fn measure_into(
    root: BorrowedFd<'_>,
    options: &Options,
    ledger: &Ledger,
) -> Result<Usage, Error> {
    let seen = Seen::within_one_root_strictly(options.cross_mounts);
    Ok(measure_unseen(root, options, &seen, Some(ledger), |opener| opener)?.unwrap_or_default())
}

/// Measures several roots so that what they share is counted in the first of them only, as one `du` command with
/// several arguments does. Remembers every file met: for a command line, not for a daemon.
#[derive(Debug)]
pub struct Series {
    seen: Seen,
}

impl Series {
    /// A series that has met nothing yet.
    pub fn new() -> Self {
        Self {
            seen: Seen::across_roots(),
        }
    }

    /// Like [`measure()`], for the next root; `None` if that root was already counted within an earlier one.
    ///
    /// # Errors
    /// As [`measure()`].
    pub fn measure(
        &mut self,
        root: BorrowedFd<'_>,
        options: &Options,
    ) -> Result<Option<Usage>, Error> {
        measure_unseen(root, options, &self.seen, None, |opener| opener)
    }
}

impl Default for Series {
    fn default() -> Self {
        Self::new()
    }
}

/// What the walkers of one tree share.
pub(crate) struct Walk<'a> {
    pub(crate) options: &'a Options,
    pub(crate) seen: &'a Seen,
    /// Who holds what, where that is asked.
    pub(crate) ledger: Option<&'a Ledger>,
    pub(crate) opener: Opener,
    pub(crate) root: Arc<OwnedFd>,
    pub(crate) pool: Pool<Job>,
    budget: Option<AtomicU64>,
    short_of_descriptors: AtomicBool,
}

/// Work that one walker hands to another.
#[derive(Debug)]
pub(crate) enum Job {
    /// Directories to enter.
    Enter(Frame),
    /// Files to count, part of a directory that someone else lists.
    Count(Frame),
}

impl Walk<'_> {
    /// Takes one entry from what [`Options::max_entries`] allows.
    pub(crate) fn spend_one(&self) -> bool {
        let Some(budget) = &self.budget else {
            return true;
        };
        budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }

    /// Has every walker hold no more directories open than it must, from now on.
    pub(crate) fn ask_for_descriptors(&self) {
        self.short_of_descriptors.store(true, Ordering::Relaxed);
    }

    /// Whether a walker has asked so.
    pub(crate) fn descriptors_are_short(&self) -> bool {
        self.short_of_descriptors.load(Ordering::Relaxed)
    }
}

/// `adjust` lets tests take away what an older kernel does not have.
fn measure_unseen(
    root: BorrowedFd<'_>,
    options: &Options,
    seen: &Seen,
    ledger: Option<&Ledger>,
    adjust: impl FnOnce(Opener) -> Opener,
) -> Result<Option<Usage>, Error> {
    let found = attributes::of(root).map_err(|errno| Error::Root {
        source: errno.into(),
    })?;
    if !seen.is_first(&found) {
        return Ok(None);
    }
    let mut usage = Usage {
        bytes: found.blocks * 512,
        inodes: 1,
        ..Usage::default()
    };
    let charge_root = || {
        let holding = Holding {
            bytes: found.blocks * 512,
            inodes: 1,
        };
        if let Some(ledger) = ledger {
            ledger.charge(0, holding);
        }
    };
    if !found.is_dir {
        charge_root();
        return Ok(Some(usage));
    }
    match Opener::probe(root, &found, options.cross_mounts) {
        Ok((opener, listing)) => {
            let walk = Walk {
                options,
                seen,
                ledger,
                opener: adjust(opener),
                root: Arc::new(listing),
                pool: Pool::new(),
                budget: options.max_entries.map(AtomicU64::new),
                short_of_descriptors: AtomicBool::new(false),
            };
            Ok(Some(walk_all(&walk, &found)))
        }
        Err(errno) => {
            charge_root();
            let gaps = usage.gaps();
            gaps.unread = 1;
            gaps.example = Some(Unread {
                path: PathBuf::new(),
                errno: errno.raw_os_error(),
            });
            Ok(Some(usage))
        }
    }
}

fn walk_all(walk: &Walk<'_>, root: &Attributes) -> Usage {
    let by_helpers = Mutex::new(Usage::default());
    let mut usage = thread::scope(|scope| {
        let by_helpers = &by_helpers;
        let recruit = move |waits_for_disk| {
            for _ in 1..threads(walk.options, waits_for_disk) {
                let mut membership = walk.pool.join();
                let help = move || {
                    let found = Walker::new(walk, None).help(&mut membership);
                    by_helpers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .absorb(found);
                };
                // Where no thread can be had, the walk goes on with those that there are.
                let _ = thread::Builder::new()
                    .name("disk-walk".into())
                    .spawn_scoped(scope, help);
            }
        };
        Walker::new(walk, Some(Box::new(recruit))).start_at_root(root, walk.pool.first())
    });
    usage.absorb(
        by_helpers
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
    );
    usage
}

fn threads(options: &Options, wait_for_disk: bool) -> usize {
    if wait_for_disk {
        return options.max_threads;
    }
    let processors = thread::available_parallelism().map_or(1, usize::from);
    processors.min(options.max_threads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Completeness;
    use std::fs;
    use std::os::fd::AsFd;

    /// A tree of two directories and three files, one of them deep.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        for name in ["f", "a/g", "a/b/h"] {
            fs::write(dir.path().join(name), vec![1; 50_000]).unwrap();
        }
        dir
    }

    #[test]
    fn without_openat2_the_same_is_found() {
        let dir = tree();
        let root = open_root(dir.path()).unwrap();
        let options = Options::default();
        let new = measure(root.as_fd(), &options).unwrap();
        let seen = Seen::within_one_root(options.cross_mounts);
        let old = measure_unseen(root.as_fd(), &options, &seen, None, Opener::without_openat2)
            .unwrap()
            .unwrap();
        assert_eq!(old, new);
        assert_eq!((new.inodes, new.completeness), (6, Completeness::Complete));
    }

    #[test]
    fn in_a_series_what_lies_in_an_earlier_root_is_not_counted_again() {
        let dir = tree();
        let open = |path: &str| open_root(&dir.path().join(path)).unwrap();
        let options = Options::default();
        let alone = |path| measure(open(path).as_fd(), &options).unwrap();
        let mut series = Series::new();
        assert_eq!(
            series.measure(open("a/b").as_fd(), &options).unwrap(),
            Some(alone("a/b"))
        );
        let rest = series
            .measure(open("a").as_fd(), &options)
            .unwrap()
            .unwrap();
        assert_eq!(rest.bytes, alone("a").bytes - alone("a/b").bytes);
        assert_eq!(series.measure(open("a/g").as_fd(), &options).unwrap(), None);
        assert_eq!(series.measure(open("a").as_fd(), &options).unwrap(), None);
    }

    #[test]
    fn an_absent_root_is_an_error_that_names_it() {
        let error = open_root(Path::new("/nonexistent/sandbox")).unwrap_err();
        assert_eq!(error.to_string(), "cannot open '/nonexistent/sandbox'");
    }
}
