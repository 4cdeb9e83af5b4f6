//! Nobody gets out: the table of escapes, tried by tasks of a real Mesos.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use escapes::{Host, Report, TABLE, Task};
use mesos_proto::v1::TaskState::{TaskFinished, TaskKilled};
use mesos_tests::{SOON, Scene};
use serde_json::json;
use test_support::{FileServer, FrameworkOptions, Settings, TaskBuilder, binaries, task};

const ESCAPEE: &str = env!("CARGO_BIN_EXE_escapee-under-mesos");

/// What a task runs that has the program in its sandbox and the world in its environment.
const TRY: &str = "exec ./escapee-under-mesos try \"$WORLD\" > report.json";

/// The password file's, which Debian gives to nobody.
const NOBODY: u32 = 65534;

/// Where Mesos is: not where each task has a directory of its own anyway.
fn settings_of_each_launcher() -> [Settings; 2] {
    [Settings::posix(), Settings::linux()].map(|settings| settings.place(Path::new("/var/lib")))
}

fn name_of(user: Task) -> &'static str {
    match user {
        Task::Root => "root",
        Task::User => "nobody",
    }
}

/// A host on which that Mesos is, with secrets of the agent's.
fn host(scene: &Scene, user: Task) -> Host {
    let id = if user == Task::User { NOBODY } else { 0 };
    let work = scene.mesos.work_dir();
    let mut host = Host::new(id, &work);
    for secret in ["meta/checkpoint-of-a-test", "credential"] {
        host.keep_secret_at(work.join(secret));
    }
    host.world.executor = scene.mesos.pid().cast_signed();
    host
}

/// Runs the task to its end and judges what it tells by a file in its sandbox.
fn assert_nobody_gets_out(
    scene: &Scene,
    host: &mut Host,
    user: Task,
    task: TaskBuilder,
    sandbox: impl Fn() -> PathBuf,
) {
    scene.scheduler.launch([task]).unwrap();
    scene.scheduler.wait_for("t", TaskFinished, SOON).unwrap();
    let told = fs::read_to_string(sandbox().join("report.json")).unwrap();
    let report: Report = serde_json::from_str(&told).unwrap();
    let breaches = report.breaches(TABLE.iter().copied().flatten(), user);
    assert!(breaches.is_empty(), "{user:?}\n{}", breaches.join("\n"));
    host.assert_untouched(&[scene.mesos.work_dir()]);
    scene.scheduler.kill("neighbour", None).unwrap();
    scene
        .scheduler
        .wait_for("neighbour", TaskKilled, SOON)
        .unwrap();
}

/// A task in an executor of ours that a framework names, which has another task and a secret.
fn try_as_custom(scene: &Scene, user: Task) {
    let files = FileServer::start();
    let url = files.offer(Path::new(ESCAPEE));
    let framework = scene.scheduler.framework_id();
    let mut host = host(scene, user);
    let executor = scene
        .executor("e")
        .variable("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", &host.secret());
    let neighbour = json!({ "version": 1, "command": {
        "value": "exec sleep 1000",
        "user": name_of(user),
    } });
    scene.run(
        task("neighbour")
            .executor(&executor)
            .data(neighbour.to_string()),
    );
    let sandbox = scene.mesos.sandbox(&framework, "e");
    host.keep_secret_at(sandbox.join("tasks/neighbour/secret"));
    let journal = sandbox.join(".mesos-sandbox-executor/journal");
    assert!(journal.exists(), "{}", journal.display());
    host.world.secrets.push(journal);
    let data = json!({ "version": 1, "command": {
        "value": TRY,
        "user": name_of(user),
        "uris": [{ "value": url, "executable": true }],
        "environment": { "variables": [{ "name": "WORLD", "value": serde_json::to_string(&host.world).unwrap() }] },
    } });
    let task = task("t").executor(&executor).data(data.to_string());
    assert_nobody_gets_out(scene, &mut host, user, task, || sandbox.join("tasks/t"));
}

/// A task with no executor but its own, which is ours in the place of Mesos's command executor.
fn try_as_command(scene: &Scene, user: Task) {
    let files = FileServer::start();
    let url = files.offer(Path::new(ESCAPEE));
    let framework = scene.scheduler.framework_id();
    let of_user = |task: TaskBuilder| {
        task.with(|task| task.command.as_mut().unwrap().user = Some(name_of(user).to_owned()))
    };
    scene.run(of_user(task("neighbour").command("exec sleep 1000")));
    let neighbour = scene.mesos.sandbox(&framework, "neighbour");
    let mut host = host(scene, user);
    host.keep_secret_at(neighbour.join("secret"));
    let world = serde_json::to_string(&host.world).unwrap();
    let task = of_user(
        task("t")
            .command(TRY)
            .uri(&url, true)
            .variable("WORLD", &world),
    );
    assert_nobody_gets_out(scene, &mut host, user, task, || {
        scene.mesos.sandbox(&framework, "t")
    });
}

#[test]
fn nobody_gets_out_of_an_executor_that_a_framework_names() {
    for user in [Task::Root, Task::User] {
        for settings in settings_of_each_launcher() {
            let scene = Scene::with(settings, FrameworkOptions::default());
            try_as_custom(&scene, user);
        }
    }
}

#[test]
fn nobody_gets_out_in_the_command_executors_place() {
    for user in [Task::Root, Task::User] {
        for settings in settings_of_each_launcher() {
            let settings = settings.command_executor(&binaries::sandbox_executor());
            let scene = Scene::with(settings, FrameworkOptions::default());
            try_as_command(&scene, user);
        }
    }
}

#[test]
fn nobody_gets_out_of_an_executor_of_an_ordinary_user() {
    let options = FrameworkOptions {
        user: "nobody".to_owned(),
        ..FrameworkOptions::default()
    };
    let [posix, _] = settings_of_each_launcher();
    try_as_custom(&Scene::with(posix, options), Task::User);
}
