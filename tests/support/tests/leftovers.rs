//! That each kind of leftover is seen, shown by leaving one.
#![allow(
    clippy::unwrap_used,
    reason = "functions that tests share are tests too"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount, umount};
use test_support::{FileServer, Leftover, Leftovers, Scope};

/// Undoes what a test has left on purpose, also when the test fails.
struct Undo<F: FnMut()>(F);

impl<F: FnMut()> Drop for Undo<F> {
    fn drop(&mut self) {
        self.0();
    }
}

fn leftovers(directory: &Path, cgroup: &str) -> Leftovers {
    Leftovers::before(Scope {
        ancestor: std::process::id(),
        directory: directory.to_owned(),
        cgroup: cgroup.to_owned(),
    })
}

#[test]
fn a_process_is_seen_with_its_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let leftovers = leftovers(directory.path(), "none");
    let mut parent = Command::new("/bin/sh")
        .args(["-c", "sleep 987; true"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = parent.id().cast_signed();
    let seen = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        let found = leftovers.find();
        found.contains(&Leftover::Process {
            pid,
            command: "/bin/sh -c sleep 987; true".to_owned(),
        }) && found
            .iter()
            .any(|one| matches!(one, Leftover::Process { command, .. } if command == "sleep 987"))
    });
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    Command::new("kill")
        .arg("-9")
        .args(children.split_whitespace())
        .arg(pid.to_string())
        .status()
        .unwrap();
    parent.wait().unwrap();
    assert!(seen);
}

#[test]
fn a_cgroup_is_seen_in_the_scope_and_the_executors_own_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    let Some(hierarchy) = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"]
        .map(Path::new)
        .into_iter()
        .find(|path| path.join("cgroup.procs").exists())
    else {
        panic!("no hierarchy of cgroups is mounted");
    };
    let name = format!("mesos-agent-toolkit-leftovers-{}", std::process::id());
    let outside = format!("leftovers-{}", std::process::id());
    let made: Vec<PathBuf> = [
        hierarchy.join(&name),
        hierarchy.join(&name).join("container"),
        hierarchy.join(&outside),
        hierarchy.join(&outside).join("mesos-sandbox-executor"),
    ]
    .into();
    let leftovers = leftovers(directory.path(), &name);
    let _undo = Undo(|| {
        for path in made.iter().rev() {
            fs::remove_dir(path).unwrap();
        }
    });
    for path in &made {
        fs::create_dir(path).unwrap();
    }
    let found = leftovers.find();
    assert!(
        found.contains(&Leftover::Cgroup(made[1].clone())),
        "{found:?}"
    );
    assert!(
        found.contains(&Leftover::Cgroup(made[3].clone())),
        "{found:?}"
    );
    assert!(
        !found.contains(&Leftover::Cgroup(made[2].clone())),
        "somebody else's: {found:?}"
    );
}

#[test]
fn a_mount_is_seen_below_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let leftovers = leftovers(directory.path(), "none");
    let point = directory.path().join("with a space");
    fs::create_dir(&point).unwrap();
    mount(
        Some("none"),
        &point,
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
    let _undo = Undo(|| umount(&point).unwrap());
    assert!(
        leftovers.find().contains(&Leftover::Mount(point.clone())),
        "{:?}",
        leftovers.find()
    );
}

#[test]
fn a_file_is_seen_in_shared_memory_and_among_the_temporary_ones() {
    let directory = tempfile::tempdir().unwrap();
    let leftovers = leftovers(directory.path(), "none");
    let made = [
        PathBuf::from(format!("/dev/shm/leftovers-{}", std::process::id())),
        std::env::temp_dir().join(format!("mesos-leftovers-{}", std::process::id())),
    ];
    let _undo = Undo(|| made.iter().for_each(|path| fs::remove_file(path).unwrap()));
    made.iter().for_each(|path| fs::write(path, "").unwrap());
    let found = leftovers.find();
    for path in &made {
        assert!(found.contains(&Leftover::File(path.clone())), "{found:?}");
    }
}

#[test]
fn what_was_there_before_is_not_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let point = directory.path().join("m");
    fs::create_dir(&point).unwrap();
    mount(
        Some("none"),
        &point,
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
    let _undo = Undo(|| umount(&point).unwrap());
    let leftovers = leftovers(directory.path(), "none");
    assert!(!leftovers.find().contains(&Leftover::Mount(point.clone())));
}

#[test]
fn a_file_server_serves_what_was_offered_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, [0, 159, 146, 150]).unwrap();
    let server = FileServer::start();
    let url = server.offer(&file);
    assert_eq!(get(&url), (true, vec![0, 159, 146, 150]));
    assert!(!get(&format!("{}/other", server.url())).0);
}

/// Whether it is there, and the body.
fn get(url: &str) -> (bool, Vec<u8>) {
    use std::io::{Read, Write};
    let (authority, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = std::net::TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    (
        answer.starts_with(b"HTTP/1.0 200"),
        answer[end + 4..].to_vec(),
    )
}
