use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::*;

struct Rig {
    directory: TempDir,
    files: Files,
}

impl Rig {
    fn new(max_size: u64, max_files: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let handle = Arc::new(OwnedFd::from(File::open(directory.path()).unwrap()));
        let path = directory.path().to_owned();
        let current = directory::log_file(&handle, &path, "stdout", None).unwrap();
        let place = Place {
            directory: handle,
            path,
            name: "stdout",
            owner: None,
        };
        let files = Files::new(place, current, max_size, max_files);
        Self { directory, files }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn append(&mut self, text: &str) {
        self.files.look();
        self.files.append(text.as_bytes()).unwrap();
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }

    fn last(&self, since: u64, most: u64) -> (String, bool) {
        let (bytes, is_cut) = self.files.last(since, most).unwrap();
        (String::from_utf8(bytes).unwrap(), is_cut)
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

#[test]
fn files_change_between_two_lines_and_the_oldest_goes() {
    let mut rig = Rig::new(8, 3);
    for n in 0..10 {
        rig.append(&format!("one {n}\n"));
    }
    assert_eq!(rig.names(), ["stdout", "stdout.1", "stdout.2"]);
    assert_eq!(rig.text("stdout"), "one 9\n");
    assert_eq!(rig.text("stdout.1"), "one 8\n");
    assert_eq!(rig.text("stdout.2"), "one 7\n");
}

#[test]
fn many_lines_at_once_are_spread_whole_over_as_many_files_as_it_takes() {
    let mut rig = Rig::new(10, 100);
    let text: String = (0..50).map(|n| format!("{n}\n")).collect();
    rig.append(&text);
    let count = rig.names().len();
    let mut all = String::new();
    for number in (1..count).rev() {
        let part = rig.text(&format!("stdout.{number}"));
        assert!(part.len() <= 10 && part.ends_with('\n'), "{part:?}");
        all += &part;
    }
    all += &rig.text("stdout");
    assert_eq!(all, text);
}

#[test]
fn a_line_that_came_in_parts_stays_in_one_file() {
    let mut rig = Rig::new(10, 3);
    rig.append("first\nsec");
    rig.append("ond, which is longer\nthird\n");
    assert_eq!(rig.text("stdout.1"), "first\nsecond, which is longer\n");
    assert_eq!(rig.text("stdout"), "third\n");
}

#[test]
fn a_line_without_end_is_cut_at_its_bound() {
    let mut rig = Rig::new(10, 2);
    let endless = "x".repeat(LONGEST_REST as usize / 2);
    for _ in 0..5 {
        rig.append(&endless);
    }
    for name in rig.names() {
        assert!(rig.text(&name).len() as u64 <= 10 + LONGEST_REST);
    }
    assert_eq!(rig.text("stdout.1").len() as u64, 10 + LONGEST_REST);
}

#[test]
fn with_a_single_file_the_old_one_is_gone() {
    let mut rig = Rig::new(8, 1);
    rig.append("one 1\n");
    rig.append("one 2\n");
    assert_eq!(rig.names(), ["stdout"]);
    assert_eq!(rig.text("stdout"), "one 2\n");
}

#[test]
fn a_file_that_was_removed_is_begun_anew() {
    let mut rig = Rig::new(100, 3);
    rig.append("one\n");
    fs::remove_file(rig.path("stdout")).unwrap();
    rig.append("two\n");
    assert_eq!(rig.text("stdout"), "two\n");
}

#[test]
fn a_file_that_was_truncated_has_all_its_room_again() {
    let mut rig = Rig::new(8, 3);
    rig.append("one 1\n");
    File::options()
        .write(true)
        .open(rig.path("stdout"))
        .unwrap()
        .set_len(0)
        .unwrap();
    rig.append("one 2\n");
    assert_eq!(rig.names(), ["stdout"]);
    assert_eq!(rig.text("stdout"), "one 2\n");
}

#[test]
fn a_link_in_the_place_of_a_log_is_moved_or_removed_and_never_followed() {
    let elsewhere = tempfile::tempdir().unwrap();
    let victim = elsewhere.path().join("victim");
    write(&victim, "precious");
    let mut rig = Rig::new(8, 3);
    rig.append("one 1\n");
    for name in ["stdout.1", "stdout.2"] {
        symlink(&victim, rig.path(name)).unwrap();
    }
    fs::remove_file(rig.path("stdout")).unwrap();
    symlink(&victim, rig.path("stdout")).unwrap();
    for n in 2..6 {
        rig.append(&format!("one {n}\n"));
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(rig.text("stdout"), "one 5\n");
    assert_eq!(rig.text("stdout.1"), "one 4\n");
}

#[test]
fn another_file_in_the_place_of_a_log_is_not_written_to() {
    let mut rig = Rig::new(12, 3);
    rig.append("one\n");
    fs::rename(rig.path("stdout"), rig.path("mine")).unwrap();
    write(&rig.path("stdout"), "the task's own\n");
    rig.append("two\n");
    rig.append("three\n");
    assert_eq!(rig.text("mine"), "one\ntwo\n");
    assert_eq!(rig.text("stdout.1"), "the task's own\n");
    assert_eq!(rig.text("stdout"), "three\n");
}

#[test]
fn directories_in_the_way_cost_the_task_its_own_logs_alone() {
    let mut rig = Rig::new(8, 3);
    fs::create_dir(rig.path("stdout.1")).unwrap();
    fs::create_dir(rig.path("stdout.2")).unwrap();
    write(&rig.path("stdout.2").join("full"), "");
    for n in 1..5 {
        rig.append(&format!("one {n}\n"));
    }
    assert_eq!(rig.text("stdout"), "one 4\n");
    assert_eq!(rig.names(), ["stdout", "stdout.1", "stdout.2"]);

    fs::remove_file(rig.path("stdout")).unwrap();
    fs::create_dir(rig.path("stdout")).unwrap();
    write(&rig.path("stdout").join("full"), "");
    rig.files.look();
    let refused = rig.files.append(b"one 5\n").unwrap_err();
    assert_eq!(refused.written, 0);
    assert!(
        refused.error.to_string().contains("stdout"),
        "{}",
        refused.error
    );
    fs::remove_dir_all(rig.path("stdout")).unwrap();
    rig.append("one 6\n");
    assert_eq!(rig.text("stdout"), "one 6\n");
}

#[test]
fn the_last_bytes_reach_back_into_the_file_before() {
    let mut rig = Rig::new(8, 3);
    rig.append("one 1\n");
    rig.append("one 2\n");
    assert_eq!(rig.last(0, 9), (" 1\none 2\n".into(), true));
    assert_eq!(rig.last(0, 100), ("one 1\none 2\n".into(), false));
    assert_eq!(rig.last(6, 100), ("one 2\n".into(), false));
    assert_eq!(rig.last(12, 100), (String::new(), false));
}

#[test]
fn what_the_task_has_truncated_is_not_among_the_last_bytes() {
    let mut rig = Rig::new(100, 3);
    rig.append("one\ntwo\n");
    File::options()
        .write(true)
        .open(rig.path("stdout"))
        .unwrap()
        .set_len(4)
        .unwrap();
    assert_eq!(rig.last(0, 100), ("one\n".into(), false));
}
