//! Files that leave their project, which their owner can have them do.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use disk_engine::quota::{Audit, assign, audit};

use crate::filesystem::{FileSystem, Kind, Sandbox, as_nobody, id, succeed, write};

fn audit_of(sandbox: &Sandbox) -> Audit {
    audit(sandbox.root().as_fd(), sandbox.id, &[], None).unwrap()
}

/// As the owner of files may, where nothing forbids it.
fn change_project(path: &Path, arguments: &[&str]) {
    let arguments = arguments.iter().map(AsRef::as_ref);
    succeed("chattr", arguments.chain([path.as_os_str()]));
}

/// A sandbox with a few files of an ordinary user.
fn sandbox(filesystem: &FileSystem) -> Sandbox {
    let sandbox = filesystem.sandbox(5_001);
    as_nobody(|| {
        fs::create_dir(sandbox.tree.join("d")).unwrap();
        for name in ["f", "d/g", "d/h"] {
            write(&sandbox.tree.join(name), 3 << 20).unwrap();
        }
    });
    sandbox
}

#[test]
fn a_file_that_its_owner_took_out_is_found_named_and_fetched_back() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = sandbox(&filesystem);
        let whole = sandbox.assert_agrees_with_the_walk();
        assert_eq!(
            (audit_of(&sandbox).strayed, audit_of(&sandbox).looked_at),
            (0, 5)
        );

        as_nobody(|| change_project(&sandbox.tree.join("d/g"), &["-p", "0"]));
        assert!(sandbox.usage().bytes + (3 << 20) <= whole.bytes, "{kind:?}");
        let found = audit_of(&sandbox);
        assert_eq!(
            (found.strayed, found.example),
            (1, Some(PathBuf::from("d/g")))
        );

        let fetched = assign(sandbox.root().as_fd(), sandbox.id, &[]).unwrap();
        assert_eq!((fetched.taken, fetched.in_project), (1, 5), "{kind:?}");
        assert_eq!(audit_of(&sandbox).strayed, 0);
        sandbox.assert_agrees_with_the_walk();
    }
}

#[test]
fn a_directory_that_passes_its_project_on_no_longer_has_strayed() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = sandbox(&filesystem);
        as_nobody(|| change_project(&sandbox.tree.join("d"), &["-P"]));
        let found = audit_of(&sandbox);
        assert_eq!(
            (found.strayed, found.example),
            (1, Some(PathBuf::from("d"))),
            "{kind:?}"
        );
        as_nobody(|| write(&sandbox.tree.join("d/new"), 10)).unwrap();
        assert_eq!(audit_of(&sandbox).strayed, 2);
        assign(sandbox.root().as_fd(), sandbox.id, &[]).unwrap();
        assert_eq!(audit_of(&sandbox).strayed, 0);
    }
}

#[test]
fn a_file_that_was_put_into_a_neighbours_project_is_found_and_stays() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let (sandbox, neighbour) = (sandbox(&filesystem), filesystem.sandbox(5_002));
        let before = neighbour.usage();
        as_nobody(|| change_project(&sandbox.tree.join("f"), &["-p", "5002"]));
        assert!(neighbour.usage().bytes > before.bytes, "{kind:?}");
        assert_eq!(audit_of(&sandbox).example, Some(PathBuf::from("f")));
        let assigned = assign(sandbox.root().as_fd(), sandbox.id, &[]).unwrap();
        assert_eq!((assigned.taken, assigned.of_others), (0, 1));
        assert_eq!(
            audit_of(&neighbour).strayed,
            0,
            "the neighbour's own tree is as it was"
        );
    }
}

#[test]
fn the_root_itself_is_looked_at() {
    let filesystem = FileSystem::new(Kind::Ext4);
    let sandbox = sandbox(&filesystem);
    change_project(sandbox.tree.path(), &["-p", "9"]);
    let found = audit_of(&sandbox);
    assert_eq!((found.strayed, found.example), (1, Some(PathBuf::new())));
}

#[test]
fn an_audit_ends_at_the_most_files_and_says_so() {
    let filesystem = FileSystem::new(Kind::Ext4);
    let sandbox = sandbox(&filesystem);
    let found = audit(sandbox.root().as_fd(), sandbox.id, &[], Some(3)).unwrap();
    assert_eq!((found.looked_at, found.is_incomplete), (3, true));
    let root = File::open(sandbox.tree.path()).unwrap();
    let found = audit(root.as_fd(), id(5_001), &[], Some(5)).unwrap();
    assert_eq!((found.looked_at, found.is_incomplete), (5, false));
}
