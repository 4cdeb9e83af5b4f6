//! The persistent volumes that a task can fill, and how much each may hold.
//!
//! Mesos: src/slave/containerizer/mesos/isolators/posix/disk.cpp, `update`. A volume has the size of its resource, and
//! what is in it is no part of the sandbox. A disk that is all of one volume (MOUNT) is as large as it is, and never
//! enforced. Beyond Mesos: a volume that a task can only read is not its fault.

use dialect::{CommandError, PersistentVolume, VolumeRoot, VolumeSource, VolumeWish};
use mesos_proto::Bytes;
use mesos_proto::v1::Resource;

/// One volume.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::host) struct VolumeQuota {
    pub(super) volume: PersistentVolume,
    /// None where the task cannot break it.
    pub(super) limit: Option<Bytes>,
    /// What it is a part of, for the status that reports its breach.
    pub(super) resources: Vec<Resource>,
}

/// The volumes among a task's own resources, and those of its executor that it shares by `wishes`.
///
/// # Errors
/// A volume makes no sense.
pub(in crate::host) fn of_volumes(
    own: &[Resource],
    executors: &[Resource],
    wishes: &[VolumeWish],
) -> Result<Vec<VolumeQuota>, CommandError> {
    let mut quotas = Vec::new();
    for resource in own {
        for wish in dialect::persistent_volumes(std::slice::from_ref(resource))? {
            add(&mut quotas, wish, resource);
        }
    }
    for resource in executors {
        for wish in dialect::persistent_volumes(std::slice::from_ref(resource))? {
            let reads = wishes.iter().filter(|other| is_in(&other.source, &wish));
            let read_only: Vec<bool> = reads.map(|other| other.read_only).collect();
            if !read_only.is_empty() {
                let read_only = wish.read_only || read_only.iter().all(|only| *only);
                add(&mut quotas, VolumeWish { read_only, ..wish }, resource);
            }
        }
    }
    Ok(quotas)
}

/// Whether what a task shares of its executor's sandbox is a volume of the executor's, or in it.
fn is_in(shared: &VolumeSource, volume: &VolumeWish) -> bool {
    let VolumeSource::ExecutorSandbox(path) = shared else {
        return false;
    };
    let rest = path.strip_prefix(&volume.target);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// One volume can come as several resources, of which it has the sum.
fn add(quotas: &mut Vec<VolumeQuota>, wish: VolumeWish, resource: &Resource) {
    let VolumeSource::Persistent(volume) = wish.source else {
        return;
    };
    let is_whole_disk = matches!(volume.root, VolumeRoot::Mount(_));
    let megabytes = resource.scalar.as_ref().map(|scalar| scalar.value);
    let limit = megabytes
        .filter(|_| !wish.read_only && !is_whole_disk)
        .map(Bytes::from_megabytes);
    let is_it = |quota: &&mut VolumeQuota| {
        let known = &quota.volume;
        (&known.id, &known.role, &known.root) == (&volume.id, &volume.role, &volume.root)
    };
    if let Some(quota) = quotas.iter_mut().find(is_it) {
        let sum = |(a, b): (Bytes, Bytes)| Bytes::new(a.as_u64().saturating_add(b.as_u64()));
        quota.limit = quota.limit.zip(limit).map(sum);
        quota.resources.push(resource.clone());
    } else {
        quotas.push(VolumeQuota {
            volume,
            limit,
            resources: vec![resource.clone()],
        });
    }
}

#[cfg(test)]
mod tests {
    use mesos_proto::v1::resource::DiskInfo;
    use mesos_proto::v1::resource::disk_info::source::{Mount, Type as SourceType};
    use mesos_proto::v1::resource::disk_info::{Persistence, Source};
    use mesos_proto::v1::value::{Scalar, Type};
    use mesos_proto::v1::volume::Mode;
    use mesos_proto::v1::{Volume, value};

    use super::*;

    fn disk(megabytes: f64, info: Option<DiskInfo>) -> Resource {
        Resource {
            name: "disk".into(),
            r#type: value::Type::Scalar.into(),
            scalar: Some(Scalar { value: megabytes }),
            disk: info,
            ..Default::default()
        }
    }

    fn volume(megabytes: f64, id: &str, change: impl FnOnce(&mut DiskInfo)) -> Resource {
        let mut info = DiskInfo {
            persistence: Some(Persistence {
                id: id.into(),
                principal: None,
            }),
            volume: Some(Volume {
                container_path: format!("at-{id}"),
                mode: Mode::Rw.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        change(&mut info);
        disk(megabytes, Some(info))
    }

    fn limits(quotas: &[VolumeQuota]) -> Vec<(&str, Option<u64>)> {
        let quotas = quotas.iter();
        quotas
            .map(|quota| {
                let limit = quota.limit.map(|bytes| bytes.as_u64() >> 20);
                (quota.volume.id.as_str(), limit)
            })
            .collect()
    }

    #[test]
    fn each_volume_has_the_size_of_its_resources_and_the_sandbox_is_none() {
        let resources = [
            disk(10.0, None),
            volume(20.0, "a", |_| ()),
            volume(5.0, "b", |_| ()),
            volume(2.0, "a", |_| ()),
        ];
        assert_eq!(Type::Scalar as i32, resources[0].r#type);
        let quotas = of_volumes(&resources, &[], &[]).unwrap();
        assert_eq!(limits(&quotas), [("a", Some(22)), ("b", Some(5))]);
        assert_eq!(
            quotas[0].resources,
            [resources[1].clone(), resources[3].clone()]
        );
    }

    #[test]
    fn a_disk_that_is_all_of_one_volume_and_one_that_is_only_read_are_not_enforced() {
        let mount = volume(1.0, "m", |info| {
            info.source = Some(Source {
                r#type: SourceType::Mount.into(),
                mount: Some(Mount {
                    root: Some("/mnt/m".into()),
                }),
                ..Default::default()
            });
        });
        let read = volume(1.0, "r", |info| {
            if let Some(volume) = &mut info.volume {
                volume.mode = Mode::Ro.into();
            }
        });
        let quotas = of_volumes(&[mount, read], &[], &[]).unwrap();
        assert_eq!(limits(&quotas), [("m", None), ("r", None)]);
    }

    #[test]
    fn a_volume_of_the_executor_is_that_of_each_task_that_can_write_to_it() {
        let executors = [volume(8.0, "shared", |_| ())];
        let with = |path: &str, read_only| {
            let wish = VolumeWish {
                source: VolumeSource::ExecutorSandbox(path.to_owned()),
                target: "here".to_owned(),
                read_only,
            };
            let quotas = of_volumes(&[], &executors, &[wish]).unwrap();
            quotas.first().map(|quota| quota.limit.is_some())
        };
        assert_eq!(with("at-shared", false), Some(true));
        assert_eq!(with("at-shared/deep", false), Some(true));
        assert_eq!(with("at-shared", true), Some(false));
        assert_eq!(with("at-shared-not", false), None);
        assert_eq!(with("other", false), None);
    }
}
