//! Where the bytes of a tree are, directory by directory.

use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::ledger::{Account, Holding, Ledger};
use crate::measure::{self, Error};
use crate::{Options, Usage};

/// A tree by its directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Of the whole tree: what the root's [`total`](Directory::total) is, and whether that is everything.
    pub usage: Usage,
    /// The root, then each directory below the one that it is in, larger ones first: in the order of a drawn tree.
    pub directories: Vec<Directory>,
}

/// A directory of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The root's is empty. Its bytes are chosen by whoever writes to the tree: escape it.
    pub name: OsString,
    /// Which of [`Explanation::directories`] it is in; the root in itself.
    pub above: usize,
    /// How far below the root.
    pub depth: usize,
    /// With everything below it, as `du` prints it.
    pub total: Holding,
    /// The directory itself, its files, and directories below that are not told apart because they are too deep.
    pub own: Holding,
}

impl Explanation {
    /// The path from the root to the directory with this index; empty for the root.
    ///
    /// # Panics
    /// When there is no such directory.
    pub fn path(&self, index: usize) -> PathBuf {
        let mut names = Vec::new();
        let mut next = index;
        while next != 0 {
            names.push(&self.directories[next].name);
            next = self.directories[next].above;
        }
        names.into_iter().rev().collect()
    }
}

/// Where the bytes of `root` are, by directories down to `depth` levels below it; what is deeper belongs to the
/// directory above it. A file with several hard links belongs to whichever is met first.
///
/// One pass over the tree. Of more than 65,536 directories, those that are met last are not told apart, either.
///
/// # Errors
/// As [`measure()`](crate::measure()).
pub fn explain(
    root: BorrowedFd<'_>,
    options: &Options,
    depth: usize,
) -> Result<Explanation, Error> {
    let ledger = Ledger::new(depth);
    let usage = measure::measure_into(root, options, &ledger)?;
    let (accounts, _) = ledger.close();
    Ok(Explanation {
        usage,
        directories: in_order(&accounts),
    })
}

fn in_order(accounts: &[Account]) -> Vec<Directory> {
    let mut totals: Vec<Holding> = accounts.iter().map(|account| account.own).collect();
    let mut children = vec![Vec::new(); accounts.len()];
    for (number, account) in accounts.iter().enumerate().skip(1).rev() {
        let total = totals[number];
        totals[account.parent as usize].add(total);
        children[account.parent as usize].push(number);
    }
    let mut directories: Vec<Directory> = Vec::with_capacity(accounts.len());
    // Each with the index of the directory that it is in.
    let mut next = vec![(0, 0)];
    while let Some((number, above)) = next.pop() {
        let mut below = std::mem::take(&mut children[number]);
        below.sort_by_key(|child| totals[*child].bytes);
        next.extend(below.into_iter().map(|child| (child, directories.len())));
        let account = &accounts[number];
        directories.push(Directory {
            name: OsStr::from_bytes(account.name.to_bytes()).to_owned(),
            above,
            depth: account.depth,
            total: totals[number],
            own: account.own,
        });
    }
    directories
}
