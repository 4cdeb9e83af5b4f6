//! Directories of many files, which are told by name.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use disk_engine::{Bounds, Drift, Tracker};

use crate::image::{Format, Image, du, settle};
use crate::views::Stored;
use crate::{Tracked, add};

const MANY: usize = 700;

fn plant(directory: &Path, count: usize) {
    for name in 0..count {
        fs::write(directory.join(name.to_string()), vec![1; 1 + name * 13]).unwrap();
    }
}

#[test]
fn every_kind_of_change_is_seen_in_a_large_directory() {
    for format in Format::ALL {
        let image = Image::new(format);
        let root = image.tree("root");
        let large = root.join("large");
        fs::create_dir(&large).unwrap();
        plant(&large, MANY);
        let mut tree = Tracked::new(&root);
        tree.assert_agrees("many files");
        let path = |name: &str| large.join(name);

        let mut open = OpenOptions::new().append(true).open(path("7")).unwrap();
        open.write_all(&[1; 50_000]).unwrap();
        tree.assert_agrees("a write to a file that stays open");
        open.set_len(10).unwrap();
        tree.assert_agrees("a truncation");
        fs::write(path("new"), [1; 30_000]).unwrap();
        tree.assert_agrees("a new file");
        fs::rename(path("new"), path("8")).unwrap();
        tree.assert_agrees("a rename over another file");
        fs::rename(path("9"), root.join("9")).unwrap();
        tree.assert_agrees("a rename to another directory");
        fs::rename(root.join("9"), path("nine")).unwrap();
        tree.assert_agrees("a rename from another directory");
        fs::rename(path("10"), image.path().join("10")).unwrap();
        tree.assert_agrees("a rename out of the tree");
        fs::hard_link(path("11"), path("same")).unwrap();
        tree.assert_agrees("a link beside the file");
        fs::hard_link(path("699"), root.join("link")).unwrap();
        tree.assert_agrees("a link elsewhere in the tree");
        fs::write(root.join("link"), [1; 60_000]).unwrap();
        tree.assert_agrees("a write by that link");
        fs::write(path("699"), [1; 90_000]).unwrap();
        tree.assert_agrees("a write by the other link");
        fs::remove_file(path("11")).unwrap();
        fs::remove_file(path("699")).unwrap();
        tree.assert_agrees("the removal of one name of each");
        fs::remove_file(path("12")).unwrap();
        fs::create_dir(path("12")).unwrap();
        fs::write(path("12/file"), [1; 20_000]).unwrap();
        tree.assert_agrees("a directory in the place of a file");
        fs::remove_dir_all(path("12")).unwrap();
        fs::write(path("12"), [1; 20_000]).unwrap();
        tree.assert_agrees("a file in the place of a directory");
        plant(&large, MANY / 2);
        tree.assert_agrees("more names than are worth it");

        fs::rename(&large, root.join("moved")).unwrap();
        fs::write(root.join("moved/13"), [1; 40_000]).unwrap();
        tree.assert_agrees("a rename of the directory");
        fs::rename(root.join("moved"), image.path().join("outside")).unwrap();
        tree.assert_agrees("a rename of the directory out of the tree");
        fs::write(image.path().join("outside/13"), [1; 80_000]).unwrap();
        tree.assert_agrees("a write where it is no longer the tree's");
        fs::rename(image.path().join("outside"), &large).unwrap();
        fs::write(path("14"), [1; 40_000]).unwrap();
        tree.assert_agrees("its return");
        let drift = tree.tracker.reconcile(tree.id, u64::MAX).unwrap();
        assert_eq!(drift, Some(Drift::default()), "{format:?}");
        fs::remove_dir_all(&large).unwrap();
        tree.assert_agrees("its removal");
    }
}

#[test]
fn a_directory_that_becomes_large_and_small_again_is_followed_throughout() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    let mut tree = Tracked::new(&root);
    for turn in 0..3 {
        for name in 0..MANY {
            fs::write(root.join(name.to_string()), [turn; 9_000]).unwrap();
            if name % 100 == 0 {
                tree.assert_agrees("a file more");
            }
        }
        tree.assert_agrees("many files");
        for name in 0..MANY - 10 {
            fs::remove_file(root.join(name.to_string())).unwrap();
            if name % 20 == 0 {
                tree.assert_agrees("a file less");
            }
        }
        fs::write(root.join("after"), vec![1; 10_000 * usize::from(turn)]).unwrap();
        tree.assert_agrees("few files");
    }
}

#[test]
fn of_a_large_directory_only_what_was_named_is_looked_at() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    plant(&root, MANY);
    let mut tree = Tracked::new(&root);
    tree.assert_agrees("many files");
    let quiet = root.join("0");
    File::options()
        .write(true)
        .open(&quiet)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    tree.assert_agrees("a sparse file");
    let mut stored = Stored::through_a_mapping(&quiet);
    fs::write(root.join("1"), [1; 50_000]).unwrap();
    settle(&root);
    let before = du(&root);
    assert!(tree.usage().bytes + 500_000 < before, "nobody named `0`");
    let drift = tree.tracker.reconcile(tree.id, u64::MAX).unwrap();
    assert!(
        drift.is_some_and(|drift| drift.bytes > 500_000),
        "{drift:?}"
    );
    assert_eq!(tree.usage().bytes, before);
    stored.close();
    tree.assert_agrees("a close");
}

#[test]
fn events_of_a_large_directory_that_are_lost_lose_nothing() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    plant(&root, MANY);
    let bounds = Bounds {
        event_bytes: 4_096,
        ..Bounds::default()
    };
    let mut tracker = Tracker::within(bounds).unwrap();
    let id = add(&mut tracker, &root, &[]).unwrap();
    plant(&root, MANY * 2);
    settle(&root);
    assert!(tracker.drain().unwrap().overflowed);
    assert_eq!(tracker.read(id).unwrap().bytes, du(&root));
    fs::write(root.join("5"), [1; 70_000]).unwrap();
    settle(&root);
    assert!(!tracker.drain().unwrap().overflowed);
    assert_eq!(tracker.read(id).unwrap().bytes, du(&root));
}

#[test]
fn files_beyond_what_memory_is_allowed_for_are_right_as_well() {
    let image = Image::new(Format::Ext4);
    let roots = ["a", "b", "c"].map(|name| image.tree(name));
    let bounds = Bounds {
        large: 100,
        files: 1_000,
        ..Bounds::default()
    };
    let mut tracker = Tracker::within(bounds).unwrap();
    let mut ids = roots.each_ref().map(|root| {
        plant(root, MANY);
        add(&mut tracker, root, &[]).unwrap()
    });
    for turn in 0..6 {
        for (id, root) in ids.into_iter().zip(&roots) {
            let name = root.join((turn * 200).to_string());
            fs::write(name, [1; 70_000]).unwrap();
            for more in 0..30 {
                fs::write(root.join(format!("{turn}-{more}")), [1; 5_000]).unwrap();
            }
            settle(root);
            tracker.drain().unwrap();
            assert_eq!(tracker.read(id).unwrap().bytes, du(root), "{turn} {root:?}");
        }
        if turn == 3 {
            tracker.remove(ids[0]);
            ids[0] = add(&mut tracker, &roots[0], &[]).unwrap();
        }
    }
}
