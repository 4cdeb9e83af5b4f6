//! Volumes that a task asks for, by Mesos's own fields and by ours.

use dialect::{PersistentVolume, VolumeRoot, VolumeSource, VolumeWish};
use mesos_proto::TaskInfo;
use mesos_proto::v1::container_info::Type;
use mesos_proto::v1::resource::disk_info::{Persistence, Source as DiskSource, source};
use mesos_proto::v1::resource::{DiskInfo, ReservationInfo};
use mesos_proto::v1::volume::source as source_type;
use mesos_proto::v1::volume::source::sandbox_path as source_path;
use mesos_proto::v1::volume::{Mode, Source, source::HostPath, source::SandboxPath};
use mesos_proto::v1::{
    CapabilityInfo, ContainerInfo, Image, LinuxInfo, MountPropagation, NetworkInfo, Resource,
    Volume, value,
};

use crate::task::{command, contained, refusal, task, volume, wishes, with_sandbox};

#[test]
fn volumes_come_from_the_host_from_the_executors_sandbox_and_from_the_tasks_own() {
    let sandbox_path = |kind: source_path::Type, path: &str| Source {
        r#type: Some(source_type::Type::SandboxPath as i32),
        sandbox_path: Some(SandboxPath {
            r#type: Some(kind as i32),
            path: path.into(),
        }),
        ..Default::default()
    };
    let task = contained(|container| {
        container.volumes = vec![
            Volume {
                host_path: Some("/srv/old".into()),
                ..volume(Mode::Ro, "/old")
            },
            Volume {
                source: Some(Source {
                    r#type: Some(source_type::Type::HostPath as i32),
                    host_path: Some(HostPath {
                        path: "/srv/new".into(),
                        mount_propagation: Some(MountPropagation {
                            mode: Some(
                                mesos_proto::v1::mount_propagation::Mode::HostToContainer as i32,
                            ),
                        }),
                    }),
                    ..Default::default()
                }),
                ..volume(Mode::Rw, "new/")
            },
            Volume {
                source: Some(sandbox_path(source_path::Type::Parent, "shared")),
                ..volume(Mode::Rw, "theirs")
            },
            Volume {
                source: Some(sandbox_path(source_path::Type::Self_, "own")),
                ..volume(Mode::Rw, "/own")
            },
        ];
    });
    let wish = |source, target: &str, read_only| VolumeWish {
        source,
        target: target.into(),
        read_only,
    };
    let host = |path: &str, receives_mounts| VolumeSource::Host {
        path: path.into(),
        receives_mounts,
    };
    assert_eq!(
        wishes(&task).volumes,
        [
            wish(host("/srv/old", false), "/old", true),
            wish(host("/srv/new", true), "new", false),
            wish(
                VolumeSource::ExecutorSandbox("shared".into()),
                "theirs",
                false
            ),
            wish(VolumeSource::TaskSandbox("own".into()), "/own", false),
        ]
    );
}

#[test]
fn a_volume_in_data_is_written_as_mesos_writes_it() {
    let task = with_sandbox(
        r#"{"volumes":[
            {"mode":"RO","container_path":"/old","host_path":"/srv/old"},
            {"mode":"RW","container_path":"new","source":{"type":"HOST_PATH",
             "host_path":{"path":"/srv/new","mount_propagation":{"mode":"HOST_TO_CONTAINER"}}}},
            {"mode":"RW","container_path":"theirs",
             "source":{"type":"SANDBOX_PATH","sandbox_path":{"type":"PARENT","path":"shared"}}}]}"#,
    );
    let volumes = wishes(&task).volumes;
    assert_eq!(
        volumes[0].source,
        VolumeSource::Host {
            path: "/srv/old".into(),
            receives_mounts: false
        }
    );
    assert!(volumes[0].read_only);
    assert_eq!(
        volumes[1].source,
        VolumeSource::Host {
            path: "/srv/new".into(),
            receives_mounts: true
        }
    );
    assert_eq!(
        volumes[2].source,
        VolumeSource::ExecutorSandbox("shared".into())
    );
}

fn disk(change: impl FnOnce(&mut DiskInfo)) -> Resource {
    let mut disk = DiskInfo {
        persistence: Some(Persistence {
            id: "v1".into(),
            principal: None,
        }),
        volume: Some(volume(Mode::Rw, "data")),
        source: None,
    };
    change(&mut disk);
    Resource {
        name: "disk".into(),
        r#type: value::Type::Scalar as i32,
        disk: Some(disk),
        ..Default::default()
    }
}

fn with_resource(resource: Resource) -> TaskInfo {
    task(|task| {
        task.data = Some("run".into());
        task.resources = vec![resource];
    })
}

/// Mesos: src/slave/paths.cpp, `getPersistentVolumePath`.
#[test]
fn a_persistent_volume_is_one_of_the_tasks_volumes_with_all_that_its_place_is_derived_from() {
    let mount = |disk: &mut DiskInfo| {
        disk.source = Some(DiskSource {
            r#type: source::Type::Mount as i32,
            mount: Some(source::Mount {
                root: Some("/mnt/1".into()),
            }),
            ..Default::default()
        });
    };
    for (resource, root, role) in [
        (disk(|_| ()), VolumeRoot::WorkDirectory, "*"),
        (
            Resource {
                role: Some("old".into()),
                ..disk(|_| ())
            },
            VolumeRoot::WorkDirectory,
            "old",
        ),
        (
            Resource {
                reservations: vec![
                    ReservationInfo {
                        role: Some("a".into()),
                        ..Default::default()
                    },
                    ReservationInfo {
                        role: Some("a/b".into()),
                        ..Default::default()
                    },
                ],
                ..disk(mount)
            },
            VolumeRoot::Mount("/mnt/1".into()),
            "a/b",
        ),
    ] {
        assert_eq!(
            wishes(&with_resource(resource)).volumes,
            [VolumeWish {
                source: VolumeSource::Persistent(PersistentVolume {
                    container_path: "data".into(),
                    id: "v1".into(),
                    role: role.into(),
                    root,
                }),
                target: "data".into(),
                read_only: false,
            }]
        );
    }
}

#[test]
fn a_volume_that_cannot_be_had_is_refused_by_the_field() {
    let with = |volume: Volume| contained(|container| container.volumes = vec![volume]);
    let host = |path: &str, at: &str| Volume {
        host_path: Some(path.into()),
        ..volume(Mode::Rw, at)
    };
    for (volume, wanted) in [
        (volume(Mode::Rw, "a"), "source is missing"),
        (host("srv", "a"), "host_path must be an absolute path"),
        (
            host("/srv/../etc", "a"),
            "host_path must be an absolute path",
        ),
        (host("/srv", "../a"), "container_path must be a path"),
        (host("/srv", "/"), "container_path must be a path"),
        (host("/srv", "a/../../b"), "container_path must be a path"),
        (
            Volume {
                mode: 7,
                ..host("/srv", "a")
            },
            "mode must be RO or RW",
        ),
        (
            Volume {
                image: Some(Image::default()),
                ..volume(Mode::Rw, "a")
            },
            "image is not supported",
        ),
    ] {
        let text = refusal(&with(volume));
        let wanted = format!("TaskInfo.container.volumes[0].{wanted}");
        assert!(text.starts_with(&wanted), "{text}");
    }
    let twice = contained(|container| {
        container.volumes = vec![host("/srv", "/a"), host("/opt", "/a/")];
    });
    assert!(refusal(&twice).contains("is there twice"));
}

/// The agent has mounted its volumes and joined its networks, into the container that the executor is in.
#[test]
fn of_the_container_of_a_command_task_the_sandbox_takes_what_is_left_to_do() {
    let task = task(|task| {
        task.executor = None;
        task.command = Some(command("x"));
        task.container = Some(ContainerInfo {
            r#type: Type::Mesos as i32,
            volumes: vec![Volume {
                host_path: Some("/srv".into()),
                ..volume(Mode::Ro, "/data")
            }],
            network_infos: vec![NetworkInfo {
                name: Some("cni".into()),
                ..Default::default()
            }],
            linux_info: Some(LinuxInfo {
                share_pid_namespace: Some(true),
                effective_capabilities: Some(CapabilityInfo::default()),
                ..Default::default()
            }),
            ..Default::default()
        });
    });
    let asked = wishes(&task);
    assert_eq!(
        asked.volumes,
        [VolumeWish {
            source: VolumeSource::Agents("/data".into()),
            target: "/data".into(),
            read_only: true,
        }]
    );
    assert!(asked.capabilities.is_some());
}
