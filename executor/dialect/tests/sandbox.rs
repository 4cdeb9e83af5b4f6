//! What a task can ask of its sandbox, by Mesos's own fields and by ours.

use dialect::{CapabilityWishes, NetworkWish, RlimitWish, RootWish, SandboxWishes, SeccompWish};
use mesos_proto::TaskInfo;
use mesos_proto::v1::capability_info::Capability;
use mesos_proto::v1::container_info::{DockerInfo, MesosInfo, Type};
use mesos_proto::v1::linux_info::IpcMode;
use mesos_proto::v1::r_limit_info::{RLimit, r_limit::Type as RlimitType};
use mesos_proto::v1::volume::Mode;
use mesos_proto::v1::{
    CapabilityInfo, ContainerInfo, Image, LinuxInfo, NetworkInfo, RLimitInfo, SeccompInfo, TtyInfo,
    Volume,
};

use crate::task::{
    contained, labels, refusal, task, volume, wishes, with_data, with_labels, with_sandbox,
};

const LABEL: &str = "mesos-sandbox-executor.sandbox";

fn linux(change: impl FnOnce(&mut LinuxInfo)) -> TaskInfo {
    let mut linux = LinuxInfo::default();
    change(&mut linux);
    contained(|container| container.linux_info = Some(linux))
}

fn listed(capabilities: &[Capability]) -> Option<CapabilityInfo> {
    Some(CapabilityInfo {
        capabilities: capabilities.iter().map(|one| *one as i32).collect(),
    })
}

#[test]
fn a_task_that_says_nothing_asks_for_nothing() {
    assert_eq!(wishes(&with_data("run")), SandboxWishes::default());
    assert_eq!(wishes(&contained(|_| ())), SandboxWishes::default());
}

#[test]
fn capabilities_complete_each_other_as_mesoss_isolator_does_it() {
    use Capability::{Chown, NetRaw};
    for (info, bounding, effective) in [
        (
            LinuxInfo {
                effective_capabilities: listed(&[NetRaw]),
                ..Default::default()
            },
            vec![NetRaw],
            vec![NetRaw],
        ),
        (
            LinuxInfo {
                capability_info: listed(&[NetRaw]),
                bounding_capabilities: listed(&[NetRaw, Chown]),
                ..Default::default()
            },
            vec![NetRaw, Chown],
            vec![NetRaw],
        ),
        (
            LinuxInfo {
                bounding_capabilities: listed(&[Chown]),
                ..Default::default()
            },
            vec![Chown],
            vec![Chown],
        ),
        (
            LinuxInfo {
                effective_capabilities: listed(&[]),
                ..Default::default()
            },
            vec![],
            vec![],
        ),
    ] {
        let task = contained(|container| container.linux_info = Some(info));
        assert_eq!(
            wishes(&task).capabilities,
            Some(CapabilityWishes {
                bounding,
                ambient: effective.clone(),
                effective,
            })
        );
    }
}

#[test]
fn seccomp_shared_memory_limits_and_a_host_name_are_mesoss_own_fields() {
    let task = contained(|container| {
        container.hostname = Some("web-1".into());
        container.rlimit_info = Some(RLimitInfo {
            rlimits: vec![
                RLimit {
                    r#type: Some(RlimitType::RlmtNofile as i32),
                    hard: Some(20),
                    soft: Some(10),
                },
                RLimit {
                    r#type: Some(RlimitType::RlmtCore as i32),
                    ..Default::default()
                },
            ],
        });
        container.linux_info = Some(LinuxInfo {
            ipc_mode: Some(IpcMode::Private as i32),
            shm_size: Some(16),
            share_pid_namespace: Some(false),
            share_cgroups: Some(false),
            seccomp: Some(SeccompInfo {
                profile_name: Some("strict".into()),
                unconfined: None,
            }),
            ..Default::default()
        });
    });
    assert_eq!(
        wishes(&task),
        SandboxWishes {
            hostname: Some("web-1".into()),
            shm_size: Some(16 << 20),
            seccomp: Some(SeccompWish::Profile("strict".into())),
            rlimits: vec![
                RlimitWish {
                    kind: RlimitType::RlmtNofile,
                    hard: Some(20),
                    soft: Some(10),
                },
                RlimitWish {
                    kind: RlimitType::RlmtCore,
                    hard: None,
                    soft: None,
                },
            ],
            ..Default::default()
        }
    );
}

#[test]
fn everything_can_be_said_in_data_and_as_a_label() {
    let json = r#"{"network":"own","users":"mapped","hostname":"db","umask":"027","shm_size":"64MB",
        "oom_score":500,"root":{"directory":"/srv/debian"},"hidden":["/srv/secrets"],
        "capabilities":{"effective":["NET_RAW"],"bounding":["NET_RAW","CHOWN"],"ambient":[]},
        "seccomp":{"unconfined":true},"rlimits":[{"type":"RLMT_NOFILE","soft":1,"hard":2}]}"#;
    let wanted = SandboxWishes {
        root: Some(RootWish::Directory("/srv/debian".into())),
        volumes: vec![],
        hidden: vec!["/srv/secrets".into()],
        network: Some(NetworkWish::Own),
        users_mapped: true,
        hostname: Some("db".into()),
        shm_size: Some(64 << 20),
        capabilities: Some(CapabilityWishes {
            bounding: vec![Capability::NetRaw, Capability::Chown],
            effective: vec![Capability::NetRaw],
            ambient: vec![],
        }),
        seccomp: Some(SeccompWish::Unconfined),
        umask: Some(0o027),
        rlimits: vec![RlimitWish {
            kind: RlimitType::RlmtNofile,
            hard: Some(2),
            soft: Some(1),
        }],
        oom_score: Some(500),
    };
    assert_eq!(wishes(&with_sandbox(json)), wanted);
    assert_eq!(wishes(&with_labels(&[(LABEL, json)])), wanted);
}

#[test]
fn a_root_can_be_an_archive_and_a_network_somebody_elses() {
    let asked = wishes(&with_sandbox(
        r#"{"network":"/run/netns/blue","root":{"uri":{"value":"https://files.example.com/r.tar"}}}"#,
    ));
    assert_eq!(
        asked.network,
        Some(NetworkWish::Join("/run/netns/blue".into()))
    );
    let Some(RootWish::Archive(uri)) = asked.root else {
        panic!("{asked:?}");
    };
    assert_eq!(uri.value, "https://files.example.com/r.tar");
}

#[test]
fn mesoss_own_fields_count_before_data_and_data_before_a_label() {
    let task = task(|task| {
        let data = r#"{"version":1,"command":{"value":"x"},"sandbox":{"hostname":"data","umask":"077",
            "volumes":[{"mode":"RO","container_path":"/b","host_path":"/srv"}],
            "rlimits":[{"type":"RLMT_NOFILE","soft":1,"hard":1},{"type":"RLMT_CORE","soft":1,"hard":1}]}}"#;
        task.data = Some(data.into());
        task.labels = Some(labels(&[(LABEL, r#"{"hostname":"label","oom_score":1}"#)]));
        task.container = Some(ContainerInfo {
            r#type: Type::Mesos as i32,
            hostname: Some("mesos".into()),
            volumes: vec![Volume {
                host_path: Some("/srv".into()),
                ..volume(Mode::Ro, "/a")
            }],
            rlimit_info: Some(RLimitInfo {
                rlimits: vec![RLimit {
                    r#type: Some(RlimitType::RlmtNofile as i32),
                    hard: Some(9),
                    soft: Some(9),
                }],
            }),
            ..Default::default()
        });
    });
    let asked = wishes(&task);
    assert_eq!(asked.hostname.as_deref(), Some("mesos"));
    assert_eq!(asked.umask, Some(0o077));
    assert_eq!(asked.oom_score, None);
    let targets: Vec<&str> = asked
        .volumes
        .iter()
        .map(|one| one.target.as_str())
        .collect();
    assert_eq!(targets, ["/a", "/b"]);
    let limits: Vec<_> = asked
        .rlimits
        .iter()
        .map(|one| (one.kind, one.hard))
        .collect();
    assert_eq!(
        limits,
        [
            (RlimitType::RlmtNofile, Some(9)),
            (RlimitType::RlmtCore, Some(1))
        ]
    );
}

#[test]
fn what_a_sandbox_does_not_have_is_refused_by_its_name() {
    let refused = |task: TaskInfo, wanted: &str| {
        let text = refusal(&task);
        assert!(text.starts_with("TaskInfo.container."), "{text}");
        assert!(text.contains(wanted), "{text}");
    };
    let image = MesosInfo {
        image: Some(Image::default()),
    };
    refused(
        contained(|container| container.mesos = Some(image)),
        "mesos.image is not supported",
    );
    refused(
        contained(|container| container.docker = Some(DockerInfo::default())),
        "docker is not supported",
    );
    refused(
        contained(|container| container.tty_info = Some(TtyInfo::default())),
        "tty_info is not supported",
    );
    let network = NetworkInfo {
        name: Some("cni".into()),
        ..Default::default()
    };
    refused(
        contained(|container| container.network_infos = vec![network]),
        "network_infos is not supported",
    );
    refused(
        linux(|linux| linux.share_pid_namespace = Some(true)),
        "linux_info.share_pid_namespace is not supported",
    );
    refused(
        linux(|linux| linux.share_cgroups = Some(true)),
        "linux_info.share_cgroups is not supported",
    );
    refused(
        linux(|linux| linux.ipc_mode = Some(IpcMode::ShareParent as i32)),
        "linux_info.ipc_mode is not supported",
    );
    refused(
        linux(|linux| {
            linux.effective_capabilities = Some(CapabilityInfo {
                capabilities: vec![4711],
            });
        }),
        "linux_info.effective_capabilities.capabilities[0] must be a capability",
    );
    refused(
        linux(|linux| {
            linux.effective_capabilities = listed(&[Capability::NetRaw]);
            linux.bounding_capabilities = listed(&[]);
        }),
        "linux_info.effective_capabilities must be within",
    );
    refused(
        linux(|linux| linux.seccomp = Some(SeccompInfo::default())),
        "linux_info.seccomp.profile_name is missing",
    );
    let half = RLimit {
        r#type: Some(RlimitType::RlmtCpu as i32),
        hard: Some(1),
        soft: None,
    };
    refused(
        contained(|container| {
            container.rlimit_info = Some(RLimitInfo {
                rlimits: vec![half],
            });
        }),
        "rlimit_info.rlimits[0].soft is missing",
    );
}

#[test]
fn a_network_that_says_nothing_is_the_hosts() {
    let task = contained(|container| container.network_infos = vec![NetworkInfo::default()]);
    assert_eq!(wishes(&task), SandboxWishes::default());
}

#[test]
fn a_key_that_makes_no_sense_is_an_error_that_names_it() {
    for (json, wanted) in [
        (r#"{"netwrok":"own"}"#, "sandbox.netwrok is not a key"),
        (r#"{"network":"blue"}"#, "sandbox.network must be host, own"),
        (
            r#"{"users":"root"}"#,
            "sandbox.users must be host or mapped",
        ),
        (r#"{"umask":"9"}"#, "sandbox.umask must be octal digits"),
        (r#"{"umask":"1000"}"#, "sandbox.umask must be octal digits"),
        (r#"{"oom_score":1001}"#, "sandbox.oom_score must be from 0"),
        (r#"{"shm_size":"0MB"}"#, "sandbox.shm_size must be a size"),
        (
            r#"{"hidden":["etc"]}"#,
            "sandbox.hidden[0] must be an absolute",
        ),
        (r#"{"hostname":"a b"}"#, "sandbox.hostname must be a name"),
        (r#"{"root":{}}"#, "sandbox.root must be a 'directory'"),
        (
            r#"{"root":{"uri":{"value":""}}}"#,
            "sandbox.root.uri cannot be fetched",
        ),
        (
            r#"{"capabilities":{"effective":["ALL"]}}"#,
            "effective[0] must be a capability",
        ),
        (
            r#"{"capabilities":{"ambient":["NET_RAW"]}}"#,
            "effective is missing",
        ),
        (
            r#"{"seccomp":{"unconfined":true,"profile_name":"x"}}"#,
            "it is unconfined",
        ),
        (
            r#"{"rlimits":[{"type":"NOFILE"}]}"#,
            "rlimits[0].type must be a limit",
        ),
        (
            r#"{"volumes":[{"mode":"RW"}]}"#,
            "volumes[0].container_path is missing",
        ),
        (
            r#"{"volumes":[{"mode":"RW","container_path":"a","host_path":"/b","x":1}]}"#,
            "volumes[0].x is not a key",
        ),
    ] {
        let text = refusal(&with_sandbox(json));
        assert!(text.starts_with("TaskInfo.data: "), "{text}");
        assert!(text.contains(wanted), "{json}: {text}");
        let text = refusal(&with_labels(&[(LABEL, json)]));
        assert!(text.starts_with(&format!("the label '{LABEL}'")), "{text}");
    }
}
