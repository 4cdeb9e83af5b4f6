//! What a task can ask of its limits beside its resources.

use dialect::{DeviceWish, DiskWishes, IoDeviceWish, IoWishes, LimitWishes};
use mesos_proto::TaskInfo;
use mesos_proto::v1::value::{Scalar, Type};
use mesos_proto::v1::{Resource, TaskInfoFields};

use crate::task::{labels, refusal, resolve, task, with_labels};

const LABEL: &str = "mesos-sandbox-executor.limits";

fn with_limits(json: &str, change: impl FnOnce(&mut TaskInfoFields)) -> TaskInfo {
    task(|task| {
        let data = format!(r#"{{"version":1,"command":{{"value":"x"}},"limits":{json}}}"#);
        task.data = Some(data.into());
        change(task);
    })
}

fn scalar(name: &str, value: f64) -> Resource {
    Resource {
        name: name.into(),
        r#type: Type::Scalar.into(),
        scalar: Some(Scalar { value }),
        ..Default::default()
    }
}

fn wishes(task: &TaskInfo) -> LimitWishes {
    resolve(task).unwrap().limits
}

#[test]
fn everything_can_be_said_in_data_and_as_a_label() {
    let json = r#"{"cpu_hard":1.5,"memory":"48MB","memory_soft":"32MB","swap":"16MB","cpuset":"0-1,7","pids":100,
        "oom_group":true,"io":{"weight":50,"devices":[{"device":"8:0","read_bytes":"10MB","write_operations":100}]},
        "devices":[{"path":"/dev/fuse","write":false}],"disk_soft":"8MB","inodes":1000,"disk_in_kernel":false}"#;
    let wanted = LimitWishes {
        cpu_hard_millis: Some(1500),
        memory: Some(48 << 20),
        memory_soft: Some(32 << 20),
        swap: Some(16 << 20),
        cpuset: Some("0-1,7".into()),
        io: IoWishes {
            weight: Some(50),
            devices: vec![IoDeviceWish {
                device: "8:0".into(),
                read_bytes: Some(10 << 20),
                write_bytes: None,
                read_operations: None,
                write_operations: Some(100),
            }],
        },
        oom_group: true,
        devices: vec![DeviceWish {
            path: "/dev/fuse".into(),
            read: true,
            write: false,
        }],
        pids: Some(100),
        disk: DiskWishes {
            soft: Some(8 << 20),
            inodes: Some(1000),
            in_kernel: false,
        },
    };
    assert_eq!(wishes(&with_limits(json, |_| ())), wanted);
    assert_eq!(wishes(&with_labels(&[(LABEL, json)])), wanted);
}

#[test]
fn a_limit_of_cpus_is_a_ceiling_and_counts_before_data_and_label() {
    let limited = |value: f64| {
        with_limits(r#"{"cpu_hard":1}"#, |task| {
            task.limits = [("cpus".to_owned(), Scalar { value })].into();
            task.labels = Some(labels(&[(LABEL, r#"{"cpu_hard":3}"#)]));
        })
    };
    assert_eq!(wishes(&limited(2.5)).cpu_hard_millis, Some(2500));
    assert_eq!(wishes(&limited(f64::INFINITY)).cpu_hard_millis, None);
    assert_eq!(
        wishes(&with_limits(r#"{"cpu_hard":1}"#, |_| ())).cpu_hard_millis,
        Some(1000)
    );
}

#[test]
fn a_limit_of_something_that_has_none_is_refused_by_its_name() {
    for (name, value, wanted) in [
        ("disk", 1.0, "TaskInfo.limits.disk is not supported"),
        ("cpus", f64::NAN, "TaskInfo.limits.cpus must be a number"),
        ("mem", -1.0, "TaskInfo.limits.mem must be a number"),
    ] {
        let task = with_limits("{}", |task| {
            task.limits = [(name.to_owned(), Scalar { value })].into();
        });
        assert!(refusal(&task).starts_with(wanted), "{}", refusal(&task));
    }
}

#[test]
fn nobody_gets_more_than_his_resources_give_of_what_others_would_lack() {
    let offered = |task: &mut TaskInfoFields| {
        task.resources = vec![scalar("mem", 32.0), scalar("pids", 10.0)];
    };
    for (json, key) in [
        (r#"{"memory":"33MB"}"#, "limits.memory"),
        (r#"{"memory_soft":"33MB"}"#, "limits.memory_soft"),
        (
            r#"{"memory":"8MB","memory_soft":"9MB"}"#,
            "limits.memory_soft",
        ),
        (r#"{"pids":11}"#, "limits.pids"),
    ] {
        let text = refusal(&with_limits(json, offered));
        assert!(
            text.starts_with(&format!("TaskInfo.data: {key} must be")),
            "{text}"
        );
    }
    let tighter = with_limits(r#"{"memory":"8MB","memory_soft":"8MB","pids":10}"#, offered);
    assert_eq!(wishes(&tighter).memory, Some(8 << 20));
    let above = with_limits(r#"{"memory":"48MB"}"#, |task| {
        offered(task);
        task.limits = [("mem".to_owned(), Scalar { value: 64.0 })].into();
    });
    assert_eq!(wishes(&above).memory, Some(48 << 20));
}

#[test]
fn a_warning_comes_before_the_quota_and_the_kernel_can_only_hold_one_that_is_there() {
    let offered = |task: &mut TaskInfoFields| task.resources = vec![scalar("disk", 10.0)];
    let in_kernel = with_limits(r#"{"disk_soft":"9MB","disk_in_kernel":true}"#, offered);
    assert_eq!(
        wishes(&in_kernel).disk,
        DiskWishes {
            soft: Some(9 << 20),
            inodes: None,
            in_kernel: true
        }
    );
    assert!(
        refusal(&with_limits(r#"{"disk_soft":"10MB"}"#, offered))
            .starts_with("TaskInfo.data: limits.disk_soft must be less than the disk")
    );
    assert!(
        refusal(&with_limits(r#"{"disk_in_kernel":true}"#, |_| ()))
            .starts_with("TaskInfo.data: limits.disk_in_kernel must be false where")
    );
    let alone = with_limits(r#"{"disk_soft":"1GB"}"#, |_| ());
    assert_eq!(wishes(&alone).disk.soft, Some(1 << 30));
}

#[test]
fn a_key_that_makes_no_sense_is_an_error_that_names_it() {
    for (json, wanted) in [
        (r#"{"cpus":1}"#, "limits.cpus is not a key"),
        (
            r#"{"cpu_hard":0}"#,
            "limits.cpu_hard must be a number of cpus",
        ),
        (
            r#"{"cpu_hard":1e9}"#,
            "limits.cpu_hard must be a number of cpus",
        ),
        (r#"{"memory":"0MB"}"#, "limits.memory must be a size"),
        (r#"{"swap":16}"#, "limits.swap must be a text"),
        (r#"{"pids":0}"#, "limits.pids must be at least 1"),
        (r#"{"cpuset":"2-1"}"#, "limits.cpuset must be a list"),
        (r#"{"cpuset":"+1"}"#, "limits.cpuset must be a list"),
        (r#"{"cpuset":""}"#, "limits.cpuset must be a list"),
        (r#"{"io":{"weight":0}}"#, "limits.io.weight must be from 1"),
        (r#"{"io":{"devices":[{}]}}"#, "devices[0].device is missing"),
        (
            r#"{"io":{"devices":[{"device":"sda"}]}}"#,
            "device must be a path below /dev",
        ),
        (
            r#"{"io":{"devices":[{"device":"8:0"},{"device":"8:0"}]}}"#,
            "devices[1].device is there twice",
        ),
        (
            r#"{"io":{"devices":[{"device":"8:0","read_operations":0}]}}"#,
            "read_operations must be at least 1",
        ),
        (
            r#"{"devices":[{"path":"/dev/../etc"}]}"#,
            "path must be a path below /dev",
        ),
        (
            r#"{"devices":[{"path":"/dev/kvm","read":false,"write":false}]}"#,
            "read must be true",
        ),
    ] {
        let text = refusal(&with_limits(json, |_| ()));
        assert!(text.contains(wanted), "{json}: {text}");
    }
}
