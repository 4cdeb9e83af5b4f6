//! A whole tree is put into a project, whatever it is like and whatever happens to it meanwhile.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use disk_engine::FileId;
use disk_engine::quota::{AssignError, Assigned, ProjectId, assign, audit, project_of};
use rustix::fs::{CWD, FileType, Mode};

use crate::filesystem::{FileSystem, Kind, Sandbox, as_nobody, everybodys, id, succeed};
use crate::tree::{Tree, make_chain, make_file_at};

/// A directory that has no project yet, of a file system.
fn unassigned(filesystem: &FileSystem) -> Sandbox {
    let tree = Tree::below(&filesystem.path());
    everybodys(tree.path());
    Sandbox {
        quota: filesystem.probe().unwrap(),
        tree,
        id: id(5_001),
    }
}

fn assign_all(sandbox: &Sandbox) -> Assigned {
    assign(sandbox.root().as_fd(), sandbox.id, &[]).unwrap()
}

fn project(path: &Path) -> Option<ProjectId> {
    project_of(File::open(path).unwrap().as_fd())
        .unwrap()
        .project
}

fn strayed(sandbox: &Sandbox) -> u64 {
    let audit = audit(sandbox.root().as_fd(), sandbox.id, &[], None).unwrap();
    assert!(!audit.is_incomplete, "{audit:?}");
    audit.strayed
}

#[test]
fn what_was_there_before_counts_and_what_comes_follows() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = unassigned(&filesystem);
        for directory in ["a/b", "c"] {
            sandbox.tree.directory(directory);
            sandbox.tree.file(format!("{directory}/f"), 300_000);
        }
        fs::hard_link(sandbox.tree.join("c/f"), sandbox.tree.join("a/g")).unwrap();
        let assigned = assign_all(&sandbox);
        assert!(assigned.is_whole(), "{assigned:?}");
        assert_eq!((assigned.in_project, assigned.taken), (7, 6), "{kind:?}");
        sandbox.assert_agrees_with_the_walk();
        sandbox.tree.file("a/b/new", 300_000);
        sandbox.assert_agrees_with_the_walk();
        let again = assign_all(&sandbox);
        assert_eq!((again.in_project, again.taken), (8, 0), "{kind:?}");
    }
}

#[test]
fn no_link_is_followed_no_mount_entered_and_nothing_but_files_and_directories_opened() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = unassigned(&filesystem);
        let outside = Tree::below(&filesystem.path());
        outside.file("f", 1_000);
        symlink(outside.path(), sandbox.tree.join("link")).unwrap();
        symlink(outside.join("f"), sandbox.tree.join("file-link")).unwrap();
        // Whoever opens it for reading waits for a writer.
        let pipe = sandbox.tree.join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let bound = sandbox.tree.directory("bound");
        succeed(
            "mount",
            ["--bind".as_ref(), outside.path(), bound.as_path()],
        );
        let assigned = assign_all(&sandbox);
        succeed("umount", [&bound]);
        assert_eq!(
            (assigned.taken, assigned.cannot_be_taken),
            (1, 3),
            "{assigned:?}"
        );
        for path in [outside.path().to_owned(), outside.join("f"), bound] {
            assert_eq!(project(&path), None, "{kind:?}: {path:?}");
        }
    }
}

#[test]
fn directories_that_are_left_out_and_files_of_other_projects_keep_what_they_have() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = unassigned(&filesystem);
        let volume = sandbox.tree.directory("volume");
        let of_another = sandbox.tree.directory("of-another");
        assign(File::open(&of_another).unwrap().as_fd(), id(7), &[]).unwrap();
        sandbox.tree.file("of-another/f", 10_000);
        sandbox.tree.file("volume/f", 10_000);
        let exclude = [FileId::of(File::open(&volume).unwrap()).unwrap()];
        let assigned = assign(sandbox.root().as_fd(), sandbox.id, &exclude).unwrap();
        assert_eq!((assigned.taken, assigned.of_others), (1, 2), "{kind:?}");
        assert_eq!(project(&sandbox.tree.join("volume/f")), None);
        assert_eq!(project(&sandbox.tree.join("of-another/f")), Some(id(7)));

        let error = assign(File::open(&of_another).unwrap().as_fd(), id(8), &[]);
        let is_refused = matches!(error, Err(AssignError::OfAnother { other }) if other == id(7));
        assert!(is_refused, "{error:?}");
        assert_eq!(project(&of_another), Some(id(7)));
    }
}

#[test]
fn a_chain_of_hundreds_of_directories_is_assigned_to_its_end() {
    // More than are kept open at once.
    const LEVELS: usize = 300;
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = unassigned(&filesystem);
        make_chain(sandbox.tree.path(), LEVELS, |here| {
            make_file_at(here, "f", b"x");
            rustix::fs::mkdirat(here, c"a-side", Mode::RWXU).unwrap();
        });
        let assigned = assign_all(&sandbox);
        assert!(assigned.is_whole(), "{assigned:?}");
        assert_eq!(assigned.taken, 3 * LEVELS as u64 + 1, "{kind:?}");
        assert_eq!(strayed(&sandbox), 0);
        sandbox.assert_agrees_with_the_walk();
    }
}

#[test]
fn nothing_slips_by_while_a_task_makes_and_moves_files_and_directories() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = unassigned(&filesystem);
        for top in 0..30 {
            for below in 0..10 {
                sandbox.tree.directory(format!("{top}/{below}"));
                sandbox.tree.file(format!("{top}/{below}/f"), 10);
            }
        }
        succeed(
            "chmod",
            [
                "-R".as_ref(),
                "a+rwX".as_ref(),
                sandbox.tree.path().as_os_str(),
            ],
        );
        let ends = AtomicBool::new(false);
        let assigned = thread::scope(|scope| {
            for task in 0..2 {
                let (tree, ends) = (&sandbox.tree, &ends);
                scope.spawn(move || as_nobody(|| churn(tree, task, ends)));
            }
            let assigned = assign_all(&sandbox);
            ends.store(true, Ordering::Relaxed);
            assigned
        });
        // What a directory that was moved about too often still had is found by the next time.
        if !assigned.is_whole() {
            assert!(assign_all(&sandbox).is_whole(), "{kind:?}: {assigned:?}");
        }
        assert_eq!(strayed(&sandbox), 0, "{kind:?}: {assigned:?}");
        sandbox.assert_agrees_with_the_walk();
    }
}

/// Makes files, and moves them and directories to places that were or were not assigned yet.
fn churn(tree: &Tree, task: usize, ends: &AtomicBool) {
    let mut step = task;
    while !ends.load(Ordering::Relaxed) {
        step += 7;
        let place = |number: usize| tree.join(format!("{}/{}", number % 30, number / 30 % 10));
        // Many fail: places are taken, moved away, or not to be moved between projects.
        let _ = fs::write(place(step).join(format!("new-{task}-{}", step % 50)), "x");
        let _ = fs::rename(place(step), place(step + 11).join(format!("moved-{task}")));
        let _ = fs::rename(place(step + 11).join(format!("moved-{task}")), place(step));
        let _ = fs::rename(
            place(step + 3).join("f"),
            place(step + 5).join(format!("f-{task}")),
        );
    }
}

/// Names the tree that the test in another process is to assign.
const TREE: &str = "QUOTAS_TREE";

#[test]
fn an_assignment_that_was_killed_at_any_point_is_finished_by_the_next() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let sandbox = unassigned(&filesystem);
        let mut killed_halfway = 0;
        for round in 0..4u64 {
            let directory = sandbox.tree.directory(round.to_string());
            for number in 0..500 {
                sandbox.tree.file(format!("{round}/{number}"), 0);
            }
            let mut other = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "assigning::a_tree_of_another_process_is_assigned",
                ])
                .env(TREE, &directory)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            wait_for_project(&directory);
            thread::sleep(Duration::from_millis(round * 10));
            other.kill().unwrap();
            other.wait().unwrap();
            let root = File::open(&directory).unwrap();
            let left = audit(root.as_fd(), sandbox.id, &[], None).unwrap().strayed;
            killed_halfway += u32::from(left > 0);
            let assigned = assign(root.as_fd(), sandbox.id, &[]).unwrap();
            assert_eq!(
                (assigned.taken, assigned.in_project),
                (left, 501),
                "{kind:?}"
            );
            assert!(assigned.is_whole());
        }
        assert!(
            killed_halfway > 0,
            "{kind:?}: every one was through in no time"
        );
        assign_all(&sandbox);
        sandbox.assert_agrees_with_the_walk();
    }
}

fn wait_for_project(directory: &Path) {
    crate::filesystem::eventually("the project", || project(directory));
}

/// Of the tree that another test names, or else of one of its own.
#[test]
fn a_tree_of_another_process_is_assigned() {
    let filesystem;
    let tree = match std::env::var_os(TREE) {
        Some(of_another) => PathBuf::from(of_another),
        None => {
            filesystem = FileSystem::new(Kind::Ext4);
            filesystem.path().join("lost+found")
        }
    };
    let assigned = assign(File::open(tree).unwrap().as_fd(), id(5_001), &[]).unwrap();
    assert!(assigned.is_whole(), "{assigned:?}");
}
