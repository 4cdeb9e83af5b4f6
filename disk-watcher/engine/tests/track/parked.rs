//! Files that are written all the time.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use disk_engine::Drift;

use crate::Tracked;
use crate::image::{Format, Image};

/// A file that was written at each of so many ticks that it is parked, and is still open.
fn park(tree: &mut Tracked, path: &Path) -> File {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    let before = tree.tracker.parked();
    for turn in 0..20 {
        file.write_all(&[1; 5_000]).unwrap();
        tree.assert_agrees(&format!("append {turn}"));
        if tree.tracker.parked() > before {
            break;
        }
    }
    assert_eq!(tree.tracker.parked(), before + 1, "{path:?}");
    file
}

#[test]
fn writes_to_a_file_that_is_written_all_the_time_are_no_longer_reported_and_yet_seen() {
    for format in Format::ALL {
        let image = Image::new(format);
        let root = image.tree("root");
        fs::write(root.join("beside"), [1; 5_000]).unwrap();
        let mut tree = Tracked::new(&root);
        let mut file = park(&mut tree, &root.join("hot"));
        tree.tracker.drain().unwrap();
        file.write_all(&[1; 100_000]).unwrap();
        assert_eq!(tree.tracker.drain().unwrap().events, 0, "{format:?}");
        tree.assert_agrees("an append while parked");
        file.set_len(3).unwrap();
        tree.assert_agrees("a truncation while parked");
        fs::write(root.join("beside"), [1; 50_000]).unwrap();
        file.write_all(&[1; 30_000]).unwrap();
        tree.assert_agrees("a write beside it");
        file.set_len(0).unwrap();
        file.write_all(&[1; 30_000]).unwrap();
        tree.usage();
        file.set_len(0).unwrap();
        tree.assert_agrees("back and forth");
        let drift = tree.tracker.reconcile(tree.id, u64::MAX).unwrap();
        assert_eq!(drift, Some(Drift::default()));
    }
}

#[test]
fn a_parked_file_is_followed_wherever_it_goes() {
    for format in Format::ALL {
        let image = Image::new(format);
        let root = image.tree("root");
        for name in ["a", "b", "c"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        let path = |name: &str| root.join(name);
        let mut tree = Tracked::new(&root);

        drop(park(&mut tree, &path("a/hot")));
        fs::rename(path("a/hot"), path("b/hot")).unwrap();
        tree.assert_agrees("a rename");
        let grow = |path: &Path| {
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(&[1; 70_000]).unwrap();
            file
        };
        let _open = grow(&path("b/hot"));
        tree.assert_agrees("a write after the rename");
        assert_eq!(tree.tracker.parked(), 0);

        let mut file = park(&mut tree, &path("c/hot"));
        fs::remove_file(path("c/hot")).unwrap();
        file.write_all(&[1; 40_000]).unwrap();
        tree.assert_agrees("a removal");
        drop(file);
        fs::write(path("c/hot"), [1; 9_000]).unwrap();
        tree.assert_agrees("another of the same name");
        let _open = grow(&path("c/hot"));
        tree.assert_agrees("a write to the other of the same name");

        let mut file = park(&mut tree, &path("c/log"));
        fs::rename(path("c/log"), path("c/log.1")).unwrap();
        fs::write(path("c/log"), [1; 9_000]).unwrap();
        file.write_all(&[1; 40_000]).unwrap();
        tree.assert_agrees("a rotation");
        file.write_all(&[1; 40_000]).unwrap();
        let _open = grow(&path("c/log"));
        tree.assert_agrees("writes to both after it");

        let mut file = park(&mut tree, &path("a/linked"));
        fs::hard_link(path("a/linked"), path("b/link")).unwrap();
        file.write_all(&[1; 40_000]).unwrap();
        tree.assert_agrees("a link");
        fs::remove_file(path("a/linked")).unwrap();
        let _open = grow(&path("b/link"));
        tree.assert_agrees("a write by the link that is left");

        let mut file = park(&mut tree, &path("a/d"));
        fs::rename(path("a"), image.path().join("outside")).unwrap();
        file.write_all(&[1; 40_000]).unwrap();
        tree.assert_agrees("its directory moved out of the tree");
        fs::rename(image.path().join("outside"), path("back")).unwrap();
        tree.assert_agrees("its directory came back");
        let _open = grow(&path("back/d"));
        tree.assert_agrees("a write in it");
        let drift = tree.tracker.reconcile(tree.id, u64::MAX).unwrap();
        assert_eq!(drift, Some(Drift::default()));
    }
}

#[test]
fn a_parked_file_that_rests_is_released_and_no_more_are_parked_than_there_may_be() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    let mut tree = Tracked::new(&root);
    let mut open: Vec<File> = (0..100)
        .map(|name| {
            let directory = root.join(name.to_string());
            fs::create_dir(&directory).unwrap();
            File::create(directory.join("hot")).unwrap()
        })
        .collect();
    for _ in 0..12 {
        for file in &mut open {
            file.write_all(&[1; 5_000]).unwrap();
        }
        tree.usage();
    }
    assert_eq!(tree.tracker.parked(), 64);
    tree.assert_agrees("many files");
    for _ in 0..60 {
        tree.usage();
    }
    assert_eq!(tree.tracker.parked(), 0);
    for file in &mut open {
        file.write_all(&[1; 50_000]).unwrap();
    }
    tree.assert_agrees("writes to files that were parked");
}

#[test]
fn a_tree_that_is_removed_and_added_again_sees_writes_to_what_was_parked_in_it() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    let mut tree = Tracked::new(&root);
    let mut file = park(&mut tree, &root.join("hot"));
    tree.tracker.remove(tree.id);
    assert_eq!(tree.tracker.parked(), 0);
    tree.id = crate::add(&mut tree.tracker, &root, &[]).unwrap();
    file.write_all(&[1; 50_000]).unwrap();
    assert!(tree.tracker.drain().unwrap().events > 0);
    tree.assert_agrees("a write");
}
