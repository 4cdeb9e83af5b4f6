//! From a task's resources to its limits, and from a broken limit to what a status says about it.

mod pressure;
mod wished;

use std::sync::Arc;
use std::time::Duration;

use cgroup::{Ceiling, Largest, Limits, MemoryStatistics};
use dialect::{DiskWishes, RlimitWish};
use executor_core::{LimitKind, Limitation};
use mesos_proto::v1::r_limit_info::r_limit::Type as RlimitType;
use mesos_proto::v1::value::{Scalar, Type};
use mesos_proto::v1::{Resource, TaskInfoFields};
use mesos_proto::{Bytes, resources};

pub(crate) use pressure::Pressure;

/// Processes and threads of a task that names no number of its own: enough for any server, too few for a fork bomb to
/// take the host down.
const DEFAULT_PIDS: u64 = 8192;

/// What a task may use.
#[derive(Clone, Debug)]
pub(crate) struct TaskLimits {
    pub(crate) cgroup: Limits,
    pub(crate) memory: Option<Bytes>,
    pub(crate) disk: Option<Bytes>,
    /// What is asked for of that beside it.
    pub(crate) of_disk: DiskWishes,
    pub(crate) of_process: ProcessLimits,
    /// What was seen of a shortage of memory.
    pub(crate) pressure: Arc<Pressure>,
    /// The resources that the disk limit comes from, for the status that reports its breach.
    pub(crate) disk_resources: Vec<Resource>,
}

/// Limits of each process that the task asks for, of those that end one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcessLimits {
    /// Cpu time until it is killed (RLIMIT_CPU, the hard one).
    pub(crate) cpu_time: Option<Duration>,
    /// The size of its files (RLIMIT_FSIZE).
    pub(crate) file_size: bool,
}

impl ProcessLimits {
    pub(crate) fn of(asked: &[RlimitWish]) -> Self {
        let hard = |kind| asked.iter().find(|limit| limit.kind == kind)?.hard;
        Self {
            cpu_time: hard(RlimitType::RlmtCpu).map(Duration::from_secs),
            file_size: hard(RlimitType::RlmtFsize).is_some(),
        }
    }
}

impl TaskLimits {
    /// From `TaskInfo.resources` and, where one is given, the higher hard limit in `TaskInfo.limits`. Processes and
    /// threads are limited by a custom scalar resource `pids` or by what the task asks for, whichever is less.
    pub(crate) fn of(task: &TaskInfoFields, process_limit: Option<u64>) -> Self {
        // A resource of nothing is no resource (Mesos: src/common/resources.cpp, `Resources::isEmpty`).
        let scalar = |name| resources::scalar(&task.resources, name).filter(|amount| *amount > 0.0);
        let memory = match task.limits.get("mem").map(|limit| limit.value) {
            // An infinite limit is none (Mesos: include/mesos/v1/mesos.proto, TaskInfo.limits).
            Some(megabytes) if megabytes.is_infinite() => None,
            Some(megabytes) => Some(bytes(megabytes)),
            None => scalar("mem").map(bytes),
        };
        let is_sandbox_disk = |resource: &&Resource| {
            let volume = resource.disk.as_ref().and_then(|disk| disk.volume.as_ref());
            resource.name == "disk" && volume.is_none()
        };
        Self {
            cgroup: Limits {
                memory: memory.map(Bytes::as_u64),
                pids: scalar("pids")
                    .map(|pids| pids.ceil() as u64)
                    .into_iter()
                    .chain(process_limit)
                    .min()
                    .or(Some(DEFAULT_PIDS)),
                ..Limits::of_cpus(scalar("cpus").unwrap_or_default())
            },
            memory,
            disk: resources::sandbox_disk(&task.resources)
                .filter(|megabytes| *megabytes > 0.0)
                .map(bytes),
            of_disk: DiskWishes::default(),
            of_process: ProcessLimits::default(),
            pressure: Arc::default(),
            disk_resources: task
                .resources
                .iter()
                .filter(is_sandbox_disk)
                .cloned()
                .collect(),
        }
    }

    /// The text and the amounts of Mesos's memory isolator
    /// (src/slave/containerizer/mesos/isolators/cgroups/subsystems/memory.cpp).
    pub(crate) fn memory_limitation(
        &self,
        found: &MemoryStatistics,
        largest: Option<&Largest>,
    ) -> Limitation {
        let limit = match found.limit {
            Ceiling::Bytes(bytes) => Bytes::new(bytes),
            Ceiling::Max => self.memory.unwrap_or(Bytes::new(found.max_usage)),
        };
        let most = Bytes::new(found.max_usage);
        let largest = largest.map_or(String::new(), |largest| {
            format!("\nThe largest process was {}\n", pressure::text(largest))
        });
        Limitation {
            kind: LimitKind::Memory,
            message: format!(
                "Memory limit exceeded: Requested: {limit} Maximum Used: {most}\n\nMEMORY STATISTICS: \n{}\n{largest}",
                found.stat
            ),
            resources: vec![Resource {
                name: "mem".to_owned(),
                r#type: Type::Scalar.into(),
                scalar: Some(Scalar {
                    value: (found.max_usage / (1 << 20)) as f64,
                }),
                ..Default::default()
            }],
        }
    }
}

/// Whole megabytes, as Mesos takes them, but for less than one: a limit of nothing would end every task at once.
fn bytes(megabytes: f64) -> Bytes {
    Bytes::from_megabytes(megabytes.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(name: &str, value: f64) -> Resource {
        Resource {
            name: name.into(),
            r#type: Type::Scalar.into(),
            scalar: Some(Scalar { value }),
            ..Default::default()
        }
    }

    fn limits(resources: &[(&str, f64)], mem: Option<f64>) -> TaskLimits {
        let limits = mem.map(|value| ("mem".to_owned(), Scalar { value }));
        let task = TaskInfoFields {
            resources: resources
                .iter()
                .map(|(name, value)| scalar(name, *value))
                .collect(),
            limits: limits.into_iter().collect(),
            ..Default::default()
        };
        TaskLimits::of(&task, None)
    }

    /// P-37: what a task may use comes with its LAUNCH, whatever the container has.
    #[test]
    fn resources_become_limits() {
        let limits = limits(
            &[("cpus", 0.5), ("mem", 64.0), ("disk", 10.0), ("pids", 20.0)],
            None,
        );
        assert_eq!(limits.cgroup.cpus, 0.5);
        assert_eq!(limits.cgroup.memory, Some(64 << 20));
        assert_eq!(limits.cgroup.pids, Some(20));
        assert_eq!(limits.disk, Some(Bytes::new(10 << 20)));
    }

    #[test]
    fn what_is_not_offered_is_not_limited_but_for_processes() {
        let limits = limits(&[], None);
        assert_eq!(limits.cgroup.memory, None);
        assert_eq!(limits.disk, None);
        assert_eq!(limits.cgroup.pids, Some(DEFAULT_PIDS));
    }

    #[test]
    fn a_resource_of_nothing_limits_nothing() {
        let limits = limits(&[("mem", 0.0), ("disk", 0.0), ("pids", 0.0)], None);
        assert_eq!(limits.cgroup.memory, None);
        assert_eq!(limits.disk, None);
        assert_eq!(limits.cgroup.pids, Some(DEFAULT_PIDS));
    }

    #[test]
    fn a_resource_of_less_than_one_limits_to_one() {
        let limits = limits(&[("mem", 0.1), ("disk", 0.001), ("pids", 0.5)], None);
        assert_eq!(limits.cgroup.memory, Some(1 << 20));
        assert_eq!(limits.disk, Some(Bytes::new(1 << 20)));
        assert_eq!(limits.cgroup.pids, Some(1));
    }

    #[test]
    fn a_task_may_ask_for_fewer_processes_than_it_is_offered_but_not_for_more() {
        let offered = TaskInfoFields {
            resources: vec![scalar("pids", 20.0)],
            ..Default::default()
        };
        let pids = |task: &_, asked| TaskLimits::of(task, asked).cgroup.pids;
        assert_eq!(pids(&offered, Some(10)), Some(10));
        assert_eq!(pids(&offered, Some(30)), Some(20));
        assert_eq!(pids(&TaskInfoFields::default(), Some(9999)), Some(9999));
    }

    #[test]
    fn a_limit_above_the_resource_counts_and_infinity_is_none() {
        assert_eq!(
            limits(&[("mem", 64.0)], Some(128.0)).cgroup.memory,
            Some(128 << 20)
        );
        assert_eq!(
            limits(&[("mem", 64.0)], Some(f64::INFINITY)).cgroup.memory,
            None
        );
    }

    #[test]
    fn a_broken_memory_limit_reads_as_mesos_writes_it() {
        let found = MemoryStatistics {
            limit: Ceiling::Bytes(96 << 20),
            max_usage: 96 << 20,
            stat: "cache 4096\nrss 540672\n".into(),
        };
        let limitation = limits(&[("mem", 96.0)], None).memory_limitation(&found, None);
        assert_eq!(
            limitation.message,
            "Memory limit exceeded: Requested: 96MB Maximum Used: 96MB\n\nMEMORY STATISTICS: \n\
             cache 4096\nrss 540672\n\n"
        );
        assert_eq!(limitation.resources, [scalar("mem", 96.0)]);
    }

    #[test]
    fn beyond_mesoss_words_the_largest_process_is_named() {
        let found = MemoryStatistics {
            limit: Ceiling::Bytes(96 << 20),
            max_usage: 96 << 20,
            stat: "cache 4096\n".into(),
        };
        let largest = Largest {
            name: "a\u{1b}[2J".into(),
            bytes: Some(90 << 20),
        };
        let limits = limits(&[("mem", 96.0)], None);
        let message = limits.memory_limitation(&found, Some(&largest)).message;
        assert_eq!(
            message,
            "Memory limit exceeded: Requested: 96MB Maximum Used: 96MB\n\nMEMORY STATISTICS: \n\
             cache 4096\n\n\nThe largest process was 'a\u{fffd}[2J' with 90MB\n"
        );
    }
}
