//! What a task with a file system of its own can see and write to.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;

use kernel_tests::{Executor, UNLIMITED};
use sandbox::Exit;

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// What `script` writes, in a file system of its own.
fn output_of(executor: &Executor, script: &str) -> String {
    let mut task = executor.launch(Executor::private_plan(script), &UNLIMITED);
    let exit = task.wait();
    let stderr = fs::read_to_string(task.directory.path.join("stderr")).unwrap();
    assert_eq!(exit, Exit::Exited(0), "{}{stderr}", task.stdout());
    task.stdout()
}

#[test]
fn nothing_of_the_host_can_be_written_to_but_the_tasks_directory() {
    let executor = Executor::start(INIT);
    let outside = executor.sandbox.path().join("outside");
    let script = format!(
        "cat /proc/self/mountinfo >&2; echo mine > file && cat file; for place in / /etc /usr /root /var /opt /sys /dev /proc/sys {} \
         /sys/fs/cgroup; do echo x 2> /dev/null > $place/probe && echo $place; done; true",
        outside.display()
    );
    fs::create_dir(&outside).unwrap();
    assert_eq!(output_of(&executor, &script), "mine\n");
    executor.finish();
}
