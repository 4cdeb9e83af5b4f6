//! Running the hooks of tasks.
//!
//! A hook that runs beside its task is started by the task's own init, as the command of a check is. One that runs before
//! its task's program or after it has a sandbox of its own, made from the task's plan: the same user, files, cgroup and
//! limits. All that a hook started ends with it, and at its timeout. What it says is kept in part for messages, and is
//! copied to the task's standard output when it has ended: its standard error is where a status looks for the task's own last
//! words.

mod output;
mod run;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dialect::{Hook, Program};
use executor_core::{Event, Fault, Moment, Probed, StartFailure, TaskEvent, hook_failure};
use mesos_proto::v1::TaskId;
use sandbox::Command;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::Host;
use super::cancellation::Cancellation;
use super::launch::Belongings;
use super::workshop::Workshop;
use crate::driver::Wake;
use crate::probe::{Place, beside};
use output::say;

/// What is said after a hook's own words when something of it was ended for want of memory.
const OUT_OF_MEMORY: &str = "it broke its task's memory limit";

/// What a hook failed for that was not wanted any more.
const CALLED_OFF: &str = "it was called off";

/// What every hook needs.
#[derive(Clone)]
pub(super) struct Hooks {
    pub(super) wakes: UnboundedSender<Wake>,
}

/// One hook to run.
pub(crate) struct Job {
    pub(crate) task_id: TaskId,
    pub(crate) moment: Moment,
    pub(crate) hook: Hook,
    /// How long it may take.
    pub(crate) timeout: Duration,
}

/// What a program is to a sandbox.
pub(super) fn command(program: Program) -> Command {
    match program {
        Program::Shell(line) => Command::Shell(line),
        Program::Exec { file, argv } => Command::Exec { file, argv },
    }
}

impl Hooks {
    /// Runs the hook before the start of a task whose place is made. An error is why the task cannot be started.
    pub(super) async fn before_start(
        &self,
        workshop: &Arc<Workshop>,
        task_id: &TaskId,
        belongings: &Arc<Belongings>,
        cancelled: &Cancellation,
    ) -> Result<(), StartFailure> {
        let moment = Moment::BeforeStart;
        let hook = belongings.again.as_ref();
        let Some(hook) = hook.and_then(|again| moment.hook_of(&again.life)) else {
            return Ok(());
        };
        let job = Job {
            task_id: task_id.clone(),
            moment,
            hook: hook.clone(),
            timeout: hook.timeout,
        };
        let outcome = self
            .in_place(workshop, belongings, &job, cancelled.requested())
            .await;
        cancelled.check()?;
        let Some(failure) = hook_failure(moment, hook.timeout, &outcome) else {
            return Ok(());
        };
        // The kernel counts it as the task's own, and its next end would be taken for one of memory.
        if hook.must_succeed || belongings.broke_memory_limit() {
            return Err(StartFailure {
                fault: Fault::Task,
                message: failure,
            });
        }
        self.tell(task_id, moment, outcome);
        Ok(())
    }

    /// Runs a hook beside its task.
    pub(super) async fn beside(
        &self,
        place: Option<io::Result<Place>>,
        belongings: Option<Arc<Belongings>>,
        job: Job,
        called_off: impl Future<Output = ()>,
    ) {
        let looking = async {
            match place {
                Some(Ok(place)) => {
                    let (program, environment) = (&job.hook.program, &job.hook.environment);
                    beside(place, program, environment, Some(job.timeout)).await
                }
                Some(Err(error)) => error_of(format!("reach the task's sandbox: {error}")),
                None => error_of("the task has ended".to_owned()),
            }
        };
        let outcome = tokio::select! {
            outcome = looking => outcome,
            () = called_off => error_of(CALLED_OFF.to_owned()),
        };
        if let Some(belongings) = belongings {
            say(&belongings, job.moment, &outcome).await;
        }
        self.tell(&job.task_id, job.moment, outcome);
    }

    /// Runs a hook in the place of its task, of which nothing runs any more.
    pub(super) async fn after_stop(
        &self,
        workshop: &Arc<Workshop>,
        belongings: Option<Arc<Belongings>>,
        killing: Arc<AtomicBool>,
        job: Job,
        called_off: impl Future<Output = ()>,
    ) {
        let mut called_off = std::pin::pin!(called_off);
        // Whoever still kills the task's cgroup would kill the hook.
        let free = async {
            while killing.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let is_free = tokio::select! {
            () = free => true,
            () = &mut called_off => false,
        };
        let outcome = match belongings {
            Some(belongings) if is_free => {
                let run = self.in_place(workshop, &belongings, &job, called_off);
                run.await
            }
            Some(_) => error_of(CALLED_OFF.to_owned()),
            None => error_of("the task has ended".to_owned()),
        };
        self.tell(&job.task_id, job.moment, outcome);
    }

    fn tell(&self, task_id: &TaskId, moment: Moment, outcome: Probed) {
        let task_id = task_id.clone();
        let event = TaskEvent::Hooked { moment, outcome };
        // Whoever does not listen any more is on the way out.
        drop(self.wakes.send(Wake::Event(Event::Task { task_id, event })));
    }

    /// Runs a hook in a sandbox of its own in its task's place. When this is over nothing of it is left.
    async fn in_place(
        &self,
        workshop: &Arc<Workshop>,
        belongings: &Arc<Belongings>,
        job: &Job,
        called_off: impl Future<Output = ()>,
    ) -> Probed {
        let had_broken_it = belongings.broke_memory_limit();
        let outcome = self.run(workshop, belongings, job, called_off).await;
        let mut outcome = outcome.unwrap_or_else(|error| error_of(error.to_string()));
        if !had_broken_it && belongings.broke_memory_limit() {
            add_cause(&mut outcome);
        }
        say(belongings, job.moment, &outcome).await;
        outcome
    }
}

/// Says what the end of a hook alone does not tell: that the kernel took the memory back.
fn add_cause(outcome: &mut Probed) {
    let said = match outcome {
        Probed::Command { output, .. } | Probed::TimedOut { output } => output,
        Probed::Error { message } => message,
        // No command ends like these.
        Probed::Http { detail, .. } | Probed::Tcp { detail, .. } => detail,
    };
    if !said.is_empty() && !said.ends_with('\n') {
        said.push('\n');
    }
    said.push_str(OUT_OF_MEMORY);
}

fn error_of(message: String) -> Probed {
    Probed::Error { message }
}

impl Host {
    pub(super) fn hooks_of_tasks(&self) -> Hooks {
        Hooks {
            wakes: self.wakes.clone(),
        }
    }

    /// Runs a hook of a task, which is answered by one [`TaskEvent::Hooked`].
    pub(crate) fn hook(&mut self, job: Job) {
        // Those that are through need not be kept.
        while self.hooking.try_join_next().is_some() {}
        self.hooks.retain(|_, (_, end)| !end.is_closed());
        let (end, ended) = oneshot::channel::<()>();
        self.hooks
            .insert(job.task_id.value.clone(), (job.moment, end));
        let called_off = async move {
            // Nothing is ever sent.
            let _ = ended.await;
        };
        let (workshop, hooks) = (Arc::clone(&self.workshop), self.hooks_of_tasks());
        let running = self.tasks.get(&job.task_id.value);
        let belongings = running.map(|running| Arc::clone(&running.belongings));
        match job.moment {
            Moment::AfterStop => {
                let killing = running.map(|running| Arc::clone(&running.killing));
                let killing = killing.unwrap_or_default();
                self.hooking.spawn(async move {
                    hooks
                        .after_stop(&workshop, belongings, killing, job, called_off)
                        .await;
                });
            }
            Moment::BeforeStart | Moment::AfterStart | Moment::BeforeStop | Moment::Deregister => {
                let place = self.view(&job.task_id).map(|view| view.place);
                self.hooking.spawn(async move {
                    hooks.beside(place, belongings, job, called_off).await;
                });
            }
        }
    }

    /// Ends a hook, if it still runs, and whatever it started.
    pub(crate) fn cancel_hook(&mut self, task_id: &TaskId, moment: Moment) {
        if let Some((begun, _)) = self.hooks.get(&task_id.value)
            && *begun == moment
        {
            self.hooks.remove(&task_id.value);
        }
    }
}
