//! One thread's part of a walk.
//!
//! A directory is entered by name below its parent's handle, counted by the attributes of what was opened, and read
//! to its end: files are counted at once by name, subdirectories are queued. Nothing recurses, nothing but
//! directories is opened, and no path is ever longer than one name.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use crate::Usage;
use crate::attributes::{self, Attributes};
use crate::ledger::{Holding, Number};
use crate::measure::{Job, Walk};
use crate::names::{Listed, Names};
use crate::node::Node;
use crate::opener::Refusal;
use crate::pool::Membership;
use crate::stack::{Frame, Stack};
use crate::usage::Unread;
use crate::waits::Moment;

/// Room for about 8,000 directory entries a system call.
const LISTING_BYTES: usize = 256 * 1024;
/// Helpers are worth their start from so many entries on.
const RECRUIT_AFTER: u64 = 2_000;
/// A directory with more files is shared with other walkers, so many at a time.
const BATCH: usize = 512;
/// So many milliseconds altogether a walker waits for others to close what they hold.
const PATIENCE: u32 = 100;

/// A walker: what it has yet to do, and what it has found.
pub(crate) struct Walker<'w> {
    walk: &'w Walk<'w>,
    stack: Stack,
    /// The directory listed last, to climb from.
    here: Option<(Arc<Node>, Arc<OwnedFd>)>,
    /// For directory entries; lent out while a directory is listed.
    buffer: Vec<u8>,
    /// Files of the directory that is listed; empty in between, but for its memory.
    listed: Listed,
    found: Usage,
    /// What of it is not charged to its directory yet, if anybody keeps account.
    uncharged: Holding,
    entries: u64,
    /// What is left of [`PATIENCE`].
    patience: u32,
    /// Starts the helpers; only the first walker has it, and uses it once.
    recruit: Option<Recruit<'w>>,
    /// Half-way to recruiting them.
    half_way: Option<Moment>,
}

/// Is told whether the walk so far has waited for a disk.
pub(crate) type Recruit<'w> = Box<dyn FnOnce(bool) + 'w>;

impl<'w> Walker<'w> {
    pub(crate) fn new(walk: &'w Walk<'w>, recruit: Option<Recruit<'w>>) -> Self {
        Self {
            walk,
            stack: Stack::default(),
            here: None,
            buffer: Vec::with_capacity(LISTING_BYTES),
            listed: Listed::default(),
            found: Usage::default(),
            uncharged: Holding::default(),
            entries: 0,
            patience: PATIENCE,
            recruit,
            half_way: None,
        }
    }

    /// Counts the root and all below it, as far as nobody else does.
    pub(crate) fn start_at_root(
        mut self,
        root: &Attributes,
        mut membership: Membership<'_, Job>,
    ) -> Usage {
        let node = Node::root(root);
        if self.may_count() {
            self.count(root);
            self.list(&node, &self.walk.root);
        }
        self.finish_stack();
        self.help(&mut membership)
    }

    /// Takes over work of other walkers until there is none.
    pub(crate) fn help(mut self, membership: &mut Membership<'_, Job>) -> Usage {
        while let Some(job) = membership.next() {
            match job {
                Job::Enter(frame) => self.stack.push(frame),
                Job::Count(Frame { node, fd, names }) => {
                    if let Some(fd) = fd {
                        let mut subdirectories = Names::default();
                        self.count_names(&node, fd.as_fd(), names, &mut subdirectories);
                        self.charge(node.account());
                        self.stack.push(Frame {
                            node,
                            fd: Some(fd),
                            names: subdirectories,
                        });
                    }
                }
            }
            self.finish_stack();
        }
        self.found
    }

    fn finish_stack(&mut self) {
        while let Some(top) = self.stack.top() {
            let (node, fd) = (Arc::clone(&top.node), top.fd.clone());
            let fd = match fd.map_or_else(|| self.reopen(&node), Ok) {
                Ok(fd) => fd,
                Err(refusal) => {
                    let lost = self.stack.discard_top();
                    self.unread(lost as u64, || node.path(), refusal.errno());
                    continue;
                }
            };
            if let Some((parent, name)) = self.stack.take_name() {
                self.enter(&parent, &fd, &name);
            }
            if self.walk.descriptors_are_short() {
                self.stack.close_all();
            }
            if self.walk.pool.is_hungry()
                && let Some(frame) = self.stack.split()
            {
                self.walk.pool.give(Job::Enter(frame));
            }
        }
        self.here = None;
    }

    fn enter(&mut self, parent: &Arc<Node>, parent_fd: &OwnedFd, name: &CStr) {
        if !self.may_count() {
            return;
        }
        let opener = &self.walk.opener;
        let opened = self.with_descriptors(|| opener.open(parent_fd.as_fd(), name));
        let (fd, attributes) = match opened {
            Ok(opened) => opened,
            Err(Refusal::Vanished) => return self.found.vanished += 1,
            Err(Refusal::Mount) => return self.found.mounts_skipped += 1,
            Err(refusal) => {
                return self.unread_directory(parent, parent_fd, name, refusal.errno());
            }
        };
        let node = parent.child(name, &attributes);
        if self.is_left_out(&attributes)
            || node.contains_itself()
            || !self.walk.seen.is_first(&attributes)
        {
            return;
        }
        let node = match self.walk.ledger {
            Some(ledger) => {
                let account = ledger.open(parent.account(), name, node.depth());
                parent.child_with_account(name, &attributes, account)
            }
            None => node,
        };
        self.count(&attributes);
        self.list(&node, &Arc::new(fd));
    }

    /// A directory that cannot be listed still has blocks of its own.
    fn unread_directory(&mut self, parent: &Node, parent_fd: &OwnedFd, name: &CStr, errno: Errno) {
        match attributes::at(parent_fd.as_fd(), name) {
            Ok(found) if self.is_left_out(&found) => return,
            Ok(found) if self.walk.opener.is_on_another_mount(&found) => {
                return self.found.mounts_skipped += 1;
            }
            Ok(found) if self.walk.seen.is_first(&found) => self.count(&found),
            Ok(_) => return,
            Err(errno) if attributes::is_gone(errno) => return self.found.vanished += 1,
            Err(_) => {}
        }
        self.unread(1, || parent.path_of(name), errno);
        let ledger = self.walk.ledger;
        let account = ledger.map(|ledger| ledger.open(parent.account(), name, parent.depth() + 1));
        self.charge(account.unwrap_or_default());
    }

    fn list(&mut self, node: &Arc<Node>, fd: &Arc<OwnedFd>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut listing = RawDir::new(fd, buffer.spare_capacity_mut());
        let mut subdirectories = Names::default();
        while let Some(entry) = listing.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(errno) if attributes::is_gone(errno) => {
                    self.found.vanished += 1;
                    break;
                }
                Err(errno) => {
                    self.unread(1, || node.path(), errno);
                    break;
                }
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
            } else if entry.file_type() == FileType::Directory {
                subdirectories.push(name);
            } else {
                self.listed.push(entry.ino(), name);
            }
            if listing.is_buffer_empty() && !self.count_listed(node, fd, &mut subdirectories) {
                break;
            }
        }
        self.buffer = buffer;
        self.charge(node.account());
        self.here = Some((Arc::clone(node), Arc::clone(fd)));
        self.stack.push(Frame {
            node: Arc::clone(node),
            fd: Some(Arc::clone(fd)),
            names: subdirectories,
        });
    }

    /// Counts the files that one system call listed, and shares them if there are many. `false`: the walk is to end.
    fn count_listed(
        &mut self,
        node: &Arc<Node>,
        fd: &Arc<OwnedFd>,
        subdirectories: &mut Names,
    ) -> bool {
        let mut listed = std::mem::take(&mut self.listed);
        listed.sort();
        let mut goes_on = true;
        while goes_on && let Some(name) = listed.pop() {
            goes_on = self.count_name(node, fd.as_fd(), name, subdirectories);
            if listed.len() > BATCH && self.walk.pool.is_hungry() {
                let (node, fd) = (Arc::clone(node), Some(Arc::clone(fd)));
                let names = listed.split_off(BATCH);
                self.walk.pool.give(Job::Count(Frame { node, fd, names }));
            }
        }
        listed.clear();
        self.listed = listed;
        goes_on
    }

    fn count_names(
        &mut self,
        node: &Arc<Node>,
        dir: BorrowedFd<'_>,
        mut names: Names,
        subdirectories: &mut Names,
    ) {
        while let Some(name) = names.pop() {
            if !self.count_name(node, dir, name, subdirectories) {
                break;
            }
        }
    }

    /// Counts a file by name. What turns out to be a directory, because the file system does not tell in its
    /// listing or because it was replaced, is queued instead. `false`: the walk is to end.
    fn count_name(
        &mut self,
        node: &Arc<Node>,
        dir: BorrowedFd<'_>,
        name: &CStr,
        subdirectories: &mut Names,
    ) -> bool {
        match attributes::at(dir, name) {
            Ok(found) if found.is_dir => subdirectories.push(name),
            Ok(_) | Err(_) if !self.may_count() => return false,
            Ok(found) if self.walk.opener.is_on_another_mount(&found) => {
                self.found.mounts_skipped += 1;
            }
            Ok(found) if self.walk.seen.is_first(&found) => {
                self.count(&found);
                if let Some(ledger) = self.walk.ledger {
                    ledger.note_file(node, name, found.blocks * 512);
                }
            }
            Ok(_) => {}
            Err(errno) if attributes::is_gone(errno) => self.found.vanished += 1,
            Err(errno) => self.unread(1, || node.path_of(name), errno),
        }
        true
    }

    /// A handle for the top directory of the stack, which was closed: by climbing, else by descending from the root.
    fn reopen(&mut self, node: &Arc<Node>) -> Result<Arc<OwnedFd>, Refusal> {
        let fd = match &self.here {
            _ if node.is_root() => Some(Arc::clone(&self.walk.root)),
            Some((here, fd)) if Arc::ptr_eq(here, node) => Some(Arc::clone(fd)),
            Some((here, fd)) => node.climb_to(here, fd.as_fd()).map(Arc::new),
            None => None,
        };
        let fd = match fd {
            Some(fd) => fd,
            None => {
                let (opener, root) = (&self.walk.opener, self.walk.root.as_fd());
                Arc::new(self.with_descriptors(|| Ok(node.descend_to(opener, root)?))?)
            }
        };
        self.stack.reopened(Arc::clone(&fd));
        Ok(fd)
    }

    /// Attempts something that needs descriptors, and makes room for it if there are too few.
    fn with_descriptors<T>(
        &mut self,
        attempt: impl Fn() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        loop {
            match attempt() {
                Err(Refusal::OutOfDescriptors) if self.make_room() => {}
                other => return other,
            }
        }
    }

    /// Closes what this walker holds open, and has the others do so. `false`: there is nothing left to hope for.
    fn make_room(&mut self) -> bool {
        self.walk.ask_for_descriptors();
        let closed = self.stack.close_all();
        if closed || self.here.take().is_some() {
            return true;
        }
        let hopeful = self.patience > 0;
        if hopeful {
            self.patience -= 1;
            thread::sleep(Duration::from_millis(1));
        }
        hopeful
    }

    /// Takes one entry from the budget. When that is used up, or the walk is to end, everything left undone is
    /// forgotten.
    fn may_count(&mut self) -> bool {
        self.entries += 1;
        if self.entries == RECRUIT_AFTER / 2 && self.recruit.is_some() {
            self.half_way = Moment::now();
        }
        if self.entries == RECRUIT_AFTER
            && let Some(recruit) = self.recruit.take()
        {
            recruit(self.half_way.is_some_and(Moment::has_waited_since));
        }
        let is_stopped = self.walk.options.stop.is_stopped();
        if !is_stopped && self.walk.spend_one() {
            return true;
        }
        self.stack.clear();
        let gaps = self.found.gaps();
        gaps.stopped |= is_stopped;
        gaps.over_budget |= !is_stopped;
        false
    }

    fn is_left_out(&self, directory: &Attributes) -> bool {
        self.walk.options.exclude.contains(&directory.id)
    }

    fn count(&mut self, file: &Attributes) {
        let holding = Holding {
            bytes: file.blocks * 512,
            inodes: 1,
        };
        self.found.bytes += holding.bytes;
        self.found.inodes += holding.inodes;
        self.uncharged.add(holding);
    }

    fn charge(&mut self, account: Number) {
        let holding = std::mem::take(&mut self.uncharged);
        if let Some(ledger) = self.walk.ledger {
            ledger.charge(account, holding);
        }
    }

    fn unread(&mut self, count: u64, path: impl FnOnce() -> PathBuf, errno: Errno) {
        let gaps = self.found.gaps();
        gaps.unread += count;
        gaps.example.get_or_insert_with(|| Unread {
            path: path(),
            errno: errno.raw_os_error(),
        });
    }
}
