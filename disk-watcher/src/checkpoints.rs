//! Limits as the agent's checkpoints tell them: `executor.info`, and of each task `task.info` and `task.updates`.
//!
//! Only frameworks that asked for checkpointing have them (Mesos: FrameworkInfo.checkpoint).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mesos_proto::checkpoint::{self, CheckpointError};
use mesos_proto::paths::{Id, RunPath};
use mesos_proto::{resources, v1};
use prost::Message;

use crate::directory::{Directory, DirectoryError};
use crate::inventory::{Framework, Known, KnownTask};
use crate::limits::{self, RunLimits};

/// Why a run's limits cannot be read, though there are checkpoints.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitsError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot decode {path:?}")]
    Decode {
        path: std::path::PathBuf,
        source: CheckpointError,
    },
}

/// A record of `task.updates` as far as it is needed here
/// (Mesos: `StatusUpdateRecord` and `StatusUpdate`, src/messages/messages.proto).
#[derive(Clone, PartialEq, Message)]
struct StatusUpdateRecord {
    /// Absent in the record of an acknowledgement.
    #[prost(message, optional, tag = "2")]
    update: Option<StatusUpdate>,
}

#[derive(Clone, PartialEq, Message)]
struct StatusUpdate {
    #[prost(message, optional, tag = "4")]
    status: Option<v1::TaskStatus>,
}

/// The limits of a run, from the checkpoints below `work_dir`; `None` if there are none, or if the run has ended.
///
/// # Errors
/// If a checkpoint is there and cannot be read or understood.
pub(crate) fn limits(
    work_dir: &Directory,
    run: &RunPath,
) -> Result<Option<RunLimits>, LimitsError> {
    Ok(known(work_dir, run)?.map(|known| known.limits))
}

/// Whether the agent has written down that the run is over.
///
/// # Errors
/// If that cannot be read.
pub(crate) fn has_ended_run(work_dir: &Directory, run: &RunPath) -> Result<bool, LimitsError> {
    Ok(read(work_dir, &run.sentinel())?.is_some())
}

/// All that the checkpoints below `work_dir` tell of a run; `None` if there are none, or if the run has ended.
///
/// # Errors
/// If a checkpoint is there and cannot be read or understood.
pub(crate) fn known(work_dir: &Directory, run: &RunPath) -> Result<Option<Known>, LimitsError> {
    let Some(info) = decode::<v1::ExecutorInfo>(work_dir, &run.executor.executor_info())? else {
        return Ok(None);
    };
    let checkpoint = run.executor.checkpointed_runs().join(&run.container_id);
    if work_dir.enter_all(checkpoint)?.is_none() || has_ended_run(work_dir, run)? {
        return Ok(None);
    }
    let mut volumes = limits::volumes(&info.resources);
    let (mut shares, mut tasks) = (Vec::new(), BTreeMap::new());
    if let Some(directory) = work_dir.enter_all(run.tasks())? {
        let names = directory.subdirectories(usize::MAX)?;
        for task_id in names.into_iter().filter_map(|name| Id::new(name).ok()) {
            let path = run.task_info(&task_id);
            let Some(info) = decode::<v1::Task>(work_dir, &path)? else {
                continue;
            };
            if has_ended(work_dir, &path.with_file_name("task.updates"))? {
                continue;
            }
            volumes.extend(limits::volumes(&info.resources));
            let id = info.task_id.value;
            shares.push((id.clone(), resources::sandbox_disk(&info.resources)));
            let task = KnownTask {
                labels: pairs(info.labels),
                ..KnownTask::default()
            };
            tasks.insert(id, task);
        }
    }
    volumes.sort_unstable();
    volumes.dedup();
    Ok(Some(Known {
        framework: Arc::new(framework(work_dir, run)?),
        labels: pairs(info.labels),
        limits: RunLimits::new(resources::sandbox_disk(&info.resources), shares),
        volumes,
        tasks,
        container_id: None,
        pid: None,
    }))
}

fn framework(work_dir: &Directory, run: &RunPath) -> Result<Framework, LimitsError> {
    let id = run.executor.framework_id.to_string();
    let Some(info) = decode::<v1::FrameworkInfo>(work_dir, &run.executor.framework_info())? else {
        return Ok(Framework::of_id(&id));
    };
    let mut roles = info.roles;
    if roles.is_empty() {
        roles.extend(info.role);
    }
    Ok(Framework {
        id,
        name: Some(info.name),
        roles,
        principal: info.principal,
    })
}

fn pairs(labels: Option<v1::Labels>) -> Vec<(String, String)> {
    let labels = labels.unwrap_or_default().labels.into_iter();
    labels
        .map(|label| (label.key, label.value.unwrap_or_default()))
        .collect()
}

fn decode<M: Message + Default>(
    work_dir: &Directory,
    path: &Path,
) -> Result<Option<M>, LimitsError> {
    let Some(content) = read(work_dir, path)? else {
        return Ok(None);
    };
    match checkpoint::decode(&content) {
        Ok(message) => Ok(Some(message)),
        Err(source) => Err(LimitsError::Decode {
            path: work_dir.path().join(path),
            source,
        }),
    }
}

/// The content of the file at `path` below `work_dir`; `None` if there is none.
fn read(work_dir: &Directory, path: &Path) -> Result<Option<Vec<u8>>, DirectoryError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    match work_dir.enter_all(parent)? {
        Some(directory) => directory.read(name),
        None => Ok(None),
    }
}

/// Whether the task with these updates has sent a terminal one: its resources are no longer part of the container's
/// from then on, but its checkpoint stays (Mesos: `Executor::allocatedResources`, src/slave/slave.cpp).
fn has_ended(work_dir: &Directory, updates: &Path) -> Result<bool, DirectoryError> {
    let Some(updates) = read(work_dir, updates)? else {
        return Ok(false);
    };
    Ok(records(&updates)
        .filter_map(|record| StatusUpdateRecord::decode(record).ok()?.update?.status)
        .any(|status| v1::TaskState::try_from(status.state).is_ok_and(v1::TaskState::is_terminal)))
}

/// The messages of a file that the agent appends to: each a 4-byte length in the machine's byte order and so many
/// bytes. The last may be half written.
fn records(mut file: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = file.split_first_chunk::<4>()?;
        let (record, rest) =
            rest.split_at_checked(usize::try_from(u32::from_ne_bytes(*length)).ok()?)?;
        file = rest;
        Some(record)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(state: v1::TaskState) -> Vec<u8> {
        let status = v1::TaskStatus {
            state: state as i32,
            ..v1::TaskStatus::default()
        };
        let message = StatusUpdateRecord {
            update: Some(StatusUpdate {
                status: Some(status),
            }),
        }
        .encode_to_vec();
        let mut file = u32::try_from(message.len()).unwrap().to_ne_bytes().to_vec();
        file.extend(message);
        file
    }

    fn ended(updates: &[u8]) -> bool {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("task")).unwrap();
        std::fs::write(dir.path().join("task/task.updates"), updates).unwrap();
        has_ended_below(dir.path())
    }

    fn has_ended_below(work_dir: &Path) -> bool {
        let work_dir = Directory::open(work_dir).unwrap();
        has_ended(&work_dir, Path::new("task/task.updates")).unwrap()
    }

    #[test]
    fn a_task_has_ended_once_a_terminal_update_is_recorded() {
        let running = record(v1::TaskState::TaskRunning);
        let finished = record(v1::TaskState::TaskFinished);
        assert!(!ended(&[]));
        assert!(!ended(&running));
        assert!(ended(&[running, finished].concat()));
    }

    #[test]
    fn a_record_half_written_when_the_agent_died_is_passed_over() {
        let mut updates = record(v1::TaskState::TaskRunning);
        let finished = record(v1::TaskState::TaskFinished);
        updates.extend(&finished[..finished.len() - 1]);
        assert!(!ended(&updates));
    }

    #[test]
    fn a_task_without_updates_runs() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("task")).unwrap();
        assert!(!has_ended_below(dir.path()));
    }
}
