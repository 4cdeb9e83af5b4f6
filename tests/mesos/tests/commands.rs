//! The ways a framework tells a task what to run.
#![allow(clippy::unwrap_used, reason = "a test")]

use mesos_proto::v1::TaskState::{TaskError, TaskFailed, TaskFinished, TaskRunning};
use mesos_proto::v1::task_status::Reason;
use mesos_tests::{SOON, Scene};
use test_support::task;

#[test]
fn data_as_text_is_a_shell_command() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    scene
        .scheduler
        .launch([task("t").executor(&executor).data("exit 7")])
        .unwrap();
    let status = scene.scheduler.wait_for("t", TaskFailed, SOON).unwrap();
    assert_eq!(status.message(), "Command exited with status 7");
}

#[test]
fn a_label_names_a_shell_command() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let task = task("t")
        .executor(&executor)
        .label("mesos-sandbox-executor.command", "exit 8");
    scene.scheduler.launch([task]).unwrap();
    let status = scene.scheduler.wait_for("t", TaskFailed, SOON).unwrap();
    assert_eq!(status.message(), "Command exited with status 8");
}

#[test]
fn marathons_splice_is_run_whole_by_a_shell_of_the_tasks_own() {
    let scene = Scene::new();
    // What Marathon makes of `cmd` "true && exit 9": the outer shell ends the executor's arguments at `&&`.
    let line =
        "chmod ug+rx './mesos-sandbox-executor' && exec './mesos-sandbox-executor' true && exit 9";
    let executor = scene.executor("marathon-t").command(line);
    scene
        .scheduler
        .launch([task("t").executor(&executor)])
        .unwrap();
    let status = scene.scheduler.wait_for("t", TaskFailed, SOON).unwrap();
    assert_eq!(status.message(), "Command exited with status 9");
}

#[test]
fn an_executor_without_a_shell_hands_its_arguments_to_the_task() {
    let scene = Scene::new();
    let executor = scene.executor("e").program(
        "./mesos-sandbox-executor",
        &["mesos-sandbox-executor", "sh", "-c", "exit 10"],
    );
    scene
        .scheduler
        .launch([task("t").executor(&executor)])
        .unwrap();
    let status = scene.scheduler.wait_for("t", TaskFailed, SOON).unwrap();
    assert_eq!(status.message(), "Command exited with status 10");
}

#[test]
fn a_task_that_names_no_command_is_an_error_that_says_where_it_was_looked_for() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    scene
        .scheduler
        .launch([task("t").executor(&executor)])
        .unwrap();
    let status = scene.scheduler.wait_for("t", TaskError, SOON).unwrap();
    assert_eq!(status.reason(), Reason::TaskInvalid);
    for place in [
        "TaskInfo.data",
        "label",
        "TaskInfo.command",
        "ExecutorInfo.command",
    ] {
        assert!(status.message().contains(place), "{}", status.message());
    }
}

#[test]
fn data_with_a_mistake_is_an_error_that_names_it() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let data = r#"{"version":1,"command":{"value":"true","shel":false}}"#;
    scene
        .scheduler
        .launch([task("t").executor(&executor).data(data)])
        .unwrap();
    let status = scene.scheduler.wait_for("t", TaskError, SOON).unwrap();
    assert_eq!(status.reason(), Reason::TaskInvalid);
    assert!(status.message().contains("shel"), "{}", status.message());
}

#[test]
fn a_program_or_a_user_that_is_not_there_fails_the_task_by_name() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let with = |id: &str, data: &str| task(id).executor(&executor).data(data.to_owned());
    scene
        .scheduler
        .launch([
            with("program", r#"{"value":"./nope","shell":false}"#),
            with("user", r#"{"value":"true","user":"nobody-of-that-name"}"#),
        ])
        .unwrap();
    let status = scene
        .scheduler
        .wait_for("program", TaskFailed, SOON)
        .unwrap();
    let message = status.message();
    assert!(
        message.contains("./nope") && message.contains("No such file"),
        "{message}"
    );
    let status = scene.scheduler.wait_for("user", TaskFailed, SOON).unwrap();
    assert!(
        status.message().contains("nobody-of-that-name"),
        "{}",
        status.message()
    );
}

#[test]
fn a_task_sees_its_own_sandbox_and_user_and_none_of_the_executors_secrets() {
    let scene = Scene::new();
    let executor = scene
        .executor("e")
        .variable("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "hunter2")
        .variable("GREETING", "hello");
    let checks = "set -e\n\
        test \"$(id -un)\" = nobody\n\
        test \"$PWD\" = \"$MESOS_SANDBOX\" && test \"$MESOS_TASK_ID\" = t && test \"$GREETING\" = hello\n\
        touch mine && test -L mesos-fetched\n\
        test $$ -lt 10 && test $(ls -d /proc/[0-9]* | wc -l) -lt 10\n\
        ! env | grep -q hunter2 && ! grep -qs hunter2 /proc/*/environ\n\
        exit 42";
    let data = format!(
        r#"{{"version":1,"command":{{"value":{},"user":"nobody"}}}}"#,
        serde_json::Value::from(checks)
    );
    let fetched = scene.mesos.work_dir().join("mesos-fetched");
    std::fs::write(&fetched, "x").unwrap();
    let executor = executor.uri(&format!("file://{}", fetched.display()), false);
    scene
        .scheduler
        .launch([task("t").executor(&executor).data(data)])
        .unwrap();
    let status = scene.scheduler.wait_for("t", TaskFailed, SOON).unwrap();
    assert_eq!(status.message(), "Command exited with status 42");
}

#[test]
fn a_task_joins_an_executor_that_runs_already() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    scene
        .scheduler
        .launch([scene.task("first", &executor, "while [ ! -e go ]; do sleep 0.05; done")])
        .unwrap();
    scene
        .scheduler
        .wait_for("first", TaskRunning, SOON)
        .unwrap();
    scene
        .scheduler
        .launch([scene.task("second", &executor, "touch done")])
        .unwrap();
    scene
        .scheduler
        .wait_for("second", TaskFinished, SOON)
        .unwrap();
    // Both are in one executor's sandbox.
    assert!(scene.task_directory("e", "second").join("done").exists());
    std::fs::write(scene.task_directory("e", "first").join("go"), "").unwrap();
    scene
        .scheduler
        .wait_for("first", TaskFinished, SOON)
        .unwrap();
}
