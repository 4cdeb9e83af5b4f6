//! Files that are written all the time.
//!
//! Each write to a file costs its writer an event, and what a tick needs to know is only that there was one. A file
//! that is never at rest is parked: the kernel is to report no more writes to it, and it is looked at each time that
//! events are read instead, and found different from what was counted, or not. All else that happens to it is reported
//! as before. A parked file that is gone from its place is released before anything is looked at that was reported up
//! to then, wherever it went: nothing of it can be missed there.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd};

use super::listing::{self, Look, Mount, Open};
use super::table::{At, Dirty, Entry, Key};
use super::{NoTracking, Tracker};
use crate::attributes::Changed;
use crate::sys::{self, Handle};

/// So many times it was not written before it is released.
const RESTED: u8 = 50;
/// So many files are parked at most.
const MOST: usize = 64;

#[derive(Debug)]
pub(super) struct Parked {
    directory: Key,
    name: CString,
    handle: Handle,
    /// What was found of it when its directory was looked at last.
    counted: Entry,
    changed: Changed,
    /// How many times in a row it was found as it had been.
    rested: u8,
}

/// The file of a directory that was written last.
#[derive(Debug)]
pub(super) struct Newest {
    name: CString,
    entry: Entry,
    changed: Changed,
    is_parked: bool,
}

/// What is noticed of files while a directory is listed.
pub(super) struct Notice<'a> {
    directory: Key,
    /// Those parked in this directory are among them.
    parked: &'a mut [Parked],
    has_parked: bool,
    pub(super) newest: Option<Newest>,
    wants_newest: bool,
}

impl<'a> Notice<'a> {
    pub(super) fn of(directory: Key, parked: &'a mut [Parked], wants_newest: bool) -> Self {
        Self {
            has_parked: parked.iter().any(|file| file.directory == directory),
            directory,
            parked,
            newest: None,
            wants_newest,
        }
    }

    pub(super) fn file(&mut self, name: &CStr, entry: Entry, changed: Changed) {
        let mut is_parked = false;
        if self.has_parked {
            let is_it = |file: &&mut Parked| {
                file.directory == self.directory && file.name.as_c_str() == name
            };
            if let Some(file) = self.parked.iter_mut().find(is_it) {
                file.counted = entry;
                is_parked = true;
            }
        }
        let newest = self.newest.as_ref();
        if self.wants_newest && newest.is_none_or(|newest| newest.changed < changed) {
            self.newest = Some(Newest {
                name: name.to_owned(),
                entry,
                changed,
                is_parked,
            });
        }
    }
}

impl Tracker {
    /// How many files are parked: of writes to them nothing is reported, and they are looked at each time.
    pub fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Parks the newest file of a directory, if the kernel can. Where that is parked it is what keeps the directory
    /// busy, and the others may be at rest.
    pub(super) fn park(&mut self, directory: Key, open: &Open, newest: Newest) {
        if newest.is_parked || !matches!(newest.entry, Entry::Single { .. }) {
            return;
        }
        let Ok((handle, _)) = sys::handle::of(open.fd.as_fd(), &newest.name) else {
            return; // gone already
        };
        if self.parked.len() >= MOST {
            return;
        }
        // Of the very file, whatever has its name by now.
        let ignored = sys::handle::open(open.fd.as_fd(), &handle, libc::O_PATH | libc::O_CLOEXEC)
            .and_then(|file| self.group.ignore_writes(file.as_raw_fd()));
        if ignored.is_ok() {
            self.parked.push(Parked {
                directory,
                name: newest.name,
                handle,
                counted: newest.entry,
                changed: newest.changed,
                rested: 0,
            });
        }
    }

    /// Looks at the parked files: their directories wait where one is not as it was counted.
    ///
    /// # Errors
    /// When one that is to be heard of again cannot be.
    pub(super) fn look_at_parked(&mut self) -> Result<(), NoTracking> {
        let mut stay = Vec::new();
        let mut all_heard = true;
        for mut file in std::mem::take(&mut self.parked) {
            let on_same = |tree: &&super::Tracked| tree.file_system == file.directory.0;
            let tree = self.trees.values().find(on_same);
            let Some(mount) = tree.map(|tree| tree.mount.clone()) else {
                continue; // released with its tree
            };
            let at = self.table.find(&file.directory);
            if at.is_some_and(|at| self.is_in_place(at, &mut file, &mount)) {
                stay.push(file);
                continue;
            }
            all_heard &= self.release(&file, &mount);
            if let Some(at) = at {
                self.table.soil(at, Dirty::FILES);
            }
        }
        if all_heard {
            self.parked = stay;
            return Ok(());
        }
        // The group holds no other marks on files.
        let mount = self.trees.values().next().map(|tree| tree.mount.clone());
        let unmarked = mount.map_or(Ok(()), |mount| self.group.unmark_all(mount.fd.as_fd()));
        unmarked.map_err(|source| NoTracking::Mark { source })?;
        for tracked in self.trees.values() {
            self.table.soil_all(tracked.index);
        }
        Ok(())
    }

    /// Whether a file is to stay parked. Has its directory wait if it is not as it was counted.
    fn is_in_place(&mut self, at: At, file: &mut Parked, mount: &Mount) -> bool {
        let Some(directory) = self.table.get(at).filter(|found| !found.is_large()) else {
            return false;
        };
        let Ok(open) = listing::open(mount, &directory.key.1) else {
            return false;
        };
        let Look::File { entry, changed } = listing::look(&open, &file.name) else {
            return false;
        };
        let named = sys::handle::of(open.fd.as_fd(), &file.name);
        if !named.is_ok_and(|(handle, _)| handle == file.handle)
            || !matches!(entry, Entry::Single { .. })
        {
            return false;
        }
        if entry != file.counted {
            self.table.soil(at, Dirty::FILES);
        }
        file.rested = if changed == file.changed {
            file.rested + 1
        } else {
            0
        };
        file.changed = changed;
        file.rested < RESTED
    }

    /// Has the kernel report writes to a file again. `false`: that cannot be done for this one.
    fn release(&self, file: &Parked, mount: &Mount) -> bool {
        let flags = libc::O_PATH | libc::O_CLOEXEC;
        let heard = sys::handle::open(mount.fd.as_fd(), &file.handle, flags)
            .and_then(|open| self.group.heed_writes(open.as_raw_fd()));
        match heard {
            Ok(()) => true,
            // It is gone for good, or nothing was ignored.
            Err(error) => matches!(error.raw_os_error(), Some(libc::ESTALE | libc::ENOENT)),
        }
    }

    /// Releases what is parked on a file system that is tracked no longer.
    pub(super) fn release_all(&mut self, file_system: u16, mount: &Mount) {
        let (gone, stay) = std::mem::take(&mut self.parked)
            .into_iter()
            .partition::<Vec<_>, _>(|file| file.directory.0 == file_system);
        self.parked = stay;
        for file in gone {
            if !self.release(&file, mount) {
                // The others are looked at nevertheless.
                let _ = self.group.unmark_all(mount.fd.as_fd());
            }
        }
    }
}
