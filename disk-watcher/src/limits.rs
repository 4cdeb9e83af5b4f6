//! How much disk a container and its tasks may use.
//!
//! Mesos's `disk/du` isolator holds a container to the sum of the plain `disk` resources of its executor and of the
//! tasks that it runs (Mesos: src/slave/containerizer/mesos/isolators/posix/disk.cpp). Two sources tell them: the
//! agent's state, and the agent's checkpoints. What our executor tells beside them is in [`crate::tasks`].

use std::collections::HashMap;
use std::path::PathBuf;

use mesos_proto::Bytes;
use mesos_proto::v1::Resource;
use mesos_proto::v1::resource::disk_info::source::Type as SourceType;

/// The limits within one run of an executor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunLimits {
    /// Of the container as a whole; `None`: it has no disk resource, and therefore no limit.
    pub(crate) container: Option<Bytes>,
    /// The share of each task that runs, by task id.
    pub(crate) tasks: HashMap<String, Option<Bytes>>,
}

impl RunLimits {
    /// From amounts in MB, as resources have them, the executor's own first. Thousandths of the parts are summed as
    /// Mesos does it, so that the sum is what its isolator would compare with.
    pub(crate) fn new(
        executor: Option<f64>,
        tasks: impl IntoIterator<Item = (String, Option<f64>)>,
    ) -> Self {
        let mut total = executor;
        let mut shares = HashMap::new();
        for (task_id, disk) in tasks {
            total = match (total, disk) {
                (Some(total), Some(disk)) => Some(((total + disk) * 1000.0).round() / 1000.0),
                (total, disk) => total.or(disk),
            };
            shares.insert(task_id, disk.map(Bytes::from_megabytes));
        }
        Self {
            container: total.map(Bytes::from_megabytes),
            tasks: shares,
        }
    }

    /// The limit of one task; `None` if it has none or is not known.
    pub(crate) fn task(&self, task_id: &str) -> Option<Bytes> {
        self.tasks.get(task_id).copied().flatten()
    }
}

/// A persistent volume, and how much may be in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Volume {
    /// The role that it is reserved for; the innermost one.
    pub(crate) role: String,
    pub(crate) persistence_id: String,
    pub(crate) source: VolumeSource,
    /// `None`: it is a disk of its own, which cannot hold more than it has (Mesos holds it to no limit, either).
    pub(crate) limit: Option<Bytes>,
}

/// Which disk a volume is on. Relative paths are relative to the work directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum VolumeSource {
    /// The one that the work directory is on.
    WorkDir,
    /// One that volumes share, below this root.
    Path(PathBuf),
    /// A whole one, mounted here.
    Mount(PathBuf),
}

/// The persistent volumes among these resources (Mesos: `getPersistentVolumePath`, src/slave/paths.cpp). Those of CSI
/// plug-ins are left out: where they are is the plug-in's affair, and so is what they hold.
pub(crate) fn volumes(resources: &[Resource]) -> Vec<Volume> {
    resources.iter().filter_map(volume).collect()
}

fn volume(resource: &Resource) -> Option<Volume> {
    let disk = resource.disk.as_ref().filter(|_| resource.name == "disk")?;
    let persistence = disk.persistence.as_ref()?;
    let (source, limit) = match &disk.source {
        None => (VolumeSource::WorkDir, resource.scalar.as_ref()),
        Some(source) if source.id.is_some() => return None,
        Some(source) => match source.r#type() {
            SourceType::Path => {
                let root = source.path.as_ref()?.root.as_ref()?;
                (VolumeSource::Path(root.into()), resource.scalar.as_ref())
            }
            SourceType::Mount => {
                let root = source.mount.as_ref()?.root.as_ref()?;
                (VolumeSource::Mount(root.into()), None)
            }
            SourceType::Block | SourceType::Raw | SourceType::Unknown => return None,
        },
    };
    let innermost = resource.reservations.last();
    let role = innermost.and_then(|reservation| reservation.role.as_ref());
    Some(Volume {
        role: role.or(resource.role.as_ref())?.clone(),
        persistence_id: persistence.id.clone(),
        source,
        limit: limit.map(|scalar| Bytes::from_megabytes(scalar.value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_limit_is_the_sum_of_its_executors_disk_and_its_tasks() {
        let tasks = [
            ("a".to_owned(), Some(10.0)),
            ("b".to_owned(), Some(0.5)),
            ("c".to_owned(), None),
        ];
        let limits = RunLimits::new(Some(32.0), tasks);
        assert_eq!(
            limits.container,
            Some(Bytes::new(42 << 20)),
            "Mesos cuts fractions of a megabyte off"
        );
        assert_eq!(limits.task("a"), Some(Bytes::new(10 << 20)));
        assert_eq!(limits.task("c"), None);
        assert_eq!(limits.task("unheard of"), None);
    }

    #[test]
    fn without_any_disk_resource_there_is_no_limit() {
        assert_eq!(
            RunLimits::new(None, [("a".to_owned(), None)]).container,
            None
        );
        assert_eq!(
            RunLimits::new(None, [("a".to_owned(), Some(1.0))]).container,
            Some(Bytes::new(1 << 20))
        );
    }
}
