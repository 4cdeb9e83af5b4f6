//! What of a task is to be watched.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use dialect::PersistentVolume;
use disk_engine::{FileId, Limits};
use mesos_proto::Bytes;
use mesos_proto::v1::TaskId;
use tracing::warn;

use super::{Subject, VolumeQuota, What};
use crate::host::limits::TaskLimits;

/// The task's directory, and each of its volumes that it can fill. A volume that cannot be opened is told of in the log:
/// what the task needs of it, it will miss by itself.
///
/// # Errors
/// There is no further descriptor to be had.
pub(in crate::host) fn subjects(
    task_id: &TaskId,
    directory: &OwnedFd,
    limits: &TaskLimits,
    quotas: Vec<VolumeQuota>,
    open: impl Fn(&PersistentVolume) -> Result<OwnedFd, disk_engine::Error>,
) -> std::io::Result<Vec<Subject>> {
    let mut volumes = Vec::new();
    let mut exclude = Vec::new();
    for quota in quotas {
        let VolumeQuota {
            volume,
            limit,
            resources,
        } = quota;
        let opened = open(&volume).map_err(|error| error.to_string());
        let opened = opened.and_then(|root| {
            let id = FileId::of(root.as_fd()).map_err(|error| error.to_string())?;
            Ok((root, id))
        });
        let (root, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let (id, volume) = (&task_id.value, &volume.id);
                warn!("task '{id}': its volume '{volume}' is not watched: {error}");
                continue;
            }
        };
        exclude.push(file);
        let Some(limit) = limit else {
            continue;
        };
        volumes.push(Subject {
            root,
            exclude: Vec::new(),
            limits: Limits {
                hard: Some(limit.as_u64()),
                count_deleted: true,
                ..Limits::default()
            },
            what: Arc::new(What::Volume {
                id: volume.id,
                resources,
            }),
        });
    }
    let sandbox = Subject {
        root: directory.try_clone()?,
        exclude,
        limits: Limits {
            hard: limits.disk.map(Bytes::as_u64),
            soft: limits.of_disk.soft,
            inodes: limits.of_disk.inodes,
            count_deleted: true,
            in_kernel: limits.of_disk.in_kernel,
        },
        what: Arc::new(What::Sandbox {
            resources: limits.disk_resources.clone(),
        }),
    };
    Ok(std::iter::once(sandbox).chain(volumes).collect())
}
