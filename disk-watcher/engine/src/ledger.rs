//! Which directory holds how much, and which files are largest: kept beside the sum while a tree is walked.
//!
//! Bounded whatever the tree is: so many directories have an account of their own, and whatever is deeper, or comes
//! when there are enough, is charged to the nearest directory above that has one. Only places become coarser by that,
//! never sums.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::node::Node;

/// An account costs less than 100 bytes beside its name.
const MOST_ACCOUNTS: usize = 1 << 16;
/// So many files are remembered: all that hold more than this part of a tree.
pub(crate) const MOST_FILES: u64 = 64;

/// Blocks and inodes of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Allocated bytes.
    pub bytes: u64,
    /// Distinct inodes, directories among them.
    pub inodes: u64,
}

impl Holding {
    pub(crate) fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.inodes += other.inodes;
    }
}

/// Which account: the root's is 0, and a directory's is greater than that of the directory above it.
pub(crate) type Number = u32;

/// A directory's.
#[derive(Debug)]
pub(crate) struct Account {
    /// Of the directory above; the root's is its own.
    pub(crate) parent: Number,
    pub(crate) name: Box<CStr>,
    pub(crate) depth: usize,
    /// The directory itself, its files, and whatever below it has no account.
    pub(crate) own: Holding,
}

/// What the walkers of one tree write into.
#[derive(Debug)]
pub(crate) struct Ledger {
    accounts: Mutex<Vec<Account>>,
    deepest: usize,
    files: Mutex<BinaryHeap<Reverse<LargeFile>>>,
    /// What a file must exceed to be among the largest, to be asked without the lock.
    least: AtomicU64,
}

/// A file that is among the largest; ordered by its bytes.
#[derive(Debug)]
pub(crate) struct LargeFile {
    pub(crate) bytes: u64,
    pub(crate) directory: Arc<Node>,
    pub(crate) name: Box<CStr>,
}

impl Ledger {
    /// With an account for each directory down to `deepest` levels below the root, as far as there is room.
    pub(crate) fn new(deepest: usize) -> Self {
        let root = Account {
            parent: 0,
            name: c"".into(),
            depth: 0,
            own: Holding::default(),
        };
        Self {
            accounts: Mutex::new(vec![root]),
            deepest,
            files: Mutex::default(),
            least: AtomicU64::new(0),
        }
    }

    /// The account for the directory `name` below the one with account `parent`.
    pub(crate) fn open(&self, parent: Number, name: &CStr, depth: usize) -> Number {
        if depth > self.deepest {
            return parent;
        }
        let mut accounts = lock(&self.accounts);
        let number = accounts.len();
        if number >= MOST_ACCOUNTS {
            return parent;
        }
        accounts.push(Account {
            parent,
            name: name.into(),
            depth,
            own: Holding::default(),
        });
        Number::try_from(number).unwrap_or(parent)
    }

    pub(crate) fn charge(&self, account: Number, holding: Holding) {
        if let Some(account) = lock(&self.accounts).get_mut(account as usize) {
            account.own.add(holding);
        }
    }

    /// A file of `directory` that holds so much. Files of directories without an account for being too deep are not
    /// noted: a path can be of any length.
    pub(crate) fn note_file(&self, directory: &Arc<Node>, name: &CStr, bytes: u64) {
        if bytes <= self.least.load(Ordering::Relaxed) || directory.depth() > self.deepest {
            return;
        }
        let mut files = lock(&self.files);
        files.push(Reverse(LargeFile {
            bytes,
            directory: Arc::clone(directory),
            name: name.into(),
        }));
        if files.len() as u64 > MOST_FILES {
            files.pop();
            let least = files.peek().map_or(0, |Reverse(file)| file.bytes);
            self.least.store(least, Ordering::Relaxed);
        }
    }

    /// What was written: accounts by number, and the largest files.
    pub(crate) fn close(self) -> (Vec<Account>, Vec<LargeFile>) {
        let accounts = self.accounts.into_inner();
        let files = self
            .files
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (
            accounts.unwrap_or_else(PoisonError::into_inner),
            files.into_iter().map(|Reverse(file)| file).collect(),
        )
    }
}

/// The path of an account's directory from the root.
pub(crate) fn path(accounts: &[Account], number: Number) -> PathBuf {
    let mut names = Vec::new();
    let mut next = number;
    while next != 0 {
        let account = &accounts[next as usize];
        names.push(OsStr::from_bytes(account.name.to_bytes()));
        next = account.parent;
    }
    names.into_iter().rev().collect()
}

impl PartialEq for LargeFile {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for LargeFile {}

impl PartialOrd for LargeFile {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LargeFile {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
