//! What a task's sandbox gives it, and what not, under a real Mesos.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use mesos_proto::v1::TaskState::{TaskError, TaskFailed, TaskFinished, TaskKilled, TaskRunning};
use mesos_proto::v1::capability_info::Capability;
use mesos_proto::v1::container_info::Type;
use mesos_proto::v1::r_limit_info::{RLimit, r_limit::Type as RlimitType};
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::volume::source::{SandboxPath, Type as SourceType, sandbox_path};
use mesos_proto::v1::volume::{Mode, Source};
use mesos_proto::v1::{
    CapabilityInfo, ContainerInfo, LinuxInfo, NetworkInfo, RLimitInfo, TaskInfoFields, Volume,
};
use mesos_tests::volumes::{DISKS, persistent, shop};
use mesos_tests::{SOON, Scene};
use serde_json::json;
use test_support::{FrameworkOptions, Settings, TaskBuilder, task};

fn contained(task: TaskBuilder, change: impl FnOnce(&mut ContainerInfo)) -> TaskBuilder {
    let mut container = ContainerInfo {
        r#type: Type::Mesos as i32,
        ..ContainerInfo::default()
    };
    change(&mut container);
    task.with(|task| task.container = Some(container))
}

fn finishes(scene: &Scene, task: TaskBuilder, id: &str) {
    scene.scheduler.launch([task]).unwrap();
    let status = scene.scheduler.wait_for_end(id, SOON).unwrap();
    assert_eq!(status.state(), TaskFinished, "{}", status.message());
}

fn told_first(scene: &Scene, id: &str) -> String {
    let running = scene.scheduler.wait_for(id, TaskRunning, SOON).unwrap();
    running.message().to_owned()
}

#[test]
fn a_task_writes_to_its_own_directory_and_sees_neither_its_neighbours_nor_the_agents_files() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        scene.run(scene.task(
            "neighbour",
            &executor,
            "echo secret > file; exec sleep 1000",
        ));
        scene.await_file("e", "tasks/neighbour/file");
        let neighbour = scene.task_directory("e", "neighbour").join("file");
        let outside = scene.mesos.work_dir().join("planted");
        let command = format!(
            "touch here && touch /tmp/mine /var/tmp/mine /dev/shm/mine && test ! -e {} \
             && ! touch /etc/planted && test ! -e ../../.mesos-sandbox-executor && test \"$(ls /run)\" = '' \
             && (touch {} || true)",
            neighbour.display(),
            // It lies in /tmp, which is the task's own.
            outside.display()
        );
        finishes(&scene, scene.task("t", &executor, &command), "t");
        assert!(!outside.exists());
        // What is private lies in the task's own directory, and so counts toward its quota.
        let own = scene.task_directory("e", "t");
        assert!(own.join(".private/tmp/mine").exists());
        // The agent of the linux launcher has no isolator for processes, and only what it has is used.
        let told = told_first(&scene, "t");
        let pids = "The task runs with no limit of processes (no cgroup controller pids)";
        assert!(told.is_empty() || told == pids, "{told}");
        scene.scheduler.kill("neighbour", None).unwrap();
        scene
            .scheduler
            .wait_for("neighbour", TaskKilled, SOON)
            .unwrap();
    }
}

#[test]
fn files_that_the_agent_fetched_are_there_to_read_under_their_names() {
    for scene in Scene::under_each_launcher() {
        let file = scene.mesos.work_dir().join("fetched.txt");
        fs::write(&file, "fetched\n").unwrap();
        let executor = scene.executor("e");
        let executor = executor.uri(&format!("file://{}", file.display()), false);
        let command = "test \"$(cat fetched.txt)\" = fetched && ! sh -c 'echo x > fetched.txt'";
        finishes(&scene, scene.task("t", &executor, command), "t");
    }
}

#[test]
fn volumes_of_the_host_and_of_the_executors_sandbox_are_where_the_task_wants_them() {
    for scene in Scene::under_each_launcher() {
        let data = scene.mesos.work_dir().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("file"), "given\n").unwrap();
        let executor = scene.executor("e");
        let host = |mode: Mode, at: &str| Volume {
            mode: mode as i32,
            container_path: at.to_owned(),
            host_path: Some(data.display().to_string()),
            ..Volume::default()
        };
        let shared = || Volume {
            mode: Mode::Rw as i32,
            container_path: "shared".to_owned(),
            source: Some(Source {
                r#type: Some(SourceType::SandboxPath as i32),
                sandbox_path: Some(SandboxPath {
                    r#type: Some(sandbox_path::Type::Parent as i32),
                    path: "shared".to_owned(),
                }),
                ..Source::default()
            }),
            ..Volume::default()
        };
        // So that it is the same executor, whose sandbox is shared.
        scene.run(scene.task("stays", &executor, "exec sleep 1000"));
        let command = "test \"$(cat ro/file)\" = given && ! touch ro/x && touch rw/written /mnt/x \
                       && echo one > shared/from-one";
        let one = contained(scene.task("one", &executor, command), |container| {
            container.volumes = vec![
                host(Mode::Ro, "ro"),
                host(Mode::Rw, "rw"),
                host(Mode::Rw, "/mnt"),
                shared(),
            ];
        });
        finishes(&scene, one, "one");
        assert!(data.join("written").exists());
        assert!(data.join("x").exists());
        let command = "test \"$(cat shared/from-one)\" = one";
        let other = scene.task("other", &executor, command);
        let other = contained(other, |container| container.volumes = vec![shared()]);
        finishes(&scene, other, "other");
        scene.scheduler.kill("stays", None).unwrap();
        scene.scheduler.wait_for("stays", TaskKilled, SOON).unwrap();
    }
}

#[test]
fn what_linux_info_and_rlimit_info_ask_for_is_what_the_task_has() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let bits = 1u64 << 10;
    let command = format!(
        "grep -q 'CapEff:.*{bits:016x}' /proc/self/status && grep -q 'CapBnd:.*{bits:016x}' /proc/self/status \
         && test $(ulimit -n) = 123 && test $(hostname) = web-1 && test $(id -u) = 0 \
         && test $(df -k /dev/shm | awk 'END {{ print $2 }}') = 8192"
    );
    let task = contained(scene.task("t", &executor, &command), |container| {
        container.hostname = Some("web-1".to_owned());
        container.rlimit_info = Some(RLimitInfo {
            rlimits: vec![RLimit {
                r#type: Some(RlimitType::RlmtNofile as i32),
                hard: Some(456),
                soft: Some(123),
            }],
        });
        container.linux_info = Some(LinuxInfo {
            effective_capabilities: Some(CapabilityInfo {
                capabilities: vec![Capability::NetBindService as i32],
            }),
            shm_size: Some(8),
            ..LinuxInfo::default()
        });
    });
    finishes(&scene, task, "t");
}

#[test]
fn what_cannot_be_obeyed_is_refused_by_the_name_of_the_field() {
    let scene = Scene::new();
    let executor = scene.executor("e");
    let task = |id| scene.task(id, &executor, "exit 0");
    let linux =
        |info: LinuxInfo| move |container: &mut ContainerInfo| container.linux_info = Some(info);
    let cni = NetworkInfo {
        name: Some("cni".to_owned()),
        ..NetworkInfo::default()
    };
    let tasks = [
        (
            "TaskInfo.container.linux_info.share_pid_namespace is not supported",
            contained(
                task("pid"),
                linux(LinuxInfo {
                    share_pid_namespace: Some(true),
                    ..LinuxInfo::default()
                }),
            ),
        ),
        (
            "TaskInfo.container.network_infos is not supported",
            contained(task("network"), |container| {
                container.network_infos = vec![cni];
            }),
        ),
        (
            "TaskInfo.data: sandbox.netwrok is not a key that is known here",
            task("key")
                .data(r#"{"version":1,"command":{"value":"x"},"sandbox":{"netwrok":"own"}}"#),
        ),
        (
            "the label 'mesos-sandbox-executor.limits': it.memory must be no more than",
            task("label").label("mesos-sandbox-executor.limits", r#"{"memory":"1GB"}"#),
        ),
    ];
    for (wanted, task) in tasks {
        let task = TaskInfoFields::from(task);
        let id = task.task_id.value.clone();
        scene.scheduler.launch([task]).unwrap();
        let status = scene.scheduler.wait_for(&id, TaskError, SOON).unwrap();
        assert_eq!(status.reason(), Reason::TaskInvalid);
        assert!(status.message().starts_with(wanted), "{}", status.message());
    }
}

#[test]
fn a_task_has_a_network_and_a_root_of_its_own_when_it_asks_for_them() {
    let scene = Scene::new();
    let own = json!({ "version": 1, "sandbox": { "network": "own" },
        "command": { "value": "test $(grep -c : /proc/net/dev) = 1" } });
    let network = task("network")
        .executor(&scene.executor("network"))
        .data(own.to_string());
    finishes(&scene, network, "network");
    // A root with nothing in it but what a shell needs.
    let root = scene.mesos.work_dir().join("root");
    image(&root);
    let own = json!({ "version": 1, "sandbox": { "root": { "directory": root } },
        "command": { "value": "[ \"$PWD\" = /mnt/mesos/sandbox ] && [ \"$MESOS_SANDBOX\" = \"$PWD\" ] && [ ! -e /etc/passwd ] && echo x > made" } });
    let rooted = task("rooted")
        .executor(&scene.executor("rooted"))
        .data(own.to_string());
    finishes(&scene, rooted, "rooted");
    assert!(
        scene
            .task_directory("rooted", "rooted")
            .join("made")
            .exists()
    );
    assert!(!root.join("made").exists());
}

/// A root directory with a shell and its libraries.
fn image(root: &Path) {
    let libraries = std::process::Command::new("ldd").arg("/bin/sh").output();
    let libraries = String::from_utf8(libraries.unwrap().stdout).unwrap();
    // What is mounted there; nothing is made in a directory of the host's.
    for place in ["proc", "sys", "dev", "tmp", "mnt/mesos/sandbox"] {
        fs::create_dir_all(root.join(place)).unwrap();
    }
    for file in libraries.split_whitespace().chain(["/bin/sh"]) {
        if file.starts_with('/') {
            let place = root.join(file.trim_start_matches('/'));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(file, place).unwrap();
        }
    }
}

#[test]
fn a_task_is_held_to_a_limit_that_is_tighter_than_its_resources() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        let hog = "exec python3 -c 'import time; x = bytearray(40 << 20); time.sleep(1000)'";
        let data =
            json!({ "version": 1, "command": { "value": hog }, "limits": { "memory": "16MB" } });
        let task = task("hog").executor(&executor).mem(64.0);
        scene
            .scheduler
            .launch([task.data(data.to_string())])
            .unwrap();
        let status = scene.scheduler.wait_for("hog", TaskFailed, SOON).unwrap();
        assert_eq!(status.reason(), Reason::ContainerLimitationMemory);
        let text = "Memory limit exceeded: Requested: 16MB";
        assert!(status.message().starts_with(text), "{}", status.message());
    }
}

#[test]
fn what_an_ordinary_user_cannot_have_is_told_first_and_what_a_task_demands_fails_it() {
    let options = FrameworkOptions {
        user: "nobody".to_owned(),
        ..FrameworkOptions::default()
    };
    let scene = Scene::with(Settings::posix(), options);
    let executor = scene.executor("e");
    scene.run(scene.task("t", &executor, "exec sleep 1000"));
    let told = told_first(&scene, "t");
    assert!(
        told.starts_with("The task runs with no ") && told.contains("no limit of memory"),
        "{told}"
    );
    let data =
        json!({ "version": 1, "command": { "value": "true" }, "limits": { "memory": "16MB" } });
    let demands = task("demands").executor(&executor);
    scene
        .scheduler
        .launch([demands.data(data.to_string())])
        .unwrap();
    let status = scene
        .scheduler
        .wait_for("demands", TaskFailed, SOON)
        .unwrap();
    assert_eq!(status.reason(), Reason::ContainerLaunchFailed);
    assert!(
        status
            .message()
            .contains("asks for what cannot be had here: no limit of memory"),
        "{}",
        status.message()
    );
    scene.scheduler.kill("t", None).unwrap();
    scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
}

#[test]
fn an_operator_can_leave_tasks_the_hosts_files_as_they_are() {
    let scene = Scene::new();
    let executor = |id: &str| {
        let executor = scene.executor(id);
        executor.variable("MESOS_SANDBOX_EXECUTOR_FILESYSTEM", "host")
    };
    let outside = scene.mesos.work_dir().join("written");
    let command = format!("touch {}", outside.display());
    finishes(&scene, scene.task("t", &executor("one"), &command), "t");
    assert!(outside.exists());
    let data = r#"{"version":1,"command":{"value":"true"},"sandbox":{"shm_size":"8MB"}}"#;
    scene
        .scheduler
        .launch([task("demands").executor(&executor("other")).data(data)])
        .unwrap();
    let status = scene
        .scheduler
        .wait_for("demands", TaskFailed, SOON)
        .unwrap();
    assert!(
        status
            .message()
            .contains("MESOS_SANDBOX_EXECUTOR_FILESYSTEM=host"),
        "{}",
        status.message()
    );
}

#[test]
fn a_persistent_volume_is_in_the_tasks_directory_and_outlives_the_task() {
    for settings in [Settings::posix(), Settings::linux()] {
        let settings = settings.resources(DISKS);
        let scene = Scene::with(settings, shop());
        scene.create_volume("v1", "data");
        let with_volume =
            |task: TaskBuilder| task.with(|task| task.resources.push(persistent("v1", "data")));
        for (id, command) in [
            ("writes", "echo kept > data/file"),
            (
                "reads",
                "test \"$(cat data/file)\" = kept && test -d data -a ! -L data",
            ),
        ] {
            // Each with an executor of its own.
            let task = scene.task(id, &scene.executor(id), command);
            finishes(&scene, with_volume(task), id);
        }
        let kept = scene.mesos.work_dir().join("volumes/roles/shop/v1");
        assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "kept\n");
    }
}
