//! Each framework's messages, as its own source puts them together.

use std::time::Duration;

use bytes::Bytes;
use dialect::environment::{self, Surroundings};
use dialect::{Checksum, CommandError, Place, Probe, Program, Role, Uri};
use mesos_proto::TaskInfo;
use mesos_proto::v1::{
    AgentId, CommandInfo, DiscoveryInfo, ExecutorId, ExecutorInfo, FrameworkId, HealthCheck, Port,
    Ports, Resource, TaskId, TaskInfoFields, executor_info, health_check, value,
};

use crate::task::{exec, labels, own, refusal, resolve, variables, with_data};

/// `task` as the executor sees it, started as `argv`.
fn resolve_as(task: &TaskInfo, argv: &[&str]) -> Result<dialect::Request, CommandError> {
    let argv: Vec<String> = argv.iter().map(|word| (*word).into()).collect();
    dialect::resolve(task, task.executor.as_ref(), &argv)
}

/// A TaskInfo as Marathon builds it for an app with `"executor": executor` (Marathon: TaskBuilder.scala).
fn marathon(executor: &str, cmd: &str) -> TaskInfo {
    let id = "web_front.instance-7d2c.front._app.1";
    TaskInfo::from(TaskInfoFields {
        name: "front.web".into(),
        task_id: TaskId { value: id.into() },
        agent_id: AgentId { value: "a".into() },
        executor: Some(ExecutorInfo {
            executor_id: ExecutorId {
                value: format!("marathon-{id}"),
            },
            command: Some(CommandInfo {
                shell: Some(true),
                value: Some(format!(
                    "chmod ug+rx '{executor}' && exec '{executor}' {cmd}"
                )),
                environment: Some(variables(&[
                    ("MESOS_TASK_ID", id),
                    ("MARATHON_APP_ID", "/web/front"),
                    ("PORT", "31005"),
                    ("PORT0", "31005"),
                    ("HOST", "agent.example.com"),
                ])),
                ..Default::default()
            }),
            ..Default::default()
        }),
        health_check: Some(HealthCheck {
            r#type: Some(health_check::Type::Http as i32),
            http: Some(health_check::HttpCheckInfo {
                scheme: Some("http".into()),
                port: 31_005,
                path: Some("/health".into()),
                ..Default::default()
            }),
            delay_seconds: Some(15.0),
            grace_period_seconds: Some(300.0),
            interval_seconds: Some(60.0),
            timeout_seconds: Some(20.0),
            consecutive_failures: Some(3),
            ..Default::default()
        }),
        labels: Some(labels(&[
            ("HAPROXY_GROUP", "external"),
            ("mesos-sandbox-executor.unhealthy", "failed"),
        ])),
        discovery: Some(DiscoveryInfo {
            name: Some("front.web".into()),
            ports: Some(Ports {
                ports: vec![Port {
                    number: 31_005,
                    name: Some("http".into()),
                    protocol: Some("tcp".into()),
                    ..Default::default()
                }],
            }),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// What a shell would make of each between Marathon and us: words, values of the executor's own environment, or
/// commands that run outside of the sandbox.
const HAZARDS: [&str; 8] = [
    "./server --port $PORT0",
    "./migrate && ./server",
    "./a; ./b",
    "cat access.log | ./count > out 2>&1",
    "echo \"it's  two  blanks\"",
    "printf '%s\\n' \"$(hostname)\"",
    "./server &",
    "echo '",
];

/// P-34: the task has no command. The whole line comes from the description of the executor, since the shell that started
/// the executor has cut its own copy up.
#[test]
fn marathons_command_reaches_the_task_as_the_user_wrote_it() {
    for executor in [
        "./mesos-sandbox-executor",
        "/opt/bin/mesos-sandbox-executor",
    ] {
        for cmd in HAZARDS {
            let cut_up: Vec<&str> = [executor].into_iter().chain(cmd.split(' ')).collect();
            let request = resolve_as(&marathon(executor, cmd), &cut_up).unwrap();
            assert_eq!(request.program, Program::Shell(cmd.into()));
            assert_eq!(request.source, Place::Executor);
        }
    }
}

/// The path that Marathon was told and the name that the executor was started by need not be spelled alike.
#[test]
fn marathons_splice_is_known_by_the_last_part_of_the_path() {
    let task = marathon("/opt/bin/mesos-sandbox-executor", "./server $PORT0");
    for own in ["./mesos-sandbox-executor", "/other/mesos-sandbox-executor"] {
        let request = resolve_as(&task, &[own, "./server", "31005"]).unwrap();
        assert_eq!(request.program, Program::Shell("./server $PORT0".into()));
    }
}

#[test]
fn a_marathon_app_keeps_its_health_check_its_labels_and_its_environment() {
    let task = marathon("./mesos-sandbox-executor", "./server");
    let request = resolve(&task).unwrap();
    assert!(request.options.unhealthy_is_failed);
    let check = &request.checks[0];
    assert_eq!(check.grace_period, Duration::from_secs(300));
    assert_eq!(check.role, Role::Health);
    let inherited = [
        ("PORT0".to_owned(), "31005".to_owned()),
        ("MARATHON_APP_ID".to_owned(), "/web/front".to_owned()),
    ];
    let around = Surroundings {
        inherited: &inherited,
        hostname: Some("agent.example.com"),
        directory: "/sandbox/tasks/t",
    };
    let all = environment::of(&task, &request, around);
    assert_eq!(all["PORT0"], "31005");
    assert_eq!(all["PORT_HTTP"], "31005");
    assert_eq!(all["MARATHON_APP_ID"], "/web/front");
}

/// Marathon takes `args` for a command without a shell, though it builds a shell line: what follows is only the argv.
#[test]
fn a_marathon_app_with_args_falls_back_to_the_arguments() {
    let mut executor = marathon("./mesos-sandbox-executor", "")
        .executor
        .clone()
        .unwrap();
    executor.command.as_mut().unwrap().shell = Some(false);
    let task = crate::task::task(|task| task.executor = Some(executor));
    let request = resolve_as(&task, &["./mesos-sandbox-executor", "./server", "a b"]).unwrap();
    assert_eq!(request.program, exec(&["./server", "a b"]));
}

/// A TaskInfo as mesos-compose builds it (mesos-compose: api/compose.go, scheduler/prepare.go); `replica` counts the
/// copies of one service, which share their executor's id.
fn mesos_compose(command: &str, replica: u32) -> TaskInfo {
    let path = "/mnt/mesos/sandbox/mesos-sandbox-executor";
    let resources = || {
        let scalar = |name: &str, value| Resource {
            name: name.into(),
            r#type: value::Type::Scalar as i32,
            scalar: Some(value::Scalar { value }),
            ..Default::default()
        };
        vec![
            scalar("cpus", 0.1),
            scalar("mem", 64.0),
            scalar("gpus", 0.0),
        ]
    };
    TaskInfo::from(TaskInfoFields {
        name: "mc:shop:db".into(),
        task_id: TaskId {
            value: format!("shop_db.2b1c.{replica}"),
        },
        agent_id: AgentId { value: "a".into() },
        resources: resources(),
        executor: Some(ExecutorInfo {
            r#type: Some(executor_info::Type::Custom as i32),
            executor_id: ExecutorId {
                value: "2b1c".into(),
            },
            framework_id: Some(FrameworkId { value: "F".into() }),
            name: Some("mesos-sandbox-executor".into()),
            resources: resources(),
            command: Some(CommandInfo {
                value: Some(format!("exec '{path}' {command}")),
                environment: Some(variables(&[("PASSWORD", "secret")])),
                ..Default::default()
            }),
            ..Default::default()
        }),
        labels: Some(labels(&[("__mc_placement", "unique")])),
        ..Default::default()
    })
}

/// P-36: the replicas come to one executor, each with the same description of it.
#[test]
fn mesos_composes_command_reaches_every_replica_as_the_user_wrote_it() {
    for cmd in HAZARDS {
        for replica in [0, 1] {
            let task = mesos_compose(cmd, replica);
            let argv0 = "/mnt/mesos/sandbox/mesos-sandbox-executor";
            let request = resolve_as(&task, &[argv0, "cut", "up"]).unwrap();
            assert_eq!(request.program, Program::Shell(cmd.into()));
        }
    }
}

/// A TaskInfo as the Go example and those after it build it: one executor for all tasks, and nothing to run (mesos-go:
/// api/v1/cmd/example-scheduler/app/app.go).
fn mesos_go(value: &str, arguments: &[&str]) -> TaskInfo {
    TaskInfo::from(TaskInfoFields {
        name: "Task 1".into(),
        task_id: TaskId { value: "1".into() },
        agent_id: AgentId { value: "a".into() },
        executor: Some(ExecutorInfo {
            r#type: Some(executor_info::Type::Custom as i32),
            executor_id: ExecutorId {
                value: "default".into(),
            },
            name: Some("Test Executor".into()),
            source: Some("foo".into()),
            command: Some(CommandInfo {
                value: Some(value.into()),
                shell: Some(false),
                arguments: arguments.iter().map(|word| (*word).into()).collect(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    })
}

#[test]
fn a_task_of_the_go_example_is_told_what_is_missing() {
    let task = mesos_go("./mesos-sandbox-executor", &["./mesos-sandbox-executor"]);
    assert_eq!(resolve(&task), Err(CommandError::Nothing));
}

#[test]
fn the_go_examples_executor_arguments_are_every_tasks_command() {
    let task = mesos_go("./mesos-sandbox-executor", &["executor", "sleep", "10"]);
    assert_eq!(resolve(&task).unwrap().program, exec(&["sleep", "10"]));
}

/// mesos-framework appends `PORT0` to a command that a custom executor never gets; the ports themselves arrive
/// (mesos-framework: lib/schedulerHandlers.js). Its health check always has `statuses`, which Mesos's own ignore.
#[test]
fn a_task_of_mesos_framework_has_its_ports_and_its_statuses() {
    let single = |port| value::Range {
        begin: port,
        end: port,
    };
    let task = crate::task::task(|task| {
        task.data = Some("./server $PORT1".into());
        task.resources = vec![Resource {
            name: "ports".into(),
            r#type: value::Type::Ranges as i32,
            ranges: Some(value::Ranges {
                range: vec![single(31_003), single(31_001)],
            }),
            ..Default::default()
        }];
        task.health_check = Some(HealthCheck {
            r#type: Some(health_check::Type::Http as i32),
            http: Some(health_check::HttpCheckInfo {
                port: 31_003,
                path: Some("/".into()),
                statuses: vec![200],
                ..Default::default()
            }),
            ..Default::default()
        });
    });
    let request = resolve(&task).unwrap();
    let Probe::Http(probe) = &request.checks[0].probe else {
        panic!("{request:?}");
    };
    assert_eq!(probe.statuses, [200]);
    let around = Surroundings {
        inherited: &[],
        hostname: None,
        directory: "/s",
    };
    let all = environment::of(&task, &request, around);
    assert_eq!(
        (all["PORT0"].as_str(), all["PORT1"].as_str()),
        ("31003", "31001")
    );
}

/// As Singularity's scheduler writes it, absent values as `null` and all (Singularity: SingularityMesosTaskBuilder.java).
const SINGULARITY: &str = r#"{
    "cmd": "java -jar server.jar",
    "embeddedArtifacts": [ { "name": "config", "filename": "server.yaml", "md5sum": null,
        "targetFolderRelativeToTask": "conf", "content": "cG9ydDogODA=" } ],
    "externalArtifacts": [ { "name": "server", "filename": "server.tar.gz",
        "md5sum": "D41D8CD98F00B204E9800998ECF8427E", "url": "http://files.example.com/server.tar.gz",
        "filesize": 100, "targetFolderRelativeToTask": null, "artifactList": false } ],
    "s3Artifacts": [],
    "successfulExitCodes": [0, 143],
    "runningSentinel": "logs/ready",
    "user": "www-data",
    "extraCmdLineArgs": ["--port", "$PORT0"],
    "loggingTag": "web",
    "loggingExtraFields": {},
    "sigKillProcessesAfterMillis": 120000,
    "maxTaskThreads": 400,
    "preserveTaskSandboxAfterFinish": null,
    "maxOpenFiles": 8192,
    "skipLogrotateAndCompress": null,
    "s3ArtifactSignatures": [],
    "logrotateFrequency": "HOURLY",
    "s3UploaderAdditionalFiles": [],
    "serviceLog": "service.log"
}"#;

#[test]
fn singularitys_data_is_a_command_with_artifacts_and_options() {
    let request = resolve(&with_data(SINGULARITY)).unwrap();
    let line = "java -jar server.jar --port $PORT0";
    assert_eq!(request.program, Program::Shell(line.into()));
    assert_eq!(request.user.as_deref(), Some("www-data"));
    let embedded = Uri {
        value: "data:;base64,cG9ydDogODA=".into(),
        executable: false,
        extract: false,
        output_file: Some("conf/server.yaml".into()),
        checksum: None,
    };
    let external = Uri {
        value: "http://files.example.com/server.tar.gz".into(),
        executable: false,
        extract: true,
        output_file: Some("server.tar.gz".into()),
        checksum: Some(Checksum::Md5("d41d8cd98f00b204e9800998ecf8427e".into())),
    };
    assert_eq!(request.uris, [embedded, external]);
    let options = request.options;
    assert_eq!(options.success_codes, [0, 143]);
    assert_eq!(options.kill_grace, Some(Duration::from_secs(120)));
    assert_eq!(options.process_limit, Some(400));
    assert_eq!(options.descriptor_limit, Some(8192));
}

#[test]
fn singularitys_running_sentinel_is_a_readiness_check() {
    let check = resolve(&with_data(SINGULARITY)).unwrap().checks.remove(0);
    assert_eq!(check.role, Role::Readiness);
    assert_eq!(check.interval, Duration::from_secs(1));
    let expected = Probe::Command {
        program: exec(&["test", "-e", "logs/ready"]),
        environment: Vec::new(),
    };
    assert_eq!(check.probe, expected);
}

#[test]
fn what_of_singularitys_data_means_nothing_here_is_said() {
    let request = resolve(&with_data(SINGULARITY)).unwrap();
    assert_eq!(
        request.without_effect,
        ["loggingTag", "logrotateFrequency", "serviceLog"]
    );
}

#[test]
fn what_a_task_of_singularity_cannot_do_without_is_refused_by_name() {
    for (data, wanted) in [
        (
            r#"{"cmd":"x","s3Artifacts":[{"s3Bucket":"b"}]}"#,
            "s3Artifacts is not supported",
        ),
        (
            r#"{"cmd":"x","externalArtifacts":[{"filename":"f","url":"http://h/f","artifactList":true}]}"#,
            "artifactList is not supported",
        ),
        (r#"{"cmd":""}"#, "no value"),
        (
            r#"{"cmd":"x","externalArtifacts":[{"url":"http://h/f"}]}"#,
            "externalArtifacts[0].filename is missing",
        ),
        (
            r#"{"cmd":"x","externalArtifacts":[{"filename":"f"}]}"#,
            "externalArtifacts[0].url is missing",
        ),
        (
            r#"{"cmd":"x","externalArtifacts":[{"filename":"../f","url":"http://h/f"}]}"#,
            "URI 1: its output_file",
        ),
        (
            r#"{"cmd":"x","externalArtifacts":[{"filename":"f","url":"http://h/f","targetFolderRelativeToTask":"/../.."}]}"#,
            "URI 1: its output_file",
        ),
        (
            r#"{"cmd":"x","externalArtifacts":[{"filename":"f","url":"http://h/f","md5sum":"1"}]}"#,
            "URI 1: its checksum",
        ),
        (
            r#"{"cmd":"x","embeddedArtifacts":[{"filename":"f","content":"a"}]}"#,
            "URI 1: its content is not base64",
        ),
        (
            r#"{"cmd":"x","successfulExitCodes":[256]}"#,
            "successfulExitCodes must be",
        ),
        (r#"{"cmd":"x","maxOpenFiles":0}"#, "maxOpenFiles must be"),
    ] {
        let error = refusal(&with_data(data));
        assert!(error.contains(wanted), "{data}: {error}");
    }
}

#[test]
fn singularitys_plain_text_is_a_command() {
    let request = resolve(&with_data("./run.sh --once")).unwrap();
    assert_eq!(request.program, Program::Shell("./run.sh --once".into()));
    assert_eq!(request.source, Place::Data);
}

/// Aurora's data is Thrift: numbers and NUL bytes between the texts.
#[test]
fn auroras_data_is_refused_as_no_command() {
    let task = crate::task::task(|task| {
        task.data = Some(Bytes::from_static(b"\x0b\x00\x01\x00\x00\x00\x04task\x00"));
    });
    assert_eq!(
        refusal(&task),
        "TaskInfo.data: the command holds a NUL byte"
    );
    assert!(dialect::resolve(&task, None, &own()).is_err());
}

/// A command task of stack-deploy, Metronome or Jenkins, which never name an executor: this program stands in
/// for Mesos's.
#[test]
fn a_command_task_of_jenkins_runs_as_it_is() {
    let line = "java -DHUDSON_HOME=jenkins -jar ${MESOS_SANDBOX-.}/agent.jar -jnlpUrl http://j/a";
    let task = TaskInfo::from(TaskInfoFields {
        name: "agent".into(),
        task_id: TaskId {
            value: "app|host|0d6a".into(),
        },
        agent_id: AgentId { value: "a".into() },
        command: Some(CommandInfo {
            value: Some(line.into()),
            shell: Some(true),
            ..Default::default()
        }),
        ..Default::default()
    });
    let request = dialect::resolve(&task, None, &["mesos-executor".to_owned()]).unwrap();
    assert_eq!(request.program, Program::Shell(line.into()));
    assert_eq!(request.source, Place::Command);
}
