//! Large directories, whose files are told by name.
//!
//! The first group tells that something happened in a directory, and merges the events of all its files. A directory
//! of many files has a mark of its own in a second group, which tells the names; what the first tells of it means
//! nothing more then, but for the directories in it. The mark comes first and the listing after it, and the other way
//! about when the directory is large no longer: what is told by neither was there to be listed.

use std::os::fd::AsFd;

use super::listing::{self, Found, Look, Open, Refusal, Wanted};
use super::parked::Notice;
use super::table::{At, Directory};
use super::{MASK, Mount, NoTracking, Tracker};
use crate::TreeId;

const MASK_OF_LARGE: u64 = MASK | libc::FAN_EVENT_ON_CHILD;

impl Tracker {
    /// Lists a directory, which is made large or small as is fit.
    pub(super) fn list(
        &mut self,
        at: At,
        open: &Open,
        mount: &Mount,
        structure: bool,
        reads: u32,
    ) -> Result<Found, Refusal> {
        let whole = Wanted {
            structure,
            files: false,
            most: usize::MAX,
        };
        let directory = self.table.get(at);
        let Some(key) = directory.map(|found| found.key) else {
            return Err(Refusal::Gone);
        };
        let was_large = directory.is_some_and(Directory::is_large);
        let known = directory.map_or(0, |found| found.inodes() as usize);
        let is_busy = self.table.is_busy(at, reads, self.bounds.busy);
        let mut notice = Notice::of(key, &mut self.parked, is_busy && !was_large);
        let mut room = self.bounds.files.saturating_sub(self.table.kept());
        if was_large {
            room += known;
        } else {
            if room < known.max(self.bounds.large) {
                return listing::list(open, mount, whole, &mut notice, &mut self.listing);
            }
            let few = Wanted {
                most: self.bounds.large,
                ..whole
            };
            let found = listing::list(open, mount, few, &mut notice, &mut self.listing)?;
            if !found.is_cut {
                if let Some(newest) = notice.newest {
                    self.park(key, open, newest);
                }
                return Ok(found);
            }
            if let Err(_cannot) = self.named.mark_directory(open.fd.as_fd(), MASK_OF_LARGE) {
                // Listed whole each time, it is as right.
                rewind(open)?;
                return listing::list(open, mount, whole, &mut notice, &mut self.listing);
            }
            rewind(open)?;
        }
        let each = Wanted {
            files: true,
            most: room,
            ..whole
        };
        let found = listing::list(open, mount, each, &mut notice, &mut self.listing)?;
        let files = found.files.as_ref().map_or(0, |files| files.len());
        if !found.is_cut && files > self.bounds.large / 2 {
            return Ok(found);
        }
        // What stays marked nevertheless is heard of by name, and listed as any other.
        let _ = self.named.unmark_directory(open.fd.as_fd(), MASK_OF_LARGE);
        rewind(open)?;
        listing::list(open, mount, whole, &mut notice, &mut self.listing)
    }

    /// Looks at those files of a large directory that were named. `None`: they are not to be had one by one.
    pub(super) fn look_at_named(
        &mut self,
        tree: TreeId,
        at: At,
        open: &Open,
    ) -> Result<Option<u64>, NoTracking> {
        let Some(names) = self.table.take_names(at) else {
            return Ok(None);
        };
        let looked_at = names.len() as u64;
        let found = names.into_iter().map(|name| {
            let file = match listing::look(open, &name) {
                Look::File { entry, .. } => Some(entry),
                Look::Directory | Look::Gone => None,
            };
            (name, file)
        });
        let own = open.attributes.blocks * 512;
        let unknown = self.table.amend(at, own, found);
        let tracked = self.trees.get_mut(&tree).ok_or(NoTracking::NotTracked)?;
        tracked.suspects.extend(unknown);
        let files = self.table.files(at);
        let is_fit = files > self.bounds.large / 2 && self.table.kept() <= self.bounds.files;
        Ok(is_fit.then_some(looked_at))
    }

    /// Takes the marks back of directories that are large no longer.
    pub(super) fn unmark_released(&mut self, file_system: u16, mount: &Mount) {
        for (of, handle) in self.table.take_released() {
            let directory = self
                .table
                .find(&(of, handle))
                .and_then(|at| self.table.get(at));
            if of == file_system
                && !directory.is_some_and(Directory::is_large)
                && let Ok(open) = listing::open(mount, &handle)
            {
                // The mark of what is gone went with it.
                let _ = self.named.unmark_directory(open.fd.as_fd(), MASK_OF_LARGE);
            }
        }
    }
}

/// The next listing starts at the beginning.
fn rewind(open: &Open) -> Result<(), Refusal> {
    rustix::fs::seek(&open.fd, rustix::fs::SeekFrom::Start(0))?;
    Ok(())
}
