//! What each framework puts on the wire, put there by the project's own scheduler and run on a real Mesos: schedulers
//! that cannot run here, message by message.
#![allow(clippy::unwrap_used, reason = "a test")]

use mesos_proto::v1::TaskState::{
    TaskError, TaskFailed, TaskFinished, TaskKilled, TaskRunning, TaskStarting,
};
use mesos_proto::v1::task_status::Reason;
use mesos_proto::v1::{DiscoveryInfo, Port, Ports, discovery_info};
use mesos_tests::{SOON, Scene};
use test_support::{FrameworkOptions, Settings, binaries, task};

/// Marathon (src/main/scala/mesosphere/mesos/TaskBuilder.scala, EnvironmentHelper.scala): the app's `cmd` behind the
/// executor's path, unquoted; everything else about the app in the environment of that command.
#[test]
fn marathons_cmd_is_the_tasks_with_its_ports_quotes_and_operators() {
    let scene = Scene::new();
    let cmd = "test \"$PORT0\" = 31005 && test $PORT = 31005 && test \"$PORT_WEB\" = 31005 && \
        test 'a  b' = \"a  b\" && test \"$MARATHON_APP_ID\" = /shop/web && echo $MESOS_TASK_ID | grep -q shop_web && \
        { exit 9 | exit 9; }";
    let path = "./mesos-sandbox-executor";
    let id = "shop_web.instance-7d2c._app.1";
    let app = scene
        .executor(&format!("marathon-{id}"))
        .command(&format!("chmod ug+rx '{path}' && exec '{path}' {cmd}"))
        .variable("MESOS_TASK_ID", id)
        .variable("MARATHON_APP_ID", "/shop/web")
        .variable("PORT", "31005")
        .variable("PORT0", "31005")
        .variable("HOST", "localhost")
        // Marathon gives the executor none but those of `executorResources`.
        .with(|executor| {
            executor.r#type = None;
            executor.resources.clear();
        });
    let discovery = DiscoveryInfo {
        visibility: discovery_info::Visibility::Framework.into(),
        name: Some("web.shop".to_owned()),
        ports: Some(Ports {
            ports: vec![Port {
                number: 31005,
                name: Some("web".to_owned()),
                protocol: Some("tcp".to_owned()),
                ..Port::default()
            }],
        }),
        ..DiscoveryInfo::default()
    };
    let task = task(id)
        .executor(&app)
        .label("HAPROXY_GROUP", "external")
        .kill_grace(std::time::Duration::from_secs(5))
        .with(|task| {
            task.resources.push(resource_of_ports(31005));
            task.discovery = Some(discovery);
        });
    scene.scheduler.launch([task]).unwrap();
    let status = scene.scheduler.wait_for(id, TaskFailed, SOON).unwrap();
    assert!(
        status.message().starts_with("Command exited with status 9"),
        "{}",
        status.message()
    );
}

/// mesos-compose (api/compose.go, scheduler/prepare.go): replicas of a service share the executor's id, and the executor
/// has the task's resources once more (P-36).
#[test]
fn mesos_composes_replicas_run_in_one_executor_each_by_itself() {
    let scene = Scene::new();
    let service = scene
        .executor("8e2f1c5a-0000-4000-8000-0242ac110002")
        .command("exec './mesos-sandbox-executor' mkdir mine && exec sleep 1000")
        .cpus(0.1)
        .mem(32.0)
        .disk(10.0)
        .with(|executor| executor.name = Some("mesos-sandbox-executor".to_owned()));
    let replica = |n: u32| {
        task(&format!("shop_web.8e2f1c5a.{n}"))
            .executor(&service)
            .disk(10.0)
            .label("__mc_placement", "unique")
            .with(|task| task.name = "mc:shop:web".to_owned())
    };
    scene.run(replica(0));
    scene.run(replica(1));
    scene.scheduler.kill("shop_web.8e2f1c5a.0", None).unwrap();
    scene
        .scheduler
        .wait_for("shop_web.8e2f1c5a.0", TaskKilled, SOON)
        .unwrap();
    let states = scene.scheduler.states_of("shop_web.8e2f1c5a.1");
    assert_eq!(states, [TaskStarting, TaskRunning]);
    scene.scheduler.kill("shop_web.8e2f1c5a.1", None).unwrap();
    scene
        .scheduler
        .wait_for("shop_web.8e2f1c5a.1", TaskKilled, SOON)
        .unwrap();
}

/// mesos-go (api/v1/cmd/example-scheduler): one executor, "default", for all tasks, which bring nothing but their ids
/// (P-34).
#[test]
fn mesos_gos_tasks_without_a_command_are_errors_and_no_harm_to_one_that_has_one() {
    let scene = Scene::new();
    let default = scene
        .executor("default")
        .with(|executor| executor.source = Some("go_test".to_owned()));
    scene.run(scene.task("works", &default, "sleep 1000"));
    scene
        .scheduler
        .launch(["1", "2", "3"].map(|id| task(id).executor(&default)))
        .unwrap();
    for id in ["1", "2", "3"] {
        let status = scene.scheduler.wait_for(id, TaskError, SOON).unwrap();
        assert_eq!(status.reason(), Reason::TaskInvalid);
        assert!(
            status.message().contains("TaskInfo.data"),
            "{}",
            status.message()
        );
        assert_eq!(scene.scheduler.states_of(id), [TaskError]);
    }
    assert_eq!(
        scene.scheduler.states_of("works"),
        [TaskStarting, TaskRunning]
    );
    scene.scheduler.kill("works", None).unwrap();
    scene.scheduler.wait_for("works", TaskKilled, SOON).unwrap();
}

/// Singularity (SingularityMesosTaskBuilder.java): `SingularityTaskExecutorData` as JSON in the data.
#[test]
fn singularitys_data_says_what_to_run_with_which_arguments_files_and_exit_codes() {
    let scene = Scene::new();
    let executor = scene.executor("shop-web-1").label("taskId", "shop-web-1");
    // The artifact holds "hello", which is what `grep` finds.
    let data = r#"{
        "cmd": "grep -q hello greeting; test $? -eq 0 && exit",
        "extraCmdLineArgs": ["7"],
        "embeddedArtifacts": [{"name": "greeting", "filename": "greeting", "content": "aGVsbG8K"}],
        "externalArtifacts": [], "s3Artifacts": [],
        "successfulExitCodes": [0, 7],
        "user": "nobody",
        "loggingTag": "web", "loggingExtraFields": {}, "sigKillProcessesAfterMillis": 5000, "maxTaskThreads": 50,
        "preserveTaskSandboxAfterFinish": false, "maxOpenFiles": 256, "skipLogrotateAndCompress": null
    }"#;
    scene
        .scheduler
        .launch([task("shop-web-1").executor(&executor).data(data)])
        .unwrap();
    let status = scene
        .scheduler
        .wait_for("shop-web-1", TaskFinished, SOON)
        .unwrap();
    assert_eq!(status.message(), "Command exited with status 7");
}

/// A Mesos with our program in the command executor's place, for frameworks that name no executor.
fn in_place_of_the_command_executor() -> Scene {
    let settings = Settings::posix().command_executor(&binaries::sandbox_executor());
    Scene::with(settings, FrameworkOptions::default())
}

/// elodina's stack-deploy (run_once_application_context.go): a command and URIs, and an id with bars in it
/// (P-38).
#[test]
fn stack_deploys_task_with_bars_in_its_id_runs_beside_its_files() {
    let scene = in_place_of_the_command_executor();
    let archive = scene.mesos.work_dir().join("stack.tar");
    let directory = scene.mesos.work_dir();
    std::fs::write(directory.join("run.sh"), "echo ran > ran; exit 6").unwrap();
    let tar = std::process::Command::new("tar")
        .args([
            "-C",
            directory.to_str().unwrap(),
            "-cf",
            archive.to_str().unwrap(),
            "run.sh",
        ])
        .status();
    assert!(tar.unwrap().success());
    let id = "kafka|agent-1|5b9e3c1e-0000-4000-8000-0242ac110002";
    let task = task(id)
        .command("test -e run.sh && sh ./run.sh")
        .uri(&format!("file://{}", archive.display()), false)
        .with(|task| {
            task.name = "kafka.agent-1".to_owned();
            for uri in &mut task.command.as_mut().unwrap().uris {
                uri.extract = Some(true);
            }
        });
    scene.scheduler.launch([task]).unwrap();
    let status = scene.scheduler.wait_for(id, TaskFailed, SOON).unwrap();
    let message = status.message();
    assert!(
        message.starts_with("Command exited with status 6"),
        "{message}"
    );
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), id);
    assert!(sandbox.join("ran").exists());
}

/// Metronome (MarathonImplicits.scala) names the executor `//cmd`: a job is a command task with Marathon's variables,
/// which ends once and is told by its state.
#[test]
fn metronomes_job_is_a_command_task_with_its_own_environment() {
    let scene = in_place_of_the_command_executor();
    let id = "nightly.report_20261121000000abcde.f1";
    let job = task(id)
        .command("test \"$MARATHON_APP_ID\" = /nightly/report && test $PORT0 = 31007 && test \"$HOST\" = localhost")
        .variable("MARATHON_APP_ID", "/nightly/report")
        .variable("PORT0", "31007")
        .variable("HOST", "localhost")
        .disk(10.0);
    scene.scheduler.launch([job]).unwrap();
    scene.scheduler.wait_for(id, TaskFinished, SOON).unwrap();
    let states = scene.scheduler.states_of(id);
    assert_eq!(states, [TaskStarting, TaskRunning, TaskFinished]);
}

/// Jenkins's plugin (by USI's LaunchPod): agents are command tasks that find a file of a URI by `MESOS_SANDBOX`, and fill
/// their disk with workspaces that nobody holds them to.
#[test]
fn jenkins_agent_finds_its_jar_and_is_held_to_its_disk() {
    let scene = in_place_of_the_command_executor();
    let jar = scene.mesos.work_dir().join("agent.jar");
    std::fs::write(&jar, "jar").unwrap();
    let id = "mesos-jenkins-7f.agent";
    let command = "test -s ${MESOS_SANDBOX-.}/agent.jar && mkdir jenkins && head -c 30000000 /dev/zero > jenkins/workspace; \
        sleep 1000";
    let agent = task(id)
        .command(command)
        .uri(&format!("file://{}", jar.display()), false)
        .disk(10.0);
    scene.scheduler.launch([agent]).unwrap();
    let status = scene.scheduler.wait_for(id, TaskFailed, SOON).unwrap();
    assert_eq!(status.reason(), Reason::ContainerLimitationDisk);
    assert!(
        status.message().contains("exceeds quota (10MB)"),
        "{}",
        status.message()
    );
}

fn resource_of_ports(port: u64) -> mesos_proto::v1::Resource {
    use mesos_proto::v1::{Resource, value};
    Resource {
        name: "ports".to_owned(),
        r#type: value::Type::Ranges.into(),
        ranges: Some(value::Ranges {
            range: vec![value::Range {
                begin: port,
                end: port,
            }],
        }),
        ..Resource::default()
    }
}
