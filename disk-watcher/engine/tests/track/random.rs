//! Random changes, in a tree and between it and what lies outside.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use disk_engine::{Bounds, Drift, Options, Tracker, TreeId, measure, open_root};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rustix::fs::XattrFlags;

use crate::add;
use crate::image::{Format, Image, du, settle};
use crate::tree::Tree;
use crate::tree::changes::{Model, Operation, operation};

/// Something done; the numbers choose among what there is.
#[derive(Clone, Debug)]
enum Change {
    Inside(Operation),
    Outside(Operation),
    MoveFile(usize, usize, Vec<u8>),
    MoveFileOver(usize, usize),
    MoveOut(usize, Vec<u8>),
    MoveIn(usize, usize, Vec<u8>),
    LinkIn(usize, usize, Vec<u8>),
    LinkOut(usize, usize, Vec<u8>),
    Exchange(usize, usize),
    Permit(usize),
    Describe(usize, usize),
    Copy(usize, usize, usize),
    Hold(usize),
    WriteHeld(usize, usize),
    TruncateHeld(usize, u64),
    LetGo(usize),
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    "[a-d]".prop_map(String::into_bytes)
}

fn change() -> impl Strategy<Value = Change> {
    use Change::*;
    let pick = || 0usize..1_000;
    prop_oneof![
        20 => operation().prop_map(Inside),
        4 => operation().prop_map(Outside),
        2 => (pick(), pick(), name()).prop_map(|(f, d, n)| MoveFile(f, d, n)),
        1 => (pick(), pick()).prop_map(|(f, over)| MoveFileOver(f, over)),
        2 => (pick(), name()).prop_map(|(d, n)| MoveOut(d, n)),
        2 => (pick(), pick(), name()).prop_map(|(d, to, n)| MoveIn(d, to, n)),
        1 => (pick(), pick(), name()).prop_map(|(f, d, n)| LinkIn(f, d, n)),
        1 => (pick(), pick(), name()).prop_map(|(f, d, n)| LinkOut(f, d, n)),
        1 => (pick(), pick()).prop_map(|(a, b)| Exchange(a, b)),
        1 => pick().prop_map(Permit),
        1 => (pick(), 1usize..3_000).prop_map(|(f, s)| Describe(f, s)),
        1 => (pick(), pick(), 1usize..100_000).prop_map(|(a, b, s)| Copy(a, b, s)),
        1 => pick().prop_map(Hold),
        2 => (pick(), 1usize..50_000).prop_map(|(h, s)| WriteHeld(h, s)),
        1 => (pick(), 0u64..200_000).prop_map(|(h, s)| TruncateHeld(h, s)),
        1 => pick().prop_map(LetGo),
    ]
}

/// A tree that is tracked, one beside it that may be, too, and files that are open.
struct World {
    tracker: Tracker,
    inside_id: TreeId,
    /// `None`: it is not tracked. What happens there through links to files of the tree is not seen, then.
    outside_id: Option<TreeId>,
    inside: Model,
    outside: Model,
    held: Vec<File>,
}

impl World {
    fn new(image: &Image, with_outside: bool, large: usize) -> Self {
        let model = || Model {
            tree: Tree::below(&image.path()),
        };
        let (inside, outside) = (model(), model());
        let bounds = Bounds {
            large,
            busy: 1, // whatever was written last is parked
            ..Bounds::default()
        };
        let mut tracker = Tracker::within(bounds).unwrap();
        let inside_id = add(&mut tracker, inside.tree.path(), &[]).unwrap();
        let outside_id = with_outside.then(|| add(&mut tracker, outside.tree.path(), &[]).unwrap());
        Self {
            tracker,
            inside_id,
            outside_id,
            inside,
            outside,
            held: Vec::new(),
        }
    }

    fn assert_agrees(&mut self, after: &str) {
        settle(self.inside.tree.path());
        self.tracker.drain().unwrap();
        let both = [
            (Some(self.inside_id), &self.inside),
            (self.outside_id, &self.outside),
        ];
        for (id, _) in &both {
            // What is found in one may be news of a file of the other.
            id.map(|id| self.tracker.read(id).unwrap());
        }
        for (id, model) in &both {
            let Some(id) = id else { continue };
            let path = model.tree.path();
            let usage = self.tracker.read(*id).unwrap();
            assert_eq!(usage.bytes, du(path), "bytes after {after}");
            let walked = measure(open_root(path).unwrap().as_fd(), &Options::default());
            assert_eq!(usage.inodes, walked.unwrap().inodes, "inodes after {after}");
        }
    }

    /// Not one with several names, or with another than it was opened by: the kernel reports the latter, gone or not.
    fn choose_held(&mut self, pick: usize) -> Option<&mut File> {
        let held = self.held.len().max(1);
        let file = self.held.get_mut(pick % held)?;
        let found = file.metadata().unwrap();
        let name = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        let is_its_own = fs::symlink_metadata(name).is_ok_and(|named| named.ino() == found.ino());
        (found.nlink() == 0 || found.nlink() == 1 && is_its_own).then_some(file)
    }

    /// A name in another tree is not looked for, so that each tree has to find its own.
    fn reconcile(&mut self) {
        for id in [Some(self.inside_id), self.outside_id]
            .into_iter()
            .flatten()
        {
            self.tracker.reconcile(id, u64::MAX).unwrap();
        }
    }

    /// Whether it works out is no matter.
    fn apply(&mut self, change: Change) -> io::Result<()> {
        let (inside, outside) = (self.inside.list(), self.outside.list());
        let of = |list: &Vec<PathBuf>, pick: usize| {
            let chosen = list.get(pick % list.len().max(1)).cloned();
            chosen.ok_or(io::ErrorKind::NotFound)
        };
        let file = |pick| of(&inside.1, pick);
        let directory = |pick| of(&inside.0, pick);
        let within =
            |pick, name| Ok::<_, io::Error>(directory(pick)?.join(OsString::from_vec(name)));
        let beyond =
            |pick, name| Ok::<_, io::Error>(of(&outside.0, pick)?.join(OsString::from_vec(name)));
        match change {
            Change::Inside(operation) => self.inside.apply(operation),
            Change::Outside(_) if self.outside_id.is_none() && outside.1.iter().any(has_links) => {
                Ok(()) // nothing is reported of what is outside
            }
            Change::Outside(operation) => self.outside.apply(operation),
            Change::MoveFile(f, d, name) => fs::rename(file(f)?, within(d, name)?),
            Change::MoveFileOver(f, over) => fs::rename(file(f)?, file(over)?),
            Change::MoveOut(d, _) if directory(d)? == self.inside.tree.path() => Ok(()),
            Change::MoveOut(d, name) => fs::rename(directory(d)?, beyond(0, name)?),
            Change::MoveIn(d, ..) if of(&outside.0, d)? == self.outside.tree.path() => Ok(()),
            Change::MoveIn(d, to, name) => fs::rename(of(&outside.0, d)?, within(to, name)?),
            Change::LinkIn(..) | Change::LinkOut(..) if self.outside_id.is_none() => Ok(()),
            Change::LinkIn(f, d, name) => {
                fs::hard_link(of(&outside.1, f)?, within(d, name)?)?;
                self.reconcile();
                Ok(())
            }
            Change::LinkOut(f, d, name) => {
                fs::hard_link(file(f)?, beyond(d, name)?)?;
                self.reconcile();
                Ok(())
            }
            Change::Exchange(a, b) => {
                let (a, b) = (directory(a)?, directory(b)?);
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let here = rustix::fs::CWD;
                Ok(rustix::fs::renameat_with(here, a, here, b, flags)?)
            }
            Change::Permit(f) => fs::set_permissions(file(f)?, Permissions::from_mode(0o640)),
            Change::Describe(f, size) => {
                let (path, value) = (file(f)?, vec![b'x'; size]);
                let flags = XattrFlags::empty();
                Ok(rustix::fs::setxattr(path, "user.long", &value, flags)?)
            }
            Change::Copy(from, to, size) => {
                let from = File::open(file(from)?)?;
                let to = OpenOptions::new().write(true).open(file(to)?)?;
                rustix::fs::copy_file_range(from, None, to, None, size)?;
                Ok(())
            }
            Change::Hold(f) => {
                self.held
                    .push(OpenOptions::new().append(true).open(file(f)?)?);
                Ok(())
            }
            Change::WriteHeld(h, size) => match self.choose_held(h) {
                Some(file) => file.write_all(&vec![3; size]),
                None => Ok(()),
            },
            Change::TruncateHeld(h, size) => match self.choose_held(h) {
                Some(file) => file.set_len(size),
                None => Ok(()),
            },
            Change::LetGo(h) => {
                if !self.held.is_empty() {
                    self.held.swap_remove(h % self.held.len());
                }
                Ok(())
            }
        }
    }
}

fn has_links(file: &PathBuf) -> bool {
    fs::symlink_metadata(file).unwrap().nlink() > 1
}

fn agrees_after_each_of_many_changes(format: Format) {
    let image = Image::new(format);
    let config = ProptestConfig {
        cases: 20,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let changes = prop::collection::vec(change(), 30..120);
    let ran = TestRunner::new(config).run(
        &(any::<bool>(), 1usize..4, changes),
        |(with_outside, large, changes)| {
            // Few files are many here: directories become large and small again all the time.
            let mut world = World::new(&image, with_outside, large);
            for change in changes {
                let after = format!("{change:?}");
                let _ = world.apply(change);
                world.assert_agrees(&after);
            }
            let id = world.inside_id;
            let drift = world.tracker.reconcile(id, u64::MAX).unwrap();
            assert_eq!(drift, Some(Drift::default()));
            Ok(())
        },
    );
    ran.unwrap();
}

#[test]
fn tracking_agrees_with_du_after_each_of_many_changes_on_ext4() {
    agrees_after_each_of_many_changes(Format::Ext4);
}

#[test]
fn tracking_agrees_with_du_after_each_of_many_changes_on_xfs() {
    agrees_after_each_of_many_changes(Format::Xfs);
}

#[test]
fn tracking_agrees_with_du_after_each_of_many_changes_on_btrfs() {
    agrees_after_each_of_many_changes(Format::Btrfs);
}
