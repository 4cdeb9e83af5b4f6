//! Trees and moments that somebody chose for the harm in them.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use disk_engine::{Bounds, NoTracking, Tracker, TreeId, open_root};

use crate::image::{Format, Image, du, settle};
use crate::tree::{Tree, make_chain, make_file_at};
use crate::{Tracked, add};

#[test]
fn a_chain_of_five_thousand_directories_is_followed_to_its_end_and_when_it_moves() {
    let image = Image::new(Format::Ext4);
    let tree = Tree::below(&image.path());
    let root = tree.directory("root");
    let mut tracked = Tracked::new(&root);
    make_chain(&root, 5_000, |here| make_file_at(here, "file", b"some"));
    tracked.assert_agrees("a chain that grew");
    tree.directory("root/beside");
    fs::rename(root.join("deeper"), root.join("beside/chain")).unwrap();
    tracked.assert_agrees("a chain that moved");
    fs::rename(root.join("beside/chain"), tree.join("outside")).unwrap();
    tracked.assert_agrees("a chain that moved out");
    assert_eq!(tracked.usage().inodes, 3);
    fs::rename(tree.join("outside"), root.join("back")).unwrap();
    tracked.assert_agrees("a chain that came back");
}

#[test]
fn a_root_that_is_gone_is_told_and_one_in_its_place_is_not_taken_for_it() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    let mut tracker = Tracker::start().unwrap();
    let id = add(&mut tracker, &root, &[]).unwrap();
    let aside = image.path().join("aside");
    fs::rename(&root, &aside).unwrap();
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), [1; 1 << 20]).unwrap();
    tracker.drain().unwrap();
    assert_eq!(tracker.read(id).unwrap().bytes, du(&aside));
    fs::remove_dir(&aside).unwrap();
    tracker.drain().unwrap();
    assert!(matches!(tracker.read(id), Err(NoTracking::RootGone)));
    assert!(matches!(tracker.read(id), Err(NoTracking::NotTracked)));
}

#[test]
fn a_directory_that_is_removed_while_somebody_works_in_it_counts_no_longer() {
    let image = Image::new(Format::Xfs);
    let root = image.tree("root");
    fs::create_dir_all(root.join("a/b")).unwrap();
    let mut tree = Tracked::new(&root);
    let held = File::open(root.join("a/b")).unwrap();
    fs::remove_dir_all(root.join("a")).unwrap();
    tree.assert_agrees("a removal of what is open");
    assert_eq!(tree.usage().inodes, 1);
    drop(held);
    fs::create_dir_all(root.join("a/b")).unwrap();
    tree.assert_agrees("directories with the inode numbers of others");
}

#[test]
fn more_events_than_memory_is_allowed_for_lose_nothing() {
    let image = Image::new(Format::Ext4);
    let root = image.tree("root");
    for name in 0..400 {
        fs::create_dir(root.join(name.to_string())).unwrap();
    }
    let bounds = Bounds {
        event_bytes: 4_096,
        ..Bounds::default()
    };
    let mut tracker = Tracker::within(bounds).unwrap();
    let id = add(&mut tracker, &root, &[]).unwrap();
    for name in 0..400 {
        fs::write(root.join(name.to_string()).join("file"), "more").unwrap();
    }
    settle(&root);
    assert!(tracker.drain().unwrap().overflowed);
    assert_eq!(tracker.read(id).unwrap().bytes, du(&root));
    fs::write(root.join("0/after"), "more").unwrap();
    settle(&root);
    let drained = tracker.drain().unwrap();
    assert!(!drained.overflowed);
    assert!(drained.events > 0, "the new queue has its marks");
    assert_eq!(tracker.read(id).unwrap().bytes, du(&root));
}

#[test]
fn a_tree_of_more_directories_than_memory_is_allowed_for_is_refused_and_others_stay() {
    let image = Image::new(Format::Ext4);
    let (small, large) = (image.tree("small"), image.tree("large"));
    fs::write(small.join("file"), "some").unwrap();
    for name in 0..20 {
        fs::create_dir(large.join(name.to_string())).unwrap();
    }
    let bounds = Bounds {
        size: 10,
        ..Bounds::default()
    };
    let mut tracker = Tracker::within(bounds).unwrap();
    let id = add(&mut tracker, &small, &[]).unwrap();
    let refused = add(&mut tracker, &large, &[]).unwrap_err();
    assert!(matches!(refused, NoTracking::TooManyDirectories { .. }));
    assert_eq!(
        tracker.directories(),
        1,
        "nothing of what was refused is kept"
    );
    assert_eq!(tracker.read(id).unwrap().bytes, du(&small));

    for name in 0..20 {
        fs::create_dir(small.join(name.to_string())).unwrap();
    }
    tracker.drain().unwrap();
    let grown = tracker.read(id).unwrap_err();
    assert!(matches!(grown, NoTracking::TooManyDirectories { .. }));
}

#[test]
fn a_tree_that_is_rearranged_all_the_time_is_right_in_the_end() {
    let image = Image::new(Format::Ext4);
    let (root, other) = (image.tree("root"), image.tree("other"));
    let mut tracker = Tracker::start().unwrap();
    let ids = [&root, &other].map(|path| add(&mut tracker, path, &[]).unwrap());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..3 {
            let (root, other, over) = (&root, &other, &over);
            scope.spawn(move || {
                let mut random = seed * 7_919 + 1;
                while !over.load(Ordering::Relaxed) {
                    disturb(root, other, &mut random);
                }
            });
        }
        for turn in 0..300 {
            tracker.drain().unwrap();
            for id in ids {
                tracker.read(id).unwrap();
                if turn % 50 == 0 {
                    tracker.reconcile(id, 20).unwrap();
                }
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    settle(&root);
    tracker.drain().unwrap();
    for id in ids {
        tracker.read(id).unwrap();
    }
    for (id, path) in ids.into_iter().zip([&root, &other]) {
        assert_eq!(tracker.read(id).unwrap().bytes, du(path), "{path:?}");
    }
}

/// Does something or other; that it fails half of the time is no matter.
fn disturb(root: &Path, other: &Path, random: &mut u64) {
    let mut pick = |below: u64| {
        *random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (*random >> 33) % below
    };
    let mut path = || {
        let mut path = if pick(3) == 0 { other } else { root }.to_owned();
        for _ in 0..=pick(3) {
            path.push(pick(4).to_string());
        }
        path
    };
    let (a, b) = (path(), path());
    let _ = match pick(8) {
        0..3 => fs::create_dir(&a),
        3..5 => File::create(a.join("file")).and_then(|mut file| file.write_all(&[1; 9_000])),
        5..7 => fs::rename(&a, &b),
        _ => fs::remove_dir_all(&a),
    };
}

#[test]
fn what_cannot_be_tracked_is_refused_by_name() {
    let mut tracker = Tracker::start().unwrap();
    let processes = open_root(Path::new("/proc")).unwrap();
    let refused = tracker
        .add(TreeId::unused(), processes.as_fd(), &[])
        .unwrap_err();
    assert!(
        matches!(refused, NoTracking::NoHandles | NoTracking::NoFileSystemId),
        "{refused:?}"
    );
    let image = Image::new(Format::Ext4);
    fs::write(image.path().join("file"), "").unwrap();
    let file = open_root(&image.path().join("file")).unwrap();
    let refused = tracker
        .add(TreeId::unused(), file.as_fd(), &[])
        .unwrap_err();
    assert!(matches!(refused, NoTracking::Root { .. }), "{refused:?}");
    add(&mut tracker, &image.path(), &[]).unwrap();
    let twice = add(&mut tracker, &image.path(), &[]).unwrap_err();
    assert!(matches!(twice, NoTracking::AlreadyTracked), "{twice:?}");
}
