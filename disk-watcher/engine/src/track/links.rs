//! Files with several links: each counted once in every tree that has one of them.

use std::collections::HashMap;

use super::sums::{Sums, TreeIndex};

/// An inode on one of the tracked file systems.
pub(super) type Inode = (u16, u64);

#[derive(Debug)]
struct Link {
    bytes: u64,
    /// How many of its names each tree has.
    names: Vec<(TreeIndex, u32)>,
}

/// The files with several links of all trees.
#[derive(Debug, Default)]
pub(super) struct Links {
    table: HashMap<Inode, Link>,
}

impl Links {
    /// One more name of `inode` was found in `tree`, and this is what it holds. Tells whether the tree had none
    /// before.
    pub(super) fn hold(
        &mut self,
        inode: Inode,
        bytes: u64,
        tree: TreeIndex,
        sums: &mut Sums,
    ) -> bool {
        let link = self.table.entry(inode).or_insert(Link {
            bytes,
            names: Vec::new(),
        });
        for (holder, _) in &link.names {
            // What one tree learns of a shared file is true in the others, too.
            sums.change(*holder, link.bytes, bytes);
        }
        link.bytes = bytes;
        match link.names.iter_mut().find(|(holder, _)| *holder == tree) {
            Some((_, names)) => {
                *names += 1;
                false
            }
            None => {
                link.names.push((tree, 1));
                sums.add(tree, bytes, 1);
                true
            }
        }
    }

    /// A name of `inode` is no longer in `tree`.
    pub(super) fn release(&mut self, inode: Inode, tree: TreeIndex, sums: &mut Sums) {
        let Some(link) = self.table.get_mut(&inode) else {
            return;
        };
        if let Some(at) = link.names.iter().position(|(holder, _)| *holder == tree) {
            link.names[at].1 -= 1;
            if link.names[at].1 == 0 {
                link.names.swap_remove(at);
                sums.subtract(tree, link.bytes, 1);
            }
        }
        if link.names.is_empty() {
            self.table.remove(&inode);
        }
    }

    /// A name of `inode` is in another tree now.
    pub(super) fn give(&mut self, inode: Inode, from: TreeIndex, to: TreeIndex, sums: &mut Sums) {
        if let Some(bytes) = self.table.get(&inode).map(|link| link.bytes) {
            self.hold(inode, bytes, to, sums);
            self.release(inode, from, sums);
        }
    }

    /// How many names of it all trees have.
    pub(super) fn names(&self, inode: Inode) -> u64 {
        let link = self.table.get(&inode);
        link.map_or(0, |link| {
            link.names.iter().map(|(_, names)| u64::from(*names)).sum()
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}
