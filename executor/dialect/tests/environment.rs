//! What a task sees in its environment.

use std::collections::BTreeMap;

use dialect::environment::{self, DEFAULT_PATH, Surroundings};
use mesos_proto::TaskInfo;
use mesos_proto::v1::{DiscoveryInfo, Port, Ports, Resource, resource, value};

use crate::task::{command, resolve, task, variables};

const DIRECTORY: &str = "/mnt/mesos/sandbox/tasks/t";

fn environment_of(task: &TaskInfo, inherited: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let inherited: Vec<_> = inherited.iter().map(pair).collect();
    let around = Surroundings {
        inherited: &inherited,
        hostname: Some("agent.example.com"),
        directory: DIRECTORY,
    };
    environment::of(task, &resolve(task).unwrap(), around)
}

fn ports_resource(ranges: &[(u64, u64)]) -> Resource {
    let range = |&(begin, end): &(u64, u64)| value::Range { begin, end };
    Resource {
        name: "ports".into(),
        r#type: value::Type::Ranges as i32,
        ranges: Some(value::Ranges {
            range: ranges.iter().map(range).collect(),
        }),
        allocation_info: Some(resource::AllocationInfo {
            role: Some("web".into()),
        }),
        ..Default::default()
    }
}

fn with_ports(ranges: &[(u64, u64)]) -> TaskInfo {
    task(|task| {
        task.data = Some("run".into());
        task.resources = vec![ports_resource(ranges)];
    })
}

fn named_port(number: u32, name: &str) -> Port {
    Port {
        number,
        name: Some(name.into()),
        ..Default::default()
    }
}

#[test]
fn a_task_without_anything_has_its_id_its_directory_its_host_and_a_path() {
    let task = task(|task| task.data = Some("run".into()));
    let expected = [
        ("HOST", "agent.example.com"),
        ("MESOS_DIRECTORY", DIRECTORY),
        ("MESOS_SANDBOX", DIRECTORY),
        ("MESOS_TASK_ID", "t"),
        ("PATH", DEFAULT_PATH),
        ("PWD", DIRECTORY),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(environment_of(&task, &[]), BTreeMap::from(expected));
}

#[test]
fn ports_of_the_resources_are_counted_in_their_order_and_the_role_is_told() {
    let all = environment_of(
        &with_ports(&[(31_005, 31_006), (31_000, 31_000), (31_005, 31_005)]),
        &[],
    );
    assert_eq!(all["PORT0"], "31005");
    assert_eq!(all["PORT1"], "31006");
    assert_eq!(all["PORT2"], "31000");
    assert_eq!(all["PORT"], "31005");
    assert_eq!(all["PORTS"], "31005,31006,31000");
    assert_eq!(all["MESOS_ALLOCATION_ROLE"], "web");
    assert!(!all.contains_key("PORT3"));
}

#[test]
fn ports_of_the_discovery_come_before_those_of_the_resources_and_have_names() {
    let task = task(|task| {
        task.data = Some("run".into());
        task.resources = vec![ports_resource(&[(31_000, 31_001)])];
        task.discovery = Some(DiscoveryInfo {
            ports: Some(Ports {
                ports: vec![named_port(31_001, "http"), named_port(31_000, "admin-api")],
            }),
            ..Default::default()
        });
    });
    let all = environment_of(&task, &[]);
    assert_eq!(all["PORTS"], "31001,31000");
    assert_eq!(all["PORT_HTTP"], "31001");
    assert_eq!(all["PORT_ADMIN_API"], "31000");
}

#[test]
fn a_framework_that_sets_a_variable_itself_is_not_overruled() {
    let inherited = [
        ("PORT0", "80"),
        ("HOST", "www"),
        ("PATH", "/opt/bin"),
        ("MESOS_ALLOCATION_ROLE", "r"),
        ("MESOS_FRAMEWORK_ID", "F"),
    ];
    let all = environment_of(&with_ports(&[(31_000, 31_001)]), &inherited);
    for (name, value) in inherited {
        assert_eq!(all[name], value, "{name}");
    }
    assert_eq!(all["PORT1"], "31001");
}

#[test]
fn what_is_one_tasks_own_comes_before_what_the_executor_was_started_with() {
    let task = task(|task| task.data = Some("run".into()));
    let of_executor = [
        ("MESOS_TASK_ID", "first"),
        ("MESOS_SANDBOX", "/mnt/mesos/sandbox"),
        ("PWD", "/mnt/mesos/sandbox"),
    ];
    let all = environment_of(&task, &of_executor);
    assert_eq!(all["MESOS_TASK_ID"], "t");
    assert_eq!(all["MESOS_SANDBOX"], DIRECTORY);
    assert_eq!(all["PWD"], DIRECTORY);
}

#[test]
fn the_tasks_own_command_has_the_last_word() {
    let member = task(|task| {
        let mut command = command("x");
        command.environment = Some(variables(&[("MESOS_SANDBOX", "/x"), ("PORT0", "1")]));
        task.command = Some(command);
        task.resources = vec![ports_resource(&[(31_000, 31_000)])];
    });
    let all = environment_of(&member, &[("PORT0", "2")]);
    assert_eq!(all["MESOS_SANDBOX"], "/x");
    assert_eq!(all["PORT0"], "1");
}

#[test]
fn a_range_of_all_ports_does_not_fill_the_environment() {
    let all = environment_of(&with_ports(&[(0, u64::MAX)]), &[]);
    assert_eq!(all["PORT0"], "1");
    assert_eq!(all["PORT255"], "256");
    assert!(!all.contains_key("PORT256"));
    let none = environment_of(&with_ports(&[(70_000, 80_000), (9, 8), (0, 0)]), &[]);
    assert!(!none.contains_key("PORT"), "{none:?}");
}
