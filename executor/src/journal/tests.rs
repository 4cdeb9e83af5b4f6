use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use mesos_proto::TaskInfo;
use mesos_proto::v1::{AgentId, TaskId, TaskInfoFields, TaskState, TaskStatus};
use tempfile::TempDir;

use super::*;

fn owner() -> Owner {
    Owner {
        framework: "f".into(),
        executor: "e".into(),
        container: "c".into(),
    }
}

fn task_id(number: usize) -> TaskId {
    TaskId {
        value: format!("task-{number}"),
    }
}

fn launched(number: usize) -> Record {
    let task = TaskInfo::from(TaskInfoFields {
        name: "a task".into(),
        task_id: task_id(number),
        agent_id: AgentId { value: "a".into() },
        ..Default::default()
    });
    Record::Task(Box::new(task))
}

fn uuid(number: usize) -> Bytes {
    let bytes = u128::try_from(number).unwrap().to_le_bytes();
    Bytes::copy_from_slice(&bytes)
}

fn finished(number: usize) -> Record {
    Record::Update(Box::new(TaskStatus {
        task_id: task_id(number),
        state: TaskState::TaskFinished.into(),
        uuid: Some(uuid(number)),
        ..Default::default()
    }))
}

fn acknowledged(number: usize) -> Record {
    Record::Acknowledged {
        task_id: task_id(number),
        uuid: uuid(number),
    }
}

fn path(sandbox: &TempDir) -> PathBuf {
    sandbox.path().join(DIRECTORY).join("journal")
}

/// Opens the journal, adds records, and waits until they are safe.
async fn add(sandbox: &Path, records: &[Record]) -> (Journal, Vec<Record>) {
    let (mut journal, left) = Journal::open(sandbox, owner()).unwrap();
    for (number, record) in records.iter().enumerate() {
        journal.append(number as u64 + 1, record);
    }
    journal.progress().until(records.len() as u64).await;
    (journal, left)
}

#[tokio::test]
async fn what_one_writes_the_next_one_reads_and_adds_to() {
    let sandbox = tempfile::tempdir().unwrap();
    let (first, left) = add(sandbox.path(), &[launched(1), finished(1)]).await;
    assert_eq!(left, []);
    // As if the process had been killed: nothing is closed.
    std::mem::forget(first);
    let (_second, left) = add(sandbox.path(), &[launched(2)]).await;
    assert_eq!(left, [launched(1), finished(1)]);
    let (_third, left) = add(sandbox.path(), &[]).await;
    assert_eq!(left, [launched(1), finished(1), launched(2)]);
    for path in [path(&sandbox), sandbox.path().join(DIRECTORY)] {
        let mode = fs::metadata(path).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "others may use it");
    }
}

#[tokio::test]
async fn a_torn_end_is_cut_off_before_anything_is_added() {
    let sandbox = tempfile::tempdir().unwrap();
    let (_killed, _) = add(sandbox.path(), &[launched(1), finished(1)]).await;
    let whole = fs::read(path(&sandbox)).unwrap();
    fs::write(path(&sandbox), &whole[..whole.len() - 1]).unwrap();
    let (_killed, left) = add(sandbox.path(), &[launched(2)]).await;
    assert_eq!(left, [launched(1)]);
    let (_journal, left) = add(sandbox.path(), &[]).await;
    assert_eq!(left, [launched(1), launched(2)]);
}

#[tokio::test]
async fn anybody_elses_journal_is_ignored_and_begun_anew() {
    let sandbox = tempfile::tempdir().unwrap();
    let (_killed, _) = add(sandbox.path(), &[launched(1)]).await;
    let other = Owner {
        container: "another".into(),
        ..owner()
    };
    let (_journal, left) = Journal::open(sandbox.path(), other.clone()).unwrap();
    assert_eq!(left, []);
    let (_journal, left) = Journal::open(sandbox.path(), other).unwrap();
    assert_eq!(left, []);
    let (_journal, left) = add(sandbox.path(), &[]).await;
    assert_eq!(left, [], "what had been discarded is back");
}

#[tokio::test]
async fn a_journal_stays_short_over_ten_thousand_tasks() {
    let sandbox = tempfile::tempdir().unwrap();
    let (mut journal, _) = add(sandbox.path(), &[]).await;
    let (mut sequence, mut longest) = (0, 0);
    for number in 0..10_000 {
        for record in [launched(number), finished(number), acknowledged(number)] {
            sequence += 1;
            journal.append(sequence, &record);
        }
        if journal.is_long() {
            journal.replace(&[launched(number + 1), finished(number + 1)]);
        }
        if number % 100 == 0 {
            journal.progress().until(sequence).await;
            longest = longest.max(fs::metadata(path(&sandbox)).unwrap().len());
        }
    }
    journal.progress().until(sequence).await;
    assert!(longest > 0 && longest < 2 * LONG, "{longest} bytes");
    let (_journal, left) = add(sandbox.path(), &[]).await;
    assert!(left.len() < 10_000, "{} records", left.len());
    assert!(left.contains(&finished(9_999)));
    assert!(!left.contains(&finished(0)));
}

#[tokio::test]
async fn a_journal_that_says_nothing_any_more_is_removed() {
    let sandbox = tempfile::tempdir().unwrap();
    let (journal, _) = add(sandbox.path(), &[launched(1), finished(1)]).await;
    journal.close(true).await;
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 0);
    let (journal, _) = add(sandbox.path(), &[launched(1)]).await;
    journal.close(false).await;
    assert!(path(&sandbox).exists());
}

#[test]
fn what_is_planted_in_its_place_is_not_touched() {
    let victim = tempfile::tempdir().unwrap();
    let file = victim.path().join("file");
    fs::write(&file, "precious").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    type Plant<'a> = (&'a str, &'a dyn Fn(&Path));
    let plant: [Plant<'_>; 7] = [
        ("a link to a directory", &|sandbox| {
            symlink(victim.path(), sandbox.join(DIRECTORY)).unwrap();
        }),
        ("a file", &|sandbox| {
            fs::write(sandbox.join(DIRECTORY), "").unwrap();
        }),
        ("a directory for everybody", &|sandbox| {
            fs::create_dir(sandbox.join(DIRECTORY)).unwrap();
            let all = fs::Permissions::from_mode(0o777);
            fs::set_permissions(sandbox.join(DIRECTORY), all).unwrap();
        }),
        ("a directory of somebody else's", &|sandbox| {
            own_directory(sandbox);
            std::os::unix::fs::chown(sandbox.join(DIRECTORY), Some(65534), None).unwrap();
        }),
        ("a link to a file", &|sandbox| {
            own_directory(sandbox);
            symlink(&file, sandbox.join(DIRECTORY).join("journal")).unwrap();
        }),
        ("a file under another name", &|sandbox| {
            own_directory(sandbox);
            fs::hard_link(&file, sandbox.join(DIRECTORY).join("journal")).unwrap();
        }),
        ("a pipe", &|sandbox| {
            own_directory(sandbox);
            let pipe = sandbox.join(DIRECTORY).join("journal");
            let made = Command::new("mkfifo")
                .args(["-m", "600"])
                .arg(pipe)
                .status();
            assert!(made.unwrap().success());
        }),
    ];
    for (what, plant) in plant {
        // On the same file system as what a hard link would be to.
        let sandbox = tempfile::tempdir_in(victim.path()).unwrap();
        plant(sandbox.path());
        let opened = Journal::open(sandbox.path(), owner());
        assert!(opened.is_err(), "{what} was taken for the journal");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious", "{what}");
        assert!(!victim.path().join("journal").exists(), "{what}");
    }
}

fn own_directory(sandbox: &Path) {
    let directory = sandbox.join(DIRECTORY);
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
}

/// A file system with room for next to nothing, for as long as this lives.
struct Full(TempDir);

impl Full {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16k,mode=700", "full"]);
        assert!(mount.arg(directory.path()).status().unwrap().success());
        Self(directory)
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.unwrap().success());
    }
}

#[tokio::test]
async fn on_a_full_disk_there_is_no_journal_and_nobody_waits() {
    let full = Full::new();
    let (mut journal, _) = add(full.0.path(), &[]).await;
    let waited = async {
        for number in 0..1000 {
            journal.append(number + 1, &launched(number as usize));
            journal.progress().until(number + 1).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waited)
        .await
        .expect("somebody waits for a journal that there is not");
    // The writer removes it before it lets go of those who wait.
    assert_eq!(fs::read_dir(full.0.path()).unwrap().count(), 0);
}
