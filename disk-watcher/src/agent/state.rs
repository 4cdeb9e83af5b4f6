//! What an agent answers to `GET_STATE` (Mesos: include/mesos/v1/agent/agent.proto, `Response.GetState`), as far as
//! disks go: whose executors there are, with which resources, and in which containers.
//!
//! Every field may be absent, and whatever is not known here is passed over: agents are of many versions.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mesos_proto::{resources, v1};
use serde::Deserialize;

use crate::inventory::{Framework, Known, KnownTask};
use crate::limits::{self, RunLimits};

/// All that an agent runs now. What has ended is in other lists of its answer, which are passed over.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    /// By the ids of framework and executor.
    executors: HashMap<(String, String), Known>,
}

impl State {
    /// The executor with these ids.
    pub(crate) fn executor(&self, framework_id: &str, executor_id: &str) -> Option<&Known> {
        // The map's own keys are owned, and so is what is looked for in it.
        self.executors
            .get(&(framework_id.to_owned(), executor_id.to_owned()))
    }

    /// All of them, with the ids of framework and executor.
    pub(crate) fn executors(&self) -> impl Iterator<Item = (&(String, String), &Known)> {
        self.executors.iter()
    }
}

/// Reads the body of the answer.
pub(super) fn parse(body: &[u8]) -> Result<State, serde_json::Error> {
    let reply: Reply = serde_json::from_slice(body)?;
    let GetState {
        get_tasks,
        get_executors,
        get_frameworks,
    } = reply.get_state;
    let frameworks: HashMap<String, Arc<Framework>> = get_frameworks
        .frameworks
        .into_iter()
        .map(|listed| {
            (
                listed.framework_info.id.value.clone(),
                Arc::new(listed.framework_info.into()),
            )
        })
        .collect();
    let mut tasks_of: HashMap<(String, String), Vec<RawTask>> = HashMap::new();
    for task in get_tasks
        .launched_tasks
        .into_iter()
        .chain(get_tasks.queued_tasks)
    {
        // The executor of a command task has the task's own id (Mesos: src/slave/slave.cpp, `getExecutorInfo`).
        let executor_id = task.executor_id.as_ref().unwrap_or(&task.task_id);
        let key = (task.framework_id.value.clone(), executor_id.value.clone());
        tasks_of.entry(key).or_default().push(task);
    }
    let mut executors = HashMap::new();
    for ExecutorListed {
        executor_info: info,
    } in get_executors.executors
    {
        let key = (info.framework_id.value, info.executor_id.value);
        let framework = frameworks.get(&key.0).cloned();
        let framework = framework.unwrap_or_else(|| Arc::new(Framework::of_id(&key.0)));
        let tasks = tasks_of.remove(&key).unwrap_or_default();
        executors.insert(key, executor(framework, info.labels, info.resources, tasks));
    }
    Ok(State { executors })
}

fn executor(
    framework: Arc<Framework>,
    labels: RawLabels,
    own: Vec<RawResource>,
    raw_tasks: Vec<RawTask>,
) -> Known {
    let own: Vec<v1::Resource> = own.into_iter().map(Into::into).collect();
    let mut volumes = limits::volumes(&own);
    let (mut shares, mut tasks) = (Vec::new(), BTreeMap::new());
    let (mut container_id, mut pid) = (None, None);
    for raw in raw_tasks {
        let resources: Vec<v1::Resource> = raw.resources.into_iter().map(Into::into).collect();
        shares.push((
            raw.task_id.value.clone(),
            resources::sandbox_disk(&resources),
        ));
        volumes.extend(limits::volumes(&resources));
        let mut task = KnownTask {
            labels: raw.labels.into(),
            ..KnownTask::default()
        };
        for status in raw
            .statuses
            .into_iter()
            .filter_map(|status| status.container_status)
        {
            let Some(id) = status.container_id else {
                continue;
            };
            let mut chain = id.chain();
            container_id = Some(chain.remove(0));
            if chain.is_empty() {
                pid = status.executor_pid.or(pid);
            } else {
                task.nested = chain;
                task.pid = status.executor_pid.or(task.pid);
            }
        }
        tasks.insert(raw.task_id.value, task);
    }
    volumes.sort_unstable();
    volumes.dedup();
    Known {
        framework,
        labels: labels.into(),
        limits: RunLimits::new(resources::sandbox_disk(&own), shares),
        volumes,
        tasks,
        container_id,
        pid,
    }
}

#[derive(Deserialize)]
struct Reply {
    get_state: GetState,
}

#[derive(Deserialize)]
struct GetState {
    #[serde(default)]
    get_tasks: GetTasks,
    get_executors: GetExecutors,
    #[serde(default)]
    get_frameworks: GetFrameworks,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GetTasks {
    queued_tasks: Vec<RawTask>,
    launched_tasks: Vec<RawTask>,
}

#[derive(Deserialize)]
struct GetExecutors {
    #[serde(default)]
    executors: Vec<ExecutorListed>,
}

#[derive(Default, Deserialize)]
struct GetFrameworks {
    #[serde(default)]
    frameworks: Vec<FrameworkListed>,
}

#[derive(Deserialize)]
struct ExecutorListed {
    executor_info: RawExecutor,
}

#[derive(Deserialize)]
struct RawExecutor {
    executor_id: Value,
    framework_id: Value,
    #[serde(default)]
    resources: Vec<RawResource>,
    #[serde(default)]
    labels: RawLabels,
}

#[derive(Deserialize)]
struct FrameworkListed {
    framework_info: RawFramework,
}

#[derive(Deserialize)]
struct RawFramework {
    id: Value,
    name: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    /// Of frameworks with one role, before they could have several.
    role: Option<String>,
    principal: Option<String>,
}

impl From<RawFramework> for Framework {
    fn from(raw: RawFramework) -> Self {
        let mut roles = raw.roles;
        if roles.is_empty() {
            roles.extend(raw.role);
        }
        Self {
            id: raw.id.value,
            name: raw.name,
            roles,
            principal: raw.principal,
        }
    }
}

#[derive(Deserialize)]
struct RawTask {
    task_id: Value,
    framework_id: Value,
    executor_id: Option<Value>,
    #[serde(default)]
    resources: Vec<RawResource>,
    #[serde(default)]
    statuses: Vec<RawStatus>,
    #[serde(default)]
    labels: RawLabels,
}

#[derive(Deserialize)]
struct RawStatus {
    container_status: Option<RawContainerStatus>,
}

#[derive(Deserialize)]
pub(super) struct RawContainerStatus {
    pub(super) container_id: Option<ContainerId>,
    pub(super) executor_pid: Option<u32>,
}

/// An id wrapped in a message of its own, as all are.
#[derive(Deserialize)]
struct Value {
    value: String,
}

/// serde_json ends at 128 levels, so that nesting is bounded.
#[derive(Deserialize)]
pub(super) struct ContainerId {
    value: String,
    parent: Option<Box<ContainerId>>,
}

impl ContainerId {
    /// From the outermost container on; never empty.
    pub(super) fn chain(self) -> Vec<String> {
        let mut chain = vec![self.value];
        let mut parent = self.parent;
        while let Some(container) = parent {
            chain.push(container.value);
            parent = container.parent;
        }
        chain.reverse();
        chain
    }
}

#[derive(Default, Deserialize)]
struct RawLabels {
    #[serde(default)]
    labels: Vec<RawLabel>,
}

#[derive(Deserialize)]
struct RawLabel {
    key: String,
    #[serde(default)]
    value: String,
}

impl From<RawLabels> for Vec<(String, String)> {
    fn from(raw: RawLabels) -> Self {
        let labels = raw.labels.into_iter();
        labels.map(|label| (label.key, label.value)).collect()
    }
}

#[derive(Deserialize)]
struct RawResource {
    name: String,
    scalar: Option<RawScalar>,
    /// In the format of before reservations could be refined.
    role: Option<String>,
    #[serde(default)]
    reservations: Vec<RawReservation>,
    disk: Option<RawDisk>,
}

#[derive(Deserialize)]
struct RawScalar {
    value: f64,
}

#[derive(Deserialize)]
struct RawReservation {
    role: Option<String>,
}

#[derive(Deserialize)]
struct RawDisk {
    persistence: Option<RawPersistence>,
    volume: Option<serde::de::IgnoredAny>,
    source: Option<RawSource>,
}

#[derive(Deserialize)]
struct RawPersistence {
    id: String,
}

#[derive(Deserialize)]
struct RawSource {
    r#type: String,
    id: Option<String>,
    path: Option<RawRoot>,
    mount: Option<RawRoot>,
}

#[derive(Deserialize)]
struct RawRoot {
    root: Option<String>,
}

impl From<RawResource> for v1::Resource {
    fn from(raw: RawResource) -> Self {
        use v1::resource::disk_info::{Persistence, Source, source};
        use v1::resource::{DiskInfo, ReservationInfo};
        let reservations = raw
            .reservations
            .into_iter()
            .map(|reservation| ReservationInfo {
                role: reservation.role,
                ..ReservationInfo::default()
            });
        let disk = raw.disk.map(|disk| DiskInfo {
            persistence: disk.persistence.map(|persistence| Persistence {
                id: persistence.id,
                ..Persistence::default()
            }),
            volume: disk.volume.map(|_| v1::Volume::default()),
            source: disk.source.map(|raw| Source {
                r#type: source::Type::from_str_name(&raw.r#type).unwrap_or(source::Type::Unknown)
                    as i32,
                id: raw.id,
                path: raw.path.map(|path| source::Path { root: path.root }),
                mount: raw.mount.map(|mount| source::Mount { root: mount.root }),
                ..Source::default()
            }),
        });
        Self {
            name: raw.name,
            // A disk is a scalar or nothing; what else there is does not matter here.
            r#type: v1::value::Type::Scalar as i32,
            scalar: raw.scalar.map(|scalar| v1::value::Scalar {
                value: scalar.value,
            }),
            role: raw.role,
            reservations: reservations.collect(),
            disk,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests;
