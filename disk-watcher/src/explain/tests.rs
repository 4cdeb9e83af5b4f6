use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use disk_figures::{Identity, Measured, Report, Source, Subject};

use super::*;

/// What is printed about a directory, with what a daemon tells of it.
fn explained(path: &Path, told: Option<Report>) -> String {
    let found = place::find(&format!("{}/", path.display()), Path::new("/nowhere")).unwrap();
    let mut answer = Answer::of(&found, 3, 20).unwrap();
    answer.add_told(told, &found);
    let mut out = Vec::new();
    print::write(&answer, 20, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_bytes_are_told_by_directory_and_by_the_largest_paths() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("logs/old")).unwrap();
    fs::write(directory.path().join("logs/old/big"), vec![1; 1 << 20]).unwrap();
    fs::write(directory.path().join("small"), "x").unwrap();
    let text = explained(directory.path(), None);
    let line = |with: &str| text.lines().find(|line| line.ends_with(with));
    assert!(line("3    logs/").is_some(), "{text}");
    assert!(
        line("2      old/").is_some_and(|line| line.contains("1.0 MiB")),
        "{text}"
    );
    assert!(
        line("logs/old/big").is_some_and(|line| line.contains("1.0 MiB")),
        "{text}"
    );
    assert!(text.contains("deleted but still open: none"), "{text}");
}

#[test]
fn what_is_deleted_but_open_is_told_with_the_process_that_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gone");
    fs::write(&path, vec![1; 64 * 1024]).unwrap();
    let open = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let text = explained(directory.path(), None);
    assert!(
        text.contains("64.0 KiB in 1 files, which come on top"),
        "{text}"
    );
    assert!(
        text.contains(&format!("of process {}", std::process::id())),
        "{text}"
    );
    drop(open);
}

#[test]
fn volumes_are_named_and_hostile_names_do_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("\u{1b}[2J\nevil")).unwrap();
    symlink(
        "/var/lib/mesos/volumes/roles/r/data",
        directory.path().join("data\u{1b}"),
    )
    .unwrap();
    let text = explained(directory.path(), None);
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.contains("\\u{1b}[2J\\nevil/"), "{text}");
    let volume = "volume  data\\u{1b} -> /var/lib/mesos/volumes/roles/r/data";
    assert!(text.contains(volume), "{text}");
}

#[test]
fn a_daemon_that_watches_it_tells_the_limit_and_the_growth() {
    let directory = tempfile::tempdir().unwrap();
    let path = fs::canonicalize(directory.path()).unwrap();
    let mut report = Report::at(1000.0);
    report.subjects.push(Subject {
        identity: Identity {
            path: path.to_str().unwrap().to_owned(),
            ..Identity::default()
        },
        mode: Some(disk_figures::Mode::Enforce),
        limit_bytes: Some(8192),
        measured: Some(Measured {
            used_bytes: 4096,
            charged_bytes: 4096,
            inodes: 1,
            at_least: false,
            source: Source::Quota,
            age_seconds: 0.5,
            look_seconds: 0.0,
            growth_bytes_per_second: Some(2048.0),
            deleted_bytes: None,
            deleted_files: None,
            deleted_at_least: false,
            mounts_skipped: 0,
        }),
        ..Subject::default()
    });
    let text = explained(&path, Some(report));
    assert!(text.contains("of its limit of 8.0 KiB"), "{text}");
    assert!(
        text.contains("(enforce): 4.0 KiB charged, by quota, 0.5 s ago, growing by +2.0 KiB/s"),
        "{text}"
    );
}

#[test]
fn a_container_is_found_by_the_beginning_of_its_id_if_no_other_has_it() {
    let work_dir = tempfile::tempdir().unwrap();
    let runs = work_dir
        .path()
        .join("slaves/S/frameworks/F/executors/E/runs");
    for id in ["abc-1", "abd-2", "abc"] {
        fs::create_dir_all(runs.join(id)).unwrap();
    }
    let found = |what: &str| place::find(what, work_dir.path()).map(|found| found.path);
    assert_eq!(found("abd").unwrap(), runs.join("abd-2"));
    assert_eq!(
        found("abc").unwrap(),
        runs.join("abc"),
        "the whole of one id"
    );
    assert_eq!(found("abc-").unwrap(), runs.join("abc-1"));
    let error = found("ab").unwrap_err().to_string();
    assert!(
        error.starts_with("3 containers have ids that begin with \"ab\""),
        "{error}"
    );
    assert!(found("x").unwrap_err().to_string().contains("no container"));
}
