//! A scheduler of our own, speaking the v1 scheduler API (Mesos: docs/scheduler-http-api.md).

mod call;
mod error;
mod framework;
mod subscription;
mod update;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mesos_proto::v1::offer::Operation;
use mesos_proto::v1::scheduler::Call;
use mesos_proto::v1::{
    ExecutorId, ExecutorInfo, FrameworkId, Offer, TaskId, TaskInfo, TaskInfoFields, TaskState,
    TaskStatus,
};
use tokio::task::JoinHandle;

use crate::RealMesos;
use crate::http::RUNTIME;
use crate::tasks::ExecutorBuilder;
pub use error::SchedulerError;
pub use framework::FrameworkOptions;
use subscription::{Shared, State};
pub use update::Update;

/// How long an offer, a subscription or an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An executor that has ended, the FAILURE event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutorFailure {
    /// The executor.
    pub executor: String,
    /// Its wait status as the agent gives it: 0 after a normal end, 9 when its container was destroyed.
    pub status: Option<i32>,
}

/// A subscribed framework.
///
/// Updates are acknowledged as they come and kept in the order of arrival. When the master goes away it subscribes again,
/// with the same framework id, until it succeeds. It wants offers only while it launches something, so that several
/// schedulers share a master. Dropping it tears the framework down, which ends its executors.
pub struct Scheduler {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Scheduler {
    /// Subscribes and waits until the master has given the framework its id.
    ///
    /// # Panics
    /// When the master does not.
    pub fn subscribe(mesos: &RealMesos, options: FrameworkOptions) -> Self {
        let shared = Arc::new(Shared::new(mesos.authority(), options.into()));
        let task = RUNTIME.spawn(subscription::run(Arc::clone(&shared)));
        let scheduler = Self { shared, task };
        if scheduler
            .wait(PATIENCE, |state| state.framework.id.is_some().then_some(()))
            .is_none()
        {
            panic!(
                "the master at {} did not take the framework",
                mesos.authority()
            );
        }
        scheduler
    }

    /// The framework's id.
    pub fn framework_id(&self) -> String {
        self.id().value
    }

    fn id(&self) -> FrameworkId {
        self.shared.lock().framework.id.clone().expect("subscribed")
    }

    /// How often it has subscribed: one more for each restart of the master.
    pub fn subscriptions(&self) -> usize {
        self.shared.lock().subscriptions
    }

    /// Launches tasks, all from one offer in one operation.
    ///
    /// # Errors
    /// When no offer comes that is large enough, or the master does not take the call. That the master or the agent refuses
    /// a task comes as an update.
    pub fn launch<T: Into<TaskInfoFields>>(
        &self,
        tasks: impl IntoIterator<Item = T>,
    ) -> Result<(), SchedulerError> {
        let tasks: Vec<TaskInfoFields> = tasks.into_iter().map(Into::into).collect();
        self.accept(&tasks, None, |offer, tasks| Operation {
            r#type: Some(mesos_proto::v1::offer::operation::Type::Launch.into()),
            launch: Some(mesos_proto::v1::offer::operation::Launch {
                task_infos: on_agent(offer, tasks),
            }),
            ..Operation::default()
        })
    }

    /// Launches a task group: the executor gets all the tasks or none.
    ///
    /// # Errors
    /// As [`Scheduler::launch`].
    pub fn launch_group<T: Into<TaskInfoFields>>(
        &self,
        executor: ExecutorBuilder,
        tasks: impl IntoIterator<Item = T>,
    ) -> Result<(), SchedulerError> {
        let tasks: Vec<TaskInfoFields> = tasks.into_iter().map(Into::into).collect();
        let executor = ExecutorInfo {
            framework_id: Some(self.id()),
            ..executor.into()
        };
        self.accept(&tasks, Some(&executor), |offer, tasks| Operation {
            r#type: Some(mesos_proto::v1::offer::operation::Type::LaunchGroup.into()),
            launch_group: Some(mesos_proto::v1::offer::operation::LaunchGroup {
                executor: executor.clone(),
                task_group: mesos_proto::v1::TaskGroupInfo {
                    tasks: on_agent(offer, tasks),
                },
            }),
            ..Operation::default()
        })
    }

    /// Asks for offers, takes the first that is large enough, and gives the others back.
    fn accept(
        &self,
        tasks: &[TaskInfoFields],
        executor: Option<&ExecutorInfo>,
        operation: impl Fn(&Offer, &[TaskInfoFields]) -> Operation,
    ) -> Result<(), SchedulerError> {
        self.shared.lock().wants_offers = true;
        self.call(call::revive())?;
        let taken = self.wait(PATIENCE, |state| {
            let index = state
                .offers
                .iter()
                .position(|offer| call::fits(offer, tasks, executor))?;
            let offer = state.offers.swap_remove(index);
            state.wants_offers = false;
            state.agent_id = Some(offer.agent_id.clone());
            Some((offer, std::mem::take(&mut state.offers)))
        });
        let Some((offer, others)) = taken else {
            self.shared.lock().wants_offers = false;
            return Err(SchedulerError::NoOffer { waited: PATIENCE });
        };
        let accept = call::accept(&offer, operation(&offer, tasks));
        self.shared.lock().accepted = self.shared.elapsed();
        self.call(accept)?;
        if !others.is_empty() {
            self.call(call::decline(&others))?;
        }
        self.call(call::suppress())
    }

    /// When the last launch's ACCEPT was sent, on the clock of [`Update::elapsed`].
    pub fn accepted(&self) -> Duration {
        self.shared.lock().accepted
    }

    /// Kills a task, with the grace period of this call when there is one.
    ///
    /// # Errors
    /// When the master does not take the call.
    pub fn kill(&self, task: &str, grace: Option<Duration>) -> Result<(), SchedulerError> {
        let agent_id = self.shared.lock().agent_id.clone();
        self.call(call::kill(task, agent_id, grace))
    }

    /// Sends a message to an executor, which may not arrive.
    ///
    /// # Errors
    /// When the master does not take the call.
    ///
    /// # Panics
    /// When nothing was launched before.
    pub fn message(&self, executor: &str, data: impl Into<Bytes>) -> Result<(), SchedulerError> {
        self.call(call::message(executor, self.agent_id(), data.into()))
    }

    /// Shuts an executor down with all its tasks.
    ///
    /// # Errors
    /// When the master does not take the call.
    ///
    /// # Panics
    /// When nothing was launched before.
    pub fn shutdown_executor(&self, executor: &str) -> Result<(), SchedulerError> {
        self.call(call::shutdown(executor, self.agent_id()))
    }

    fn agent_id(&self) -> mesos_proto::v1::AgentId {
        self.shared
            .lock()
            .agent_id
            .clone()
            .expect("something was launched before")
    }

    /// Asks for the state of these tasks, or of all when none is named. The answers are updates with
    /// REASON_RECONCILIATION.
    ///
    /// # Errors
    /// When the master does not take the call.
    pub fn reconcile(&self, tasks: &[&str]) -> Result<(), SchedulerError> {
        self.call(call::reconcile(tasks))
    }

    /// From now on keeps acknowledgements back: the agent sends each task's next update only after that of the last, and
    /// repeats the last from time to time.
    pub fn hold_acknowledgements(&self) {
        self.shared.lock().holds_acknowledgements = true;
    }

    /// Sends the acknowledgements that were kept back, and the later ones as the updates come.
    ///
    /// # Errors
    /// When the master does not take one.
    pub fn release_acknowledgements(&self) -> Result<(), SchedulerError> {
        let held = {
            let mut state = self.shared.lock();
            state.holds_acknowledgements = false;
            std::mem::take(&mut state.held)
        };
        held.iter()
            .filter_map(call::acknowledge)
            .try_for_each(|acknowledgement| self.call(acknowledgement))
    }

    /// Every update as it was received, repetitions too.
    pub fn updates(&self) -> Vec<Update> {
        self.shared.lock().updates.clone()
    }

    /// The updates of one task.
    pub fn updates_of(&self, task: &str) -> Vec<Update> {
        self.shared
            .lock()
            .updates
            .iter()
            .filter(|update| update.task == task)
            .cloned()
            .collect()
    }

    /// The states of one task in the order of arrival, repetitions too.
    pub fn states_of(&self, task: &str) -> Vec<TaskState> {
        self.updates_of(task)
            .into_iter()
            .map(|update| update.state)
            .collect()
    }

    /// The updates after the first `known`, as soon as there are any; none when the time is over.
    pub fn updates_after(&self, known: usize, timeout: Duration) -> Vec<Update> {
        self.wait(timeout, |state| {
            state
                .updates
                .get(known..)
                .filter(|new| !new.is_empty())
                .map(<[_]>::to_vec)
        })
        .unwrap_or_default()
    }

    /// Waits until a task is, or has been, in a state, and returns that update.
    ///
    /// # Errors
    /// When the time is over, or the task ended in another state, with everything that was received so far.
    pub fn wait_for(
        &self,
        task: &str,
        wanted: TaskState,
        timeout: Duration,
    ) -> Result<TaskStatus, SchedulerError> {
        let update = self.wait_for_update(task, wanted.as_str_name(), timeout, |state| {
            state == wanted || state.is_terminal()
        })?;
        if update.state == wanted {
            return Ok(update.status);
        }
        Err(SchedulerError::Ended {
            task: task.to_owned(),
            wanted: wanted.as_str_name(),
            got: update.state.as_str_name(),
            timeline: self.timeline(),
        })
    }

    /// Waits for a task's terminal update, whichever it is.
    ///
    /// # Errors
    /// When the time is over, with everything that was received so far.
    pub fn wait_for_end(
        &self,
        task: &str,
        timeout: Duration,
    ) -> Result<TaskStatus, SchedulerError> {
        self.wait_for_update(task, "a terminal state", timeout, TaskState::is_terminal)
            .map(|update| update.status)
    }

    fn wait_for_update(
        &self,
        task: &str,
        wanted: &str,
        timeout: Duration,
        is_it: impl Fn(TaskState) -> bool,
    ) -> Result<Update, SchedulerError> {
        self.wait(timeout, |state| {
            state
                .updates
                .iter()
                .find(|update| update.task == task && is_it(update.state))
                .cloned()
        })
        .ok_or_else(|| SchedulerError::TimedOut {
            task: task.to_owned(),
            wanted: wanted.to_owned(),
            waited: timeout,
            timeline: self.timeline(),
        })
    }

    /// Everything that was received, one line each, to be read by a person.
    pub fn timeline(&self) -> String {
        let state = self.shared.lock();
        let updates = state.updates.iter().map(|update| format!("\n  {update}"));
        let errors = state
            .errors
            .iter()
            .map(|error| format!("\n  error: {error}"));
        updates.chain(errors).collect()
    }

    /// The messages that executors have sent: the executor's id and the data.
    pub fn messages(&self) -> Vec<(String, Bytes)> {
        self.shared.lock().messages.clone()
    }

    /// The executors that have ended.
    pub fn executor_failures(&self) -> Vec<ExecutorFailure> {
        self.shared.lock().failures.clone()
    }

    /// What the master has said was wrong, the ERROR events.
    pub fn errors(&self) -> Vec<String> {
        self.shared.lock().errors.clone()
    }

    /// Ends the framework, and with it its executors and tasks. Nothing more is received.
    ///
    /// # Errors
    /// When the master does not take the call.
    pub fn teardown(&self) -> Result<(), SchedulerError> {
        self.shared.lock().is_over = true;
        self.call(call::teardown())
    }

    fn call(&self, call: Call) -> Result<(), SchedulerError> {
        RUNTIME.block_on(self.shared.send(call))
    }

    /// Looks at each change of the state until the answer is something, or the time is over.
    fn wait<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.shared.wait(state, left);
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // When the master is gone there is nothing to tear down, and after a panic all of Mesos goes.
        let is_over = self.shared.lock().is_over;
        if !std::thread::panicking() && !is_over && self.shared.is_subscribed() {
            let _ = self.teardown();
        }
        self.task.abort();
    }
}

fn on_agent(offer: &Offer, tasks: &[TaskInfoFields]) -> Vec<TaskInfo> {
    let placed = |task: &TaskInfoFields| TaskInfoFields {
        agent_id: offer.agent_id.clone(),
        ..task.clone()
    };
    tasks
        .iter()
        .map(|task| TaskInfo::from(placed(task)))
        .collect()
}

fn task_id(task: &str) -> TaskId {
    TaskId {
        value: task.to_owned(),
    }
}

fn executor_id(executor: &str) -> ExecutorId {
    ExecutorId {
        value: executor.to_owned(),
    }
}
