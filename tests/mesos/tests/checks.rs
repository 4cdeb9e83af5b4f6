//! What a scheduler hears of the checks of its tasks.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use mesos_proto::v1::TaskState::TaskKilled;
use mesos_proto::v1::health_check::{HttpCheckInfo, TcpCheckInfo};
use mesos_proto::v1::task_status::{Reason, Source};
use mesos_proto::v1::value::{Range, Ranges};
use mesos_proto::v1::{
    CheckInfo, CommandInfo, HealthCheck, Resource, TaskInfoFields, TaskState, TaskStatus,
    check_info, health_check, value,
};
use mesos_tests::{SOON, Scene};
use test_support::{TaskBuilder, task};

/// Looks at once and often.
fn health_check(consecutive_failures: u32) -> HealthCheck {
    HealthCheck {
        delay_seconds: Some(0.0),
        interval_seconds: Some(0.05),
        grace_period_seconds: Some(0.0),
        consecutive_failures: Some(consecutive_failures),
        ..Default::default()
    }
}

fn by_command(script: &str, consecutive_failures: u32) -> HealthCheck {
    HealthCheck {
        r#type: Some(health_check::Type::Command.into()),
        command: Some(shell(script)),
        ..health_check(consecutive_failures)
    }
}

fn shell(script: &str) -> CommandInfo {
    CommandInfo {
        value: Some(script.to_owned()),
        ..Default::default()
    }
}

fn with(task: TaskBuilder, check: HealthCheck) -> TaskBuilder {
    task.with(|task| task.health_check = Some(check))
}

/// A file in the directory of the task `id`.
fn file(scene: &Scene, executor: &str, id: &str, name: &str) -> std::path::PathBuf {
    let sandbox = scene
        .mesos
        .sandbox(&scene.scheduler.framework_id(), executor);
    sandbox.join("tasks").join(id).join(name)
}

/// Waits until the updates of a task are as wanted.
fn wait_until(scene: &Scene, id: &str, is_so: impl Fn(&[TaskStatus]) -> bool) {
    let deadline = Instant::now() + SOON;
    loop {
        let updates = scene.scheduler.updates_of(id).into_iter();
        let statuses: Vec<_> = updates.map(|update| update.status).collect();
        if is_so(&statuses) {
            return;
        }
        assert!(Instant::now() < deadline, "{}", scene.scheduler.timeline());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the updates about the health of a running task said.
fn healths(statuses: &[TaskStatus]) -> Vec<bool> {
    let running = statuses
        .iter()
        .filter(|one| one.state() == TaskState::TaskRunning);
    let said = running.filter(|one| one.reason() == Reason::TaskHealthCheckStatusUpdated);
    said.map(|status| status.healthy.unwrap()).collect()
}

#[test]
fn a_scheduler_hears_of_health_of_each_failure_of_recovery_and_of_the_end() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        let check = by_command("test ! -e sick || { echo fever; exit 1; }", 40);
        let server = scene.task("t", &executor, "exec sleep 1000");
        scene.run(with(server, check));
        wait_until(&scene, "t", |all| healths(all) == [true]);
        let sick = file(&scene, "e", "t", "sick");
        fs::write(&sick, "").unwrap();
        wait_until(&scene, "t", |all| {
            healths(all).starts_with(&[true, false, false])
        });
        fs::remove_file(&sick).unwrap();
        wait_until(&scene, "t", |all| healths(all).last() == Some(&true));
        fs::write(&sick, "").unwrap();

        let killed = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
        assert_eq!(killed.healthy, Some(false));
        let message = killed.message();
        let cause = "failed 40 times in a row: command exited with status 1: fever";
        assert!(message.contains(cause), "{message}");
        for update in scene.scheduler.updates_of("t") {
            assert_eq!(update.source, Some(Source::Executor));
        }
    }
}

/// A Marathon app with a MESOS_HTTP health check (Marathon: src/main/scala/mesosphere/mesos/TaskBuilder.scala): its port
/// is one of the task's resources, and reaches the server as `$PORT0`.
#[test]
fn the_server_of_a_marathon_app_is_looked_at_on_its_port() {
    const PORT: u32 = 31_417;
    let scene = Scene::new();
    let path = "./mesos-sandbox-executor";
    let server = "python3 -u -m http.server $PORT0 --bind 127.0.0.1";
    let line = format!("chmod ug+rx '{path}' && exec '{path}' touch well; exec {server}");
    let id = "web.0a1b2c3d";
    let name = format!("marathon-{id}");
    let executor = scene.executor(&name).command(&line);
    let executor = executor.variable("PORT0", &PORT.to_string());
    let range = Range {
        begin: u64::from(PORT),
        end: u64::from(PORT),
    };
    let ports = Resource {
        name: "ports".to_owned(),
        r#type: value::Type::Ranges.into(),
        ranges: Some(Ranges { range: vec![range] }),
        ..Default::default()
    };
    let check = HealthCheck {
        r#type: Some(health_check::Type::Http.into()),
        http: Some(HttpCheckInfo {
            port: PORT,
            path: Some("/well?now".to_owned()),
            ..Default::default()
        }),
        grace_period_seconds: Some(30.0),
        ..health_check(3)
    };
    let task = with(task(id).executor(&executor), check);
    scene.run(task.with(|task| task.resources.push(ports)));
    wait_until(&scene, id, |all| healths(all) == [true]);
    fs::remove_file(file(&scene, &name, id, "well")).unwrap();

    let killed = scene.scheduler.wait_for(id, TaskKilled, SOON).unwrap();
    assert_eq!(killed.healthy, Some(false));
    let message = killed.message();
    let cause = format!("failed 3 times in a row: HTTP 127.0.0.1:{PORT}/well?now answered 404");
    assert!(message.contains(&cause), "{message}");
    wait_until(&scene, id, |all| {
        healths(all) == [true, false, false, false]
    });
}

#[test]
fn a_port_that_closes_makes_its_task_unhealthy() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = u32::from(listener.local_addr().unwrap().port());
    let check = HealthCheck {
        r#type: Some(health_check::Type::Tcp.into()),
        tcp: Some(TcpCheckInfo {
            port,
            ..Default::default()
        }),
        ..health_check(1)
    };
    scene.run(with(scene.task("t", &executor, "exec sleep 1000"), check));
    wait_until(&scene, "t", |all| healths(all) == [true]);
    drop(listener);
    let killed = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    assert_eq!(killed.healthy, Some(false));
    assert!(killed.message().contains("is not reachable"), "{killed:?}");
}

#[test]
fn a_check_that_is_killed_by_a_signal_harms_neither_executor_nor_neighbour() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let server = "exec sleep 1000";
    let neighbour = by_command("true", 1);
    let patient = by_command("kill -SEGV $$", 5);
    scene.run(with(scene.task("neighbour", &executor, server), neighbour));
    scene.run(with(scene.task("t", &executor, server), patient));
    let killed = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    let message = killed.message();
    assert!(
        message.contains("command was ended by signal 11"),
        "{message}"
    );
    wait_until(&scene, "neighbour", |all| healths(all) == [true]);
    assert!(scene.scheduler.executor_failures().is_empty());
    scene.scheduler.kill("neighbour", None).unwrap();
    let killed = scene.scheduler.wait_for("neighbour", TaskKilled, SOON);
    killed.unwrap();
}

/// P-19: the agent takes no update of a task with a check that has no status of it.
#[test]
fn a_scheduler_hears_what_a_check_finds_when_that_changes() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let check = CheckInfo {
        r#type: Some(check_info::Type::Command.into()),
        command: Some(check_info::Command {
            command: shell("exit $(cat status)"),
        }),
        delay_seconds: Some(0.0),
        interval_seconds: Some(0.05),
        ..Default::default()
    };
    let server = "echo 3 > new; mv new status; exec sleep 1000";
    let task = scene.task("t", &executor, server);
    scene.run(task.with(|task: &mut TaskInfoFields| task.check = Some(check)));
    let found = |status: &TaskStatus| status.check_status.unwrap().command.unwrap().exit_code;
    wait_until(&scene, "t", |all| all.last().and_then(found) == Some(3));
    let new = file(&scene, "e", "t", "new");
    fs::write(&new, "0").unwrap();
    fs::rename(&new, file(&scene, "e", "t", "status")).unwrap();
    wait_until(&scene, "t", |all| all.last().and_then(found) == Some(0));
    scene.scheduler.kill("t", None).unwrap();
    let killed = scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    assert_eq!(found(&killed), Some(0));
    let first = &scene.scheduler.updates_of("t")[0].status;
    assert_eq!(found(first), None);
}

#[test]
fn what_a_check_finds_while_the_agent_is_away_is_heard_when_it_is_back() {
    let mut scene = Scene::new();
    let executor = scene.executor("e");
    let check = by_command("echo >> looks; test ! -e sick", u32::MAX);
    let server = scene.task("t", &executor, "exec sleep 1000");
    scene.run(with(server, check));
    wait_until(&scene, "t", |all| healths(all) == [true]);
    let (sick, looks) = (
        file(&scene, "e", "t", "sick"),
        file(&scene, "e", "t", "looks"),
    );
    let looks = || fs::read(&looks).unwrap().len();
    scene.mesos.kill_9();
    fs::write(&sick, "").unwrap();
    let so_far = looks();
    let deadline = Instant::now() + SOON;
    while looks() < so_far + 3 {
        assert!(Instant::now() < deadline, "no more looks");
        std::thread::sleep(Duration::from_millis(20));
    }
    fs::remove_file(&sick).unwrap();
    scene.mesos.restart();
    wait_until(&scene, "t", |all| {
        let said = healths(all);
        said.starts_with(&[true, false]) && said.last() == Some(&true)
    });
    scene.scheduler.kill("t", None).unwrap();
    scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
}
