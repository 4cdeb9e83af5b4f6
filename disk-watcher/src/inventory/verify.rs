//! The last question before something is ended: is it still what it was?

use std::path::PathBuf;
use std::sync::Arc;

use disk_engine::FileId;
use mesos_proto::Bytes;
use mesos_proto::paths::RunPath;
use tokio::sync::Notify;

use super::known::Known;
use super::{Key, Listed, Process, Subject, volumes};
use crate::agent::Agent;
use crate::directory::Directory;
use crate::tasks::RunTasks;

/// Why a container must not be ended for a subject's sake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotStill {
    #[error("there is no agent to ask")]
    NoAgent,
    #[error("the agent cannot be asked: {why}")]
    Unknown { why: String },
    #[error("the agent does not list container {container}")]
    NotListed { container: String },
    #[error("{path:?} is another directory than the one that was measured, or none")]
    Replaced { path: PathBuf },
    #[error("container {container} has another first process than before")]
    OtherProcess { container: String },
    #[error("the limit of {path:?} is another than the one that was exceeded")]
    OtherLimit { path: PathBuf },
}

/// Asks the agent, and looks at directory and process. A copy asks the same agent.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    pub(super) work_dir: Arc<Directory>,
    pub(super) agent: Option<Agent>,
    /// Told when the agent has said something that the inventory does not know yet.
    pub(super) is_stale: Arc<Notify>,
}

impl Verifier {
    /// Asks the agent afresh whether it lists the container of `holder`, which is one of the subject's holders, and looks
    /// whether directory, first process and limit are those that `subject` has. A nested container is asked for itself.
    ///
    /// Between this and what is done next there is a moment: open a pidfd of [`Listed::process`] before, if the process
    /// itself is to be ended.
    ///
    /// # Errors
    /// When one of these is not so, or cannot be found out.
    pub(crate) async fn is_still(
        &self,
        subject: &Subject,
        holder: &RunPath,
    ) -> Result<Listed, NotStill> {
        let agent = self.agent.as_ref().ok_or(NotStill::NoAgent)?;
        let container = holder.container_id.to_string();
        let nested: Vec<String> = match &subject.key {
            Key::Nested(_, ids) => ids.iter().map(ToString::to_string).collect(),
            Key::Container(_) | Key::Task(..) | Key::Volume { .. } => Vec::new(),
        };
        let unknown = |error: crate::agent::AgentError| NotStill::Unknown {
            why: error.to_string(),
        };
        // First what is known of the disk, last what is done right before the end.
        let state = agent.state().await.map_err(unknown)?;
        let listed = agent
            .container(&container, &nested)
            .await
            .map_err(unknown)?;
        let not_listed = || NotStill::NotListed {
            container: container.clone(),
        };
        let listed = listed.ok_or_else(not_listed)?;
        let framework_id = holder.executor.framework_id.to_string();
        let executor_id = holder.executor.executor_id.to_string();
        if !listed.is_of(&framework_id, &executor_id) {
            return Err(not_listed());
        }
        let known = state
            .executor(&framework_id, &executor_id)
            .ok_or_else(not_listed)?;
        if limit_of(subject, known) != subject.limit {
            self.is_stale.notify_one();
            return Err(NotStill::OtherLimit {
                path: subject.path.clone(),
            });
        }
        let process = listed.pid.and_then(Process::of);
        // A volume's holders have each their own.
        let before = subject.listed.and_then(|listed| listed.process);
        if before.is_some() && before != process {
            self.is_stale.notify_one();
            return Err(NotStill::OtherProcess { container });
        }
        if !self.is_same_directory(subject) {
            return Err(NotStill::Replaced {
                path: subject.path.clone(),
            });
        }
        Ok(Listed { process })
    }

    fn is_same_directory(&self, subject: &Subject) -> bool {
        let below = subject.path.strip_prefix(self.work_dir.path());
        let found = match below {
            Ok(path) => self.work_dir.enter_all(path),
            // A volume on a disk of its own.
            Err(_) => Directory::open(&subject.path).map(Some),
        };
        let found = found.ok().flatten();
        found.is_some_and(|found| FileId::of(&found).is_ok_and(|id| id == subject.id))
    }
}

/// The limit of `subject`, now that this is known of its executor.
fn limit_of(subject: &Subject, known: &Known) -> Option<Bytes> {
    match &subject.key {
        Key::Container(_) => known.limits.container,
        // What the executor itself has published is not asked for again.
        Key::Task(..) => match &subject.task_id {
            Some(task_id) if known.limits.tasks.contains_key(task_id) => {
                let tasks = RunTasks::new(known.limits.clone(), None, 0.0);
                tasks.limit(task_id).or(subject.limit)
            }
            _ => subject.limit,
        },
        Key::Nested(..) => None,
        key @ Key::Volume { .. } => {
            let volume = known
                .volumes
                .iter()
                .find(|volume| volumes::key(volume) == *key);
            volume.and_then(|volume| volume.limit)
        }
    }
}
