//! The way from the measured root down to a directory, kept while something below that directory is still to do.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;

use crate::FileId;
use crate::attributes::{self, Attributes};
use crate::ledger::Number;
use crate::opener::Opener;

/// One directory of the tree.
#[derive(Debug)]
pub(crate) struct Node {
    /// `None` for the root.
    parent: Option<Arc<Node>>,
    name: Box<CStr>,
    id: FileId,
    mount: Option<u64>,
    depth: usize,
    account: Number,
    /// Whether a mount point lies between the root and here: only below one can a directory contain itself.
    below_mount: bool,
}

impl Node {
    pub(crate) fn root(attributes: &Attributes) -> Arc<Self> {
        Arc::new(Self {
            parent: None,
            name: c"".into(),
            id: attributes.id,
            mount: attributes.mount,
            depth: 0,
            account: 0,
            below_mount: false,
        })
    }

    /// A directory in this one, charged to the same account.
    pub(crate) fn child(self: &Arc<Self>, name: &CStr, attributes: &Attributes) -> Arc<Self> {
        self.child_with_account(name, attributes, self.account)
    }

    pub(crate) fn child_with_account(
        self: &Arc<Self>,
        name: &CStr,
        attributes: &Attributes,
        account: Number,
    ) -> Arc<Self> {
        Arc::new(Self {
            parent: Some(Arc::clone(self)),
            name: name.into(),
            id: attributes.id,
            mount: attributes.mount,
            depth: self.depth + 1,
            account,
            // Where mounts cannot be told apart, every directory has to be taken for one.
            below_mount: self.below_mount
                || attributes.mount.is_none()
                || attributes.mount != self.mount,
        })
    }

    /// Whether this directory is also one of those above it, as a bind mount can make it.
    pub(crate) fn contains_itself(&self) -> bool {
        self.below_mount && self.lineage().skip(1).any(|above| above.id == self.id)
    }

    pub(crate) fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// The path from the root; empty for the root itself.
    pub(crate) fn path(&self) -> PathBuf {
        let mut names: Vec<&CStr> = self.lineage().map(|node| &*node.name).collect();
        names.reverse();
        names
            .iter()
            .map(|name| OsStr::from_bytes(name.to_bytes()))
            .collect()
    }

    /// The path of something in this directory.
    pub(crate) fn path_of(&self, name: &CStr) -> PathBuf {
        self.path().join(OsStr::from_bytes(name.to_bytes()))
    }

    /// Where what lies in this directory is charged, if anybody keeps account.
    pub(crate) fn account(&self) -> Number {
        self.account
    }

    /// How far below the root.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// A handle to open this directory's children with, reached by climbing from `below`, the handle of `from`, a
    /// directory further down. The cheap way: as many steps as there are levels between. `None` if `from` is not
    /// below this directory, or no longer.
    pub(crate) fn climb_to(&self, from: &Node, below: BorrowedFd<'_>) -> Option<OwnedFd> {
        let steps = from.depth.checked_sub(self.depth)?;
        if !from
            .lineage()
            .nth(steps)
            .is_some_and(|node| std::ptr::eq(node, self))
        {
            return None;
        }
        let mut here = None;
        for _ in 0..steps {
            let dir = here.as_ref().map_or(below, OwnedFd::as_fd);
            here = Some(Opener::above(dir).ok()?);
        }
        // A directory on the way may have been moved, even out of the tree.
        here.filter(|dir| attributes::of(dir.as_fd()).is_ok_and(|found| found.id == self.id))
    }

    /// The same reached from the root, name by name: the dear way.
    pub(crate) fn descend_to(
        &self,
        opener: &Opener,
        root: BorrowedFd<'_>,
    ) -> Result<OwnedFd, Errno> {
        let mut names: Vec<&CStr> = self.lineage().map(|node| &*node.name).collect();
        names.pop(); // the root has none
        let mut here = None;
        for name in names.iter().rev() {
            let dir = here.as_ref().map_or(root, OwnedFd::as_fd);
            here = Some(opener.pass_through(dir, name)?);
        }
        let dir = here.ok_or(Errno::NOENT)?;
        if attributes::of(dir.as_fd())?.id == self.id {
            Ok(dir)
        } else {
            Err(Errno::STALE)
        }
    }

    /// This directory, the one above it, and so on to the root.
    fn lineage(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(Some(self), |node| node.parent.as_deref())
    }
}

impl Drop for Node {
    /// A chain of a million directories would overflow the stack if each dropped its parent in turn.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut node) = next.and_then(Arc::into_inner) {
            next = node.parent.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::path::Path;

    fn attributes(ino: u64, mount: u64) -> Attributes {
        Attributes {
            id: FileId { dev: 1, ino },
            mount: Some(mount),
            born: None,
            changed: (0, 0),
            is_dir: true,
            nlink: 2,
            blocks: 8,
        }
    }

    #[test]
    fn a_path_is_spelled_from_the_root() {
        let root = Node::root(&attributes(1, 1));
        assert_eq!(root.path(), PathBuf::new());
        let below = root
            .child(c"a", &attributes(2, 1))
            .child(c"b", &attributes(3, 1));
        assert_eq!(below.path(), PathBuf::from("a/b"));
    }

    #[test]
    fn a_chain_of_a_million_directories_is_dropped_without_recursion() {
        let mut node = Node::root(&attributes(0, 1));
        for ino in 1..1_000_000 {
            node = node.child(c"d", &attributes(ino, 1));
        }
        assert_eq!(node.depth, 999_999);
        drop(node);
    }

    #[test]
    fn only_below_a_mount_is_a_directory_taken_to_contain_itself() {
        let root = Node::root(&attributes(1, 1));
        let plain = root.child(c"a", &attributes(1, 1));
        assert!(
            !plain.contains_itself(),
            "an inode number seen twice on one mount is a race, not a cycle"
        );
        let mounted = root.child(c"b", &attributes(1, 2));
        assert!(mounted.contains_itself());
        assert!(!root.child(c"c", &attributes(3, 2)).contains_itself());
    }

    /// The nodes of `root/a/b`, as a walk would make them.
    fn nodes(root: &Path) -> (Opener, OwnedFd, Arc<Node>, Arc<Node>, OwnedFd) {
        let handle = File::open(root).unwrap();
        let found = super::attributes::of(handle.as_fd()).unwrap();
        let (opener, root_fd) = Opener::probe(handle.as_fd(), &found, false).unwrap();
        let (a_fd, found_a) = opener.open(root_fd.as_fd(), c"a").unwrap();
        let a = Node::root(&found).child(c"a", &found_a);
        let (b_fd, found_b) = opener.open(a_fd.as_fd(), c"b").unwrap();
        let b = a.child(c"b", &found_b);
        (opener, root_fd, a, b, b_fd)
    }

    #[test]
    fn a_directory_is_reached_again_by_climbing_and_by_descending() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let (opener, root, a, b, b_fd) = nodes(dir.path());
        let expected = FileId::of(File::open(dir.path().join("a")).unwrap()).unwrap();
        assert_eq!(
            FileId::of(a.climb_to(&b, b_fd.as_fd()).unwrap()).unwrap(),
            expected
        );
        assert_eq!(
            FileId::of(a.descend_to(&opener, root.as_fd()).unwrap()).unwrap(),
            expected
        );
        assert!(
            b.climb_to(&a, b_fd.as_fd()).is_none(),
            "downward there is no climbing"
        );
    }

    #[test]
    fn a_directory_moved_elsewhere_is_not_climbed_out_of() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("root/a/b")).unwrap();
        let (opener, root, a, b, b_fd) = nodes(&dir.path().join("root"));
        std::fs::rename(dir.path().join("root/a/b"), dir.path().join("b")).unwrap();
        assert!(a.climb_to(&b, b_fd.as_fd()).is_none());
        assert!(a.descend_to(&opener, root.as_fd()).is_ok());
    }

    #[test]
    fn a_directory_replaced_by_another_of_its_name_is_not_taken_for_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let (opener, root, a, ..) = nodes(dir.path());
        std::fs::rename(dir.path().join("a"), dir.path().join("old")).unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        assert_eq!(
            a.descend_to(&opener, root.as_fd()).unwrap_err(),
            Errno::STALE
        );
    }
}
