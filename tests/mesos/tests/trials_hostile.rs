//! Checks, commands, messages and sandboxes made to break an executor, under a real Mesos. That nothing of them is left
//! is asserted whenever a scene is dropped.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use mesos_proto::v1::TaskState::{
    self, TaskError, TaskFailed, TaskFinished, TaskKilled, TaskRunning,
};
use mesos_proto::v1::{CommandInfo, HealthCheck, health_check};
use mesos_tests::{SOON, Scene};
use test_support::{FrameworkOptions, Settings, TaskBuilder, binaries, task};

/// What checks do, by the id of the task that has them; each says that it was there.
const HOSTILE: [(&str, &str); 5] = [
    (
        "forks",
        "touch checked; while :; do (setsid sleep 1000 &); done",
    ),
    (
        "hangs",
        "touch checked; trap '' TERM INT HUP; while :; do sleep 1; done",
    ),
    (
        "floods",
        "touch checked; exec yes 'a long line of nothing at all'",
    ),
    (
        "leaves",
        "touch checked; (setsid sh -c 'trap \"\" TERM; sleep 1000' &) ; exit 0",
    ),
    ("crashes", "touch checked; kill -SEGV $$"),
];

fn checked(task: TaskBuilder, script: &str) -> TaskBuilder {
    let check = HealthCheck {
        r#type: Some(health_check::Type::Command.into()),
        command: Some(CommandInfo {
            value: Some(script.to_owned()),
            ..Default::default()
        }),
        delay_seconds: Some(0.0),
        interval_seconds: Some(0.05),
        // No limit.
        timeout_seconds: Some(0.0),
        grace_period_seconds: Some(1000.0),
        ..Default::default()
    };
    task.with(|task| task.health_check = Some(check))
}

/// Tasks that run, each while its check does its worst; then `end` ends them, in one way or the other.
fn with_hostile_checks(end: impl Fn(&Scene), expected: TaskState) {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e").shutdown_grace(Duration::from_secs(10));
        let tasks = HOSTILE.map(|(id, script)| {
            checked(
                scene.task(id, &executor, "exec sleep 1000").mem(256.0),
                script,
            )
        });
        scene.scheduler.launch(tasks).unwrap();
        for (id, _) in HOSTILE {
            scene.scheduler.wait_for(id, TaskRunning, SOON).unwrap();
            scene.await_file("e", &format!("tasks/{id}/checked"));
        }
        end(&scene);
        for (id, _) in HOSTILE {
            let status = scene.scheduler.wait_for_end(id, SOON).unwrap();
            assert_eq!(status.state(), expected, "{id}: {}", status.message());
        }
    }
}

#[test]
fn a_task_is_killed_whatever_its_check_does() {
    let kill = |scene: &Scene| {
        for (id, _) in HOSTILE {
            scene.scheduler.kill(id, None).unwrap();
        }
    };
    with_hostile_checks(kill, TaskKilled);
}

#[test]
fn an_executor_is_shut_down_whatever_the_checks_of_its_tasks_do() {
    let shut_down = |scene: &Scene| scene.scheduler.shutdown_executor("e").unwrap();
    with_hostile_checks(shut_down, TaskKilled);
}

#[test]
fn nothing_of_a_check_outlives_an_executor_that_is_killed() {
    with_hostile_checks(Scene::kill_executors, TaskFailed);
}

#[test]
fn commands_that_are_none_fail_with_the_cause_and_odd_ones_do_as_they_say() {
    let settings = Settings::posix().command_executor(&binaries::sandbox_executor());
    let scene = Scene::with(settings, FrameworkOptions::default());
    let long = |bytes: usize| format!("true {}; exit 7", "x".repeat(bytes));
    let cases = [
        ("empty", task("empty").command(""), TaskError, "no value"),
        (
            "nul",
            task("nul").command("exit 3\0; exit 4"),
            TaskError,
            "NUL byte",
        ),
        (
            "name",
            task("name").command("exit 0").variable("A=B", "c"),
            TaskError,
            "'A=B'",
        ),
        (
            "long",
            task("long").command(&long(100_000)),
            TaskFailed,
            "exited with status 7",
        ),
        (
            "longer",
            task("longer").command(&long(3_000_000)),
            TaskFailed,
            "Argument list too long",
        ),
        (
            "leaves",
            task("leaves").command("setsid sleep 1000 & exit 0"),
            TaskFinished,
            "status 0",
        ),
        (
            "kills",
            task("kills").command("kill -9 1; kill -9 -1; exit 9"),
            TaskFailed,
            "status 9",
        ),
    ];
    for (id, task, state, why) in cases {
        scene.scheduler.launch([task]).unwrap();
        let status = scene.scheduler.wait_for_end(id, SOON).unwrap();
        assert_eq!(status.state(), state, "{id}: {}", status.message());
        assert!(status.message().contains(why), "{id}: {}", status.message());
    }
}

#[test]
fn a_task_that_has_stopped_itself_is_killed_by_force_after_its_grace() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    scene.run(scene.task("t", &executor, "touch ready; kill -STOP $$"));
    scene.await_file("e", "tasks/t/ready");
    let grace = Duration::from_millis(300);
    scene.scheduler.kill("t", Some(grace)).unwrap();
    scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
}

#[test]
fn a_flood_of_messages_that_mean_nothing_holds_nothing_up() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    scene.run(scene.task("t", &executor, "exec sleep 1000"));
    for n in 0..500 {
        let message = match n % 4 {
            0 => Vec::new(),
            1 => vec![0xff; 100],
            2 => br#"{ "signal": "NONE", "task": "t" }"#.to_vec(),
            _ => vec![b'['; 20_000],
        };
        scene.scheduler.message("e", message).unwrap();
    }
    scene.scheduler.message("e", vec![b'{'; 5 << 20]).unwrap();
    let labelled = scene.task("large", &executor, "exit 0");
    let labelled = labelled.label("note", &"y".repeat(10 << 20));
    scene.scheduler.launch([labelled]).unwrap();
    scene
        .scheduler
        .wait_for("large", TaskFinished, SOON)
        .unwrap();
    scene.scheduler.kill("t", None).unwrap();
    scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
}

#[test]
fn an_executor_does_without_a_journal_where_something_else_stands() {
    let scene = Scene::new();
    let outside = scene.mesos.work_dir().join("outside");
    fs::create_dir(&outside).unwrap();
    let journal = ".mesos-sandbox-executor";
    let link = format!("ln -s {} {journal}", outside.display());
    let link_inside = format!(
        "mkdir -m 700 {journal}; ln -s {}/journal {journal}/journal",
        outside.display()
    );
    let preparations = [
        ("file", format!("touch {journal}")),
        ("link", link),
        ("inside", link_inside),
        (
            "pipe",
            format!("mkdir -m 700 {journal}; umask 077; mkfifo {journal}/journal"),
        ),
        (
            "foreign",
            format!(
                "mkdir -m 700 {journal}; umask 077; head -c 300000 /dev/urandom > {journal}/journal"
            ),
        ),
    ];
    for (id, preparation) in preparations {
        let executor = scene
            .executor(id)
            .command(&format!("{preparation}; exec ./mesos-sandbox-executor"));
        scene
            .scheduler
            .launch([scene.task(id, &executor, "exit 0")])
            .unwrap();
        scene.scheduler.wait_for(id, TaskFinished, SOON).unwrap();
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn updates_arrive_from_an_executor_whose_disk_is_full() {
    let scene = Scene::with(Settings::linux(), FrameworkOptions::default());
    // In a mount namespace of the container's own.
    let command = "cp mesos-sandbox-executor /tmp/full-$$; P=/tmp/full-$$; trap 'rm $P' EXIT; \
                   mount -t tmpfs -o size=200k none \"$MESOS_SANDBOX\" && cd \"$MESOS_SANDBOX\" && $P";
    let executor = scene.executor("e").command(command);
    scene.run(scene.task("fills", &executor, "cat /dev/zero > file; exec sleep 1000"));
    let ids: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
    let tasks = ids.iter().map(|id| scene.task(id, &executor, "exit 0"));
    scene.scheduler.launch(tasks.collect::<Vec<_>>()).unwrap();
    for id in &ids {
        scene.scheduler.wait_for_end(id, SOON).unwrap();
    }
    scene.scheduler.kill("fills", None).unwrap();
    scene.scheduler.wait_for("fills", TaskKilled, SOON).unwrap();
}

#[test]
fn an_agent_that_stands_still_for_a_while_hears_everything_afterwards_and_nothing_twice() {
    for checkpoint in [true, false] {
        let options = FrameworkOptions {
            checkpoint,
            ..FrameworkOptions::default()
        };
        let scene = Scene::with(Settings::posix(), options);
        let executor = scene.executor("e");
        let line = "while [ ! -e go ]; do sleep 0.05; done; exit 3";
        scene.run(scene.task("ends", &executor, line));
        scene.run(scene.task("stays", &executor, "exec sleep 1000"));
        let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "e");
        let signal = |name: &str| {
            let pid = scene.mesos.pid().to_string();
            let sent = Command::new("kill").args([name, &pid]).status();
            assert!(sent.unwrap().success());
        };
        signal("-STOP");
        fs::write(sandbox.join("tasks/ends/go"), "").unwrap();
        scene.await_no_process_in(&sandbox.join("tasks/ends"));
        sleep(Duration::from_secs(2));
        signal("-CONT");
        scene.scheduler.wait_for("ends", TaskFailed, SOON).unwrap();
        scene.scheduler.kill("stays", None).unwrap();
        scene.scheduler.wait_for("stays", TaskKilled, SOON).unwrap();
        let ends = scene.scheduler.states_of("ends");
        assert_eq!(
            ends.iter().filter(|state| state.is_terminal()).count(),
            1,
            "{ends:?}"
        );
    }
}
