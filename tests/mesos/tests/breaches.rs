//! Limits under a real Mesos: each breach has its own name, and hard quotas cost nobody else anything.
#![allow(clippy::unwrap_used, reason = "a test")]

use mesos_proto::v1::TaskState::{TaskFailed, TaskKilled, TaskRunning, TaskStarting};
use mesos_proto::v1::container_info::Type;
use mesos_proto::v1::r_limit_info::{RLimit, r_limit::Type as RlimitType};
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::{ContainerInfo, RLimitInfo, TaskStatus};
use mesos_tests::{SOON, Scene};
use serde_json::json;
use test_support::{FrameworkOptions, Settings, TaskBuilder, task};

fn with_rlimit(task: TaskBuilder, kind: RlimitType, soft: u64, hard: u64) -> TaskBuilder {
    task.with(|task| {
        let limit = RLimit {
            r#type: Some(kind.into()),
            soft: Some(soft),
            hard: Some(hard),
        };
        task.container = Some(ContainerInfo {
            r#type: Type::Mesos.into(),
            rlimit_info: Some(RLimitInfo {
                rlimits: vec![limit],
            }),
            ..ContainerInfo::default()
        });
    })
}

fn cause(status: &TaskStatus) -> Option<String> {
    let mut labels = status.labels.iter().flat_map(|labels| &labels.labels);
    let cause = labels.find(|label| label.key == "mesos-sandbox-executor.cause")?;
    cause.value.clone()
}

fn fails(scene: &Scene, task: TaskBuilder, id: &str) -> TaskStatus {
    scene.scheduler.launch([task]).unwrap();
    let status = scene.scheduler.wait_for_end(id, SOON).unwrap();
    assert_eq!(status.state(), TaskFailed, "{}", status.message());
    status
}

#[test]
fn the_process_that_was_largest_when_memory_ran_out_is_named_after_mesoss_own_words() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        let command = "sleep 1000 & tail /dev/zero; sleep 1000";
        let hog = scene.task("hog", &executor, command).mem(32.0);
        let status = fails(&scene, hog, "hog");
        assert_eq!(status.reason(), Reason::ContainerLimitationMemory);
        assert_eq!(cause(&status).as_deref(), Some("memory"));
        let (mesos, ours) = status
            .message()
            .split_once("\n\nThe largest process was ")
            .unwrap();
        let begin = "Memory limit exceeded: Requested: 32MB Maximum Used: ";
        assert!(mesos.starts_with(begin), "{mesos}");
        assert!(ours.starts_with("'tail' with "), "{ours}");
    }
}

#[test]
fn the_limits_of_a_process_are_named_when_they_end_it() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let spin = "exec sh -c 'while :; do :; done'";
    let write = "exec head -c 2000000 /dev/zero > big";
    for (id, command, kind, soft, hard, cause_is) in [
        ("soft", spin, RlimitType::RlmtCpu, 1, 10, "cpu-time"),
        ("hard", spin, RlimitType::RlmtCpu, 1, 1, "cpu-time"),
        (
            "file",
            write,
            RlimitType::RlmtFsize,
            100_000,
            100_000,
            "file-size",
        ),
    ] {
        let task = with_rlimit(scene.task(id, &executor, command), kind, soft, hard);
        let status = fails(&scene, task, id);
        let message = status.message();
        assert_eq!(cause(&status).as_deref(), Some(cause_is), "{id}: {message}");
        assert_eq!(status.reason(), Reason::ContainerLimitation, "{id}");
        assert!(
            message.starts_with("Command terminated with signal "),
            "{id}: {message}"
        );
        assert!(message.contains("(RLIMIT_"), "{id}: {message}");
    }
}

#[test]
fn a_task_that_was_refused_processes_says_so_when_it_ends() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let command = "for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; exit 3";
    let data = json!({ "version": 1, "command": { "value": command }, "limits": { "pids": 4 } });
    let forks = task("forks").executor(&executor).data(data.to_string());
    let status = fails(&scene, forks, "forks");
    let message = status.message();
    assert!(
        message.contains("(its limit of 4 processes and threads was reached, and "),
        "{message}"
    );
    assert_eq!(cause(&status).as_deref(), Some("pids"));
}

/// The agent shrinks the container's quota at each terminal update, which the kernel refuses while a cgroup below has more
/// (REASON_CONTAINER_UPDATE_FAILED).
#[test]
fn no_order_in_which_tasks_with_hard_quotas_end_costs_another_task_anything() {
    let scene = Scene::with(Settings::linux(), FrameworkOptions::default());
    let executor = scene.executor("e");
    let cpus = [0.5, 1.5, 1.0, 0.5];
    for (round, order) in [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 1, 0]]
        .iter()
        .enumerate()
    {
        let id = |number: usize| format!("t{round}-{number}");
        for (number, cpus) in cpus.into_iter().enumerate() {
            let data = json!({ "version": 1, "command": { "value": "exec sleep 1000" },
                "limits": { "cpu_hard": cpus } });
            let task = task(&id(number)).executor(&executor).cpus(cpus);
            scene.run(task.data(data.to_string()));
        }
        for (ended, number) in order.iter().enumerate() {
            scene.scheduler.kill(&id(*number), None).unwrap();
            let status = scene.scheduler.wait_for_end(&id(*number), SOON).unwrap();
            assert_eq!(status.state(), TaskKilled, "{}", status.message());
            for left in &order[ended + 1..] {
                assert_eq!(
                    scene.scheduler.states_of(&id(*left)),
                    [TaskStarting, TaskRunning],
                    "{}",
                    scene.scheduler.timeline()
                );
            }
        }
    }
    let failed = Reason::ContainerUpdateFailed;
    let updates = scene.scheduler.updates();
    assert!(
        updates
            .iter()
            .all(|update| update.status.reason() != failed)
    );
}
