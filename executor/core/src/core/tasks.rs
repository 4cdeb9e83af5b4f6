//! From events to a task's machine, and from its effects to actions and updates.

use std::time::Duration;

use dialect::Request;
use mesos_proto::TaskInfo;
use mesos_proto::v1::{KillPolicy, TaskId, TaskState};

use super::Core;
use super::ending::Phase;
use crate::action::{Action, Note, Signal};
use crate::command_task::SECOND_TASK;
use crate::event::{Fault, StartFailure, TaskEvent};
use crate::journal::Record;
use crate::status::Report;
use crate::task::{Cause, Effect, Input, Over, Task, grace_of};
use crate::time::Now;

impl Core {
    pub(super) fn launch(&mut self, now: Now, info: TaskInfo) {
        if !self.is_new(&info.task_id) {
            return;
        }
        let task_id = info.task_id.clone();
        let is_first = self.take_on(&info);
        match self.admit(&info, is_first) {
            Err(over) => {
                let task = Task::never_started(&info);
                self.tasks.insert(task_id.value.clone(), task);
                self.carry_out(now, &task_id, Effect::Over(*over));
            }
            Ok(request) => {
                let task = Task::launching(&info, &request, None);
                self.tasks.insert(task_id.value.clone(), task);
                self.update(now, &task_id, Report::of(TaskState::TaskStarting));
                self.actions.push_back(Action::Launch {
                    task: Box::new(info),
                    request: Box::new(request),
                    held: false,
                });
            }
        }
    }

    /// Whether a LAUNCH is the first of its task. The agent repeats itself, or the framework reuses an id too early: one
    /// task, one answer.
    pub(super) fn is_new(&mut self, task_id: &TaskId) -> bool {
        let is_known = self.tasks.contains_key(&task_id.value);
        if is_known {
            self.ignore("LAUNCH", Some(task_id), "it was launched before");
        }
        !is_known
    }

    /// From here on the agent is owed a terminal update. Returns whether this is the executor's first task.
    pub(super) fn take_on(&mut self, info: &TaskInfo) -> bool {
        let is_first = !std::mem::replace(&mut self.ever_launched, true);
        self.finished.remove(&info.task_id.value);
        self.ledger.record_task(info.clone());
        self.record(Record::Task(Box::new(info.clone())));
        is_first
    }

    /// What a task asks for, or why it is over before it began.
    pub(super) fn admit(&mut self, info: &TaskInfo, is_first: bool) -> Result<Request, Box<Over>> {
        if self.killed_early.remove(&info.task_id.value).is_some() {
            return Err(Box::new(Over::Stopped(Cause::Killed)));
        }
        if let Phase::ShuttingDown { why, .. } = self.phase {
            return Err(Box::new(Over::Stopped(Cause::ShutDown(why))));
        }
        let not_started =
            |fault, message| Box::new(Over::NotStarted(StartFailure { fault, message }));
        let resolved = match &self.config.command_task {
            Some(_) if !is_first => {
                return Err(not_started(Fault::Task, SECOND_TASK.to_owned()));
            }
            Some(command_task) => dialect::resolve(&command_task.view(info), None, &[]),
            None => {
                let executor = self.executor.as_ref().or(info.executor.as_ref());
                dialect::resolve(info, executor, &self.config.arguments)
            }
        };
        resolved.map_err(|error| not_started(Fault::Framework, error.to_string()))
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
            TaskEvent::Prepared => Input::Prepared,
            TaskEvent::Probed { check, outcome } => Input::Probed(check, outcome),
            TaskEvent::Hooked { moment, outcome } => Input::Hooked(moment, outcome),
            TaskEvent::Started => Input::Started,
            TaskEvent::StartedWithout(lacks) => {
                if let Some(task) = self.tasks.get_mut(&task_id.value) {
                    task.lacks = Some(lacks);
                }
                Input::Started
            }
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

    pub(super) fn carry_out(&mut self, now: Now, task_id: &TaskId, effect: Effect) {
        let task_id = task_id.clone();
        match effect {
            Effect::Prepared => self.prepared(now, &task_id),
            Effect::Release => self.actions.push_back(Action::Release { task_id }),
            Effect::Health(message) => self.tell(now, &task_id, Report::health(message)),
            Effect::CheckStatus(message) => {
                self.tell(now, &task_id, Report::check_status(message));
            }
            Effect::Spared(message) => {
                self.actions
                    .push_back(Action::Note(Note::CheckFailed { task_id, message }));
            }
            Effect::Unhealthy(message) => {
                let Some(task) = self.tasks.get(&task_id.value) else {
                    return;
                };
                let input = Input::Kill(self.grace(task, None), Cause::Unhealthy(message));
                self.drive(now, &task_id.value, input);
            }
            Effect::Broken(message) => {
                let Some(task) = self.tasks.get(&task_id.value) else {
                    return;
                };
                let input = Input::Kill(self.grace(task, None), Cause::Hook(message));
                self.drive(now, &task_id.value, input);
            }
            Effect::Hook(moment, hook, timeout) => self.actions.push_back(Action::Hook {
                task_id,
                moment,
                hook,
                timeout,
            }),
            Effect::CancelHook(moment) => {
                self.actions
                    .push_back(Action::CancelHook { task_id, moment });
            }
            Effect::HookFailed(message) => {
                self.actions
                    .push_back(Action::Note(Note::HookFailed { task_id, message }));
            }
            Effect::Probe(look) => self.actions.push_back(Action::Probe {
                task_id,
                check: look.check,
                probe: look.probe,
                timeout: look.timeout,
            }),
            Effect::CancelProbe(check) => {
                self.actions
                    .push_back(Action::CancelProbe { task_id, check });
            }
            Effect::Running(message) => {
                let Some(task) = self.tasks.get(&task_id.value) else {
                    return;
                };
                let report = Report::running(message, task);
                // What the checks of an earlier run have found is not news any more.
                self.withheld.remove(&task_id.value);
                self.update(now, &task_id, report);
            }
            Effect::Killing if self.sends_killing => {
                self.update(now, &task_id, Report::of(TaskState::TaskKilling));
            }
            Effect::Killing => {}
            Effect::CancelLaunch => {
                self.cancelled_in_group(&task_id);
                self.actions.push_back(Action::CancelLaunch { task_id });
            }
            Effect::Terminate => self.actions.push_back(Action::Signal {
                task_id,
                signal: Signal::Terminate,
            }),
            Effect::StopSignal(signal) => self.actions.push_back(Action::Signal {
                task_id,
                signal: signal.into(),
            }),
            Effect::KillTree => self.actions.push_back(Action::KillTree { task_id }),
            Effect::CleanUp => self.actions.push_back(Action::CleanUp { task_id }),
            Effect::PutAside => self.actions.push_back(Action::PutAside { task_id }),
            Effect::WillRestart(after, how) => {
                let note = Note::WillRestart {
                    task_id,
                    after,
                    how,
                };
                self.actions.push_back(Action::Note(note));
            }
            Effect::Relaunch => self.actions.push_back(Action::Relaunch { task_id }),
            Effect::Overdue(what) => {
                self.actions
                    .push_back(Action::Note(Note::Overdue { task_id, what }));
            }
            Effect::Ignored(why) => self.ignore("news", Some(&task_id), why),
            Effect::Over(over) => {
                let Some(task) = self.tasks.get(&task_id.value) else {
                    return;
                };
                let report = Report::terminal(over, task);
                let state = report.state;
                self.update(now, &task_id, report);
                self.ended_in_group(now, &task_id, state);
            }
        }
    }

    /// From SIGTERM to SIGKILL: the call's policy before the task's, that before its options', and at last the default
    /// (Mesos: src/launcher/executor.cpp, `kill`).
    pub(super) fn grace(&self, task: &Task, policy: Option<&KillPolicy>) -> Duration {
        policy
            .and_then(grace_of)
            .or(task.grace)
            .unwrap_or(self.config.kill_grace_period)
    }
}
