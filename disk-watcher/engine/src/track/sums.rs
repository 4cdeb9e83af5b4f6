//! What lies in each tree, in one number of each kind.

/// A tree's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TreeIndex(pub(super) u32);

/// What lies in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) inodes: u64,
    pub(super) mounts: u64,
    pub(super) unread: u64,
}

/// A sum for each tree.
#[derive(Debug, Default)]
pub(super) struct Sums(Vec<Sum>);

impl Sums {
    pub(super) fn of(&self, tree: TreeIndex) -> Sum {
        self.0.get(tree.0 as usize).copied().unwrap_or_default()
    }

    pub(super) fn at(&mut self, tree: TreeIndex) -> &mut Sum {
        let at = tree.0 as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, Sum::default());
        }
        &mut self.0[at]
    }

    pub(super) fn add(&mut self, tree: TreeIndex, bytes: u64, inodes: u64) {
        let sum = self.at(tree);
        sum.bytes += bytes;
        sum.inodes += inodes;
    }

    pub(super) fn subtract(&mut self, tree: TreeIndex, bytes: u64, inodes: u64) {
        let sum = self.at(tree);
        sum.bytes -= bytes;
        sum.inodes -= inodes;
    }

    pub(super) fn change(&mut self, tree: TreeIndex, from: u64, to: u64) {
        let sum = self.at(tree);
        sum.bytes = sum.bytes - from + to;
    }
}
