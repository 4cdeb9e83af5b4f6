use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use tempfile::TempDir;

use super::*;

fn open(owner: Option<&Identity>, max_size: u64) -> (TempDir, Logs) {
    let sandbox = tempfile::tempdir().unwrap();
    let made = sandbox::directory::create_task(sandbox.path(), "t", owner).unwrap();
    let directory = Directory {
        handle: &made.handle,
        path: made.path.clone(),
        owner,
        stdout: made.stdout,
        stderr: made.stderr,
    };
    let policy = Policy {
        max_size,
        max_files: 3,
        timestamps: false,
        rate_limit: None,
    };
    let logs = Logs::open(directory, &policy, &Turns::new()).unwrap();
    (sandbox, logs)
}

/// On a thread that may block, within a runtime, as everything here is called.
fn within_runtime<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::task::spawn_blocking(test).await.unwrap() })
}

fn text(sandbox: &TempDir, name: &str) -> String {
    fs::read_to_string(sandbox.path().join("tasks/t").join(name)).unwrap()
}

#[test]
fn both_streams_have_their_files_and_are_counted() {
    within_runtime(|| {
        let (sandbox, logs) = open(None, 1 << 20);
        let (stdout, stderr) = logs.writers().unwrap();
        File::from(stdout).write_all(b"to stdout\n").unwrap();
        File::from(stderr).write_all(b"to stderr, more\n").unwrap();
        logs.drain();
        assert_eq!(text(&sandbox, "stdout"), "to stdout\n");
        assert_eq!(text(&sandbox, "stderr"), "to stderr, more\n");
        let figures = LogFigures {
            stdout: 10,
            stderr: 16,
            dropped: 0,
        };
        assert_eq!(logs.figures(), figures);
    });
}

#[test]
fn what_is_started_later_goes_on_in_the_same_files() {
    within_runtime(|| {
        let (sandbox, logs) = open(None, 1 << 20);
        for text in ["first\n", "second\n"] {
            // Both ends of the task's are closed in between.
            let (stdout, _stderr) = logs.writers().unwrap();
            File::from(stdout).write_all(text.as_bytes()).unwrap();
            logs.drain();
        }
        assert_eq!(text(&sandbox, "stdout"), "first\nsecond\n");
    });
}

#[test]
fn the_end_of_stderr_is_found_over_a_rotation_and_only_what_came_after_the_begin() {
    within_runtime(|| {
        let (sandbox, logs) = open(None, 64 << 10);
        let (_stdout, stderr) = logs.writers().unwrap();
        let mut stderr = File::from(stderr);
        stderr.write_all(b"somebody else's\n").unwrap();
        logs.drain();
        let since = logs.stderr().written().unwrap();
        let line = [b'x'; 40_000];
        for _ in 0..3 {
            stderr.write_all(&line).unwrap();
            stderr.write_all(b"\n").unwrap();
        }
        stderr.write_all(b"last\n").unwrap();
        logs.drain();
        assert!(!text(&sandbox, "stderr.1").is_empty());
        let (bytes, is_cut) = logs.stderr().last(since, 50_000).unwrap();
        assert_eq!((bytes.len(), is_cut), (50_000, true));
        assert!(bytes.ends_with(b"x\nlast\n"));
        let (bytes, is_cut) = logs.stderr().last(since + 120_003, 50_000).unwrap();
        assert_eq!((bytes, is_cut), (b"last\n".to_vec(), false));
    });
}

#[test]
fn files_and_pipes_are_the_tasks_users() {
    within_runtime(|| {
        let owner = Identity {
            uid: 4711,
            gid: 4712,
            groups: vec![4712],
            home: None,
        };
        let (sandbox, logs) = open(Some(&owner), 64 << 10);
        let (stdout, _stderr) = logs.writers().unwrap();
        let mut stdout = File::from(stdout);
        let pipe = stdout.metadata().unwrap();
        assert_eq!((pipe.uid(), pipe.gid()), (4711, 4712));
        for _ in 0..3 {
            stdout.write_all(&[b'\n'; 40_000]).unwrap();
        }
        logs.drain();
        for name in ["stdout", "stdout.1", "stderr"] {
            let found = fs::metadata(sandbox.path().join("tasks/t").join(name)).unwrap();
            assert_eq!((found.uid(), found.gid()), (4711, 4712), "{name}");
            assert_eq!(found.mode() & 0o7777, 0o644, "{name}");
        }
    });
}
