//! From events to a task's machine, and from its effects to actions and updates.

use std::time::Duration;

use mesos_proto::TaskInfo;
use mesos_proto::v1::{KillPolicy, TaskId, TaskState};

use super::{Core, Phase};
use crate::action::{Action, Note, Signal};
use crate::command_task::SECOND_TASK;
use crate::event::{Fault, StartFailure, TaskEvent};
use crate::journal::Record;
use crate::status::Report;
use crate::task::{Effect, Input, Over, Task, grace_of};
use crate::time::Now;

impl Core {
    pub(super) fn launch(&mut self, now: Now, info: TaskInfo) {
        let task_id = info.task_id.clone();
        let id = task_id.value.clone();
        if self.tasks.contains_key(&id) {
            // The agent repeats itself, or the framework reuses an id too early: one task, one answer.
            self.ignore("LAUNCH", Some(&task_id), "it was launched before");
            return;
        }
        let is_second = std::mem::replace(&mut self.ever_launched, true);
        self.finished.remove(&id);
        self.ledger.record_task(info.clone());
        self.record(Record::Task(Box::new(info.clone())));
        let killed_early = self.killed_early.remove(&id).is_some();
        if killed_early || self.phase != Phase::Serving {
            self.tasks.insert(id, Task::never_started(&info));
            self.carry_out(now, &task_id, Effect::Over(Over::KilledBeforeStart));
            return;
        }
        let resolved = match &self.config.command_task {
            Some(_) if is_second => {
                self.tasks.insert(id, Task::never_started(&info));
                let failure = StartFailure {
                    fault: Fault::Task,
                    message: SECOND_TASK.to_owned(),
                };
                self.carry_out(now, &task_id, Effect::Over(Over::NotStarted(failure)));
                return;
            }
            Some(command_task) => dialect::resolve(&command_task.view(&info), None, &[]),
            None => {
                let executor = self.executor.as_ref().or(info.executor.as_ref());
                dialect::resolve(&info, executor, &self.config.arguments)
            }
        };
        match resolved {
            Err(error) => {
                self.tasks.insert(id, Task::never_started(&info));
                let failure = StartFailure {
                    fault: Fault::Framework,
                    message: error.to_string(),
                };
                self.carry_out(now, &task_id, Effect::Over(Over::NotStarted(failure)));
            }
            Ok(request) => {
                self.tasks.insert(id, Task::launching(&info));
                self.update(now, &task_id, Report::of(TaskState::TaskStarting));
                self.actions.push_back(Action::Launch {
                    task: Box::new(info),
                    request: Box::new(request),
                    held: false,
                });
            }
        }
    }

    pub(super) fn on_task(&mut self, now: Now, task_id: &TaskId, event: TaskEvent) {
        if !self.tasks.contains_key(&task_id.value) {
            // A clean-up that was overdue can end after the acknowledgement; nothing else outlives its task.
            if !matches!(event, TaskEvent::CleanedUp) {
                self.ignore("news", Some(task_id), "no such task is here");
            }
            return;
        }
        let input = match event {
            TaskEvent::Prepared | TaskEvent::Probed { .. } => return,
            TaskEvent::Started => Input::Started,
            TaskEvent::StartFailed(failure) => Input::StartFailed(failure),
            TaskEvent::Limited(limitation) => Input::Limited(limitation),
            TaskEvent::Ended(ended) => Input::Ended(ended),
            TaskEvent::CleanedUp => Input::CleanedUp,
        };
        self.drive(now, &task_id.value, input);
    }

    /// One input into one task's machine.
    pub(super) fn drive(&mut self, now: Now, id: &str, input: Input) {
        let clean_up = self.config.clean_up_timeout;
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let task_id = task.task_id.clone();
        for effect in task.on(input, now.at, clean_up) {
            self.carry_out(now, &task_id, effect);
        }
    }

    fn carry_out(&mut self, now: Now, task_id: &TaskId, effect: Effect) {
        let task_id = task_id.clone();
        match effect {
            Effect::Running => self.update(now, &task_id, Report::of(TaskState::TaskRunning)),
            Effect::Killing if self.sends_killing => {
                self.update(now, &task_id, Report::of(TaskState::TaskKilling));
            }
            Effect::Killing => {}
            Effect::CancelLaunch => self.actions.push_back(Action::CancelLaunch { task_id }),
            Effect::Terminate => self.actions.push_back(Action::Signal {
                task_id,
                signal: Signal::Terminate,
            }),
            Effect::KillTree => self.actions.push_back(Action::KillTree { task_id }),
            Effect::CleanUp => self.actions.push_back(Action::CleanUp { task_id }),
            Effect::Overdue(what) => {
                self.actions
                    .push_back(Action::Note(Note::Overdue { task_id, what }));
            }
            Effect::Ignored(why) => self.ignore("news", Some(&task_id), why),
            Effect::Over(over) => self.update(now, &task_id, Report::terminal(over)),
        }
    }

    /// From SIGTERM to SIGKILL: the call's policy before the task's before the default (Mesos:
    /// src/launcher/executor.cpp, `kill`).
    pub(super) fn grace(&self, task: &Task, policy: Option<&KillPolicy>) -> Duration {
        policy
            .and_then(grace_of)
            .or(task.grace)
            .unwrap_or(self.config.kill_grace_period)
    }
}
