//! Ending what breaks its limit: what to do is in [`decide`], the rest does it.
//!
//! Nothing is ended for what an account says alone: a walk has to find as much. Right before anything is ended the agent is asked again whether it lists the container, and the directory and the
//! container's first process are compared with those that were measured. A container is killed at once and not asked to
//! end: it could write on meanwhile, and under Mesos's posix launcher what is left of one whose first process was only
//! asked to end outlives it. Who wants time gives a grace, which comes before.

mod confirm;
pub(crate) mod decide;
mod executor;
mod note;
mod processes;

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Write;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use disk_engine::{Breach, Source};
use mesos_proto::paths::RunPath;
use terminal::escaped;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::agent::Agent;
use crate::directory::Directory;
use crate::events::How;
use crate::inventory::{Key, Listed, Subject};
use decide::Outcome;
use processes::Held;

pub(crate) use processes::Census;

/// How long an executor may take to end the task that it blames.
const TO_END: Duration = Duration::from_secs(10);
/// From question to question whether it has.
const POLL: Duration = Duration::from_millis(250);
const NO_PROCESS: &str = "the agent does not tell the container's first process";

/// What is to be ended, as it was measured.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) subject: Arc<Subject>,
    /// The sandbox of its container.
    pub(crate) sandbox: Arc<Directory>,
    pub(crate) breach: Breach,
    pub(crate) agent: Option<Agent>,
    /// Whether what a killed container leaves may be killed by its processes' numbers, too.
    pub(crate) may_kill_processes: bool,
    /// The reason is in the sandbox already.
    pub(crate) is_noted: bool,
}

/// What came of an order.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) outcome: Outcome,
    /// The reason is in the sandbox now.
    pub(crate) is_noted: bool,
    /// Why it is not, where it should be.
    pub(crate) trouble: Option<String>,
}

/// The reason in words, Mesos's own first.
pub(crate) fn message(subject: &Subject, breach: &Breach) -> String {
    match &subject.key {
        Key::Volume { persistence_id, .. } => breach.message_for_volume(persistence_id),
        Key::Container(_) | Key::Nested(..) | Key::Task(..) => breach.message(),
    }
}

/// Tries one way to end what breaks its limit. The container was just found to be `listed`.
pub(crate) async fn carry_out(how: How, listed: Listed, order: Order) -> Report {
    let message = message(&order.subject, &order.breach);
    let mut report = Report {
        outcome: Outcome::Done,
        is_noted: order.is_noted,
        trouble: None,
    };
    if matches!(how, How::Agent | How::Processes) && !order.is_noted {
        // Before the kill: after it the framework may look at once.
        let text = format!("{message}\n\nmesos-disk-watcher ends the container for this.\n");
        let sandbox = Arc::clone(&order.sandbox);
        let written = spawn_blocking(move || note::write(&*sandbox, &text)).await;
        match written {
            Ok(Ok(_)) => report.is_noted = true,
            Ok(Err(error)) => report.trouble = Some(with_causes(&error)),
            Err(error) => report.trouble = Some(with_causes(&error)),
        }
    }
    report.outcome = match how {
        // The kernel refuses on its own.
        How::Kernel => Outcome::Done,
        How::Executor => tell(listed, &order, &message).await,
        How::Agent => outcome(by_agent(listed, &order).await),
        How::Processes => outcome(by_processes(listed).await),
    };
    report
}

fn outcome(done: Result<(), String>) -> Outcome {
    match done {
        Ok(()) => Outcome::Done,
        Err(why) => Outcome::Failed { why },
    }
}

async fn tell(listed: Listed, order: &Order, message: &str) -> Outcome {
    let Some(first) = listed.process else {
        return outcome(Err(NO_PROCESS.to_owned()));
    };
    let before = match listed_tasks(order).await {
        Ok(tasks) => tasks,
        Err(why) => return outcome(Err(why)),
    };
    let (subject, breach) = (&order.subject, &order.breach);
    match executor::tell(&order.sandbox, first, subject, breach, message).await {
        Err(executor::TellError::NotOurs) => Outcome::NoWay,
        Err(error) => outcome(Err(with_causes(&error))),
        // Whoever answers may be lying: it had to be a task, and the agent has to see its end.
        Ok(task_id) if !before.contains(&task_id) => outcome(Err(format!(
            "who answered for the executor names task {:?}, which the agent does not list",
            escaped(task_id.as_ref())
        ))),
        Ok(task_id) => outcome(see_end(order, &task_id).await),
    }
}

/// Waits until the agent lists a task no longer.
async fn see_end(order: &Order, task_id: &String) -> Result<(), String> {
    let deadline = Instant::now() + TO_END;
    loop {
        match listed_tasks(order).await {
            Ok(tasks) if !tasks.contains(task_id) => return Ok(()),
            Err(why) if Instant::now() >= deadline => return Err(why),
            Ok(_) if Instant::now() >= deadline => {
                let task_id = escaped(task_id.as_ref());
                return Err(format!(
                    "the executor was told, and task {task_id:?} runs on"
                ));
            }
            Ok(_) | Err(_) => sleep(POLL).await,
        }
    }
}

/// The tasks that the container's executor runs, as the agent has it.
async fn listed_tasks(order: &Order) -> Result<HashSet<String>, String> {
    let agent = order.agent.as_ref().ok_or("there is no agent to ask")?;
    let run = run(order)?;
    let state = agent.state().await.map_err(|error| with_causes(&error))?;
    let framework_id = run.executor.framework_id.to_string();
    let executor = state.executor(&framework_id, &run.executor.executor_id.to_string());
    let tasks = executor.map(|executor| executor.limits.tasks.keys().cloned());
    Ok(tasks.into_iter().flatten().collect())
}

/// The run that is to be ended, or a task in it.
fn run(order: &Order) -> Result<&RunPath, String> {
    match (order.subject.key.run(), &order.subject.holders[..]) {
        (Some(run), _) | (None, [run]) => Ok(run),
        (None, _) => Err("several containers have it mounted".to_owned()),
    }
}

/// By the agent's API; what the container leaves of its processes is killed as well.
///
/// Mesos: `KILL_CONTAINER` and `KILL_NESTED_CONTAINER`, include/mesos/v1/agent/agent.proto. The first takes a container
/// of an executor, too: it kills its first process, on which the agent destroys the container.
async fn by_agent(listed: Listed, order: &Order) -> Result<(), String> {
    let agent = order.agent.as_ref().ok_or("there is no agent to ask")?;
    let run = run(order)?;
    let nested: &[_] = match &order.subject.key {
        Key::Nested(_, ids) => ids,
        _ => &[],
    };
    let mut container = serde_json::json!({ "value": run.container_id.to_string() });
    for id in nested {
        container = serde_json::json!({ "value": id.to_string(), "parent": container });
    }
    let (what, field) = if nested.is_empty() {
        ("KILL_CONTAINER", "kill_container")
    } else {
        ("KILL_NESTED_CONTAINER", "kill_nested_container")
    };
    let call =
        serde_json::json!({ "type": what, field: { "container_id": container, "signal": 9 } });
    let first = listed.process.filter(|_| order.may_kill_processes);
    let held = match first {
        Some(first) => spawn_blocking(move || Held::take(first).map(|held| (held, first)))
            .await
            .map_err(|error| with_causes(&error))?
            .map_err(|error| with_causes(&error))
            .map(Some)?,
        None => None,
    };
    let killed = agent.call(what, &call.to_string()).await;
    killed.map_err(|error| with_causes(&error))?;
    if let Some((held, first)) = held {
        // They are of a container that the agent has killed: what is gone is gone.
        let rest = spawn_blocking(move || held.kill(first)).await;
        let rest = rest.map_err(|error| with_causes(&error))?;
        rest.map_err(|error| with_causes(&error))?;
    }
    Ok(())
}

/// By the container's processes. The agent sees the first one end, and destroys the container.
async fn by_processes(listed: Listed) -> Result<(), String> {
    let first = listed.process.ok_or(NO_PROCESS)?;
    spawn_blocking(move || Held::take(first)?.kill(first))
        .await
        .map_err(|error| with_causes(&error))?
        .map_err(|error| with_causes(&error))
}

/// Finds out by a walk whether there is too much still, unless that is what is known already.
pub(crate) async fn confirm(order: &Order) -> Result<(), String> {
    let breach = &order.breach;
    if breach.sample.source == Source::Walk {
        return Ok(());
    }
    let subject = Arc::clone(&order.subject);
    let of = (breach.of, breach.limit);
    let first = subject.listed.and_then(|listed| listed.process);
    let first = first.filter(|_| breach.counts_deleted);
    let is_over = spawn_blocking(move || {
        let holders = first.map_or_else(Vec::new, |first| Census::default().of(first));
        confirm::is_over(subject.directory.as_fd(), &subject.exclude, of, holders)
    });
    match is_over.await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err("a walk finds no more in it than it may have".to_owned()),
        Ok(Err(error)) => Err(with_causes(&error)),
        Err(error) => Err(with_causes(&error)),
    }
}

/// An error and its causes, as a log has them.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
