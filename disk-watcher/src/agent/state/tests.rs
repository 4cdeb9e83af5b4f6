use std::path::PathBuf;

use mesos_proto::Bytes;

use super::*;
use crate::limits::{Volume, VolumeSource};

fn of(executors: &str, tasks: &str) -> State {
    let body = format!(
        r#"{{"type": "GET_STATE", "get_state": {{"get_tasks": {tasks},
            "get_executors": {{"executors": {executors}}}, "get_frameworks": {{}}}}}}"#
    );
    parse(body.as_bytes()).unwrap()
}

#[test]
fn a_real_agents_state_is_read() {
    let state = parse(include_bytes!("../samples/state.json")).unwrap();
    let framework_id = "2b1c945e-1c63-40fe-85a0-a15341b9a602-0000";
    assert_eq!(state.executors().count(), 2);

    let group = state.executor(framework_id, "dex-0").unwrap();
    assert_eq!(
        *group.framework,
        Framework {
            id: framework_id.to_owned(),
            name: Some("hold".to_owned()),
            roles: vec!["*".to_owned()],
            principal: None,
        }
    );
    assert_eq!(
        group.limits.container,
        Some(Bytes::new(86 << 20)),
        "16 + 50 + 20"
    );
    assert_eq!(group.limits.task("web-0"), Some(Bytes::new(50 << 20)));
    assert_eq!(
        group.container_id.as_deref(),
        Some("19ed4511-aca3-4784-a3b8-69b2e2cbd9d7")
    );
    assert_eq!(group.pid, None, "only its nested containers are told of");
    let web = &group.tasks["web-0"];
    assert_eq!(web.nested, ["cd6adc89-35e3-40de-bf0e-94289a34b8dd"]);
    assert_eq!(web.pid, Some(23320));

    let command = state.executor(framework_id, "idle-0").unwrap();
    assert_eq!(command.limits.container, Some(Bytes::new(100 << 20)));
    assert_eq!(command.pid, Some(23297));
    assert_eq!(command.labels, [("k".to_owned(), "v".to_owned())]);
    assert!(command.tasks["idle-0"].nested.is_empty());
}

#[test]
fn a_task_that_waits_for_its_executor_counts_toward_the_containers_limit() {
    let state = of(
        r#"[{"executor_info": {"executor_id": {"value": "E"}, "framework_id": {"value": "F"}}}]"#,
        r#"{"queued_tasks": [{"task_id": {"value": "T"}, "framework_id": {"value": "F"},
            "executor_id": {"value": "E"}, "resources": [{"name": "disk", "scalar": {"value": 7}}]}],
            "terminated_tasks": [{"task_id": {"value": "U"}, "framework_id": {"value": "F"},
            "executor_id": {"value": "E"}, "resources": [{"name": "disk", "scalar": {"value": 1}}]}]}"#,
    );
    let executor = state.executor("F", "E").unwrap();
    assert_eq!(executor.limits.container, Some(Bytes::new(7 << 20)));
    assert_eq!(
        executor.limits.tasks.len(),
        1,
        "what has ended is not among them"
    );
    assert_eq!(executor.framework.name, None, "nobody told");
}

#[test]
fn a_volume_has_a_limit_of_its_own_and_is_no_part_of_the_sandboxs() {
    let state = of(
        r#"[{"executor_info": {"executor_id": {"value": "E"}, "framework_id": {"value": "F"}, "resources": [
            {"name": "disk", "type": "SCALAR", "scalar": {"value": 10.0}},
            {"name": "disk", "type": "SCALAR", "scalar": {"value": 64.0},
             "reservations": [{"type": "STATIC", "role": "a"}, {"type": "DYNAMIC", "role": "a/b"}],
             "disk": {"persistence": {"id": "data"}, "volume": {"mode": "RW", "container_path": "d"}}},
            {"name": "disk", "type": "SCALAR", "scalar": {"value": 32.0}, "reservations": [{"role": "a"}],
             "disk": {"persistence": {"id": "p"}, "volume": {"mode": "RW", "container_path": "p"},
                      "source": {"type": "PATH", "path": {"root": "/mnt/disk"}}}},
            {"name": "disk", "type": "SCALAR", "scalar": {"value": 16.0}, "reservations": [{"role": "a"}],
             "disk": {"persistence": {"id": "m"}, "volume": {"mode": "RW", "container_path": "m"},
                      "source": {"type": "MOUNT", "mount": {"root": "mounts/m"}}}}
        ]}}]"#,
        "{}",
    );
    let executor = state.executor("F", "E").unwrap();
    assert_eq!(executor.limits.container, Some(Bytes::new(10 << 20)));
    let volume = |role: &str, id: &str, source, limit: Option<u64>| Volume {
        role: role.to_owned(),
        persistence_id: id.to_owned(),
        source,
        limit: limit.map(|megabytes| Bytes::new(megabytes << 20)),
    };
    let disk = |root: &str| VolumeSource::Path(PathBuf::from(root));
    let mount = |root: &str| VolumeSource::Mount(PathBuf::from(root));
    assert_eq!(
        executor.volumes,
        [
            volume("a", "m", mount("mounts/m"), None),
            volume("a", "p", disk("/mnt/disk"), Some(32)),
            volume("a/b", "data", VolumeSource::WorkDir, Some(64)),
        ],
        "a whole mounted disk is its own limit"
    );
}

#[test]
fn what_is_no_state_is_refused() {
    for body in [
        "{}",
        "not json",
        r#"{"get_state": {}}"#,
        r#"{"get_containers": {}}"#,
    ] {
        assert!(parse(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn a_container_nested_without_end_is_refused_and_no_stack_overflows() {
    let depth = 100_000;
    let mut body = r#"{"get_state": {"get_executors": {}, "get_tasks": {"launched_tasks": [
        {"task_id": {"value": "T"}, "framework_id": {"value": "F"}, "statuses": [{"container_status":
        {"container_id": "#
        .to_owned();
    body.push_str(&r#"{"value": "c", "parent": "#.repeat(depth));
    assert!(parse(body.as_bytes()).is_err());
}
