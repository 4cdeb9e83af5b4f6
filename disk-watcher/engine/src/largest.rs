//! Where most of a tree is, in a few names: what to tell somebody whose limit is broken.

use std::os::fd::BorrowedFd;

use crate::ledger::{self, Account, Holding, LargeFile, Ledger, MOST_FILES, Number};
use crate::measure::{self, Error};
use crate::{Largest, Options, Usage};

/// No path that is named has more components, but for a file's own name.
const DEEPEST: usize = 128;

/// Where most of `root` is: at most `how_many` files and directories, the largest first.
///
/// A directory stands for everything below it but what is named itself. The names are as deep as so few can be: a
/// file that holds most of a tree is named, and so is one that holds most of the rest; a cache of 20,000 small files in
/// 256 directories is named once, by the directory that all of those are in. What lies here and there remains with
/// the directories above it, in the end with the root, whose path is empty.
///
/// Precisely: of 1, 1/2, 1/4 to 1/64 of the whole, the smallest part for which no more than `how_many` files and
/// directories hold that part each, a directory without what is named below it.
///
/// One pass over the tree, with memory that does not grow with it: nothing more than 128 levels down is named itself,
/// and of more than 65,536 directories those that are met last are not told apart from what is above them.
///
/// # Errors
/// As [`measure()`](crate::measure()).
pub fn largest(
    root: BorrowedFd<'_>,
    options: &Options,
    how_many: usize,
) -> Result<Vec<Largest>, Error> {
    Ok(largest_and_usage(root, options, how_many)?.1)
}

/// As [`largest()`], with what [`measure()`](crate::measure()) finds, of the same pass.
pub(crate) fn largest_and_usage(
    root: BorrowedFd<'_>,
    options: &Options,
    how_many: usize,
) -> Result<(Usage, Vec<Largest>), Error> {
    let ledger = Ledger::new(DEEPEST);
    let usage = measure::measure_into(root, options, &ledger)?;
    let (accounts, files) = ledger.close();
    Ok((usage, choose(&accounts, &files, how_many)))
}

fn choose(accounts: &[Account], files: &[LargeFile], how_many: usize) -> Vec<Largest> {
    let whole: u64 = accounts.iter().map(|account| account.own.bytes).sum();
    let mut chosen = Vec::new();
    let mut part = 1;
    while part <= MOST_FILES {
        let named = Named::at_least(whole.div_ceil(part).max(1), accounts, files);
        if named.count() > how_many {
            break;
        }
        chosen = named.spell(accounts, files);
        part *= 2;
    }
    chosen.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
    chosen
}

/// Files, and directories with what of them is not named, that hold so much at least.
struct Named {
    files: Vec<usize>,
    directories: Vec<(Number, Holding)>,
}

impl Named {
    fn at_least(bytes: u64, accounts: &[Account], files: &[LargeFile]) -> Self {
        let mut left: Vec<Holding> = accounts.iter().map(|account| account.own).collect();
        let mut named = Self {
            files: Vec::new(),
            directories: Vec::new(),
        };
        for (index, file) in files.iter().enumerate() {
            if file.bytes >= bytes {
                named.files.push(index);
                let left = &mut left[file.directory.account() as usize];
                left.bytes = left.bytes.saturating_sub(file.bytes);
                left.inodes = left.inodes.saturating_sub(1);
            }
        }
        // From the deepest up: a directory comes after the one above it.
        for (number, account) in accounts.iter().enumerate().rev() {
            let holding = left[number];
            if holding.bytes >= bytes {
                named.directories.push((number as Number, holding));
            } else if number > 0 {
                left[account.parent as usize].add(holding);
            }
        }
        named
    }

    fn count(&self) -> usize {
        self.files.len() + self.directories.len()
    }

    fn spell(self, accounts: &[Account], files: &[LargeFile]) -> Vec<Largest> {
        let files = self.files.into_iter().map(|index| Largest {
            path: files[index].directory.path_of(&files[index].name),
            bytes: files[index].bytes,
            inodes: 1,
            is_directory: false,
        });
        let directories = self.directories.into_iter().map(|(number, left)| Largest {
            path: ledger::path(accounts, number),
            bytes: left.bytes,
            inodes: left.inodes,
            is_directory: true,
        });
        files.chain(directories).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A tree of directories that are named by their place, each with the one above it and its own bytes.
    fn accounts(of: &[(Number, u64)]) -> Vec<Account> {
        let ledger = Ledger::new(usize::MAX);
        for (number, (parent, bytes)) in of.iter().enumerate() {
            let name = std::ffi::CString::new(number.to_string()).unwrap();
            let number = match number {
                0 => 0,
                _ => ledger.open(*parent, &name, 1),
            };
            let (bytes, inodes) = (*bytes, 1);
            ledger.charge(number, Holding { bytes, inodes });
        }
        ledger.close().0
    }

    fn names(largest: &[Largest]) -> Vec<(&Path, u64)> {
        let each = largest.iter();
        each.map(|largest| (&*largest.path, largest.bytes))
            .collect()
    }

    #[test]
    fn many_small_directories_are_named_by_the_one_above_them() {
        let mut of = vec![(0, 10), (0, 0)];
        of.extend([(1, 50); 20]);
        let chosen = choose(&accounts(&of), &[], 3);
        assert_eq!(names(&chosen), [(Path::new("1"), 1_000)]);
        assert_eq!(chosen[0].inodes, 21);
    }

    #[test]
    fn what_lies_here_and_there_is_the_roots() {
        let of: Vec<_> = (0..10).map(|_| (0, 100)).collect();
        let chosen = choose(&accounts(&of), &[], 3);
        assert_eq!(names(&chosen), [(Path::new(""), 1_000)]);
    }

    #[test]
    fn an_empty_tree_has_nothing_to_name() {
        assert_eq!(choose(&accounts(&[(0, 0)]), &[], 3), []);
        assert_eq!(choose(&accounts(&[(0, 5)]), &[], 0), []);
    }
}
