//! What each kind of change comes to.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use disk_engine::{FileId, Tracker};

use crate::image::{Format, Image, du, settle};
use crate::{Tracked, add};

#[test]
fn every_kind_of_change_is_seen_on_every_file_system() {
    for format in Format::ALL {
        let image = Image::new(format);
        let root = image.tree("tree");
        fs::create_dir_all(root.join("was/there")).unwrap();
        fs::write(root.join("was/there/before"), [1; 30_000]).unwrap();
        let mut tree = Tracked::new(&root);
        tree.assert_agrees(&format!("nothing on {format:?}"));
        let path = |name: &str| root.join(name);

        fs::write(path("file"), [1; 100_000]).unwrap();
        tree.assert_agrees("a file");
        let mut open = OpenOptions::new().append(true).open(path("file")).unwrap();
        open.write_all(&[1; 50_000]).unwrap();
        tree.assert_agrees("a write to a file that stays open");
        open.set_len(10).unwrap();
        tree.assert_agrees("a truncation");
        fs::create_dir_all(path("a/b/c/d")).unwrap();
        fs::write(path("a/b/c/d/e"), [1; 20_000]).unwrap();
        tree.assert_agrees("directories in directories");
        fs::rename(path("a/b"), path("b")).unwrap();
        tree.assert_agrees("a rename within the tree");
        fs::write(path("b/c/d/f"), [1; 20_000]).unwrap();
        tree.assert_agrees("a file in what was renamed");
        fs::rename(path("b"), image.path().join("outside")).unwrap();
        tree.assert_agrees("a rename out of the tree");
        fs::write(image.path().join("outside/c/g"), [1; 20_000]).unwrap();
        tree.assert_agrees("a file in what was renamed out of the tree");
        fs::rename(image.path().join("outside"), path("a/back")).unwrap();
        tree.assert_agrees("a rename into the tree");
        fs::write(path("a/back/c/h"), [1; 20_000]).unwrap();
        tree.assert_agrees("a file in what was renamed into the tree");
        fs::remove_dir_all(path("was")).unwrap();
        tree.assert_agrees("the removal of a directory with all in it");
        std::os::unix::fs::symlink("x".repeat(200), path("link")).unwrap();
        tree.assert_agrees("a link");
    }
}

#[test]
fn nothing_is_looked_at_in_a_tree_in_which_nothing_happens() {
    let image = Image::new(Format::Ext4);
    let (busy, idle) = (image.tree("busy"), image.tree("idle"));
    fs::write(idle.join("file"), "").unwrap();
    let mut tracker = Tracker::start().unwrap();
    let busy_id = add(&mut tracker, &busy, &[]).unwrap();
    let idle_id = add(&mut tracker, &idle, &[]).unwrap();
    tracker.drain().unwrap();
    fs::write(busy.join("file"), "").unwrap();
    File::open(idle.join("file")).unwrap();
    fs::read_dir(&idle).unwrap().count();
    assert!(tracker.drain().unwrap().events > 0);
    assert_eq!((tracker.dirty(busy_id), tracker.dirty(idle_id)), (1, 0));
    assert_eq!(tracker.dirty_trees().collect::<Vec<_>>(), [busy_id]);
}

#[test]
fn a_tree_in_another_and_what_is_excluded_are_left_out_by_identity() {
    let image = Image::new(Format::Ext4);
    let outer = image.tree("outer");
    for name in ["task", "volume", "plain"] {
        fs::create_dir_all(outer.join(name).join("below")).unwrap();
        fs::write(outer.join(name).join("below/file"), [1; 100_000]).unwrap();
    }
    let volume = FileId::of(File::open(outer.join("volume")).unwrap()).unwrap();
    let mut tracker = Tracker::start().unwrap();
    let outer_id = add(&mut tracker, &outer, &[volume]).unwrap();
    let without_volume = du(&outer) - du(&outer.join("volume"));
    assert_eq!(tracker.read(outer_id).unwrap().bytes, without_volume);

    let task_id = add(&mut tracker, &outer.join("task"), &[]).unwrap();
    let task = du(&outer.join("task"));
    assert_eq!(tracker.read(task_id).unwrap().bytes, task);
    assert_eq!(tracker.read(outer_id).unwrap().bytes, without_volume - task);

    for name in ["task", "volume"] {
        fs::rename(outer.join(name), outer.join(format!("plain/{name}"))).unwrap();
    }
    settle(&outer);
    tracker.drain().unwrap();
    let rest = du(&outer) - task - du(&outer.join("plain/volume"));
    assert_eq!(tracker.read(outer_id).unwrap().bytes, rest);

    tracker.remove(task_id);
    assert_eq!(tracker.read(outer_id).unwrap().bytes, rest + task);
}

#[test]
fn a_hard_link_is_counted_once_wherever_it_is_made() {
    for format in Format::ALL {
        let image = Image::new(format);
        let root = image.tree("tree");
        for name in ["a", "b", "c"] {
            fs::create_dir(root.join(name)).unwrap();
            fs::write(root.join(name).join("file"), [1; 100_000]).unwrap();
        }
        let outside = image.path().join("outside");
        fs::write(&outside, [1; 200_000]).unwrap();
        let path = |name: &str| root.join(name);
        let mut tree = Tracked::new(&root);
        fs::hard_link(path("a/file"), path("a/same")).unwrap();
        tree.assert_agrees("a link beside the file");
        fs::hard_link(path("b/file"), path("c/link")).unwrap();
        tree.assert_agrees("a link elsewhere in the tree");
        fs::hard_link(&outside, path("a/in")).unwrap();
        fs::hard_link(&outside, path("b/in")).unwrap();
        tree.assert_agrees("links to a file outside");
        fs::hard_link(path("c/file"), image.path().join("out")).unwrap();
        tree.assert_agrees("a link outside to a file in the tree");
        fs::rename(image.path().join("out"), path("a/out")).unwrap();
        tree.assert_agrees("such a link that is moved in");
        File::options()
            .append(true)
            .open(path("c/link"))
            .unwrap()
            .write_all(&[1; 50_000])
            .unwrap();
        tree.assert_agrees("a write through one of the links");
        for name in ["b/file", "a/same", "a/in", "c/file"] {
            fs::remove_file(path(name)).unwrap();
            tree.assert_agrees(&format!("the removal of {name}"));
        }
        fs::remove_dir_all(path("c")).unwrap();
        tree.assert_agrees("the removal of a directory with the last name");
    }
}
